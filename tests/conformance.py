"""The one check that every implementation passes, and every mutant fails: is this the LSTM, and
does it behave?

``check`` raises ``NotTheLSTM``, which says what went wrong. Nothing in it knows which
implementation it looks at.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import lstmbench as lb
from lstmbench.core import oracle
from lstmbench.core.registry import unsupported_reason
from lstmbench.core.tolerance import TOLERANCE, relative_error

Array = NDArray[Any]
GRADIENTS = tuple(field.name for field in fields(lb.Gradients))
OUTPUTS = ("y", "h", "c")

CORE_NAMES = (
    "numpy.reference", "numpy.fused", "torch.loop", "torch.fused", "torch.nn",
    "jax.scan", "jax.fused",
)  # fmt: skip
"""The implementations that every suite of the package measures."""
KERAS = {"torch": "keras.lstm", "jax": "keras.jax"}
"""By the backend that KERAS_BACKEND names, torch unless told: Keras has one in a process, and so
one of these runs.
"""
LOSES_NAN = ("onnxruntime.lstm",)
"""What makes numbers of NaN. It is known, and test_peers.py asserts it."""


class NotTheLSTM(AssertionError):
    """An implementation does not conform."""


@dataclass(frozen=True)
class Problem:
    """Weights and everything that goes in, in float64; nothing of it is zero."""

    params: lb.LSTMParams
    x: Array  # (T, B, I)
    state: tuple[Array, Array]  # (B, H) each
    dy: Array  # (T, B, H)
    dstate: tuple[Array, Array]  # (B, H) each

    @property
    def inputs(self) -> tuple[Array, Array, Array]:
        return self.x, *self.state

    @property
    def all_inputs(self) -> tuple[Array, ...]:
        return *self.inputs, self.dy, *self.dstate


def draw(T: int, B: int, I: int, H: int, seed: int = 0) -> Problem:  # noqa: E741 - the letters of the equations
    random = np.random.default_rng([seed, T, B, I, H])
    params = lb.LSTMParams.init(I, H, seed=int(random.integers(2**31)))
    arrays = [
        random.normal(size=shape)
        for shape in ((T, B, I), (B, H), (B, H), (T, B, H), (B, H), (B, H))
    ]
    x, h0, c0, dy, dh, dc = arrays
    return Problem(params, x, (h0, c0), dy, (dh, dc))


def expected_results(problem: Problem) -> dict[str, Array]:
    """Return y, h, c and the six gradients, by name, straight from the equations in float64."""
    weights = oracle.split_weights(problem.params)
    steps = oracle.forward(weights, *problem.inputs)
    gradients = oracle.backward(weights, steps, problem.state[1], problem.dy, *problem.dstate)
    outputs = (np.stack([step.h for step in steps]), steps[-1].h, steps[-1].c)
    return dict(zip((*OUTPUTS, *GRADIENTS), (*outputs, *gradients), strict=True))


def results(lstm: lb.LSTM, problem: Problem) -> dict[str, Array]:
    """Return what ``expected_results`` returns, computed by the implementation."""
    y, (h, c) = lstm.forward(problem.x, problem.state)
    actual = dict(zip(OUTPUTS, (y, h, c), strict=True))
    if "training" in lstm.modes:
        gradients = lstm.backward(problem.x, problem.dy, problem.state, problem.dstate)
        actual |= dict(zip(GRADIENTS, gradients, strict=True))
    return actual


def require(condition: bool, lstm: lb.LSTM, fault: str) -> None:
    if not condition:
        raise NotTheLSTM(f"{lstm.name} in {lstm.framework.dtype}: {fault}")


def compare(lstm: lb.LSTM, actual: dict[str, Array], wanted: dict[str, Array], where: str) -> None:
    for name, array in actual.items():
        error, limit = relative_error(array, wanted[name]), TOLERANCE[lstm.framework.dtype]
        require(
            error <= limit,
            lstm,
            f"{name} is wrong {where}: relative error {error:.1e}, allowed {limit:.0e}",
        )


def agrees_with_the_oracle(lstm: lb.LSTM, problem: Problem) -> None:
    actual = results(lstm, problem)
    compare(lstm, actual, expected_results(problem), "against the oracle")
    dtype = (
        "float64" if lstm.framework.dtype == "float64" else "float32"
    )  # what has two bytes comes as float32
    for name, array in actual.items():
        require(array.dtype == dtype, lstm, f"{name} has dtype {array.dtype}")


def a_second_input_gets_its_own_answer(lstm: lb.LSTM, problem: Problem) -> None:
    other = draw(*problem.x.shape, problem.dy.shape[2], seed=1)
    other = replace(other, params=problem.params)
    results(lstm, problem)
    compare(lstm, results(lstm, other), expected_results(other), "for a second input")
    compare(lstm, results(lstm, problem), expected_results(problem), "for the first input again")


def steps_make_the_sequence(lstm: lb.LSTM, problem: Problem) -> None:
    wanted = expected_results(problem)
    state: tuple[Array, Array] = problem.state
    y = []
    for x_t in problem.x:
        state = lstm.step(x_t, state)
        y.append(state[0])
    actual = {"y": np.stack(y), "h": state[0], "c": state[1]}
    compare(lstm, actual, wanted, "when it is stepped")


def two_halves_make_the_whole(lstm: lb.LSTM, problem: Problem) -> None:
    half = len(problem.x) // 2
    if half == 0:
        return
    first, state = lstm.forward(problem.x[:half], problem.state)
    second, (h, c) = lstm.forward(problem.x[half:], state)
    compare(
        lstm,
        {"y": np.concatenate([first, second]), "h": h, "c": c},
        expected_results(problem),
        "in two halves",
    )


def the_default_state_is_zero(lstm: lb.LSTM, problem: Problem) -> None:
    zeros = (np.zeros_like(problem.state[0]), np.zeros_like(problem.state[0]))
    wanted = expected_results(replace(problem, state=zeros, dstate=zeros))
    y, (h, c) = lstm.forward(problem.x)
    compare(lstm, {"y": y, "h": h, "c": c}, wanted, "from the default state")
    if "training" in lstm.modes:
        actual = dict(zip(GRADIENTS, lstm.backward(problem.x, problem.dy), strict=True))
        compare(lstm, actual, wanted, "from the default state")


def _native_calls(
    lstm: lb.LSTM, problem: Problem
) -> list[tuple[Callable[..., Any], tuple[Array, ...]]]:
    calls: list[tuple[Callable[..., Any], tuple[Array, ...]]] = [
        (lstm.implementation.forward, problem.inputs)
    ]
    if "training" in lstm.modes:
        calls.append((lstm.implementation.forward_backward, problem.all_inputs))
    return calls


def _flat(nested: Any) -> list[Any]:
    return (
        [leaf for item in nested for leaf in _flat(item)] if isinstance(nested, tuple) else [nested]
    )


def native_calls_touch_nothing(lstm: lb.LSTM, problem: Problem) -> None:
    """The methods that are timed, on the framework's own arrays: the facade's copies could hide
    what they spoil.
    """
    framework = lstm.framework
    expected = expected_results(problem)
    weights = (
        problem.params.weight_ih.copy(),
        problem.params.weight_hh.copy(),
        problem.params.bias.copy(),
    )
    other = replace(problem, x=-problem.x, dy=problem.dy + 1)
    with framework.scope():
        for (call, arrays), (_, others) in zip(
            _native_calls(lstm, problem), _native_calls(lstm, other), strict=True
        ):
            given = [framework.from_numpy(array) for array in arrays]
            before = [framework.to_numpy(array) for array in given]
            outputs = _flat(call(*given))
            actual = dict(
                zip((*OUTPUTS, *GRADIENTS), map(framework.to_numpy, outputs), strict=False)
            )
            compare(lstm, actual, expected, "from the native call")
            call(*(framework.from_numpy(array) for array in others))
            for name, output in zip(actual, outputs, strict=True):
                same = np.array_equal(actual[name], framework.to_numpy(output))
                require(same, lstm, f"{name} of the first call is overwritten by the second")
            for name, old, array in zip(
                ("x", "h0", "c0", "dy", "dh", "dc"), before, given, strict=False
            ):
                require(
                    np.array_equal(old, framework.to_numpy(array)),
                    lstm,
                    f"its input {name} is modified",
                )
            again = dict(zip(actual, map(framework.to_numpy, _flat(call(*given))), strict=True))
            compare(lstm, again, expected, "when the native call is repeated")
    for name, kept in zip(("weight_ih", "weight_hh", "bias"), weights, strict=True):
        require(
            np.array_equal(kept, getattr(problem.params, name)),
            lstm,
            f"the caller's {name} is modified",
        )


def _with_nan(array: Array, index: tuple[int, ...]) -> Array:
    array = array.copy()
    array[index] = np.nan
    return array


def nan_goes_where_the_equations_say(lstm: lb.LSTM, problem: Problem) -> None:
    T, B, _ = problem.x.shape
    t, row = T // 2, B - 1
    h0, c0 = problem.state
    poisoned = {
        f"x at t={t}": replace(problem, x=_with_nan(problem.x, (t, row, 0))),
        "h0": replace(problem, state=(_with_nan(h0, (row, 0)), c0)),
        "c0": replace(problem, state=(h0, _with_nan(c0, (row, 0)))),
        f"dy at t={t}": replace(problem, dy=_with_nan(problem.dy, (t, row, 0))),
    }
    for where, poison in poisoned.items():
        actual, wanted = results(lstm, poison), expected_results(poison)
        for name, array in actual.items():
            same = np.array_equal(np.isnan(array), np.isnan(wanted[name]))
            require(
                same,
                lstm,
                f"NaN in {where}, row {row}: {name} has NaN where the equations have none, or "
                "lacks it",
            )
            actual[name], wanted[name] = np.nan_to_num(array), np.nan_to_num(wanted[name])
        compare(lstm, actual, wanted, f"beside NaN in {where}")


CHECKS = (
    agrees_with_the_oracle,
    a_second_input_gets_its_own_answer,
    steps_make_the_sequence,
    two_halves_make_the_whole,
    the_default_state_is_zero,
    native_calls_touch_nothing,
    nan_goes_where_the_equations_say,
)


def check(name: str, dtype: str, device: str, problem: Problem) -> None:
    """Load an implementation once, and run every check on one problem.

    Raises:
        NotTheLSTM: at the first thing that is wrong.
    """
    lstm = lb.load(name, problem.params, device=device, dtype=dtype)
    for one in CHECKS:
        if one is not nan_goes_where_the_equations_say or name not in LOSES_NAN:
            one(lstm, problem)


def cases(*dtypes: str, many_shapes: bool = False) -> list[Any]:
    """Return name, dtype, device of all implementations, for ``parametrize``; one that is not there
    is skipped.

    A new file in ``variants/`` is among them without an edit here. Slow are they in two bytes, what
    compiles each shape for seconds, and peers in all but float32, or where a test takes many
    shapes.
    """
    actual = []
    keras = KERAS.get(os.environ.get("KERAS_BACKEND", "torch"))
    for row in lb.implementations().itertuples():
        reason = row.reason
        if not reason and row.name in KERAS.values() and row.name != keras:
            reason = "Keras has one backend in a process; test_peers.py checks the other"
        if reason:
            actual.append(
                pytest.param(
                    row.name, "float64", "cpu", id=row.name, marks=pytest.mark.skip(reason)
                )
            )
            continue
        for device in row.devices:
            for dtype in row.dtypes:
                if (not dtypes or dtype in dtypes) and not unsupported_reason(dtype, device):
                    quick = ["float32"] * (not many_shapes) if row.peer else ["float32", "float64"]
                    slow = dtype not in quick or row.name == "torch.compile"
                    marks = [pytest.mark.slow] if slow else []
                    actual.append(
                        pytest.param(
                            row.name, dtype, device, id=f"{row.name}-{dtype}-{device}", marks=marks
                        )
                    )
    return actual
