"""What a notebook prints at the end of a cell is one readable line: sizes, never weights or
addresses.
"""

from pathlib import Path

import numpy as np
import pytest

import lstmbench as lb
from lstmbench.measure.runner import Run

PARAMS = lb.LSTMParams.init(8, 16)
STACK = lb.StackParams.init(8, 16, num_layers=2, bidirectional=True, proj_size=4, bias=False)
X = np.zeros((3, 2, 8))
RESULTS = Path(__file__).parents[3] / "results"


@pytest.mark.parametrize(
    ("thing", "text"),
    [
        (PARAMS, "LSTMParams(I=8, H=16)"),
        (lb.LSTMParams.init(8, 16, peephole=True), "LSTMParams(I=8, H=16, peepholes)"),
        (STACK, "StackParams(I=8, H=16, P=4, no bias, L=2, both directions)"),
        (lb.load("numpy.fused", PARAMS), "LSTM(numpy.fused, I=8, H=16, float32 on cpu)"),
        (
            lb.load("numpy.fused", STACK, dtype="float64"),
            "Stack(numpy.fused, I=8, H=16, P=4, no bias, L=2, both directions, float64 on cpu)",
        ),
        (
            lb.load("numpy.fused", PARAMS).backward(X, np.zeros((3, 2, 16))),
            "Gradients(weight_ih (64, 8), weight_hh (64, 16), bias (64,), x (3, 2, 8), h0 (2, "
            "16), c0 (2, 16))",
        ),
        (
            lb.load("numpy.fused", STACK).backward(X, np.zeros((3, 2, 8))),
            "StackGradients(layers 4, x (3, 2, 8), h0 (4, 2, 4), c0 (4, 2, 16))",
        ),
        (
            lb.load("numpy.fused", STACK).backward(X, np.zeros((3, 2, 8))).layers[0][0],
            "LayerGradients(weight_ih (64, 8), weight_hh (64, 4), projection (4, 16))",
        ),
    ],
    ids=lambda value: value.partition("(")[0] if isinstance(value, str) else "",
)
def test_it_is_one_line_without_weights(thing: object, text: str) -> None:
    assert repr(thing) == text


def test_a_run_says_where_it_is_and_how_its_cases_ended() -> None:
    folder = sorted(RESULTS.glob("*-quick"))[-1]
    assert repr(Run(folder)).startswith(f"Run({folder}: ") and " ok" in repr(Run(folder))
