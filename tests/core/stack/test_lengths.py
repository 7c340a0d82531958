"""Sequences of different lengths: padding has no influence, whatever stands in it, and each
sequence is on its own.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from conformance import CORE_NAMES
from hypothesis import given
from hypothesis import strategies as st
from stacks import Problem, draw, errors, native_results, oracle_results, stack_results

import lstmbench as lb
from examples import examples

LENGTHS = np.array([3, 6, 1, 5])


def _stack(name: str, params: lb.StackParams, dtype: str = "float64") -> lb.Stack:
    pytest.importorskip(name.partition(".")[0])
    return lb.load(name, params, dtype=dtype)


def _problem(num_layers: int = 2, proj_size: int = 0) -> Problem:
    params = lb.StackParams.init(3, 5, num_layers, bidirectional=True, proj_size=proj_size, seed=4)
    return replace(draw(6, 4, params, varied=False), lengths=LENGTHS)


def _poisoned(problem: Problem, value: float) -> Problem:
    outside = np.arange(6)[:, None] >= LENGTHS
    x, dy = problem.x.copy(), problem.dy.copy()
    x[outside], dy[outside] = value, value
    return replace(problem, x=x, dy=dy)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("proj_size", [0, 2])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", CORE_NAMES)
def test_whatever_stands_in_the_padding_never_leaks(name: str, dtype: str, proj_size: int) -> None:
    problem = _problem(proj_size=proj_size)
    stack, expected = _stack(name, problem.params, dtype), oracle_results(problem)
    outside = np.arange(6)[:, None] >= LENGTHS
    for value in (np.nan, np.inf, -np.inf, 1e30):
        ask = native_results if name.startswith("jax") else stack_results
        poisoned = ask(stack, _poisoned(problem, value))
        assert max(errors(poisoned, expected).values()) <= (
            1e-12 if dtype == "float64" else 1e-5
        ), value
        for key in ("y", "dx"):
            assert not poisoned[key][outside].any(), (key, value)


def test_padding_that_is_multiplied_away_would_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = _problem()
    stack = _stack("numpy.fused", problem.params)
    monkeypatch.setattr(
        type(stack.framework), "where_valid", lambda self, x, inside: x * inside[:, :, None]
    )
    assert (
        max(errors(stack_results(stack, _poisoned(problem, 7.0)), oracle_results(problem)).values())
        <= 1e-12
    )
    with np.errstate(all="ignore"):
        assert (
            max(
                errors(
                    stack_results(stack, _poisoned(problem, np.nan)), oracle_results(problem)
                ).values()
            )
            == np.inf
        )


@pytest.mark.parametrize("chunk_bytes", [1, 1 << 19])
@given(
    T=st.integers(1, 9),
    B=st.integers(1, 14),
    H=st.integers(1, 70),
    bidirectional=st.booleans(),
    seed=st.integers(0, 9),
)
@examples(25)
def test_compiled_steps_take_lengths_and_give_what_the_equations_do(
    T: int, B: int, H: int, bidirectional: bool, seed: int, chunk_bytes: int
) -> None:
    torch_fused = pytest.importorskip("lstmbench.variants.torch_fused")
    problem = draw(
        T, B, lb.StackParams.init(2, H, 2, bidirectional=bidirectional), varied=True, seed=seed
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            torch_fused, "CHUNK_BYTES", chunk_bytes
        )  # inference goes on in the middle of a sequence
        stack = _stack("torch.fused", problem.params, "float32")
        assert max(errors(stack_results(stack, problem), oracle_results(problem)).values()) <= 1e-5
        composed: Any = stack.implementation
        if not composed.takes_lengths:
            pytest.skip("there is no C++ compiler")
        assert not composed.masked_layers  # nothing was added to any input


@pytest.mark.parametrize(
    "name", [name for name in CORE_NAMES if name != "jax.fused"]
)  # it compiles for seconds
def test_a_sequence_in_a_batch_is_the_sequence_alone(name: str) -> None:
    problem = _problem()
    stack = _stack(name, problem.params)
    whole = stack_results(stack, problem)
    total = dict.fromkeys((key for key in whole if "." in key), 0.0)
    for row, length in enumerate(LENGTHS[:2] if name.startswith("jax") else LENGTHS):
        pairs = (problem.state, problem.dstate)
        state, dstate = (tuple(array[:, [row]] for array in pair) for pair in pairs)
        x, dy = problem.x[:length, [row]], problem.dy[:length, [row]]
        alone = stack_results(stack, Problem(problem.params, x, state, dy, dstate, None))
        for key in ("h", "c", "dh0", "dc0"):
            assert np.allclose(alone[key][:, 0], whole[key][:, row], rtol=1e-11, atol=1e-13), key
        for key in ("y", "dx"):
            assert np.allclose(
                alone[key][:, 0], whole[key][:length, row], rtol=1e-11, atol=1e-13
            ), key
        total = {key: total[key] + alone[key] for key in total}
    if not name.startswith("jax"):
        assert all(np.allclose(total[key], whole[key], rtol=1e-10, atol=1e-12) for key in total)


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
@pytest.mark.parametrize("name", CORE_NAMES)
def test_the_cell_is_held_to_the_bit_however_long_the_padding(name: str, dtype: str) -> None:
    if dtype == "bfloat16" and name.startswith("numpy"):
        pytest.skip("NumPy has no bfloat16")
    if name == "torch.nn":
        pytest.skip("has no padding of ours")
    params = lb.StackParams.init(3, 5, seed=1)
    x = np.random.default_rng(0).normal(size=(400, 2, 3))
    x[:, 1] *= 1e3  # saturated gates on the way
    state = (np.zeros((1, 2, 5)), np.full((1, 2, 5), 3.0))
    stack = _stack(name, params, dtype)
    _, (_, c) = stack.forward(x, state, lengths=[400, 2])
    _, (_, alone) = stack.forward(x[:2], state, lengths=[1, 2])
    assert np.array_equal(c[0, 1], alone[0, 1])


@pytest.mark.parametrize("name", CORE_NAMES)
def test_lengths_of_any_whole_kind_are_taken_and_full_ones_are_none(name: str) -> None:
    problem = _problem(num_layers=1)
    stack = _stack(name, problem.params)
    expected = stack.forward(problem.x, problem.state, LENGTHS)[0]
    for lengths in (
        LENGTHS.tolist(),
        tuple(LENGTHS),
        LENGTHS.astype("i1"),
        LENGTHS.astype("u8"),
        LENGTHS.astype(">i4"),
    ):
        assert np.array_equal(stack.forward(problem.x, problem.state, lengths)[0], expected)
    full = stack.forward(problem.x, problem.state, [6] * 4)[0]
    assert np.allclose(full, stack.forward(problem.x, problem.state)[0], rtol=1e-13)


@pytest.mark.parametrize("name", CORE_NAMES)
def test_native_calls_touch_nothing_and_return_what_is_new(name: str) -> None:
    problem = _problem()
    stack: Any = _stack(name, problem.params)
    framework = stack.framework
    arrays = (problem.x, *problem.state, problem.dy, *problem.dstate)
    with framework.scope():
        given = [framework.from_numpy(array) for array in arrays]
        before, lengths = [framework.to_numpy(array) for array in given], LENGTHS.copy()
        outputs, gradients = stack.implementation.forward_backward(*given, lengths)
        kept = [framework.to_numpy(array) for array in (*outputs, *gradients[0], *gradients[1:])]
        stack.implementation.forward_backward(*(2 * array for array in given), lengths[::-1])
        again = [framework.to_numpy(array) for array in (*outputs, *gradients[0], *gradients[1:])]
        assert all(
            np.array_equal(framework.to_numpy(a), b) for a, b in zip(given, before, strict=True)
        )
        assert all(np.array_equal(a, b) for a, b in zip(again, kept, strict=True))
    assert np.array_equal(lengths, LENGTHS)
