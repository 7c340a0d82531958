"""Every implementation, in every dtype, with every feature of a stack: the right number, or a
refusal in a sentence.
"""

from typing import Any

import numpy as np
import pytest
from conformance import cases
from stacks import Problem, draw, native_results, oracle_results, stack_results

import lstmbench as lb
from lstmbench.core.tolerance import TOLERANCE, relative_error
from lstmbench.measure.inputs import rounded

FEATURES: dict[str, dict[str, Any]] = {
    "one layer": {},
    "lengths": {"lengths": True},
    "two layers": {"num_layers": 2},
    "both directions": {"bidirectional": True},
    "projection": {"proj_size": 2},
    "all at once": {"lengths": True, "num_layers": 2, "bidirectional": True, "proj_size": 2},
}
REFUSES = {"backward": ("onnxruntime.lstm",)}
"""What an implementation refuses, and may: all others must compute it."""


def problem_of(dtype: str, lengths: bool = False, **kind: Any) -> Problem:
    """Draw a problem whose numbers the dtype holds: then an error is the implementation's."""
    params = lb.StackParams.init(5, 8, **kind, seed=3)
    weights = [
        {name: rounded(array, dtype) for name, array in each.weights().items()} for each in params
    ]
    layers = iter([lb.LSTMParams(**each) for each in weights])
    params = lb.StackParams([[next(layers) for _ in layer] for layer in params.layers])
    made = draw(6, 4, params, lengths, seed=1)
    x, dy = rounded(made.x, dtype), rounded(made.dy, dtype)
    state, dstate = (
        tuple(rounded(array, dtype) for array in pair) for pair in (made.state, made.dstate)
    )
    return Problem(params, x, state, dy, dstate, made.lengths)


COMBINED = ("lengths", "all at once")
"""The features that are tried in every dtype; in the default set, peers have all at once only."""


def pairs() -> list[Any]:
    """Return every implementation in every dtype with the features that it is tried with.

    A feature alone is the same code in any dtype: it is tried in float32, and ours in float64.
    """
    peers = lb.implementations().set_index("name")["peer"]
    found = []
    for case in cases():
        name, dtype, _ = case.values
        alone = ("float32",) if peers[name] else ("float32", "float64")
        for feature in FEATURES:
            if feature in COMBINED or dtype in alone:
                quick = feature == "all at once" or (feature in COMBINED and not peers[name])
                slow = [] if quick else [pytest.mark.slow]
                marks = [*case.marks, *slow]
                found.append(
                    pytest.param(*case.values, feature, id=f"{case.id}-{feature}", marks=marks)
                )
    return found


@pytest.mark.parametrize(("name", "dtype", "device", "feature"), pairs())
def test_it_is_right_or_refused(name: str, dtype: str, device: str, feature: str) -> None:
    problem = problem_of(dtype, **FEATURES[feature])
    stack, expected = (
        lb.load(name, problem.params, device=device, dtype=dtype),
        oracle_results(problem),
    )
    if name in REFUSES["backward"]:
        y, (h, c) = stack.forward(problem.x, problem.state, problem.lengths)
        results = {"y": y, "h": h, "c": c}
        with pytest.raises(lb.LstmbenchError, match=f"^{name} has no backward: .*\\.$"):
            stack.backward(problem.x, problem.dy, problem.state, problem.dstate, problem.lengths)
    elif stack.framework.name == "jax" and feature not in ("one layer", "all at once"):
        results = native_results(
            stack, problem
        )  # a program less to compile: inference is in the other two
    else:
        results = stack_results(stack, problem)
    errors = {key: relative_error(array, expected[key]) for key, array in results.items()}
    assert {key: error for key, error in errors.items() if not error <= TOLERANCE[dtype]} == {}


@pytest.mark.parametrize("amount", [2.0**40, 4.0], ids=["infinite", "too small"])
def test_a_gate_that_float16_does_not_hold_would_be_noticed(
    amount: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    from lstmbench.core.stack import layer

    monkeypatch.setattr(layer, "GATE_SATURATION_FLOAT16", amount)
    with np.errstate(all="ignore"), pytest.raises(AssertionError):
        test_it_is_right_or_refused("torch.fused", "float16", "cpu", "lengths")
