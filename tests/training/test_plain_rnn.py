"""The plain RNN: the same function and right gradients in every framework."""

from typing import Any

import numpy as np
import pytest

from lstmbench.core.registry import FRAMEWORKS, array_backend_class
from lstmbench.training.plain_rnn import PlainRNNParams, plain_rnn_class

T, B, I, H = 4, 3, 2, 5  # noqa: E741
DRAW = np.random.default_rng(0)
PARAMS = PlainRNNParams(DRAW.normal(size=(H, I)), DRAW.normal(size=(H, H)) / 2, DRAW.normal(size=H))
INPUTS = [
    DRAW.normal(size=shape) for shape in ((T, B, I), (B, H), (B, H), (T, B, H), (B, H), (B, H))
]


def equation(params: PlainRNNParams, x: Any, h: Any) -> Any:
    """h_t = tanh(W x_t + U h_{t-1} + b), sequence by sequence."""
    y = np.zeros((T, B, H))
    for b in range(B):
        state = h[b]
        for t in range(T):
            state = np.tanh(params.weight_ih @ x[t, b] + params.weight_hh @ state + params.bias)
            y[t, b] = state
    return y


def loss(params: PlainRNNParams, x: Any, h0: Any, c0: Any) -> float:
    y = equation(params, x, h0)
    _, _, _, dy, dh, dc = INPUTS
    return float((y * dy).sum() + (y[-1] * dh).sum() + (c0 * dc).sum())


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_outputs_and_gradients_match_the_equation(framework: str) -> None:
    backend = array_backend_class(framework)("cpu", "float64")
    with backend.scope():
        cell = plain_rnn_class(framework)(PARAMS, backend)
        native = [backend.from_numpy(array) for array in INPUTS]
        outputs = [backend.to_numpy(array) for array in cell.forward(*native[:3])]
        native_outputs, saved = cell.forward_saving(*native[:3])
        saving_outputs = [backend.to_numpy(array) for array in native_outputs]
        gradients = [backend.to_numpy(array) for array in cell.backward(saved, *native[3:])]
    x, h0, c0 = INPUTS[:3]
    y = equation(PARAMS, x, h0)
    for computed in (outputs, saving_outputs):
        for array, expected in zip(computed, (y, y[-1], c0), strict=True):
            np.testing.assert_allclose(array, expected, rtol=1e-12)
    arrays = [PARAMS.weight_ih, PARAMS.weight_hh, PARAMS.bias, x, h0, c0]
    for k, (array, gradient) in enumerate(zip(arrays, gradients, strict=True)):
        for index in (np.unravel_index(n, array.shape) for n in range(0, array.size, 3)):
            ends = []
            for step in (1e-6, -1e-6):
                moved = [original.copy() for original in arrays]
                moved[k][index] += step
                ends.append(loss(PlainRNNParams(*moved[:3]), *moved[3:]))
            assert gradient[index] == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-6, abs=1e-8)
