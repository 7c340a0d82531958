"""Every implementation computes the LSTM, in every dtype that it claims, on every device that it
sees.
"""

import warnings
from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np
import pytest
from conformance import CORE_NAMES, Problem, cases, check, draw, expected_results, results
from hypothesis import example, given
from hypothesis import strategies as st

import lstmbench as lb
from examples import examples
from lstmbench.core.tolerance import TOLERANCE, relative_error

Shape = tuple[int, int, int, int]

# T, B, I, H from short tables, since XLA compiles each shape anew: of one, also its halves, and a
# single step
WIDE = ((4, 3, 9, 8), (1, 3, 9, 8), (2, 2, 8, 8), (4, 1, 8, 12))
LONG = (40, 9, 17, 33)  # and wider than a vector register, and odd
STABLE = (
    1,
    7,
    8,
    10,
    11,
)  # seeds where in NARROW no gradient is what is left of numbers that cancel
NARROW = ((1, 1, 1, 1), (2, 1, 1, 1), (1, 3, 5, 2), (7, 1, 2, 6), (6, 4, 6, 3))


@pytest.mark.parametrize(("name", "dtype", "device"), cases(many_shapes=True))
@examples(10)
@given(shape=st.sampled_from(WIDE), seed=st.integers(0, 2**32))
@example(shape=(4, 1, 8, 12), seed=0).via("B=1, I != H")
@example(shape=LONG, seed=3).via("long")
def test_it_is_the_lstm(name: str, dtype: str, device: str, shape: Shape, seed: int) -> None:
    check(name, dtype, device, draw(*shape, seed))


# Not in two bytes: where a gradient is a handful of numbers, they can cancel and leave mostly their
# rounding
@pytest.mark.parametrize(("name", "dtype", "device"), cases("float64", "float32", many_shapes=True))
@examples(10)
@given(shape=st.sampled_from(NARROW), seed=st.integers(0, 2**32))
@example(shape=(1, 1, 1, 1), seed=0).via("everything is 1")
def test_it_is_the_lstm_in_the_smallest_sizes(
    name: str, dtype: str, device: str, shape: Shape, seed: int
) -> None:
    if dtype == "float32":
        seed = STABLE[seed % len(STABLE)]
    check(name, dtype, device, draw(*shape, seed))


PROBLEM = draw(4, 3, 3, 4)


@cache
def loaded(name: str, dtype: str, device: str) -> lb.LSTM:
    """Return an implementation with the weights of PROBLEM: loaded and compiled once for all
    checks.
    """
    return lb.load(name, PROBLEM.params, device=device, dtype=dtype)


@pytest.mark.parametrize(("name", "dtype", "device"), cases())
def test_saturated_gates_are_exact_and_quiet(name: str, dtype: str, device: str) -> None:
    weights = PROBLEM.params
    bias = 1e4 * np.sign(weights.bias)
    params = lb.LSTMParams(weights.weight_ih, weights.weight_hh, bias)
    problem = replace(PROBLEM, params=params)
    lstm = lb.load(name, params, device=device, dtype=dtype)
    results(
        lstm, problem
    )  # its compiler may warn of things that have nothing to do with the numbers
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = results(lstm, problem)
    wanted = expected_results(problem)
    for key, array in found.items():
        assert relative_error(array, wanted[key]) <= TOLERANCE[dtype], key


CLOSED = tuple(product([-5.0, -10.0, -16.0, -40.0, -100.0], range(4)))
"""What z of which gate: each in a unit of its own, so that one program is compiled for all."""


def of_unit(key: str, array: np.ndarray, unit: int) -> np.ndarray:
    """Return the part of a result that belongs to one unit; the gradient of x belongs to all."""
    if key in ("weight_ih", "weight_hh", "bias"):
        return array.reshape(4, len(CLOSED), -1)[:, unit]
    return array if key == "x" else array[..., unit]


# Absolute, not relative to a gate that is itself next to nothing: a sigmoid may be written with a
# tanh
@pytest.mark.parametrize(("name", "dtype", "device"), cases())
def test_gates_that_are_all_but_closed_let_through_next_to_nothing(
    name: str, dtype: str, device: str
) -> None:
    problem = draw(4, 3, 3, len(CLOSED))
    bias = problem.params.bias.reshape(4, -1).copy()
    for unit, (z, gate) in enumerate(CLOSED):
        bias[gate, unit] = z
    params = lb.LSTMParams(problem.params.weight_ih, problem.params.weight_hh, bias.ravel())
    closed = replace(problem, params=params)
    found = results(lb.load(name, params, device=device, dtype=dtype), closed)
    wanted = expected_results(closed)
    for key, (unit, case) in product(found, enumerate(CLOSED)):
        actual, right = (of_unit(key, each[key], unit) for each in (found, wanted))
        scale = max(1.0, np.linalg.norm(right))
        assert np.linalg.norm(actual - right) <= TOLERANCE[dtype] * scale, (key, *case)


@pytest.mark.parametrize(("name", "dtype", "device"), cases())
def test_huge_inputs_saturate_without_nan_or_warning(name: str, dtype: str, device: str) -> None:
    problem, lstm = replace(PROBLEM, x=1e4 * np.sign(PROBLEM.x)), loaded(name, dtype, device)
    if name == "torch.compile":
        results(
            lstm, problem
        )  # its compiler may warn of things that have nothing to do with the numbers
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = results(lstm, problem)
    assert all(np.isfinite(array).all() for array in found.values())
    assert np.abs(found["y"]).max() <= 1


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # 0 * inf, as it should
@pytest.mark.parametrize(("name", "dtype", "device"), cases())
def test_an_infinity_goes_where_the_equations_say(name: str, dtype: str, device: str) -> None:
    problem, lstm = PROBLEM, loaded(name, dtype, device)
    for place, value in product(["x", "h0", "c0"], [np.inf, -np.inf]):
        x, h0, c0 = (array.copy() for array in problem.inputs)
        {"x": x[2], "h0": h0, "c0": c0}[place][1, 0] = value
        infinite = replace(problem, x=x, state=(h0, c0))
        found, wanted = results(lstm, infinite), expected_results(infinite)
        for key, array in found.items():
            assert np.array_equal(np.isnan(array), np.isnan(wanted[key])), (key, place, value)
            assert np.array_equal(np.isinf(array), np.isinf(wanted[key])), (key, place, value)


@pytest.mark.parametrize(("name", "dtype", "device"), cases())
def test_denormal_inputs_count_as_next_to_nothing(name: str, dtype: str, device: str) -> None:
    tiny = {"float64": 1e-310, "float32": 1e-40, "bfloat16": 1e-40, "float16": 1e-7}[dtype]
    problem = replace(PROBLEM, x=tiny * PROBLEM.x)
    found = results(loaded(name, dtype, device), problem)
    wanted = expected_results(problem)
    assert np.abs(found.pop("weight_ih", 0)).max() <= 1e3 * tiny  # flushed to zero, or not
    for key, array in found.items():
        assert relative_error(array, wanted[key]) <= TOLERANCE[dtype], key


FORMS = {
    "list": lambda x: x.tolist(),
    "float16": lambda x: x.astype(np.float16),
    "int8": lambda x: x.astype(np.int8),
    "uint64": lambda x: x.astype(np.uint64),
    "bool": lambda x: x > 0,
    "longdouble": lambda x: x.astype(np.longdouble),
    "bytes swapped": lambda x: x.astype(">f8"),
    "Fortran": np.asfortranarray,
    "strided": lambda x: np.repeat(x, 2, axis=0)[::2],
    "reversed": lambda x: np.flip(np.flip(x).copy()),
}


@pytest.mark.parametrize(("name", "dtype", "device"), cases("float32"))
def test_numbers_of_any_kind_and_layout_are_taken(name: str, dtype: str, device: str) -> None:
    problem, lstm = PROBLEM, loaded(name, dtype, device)
    for kind, form in FORMS.items():
        arrays = [form(np.abs(np.round(4 * array))) for array in problem.all_inputs]
        plain = [np.array(np.asarray(array), dtype=np.float64, order="C") for array in arrays]
        given, same = (
            Problem(problem.params, x, (h0, c0), dy, (dh, dc))
            for x, h0, c0, dy, dh, dc in (arrays, plain)
        )
        wanted = expected_results(same)
        for key, array in results(lstm, given).items():
            assert relative_error(array, wanted[key]) <= TOLERANCE[dtype], (key, kind)


@pytest.mark.parametrize(("name", "dtype", "device"), cases("float32"))
def test_results_belong_to_the_caller(name: str, dtype: str, device: str) -> None:
    problem, lstm = PROBLEM, loaded(name, dtype, device)
    first = results(lstm, problem)
    for array in first.values():
        assert array.flags.writeable
        array[...] = 7
    again = results(lstm, problem)
    wanted = expected_results(problem)
    for key, array in again.items():
        assert relative_error(array, wanted[key]) <= TOLERANCE[dtype], key
    kept = {key: array.copy() for key, array in again.items()}
    results(lstm, replace(problem, x=-problem.x))
    for key, array in again.items():
        assert np.array_equal(array, kept[key]), key


def test_the_seven_implementations_are_among_the_cases() -> None:
    assert set(CORE_NAMES) <= {case.values[0] for case in cases()}
