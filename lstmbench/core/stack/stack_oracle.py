"""The oracle of stacks: layer by layer, direction by direction, step by step, in float64.

It takes the equations of one step from ``lstmbench.core.oracle``, and shares only the parameters
with the composed stack. A sequence that has ended takes no part in a step, a reverse direction
reads each sequence from its own end, and a projection follows each step.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstmbench.core import oracle
from lstmbench.core.parameters import LSTMParams
from lstmbench.core.stack.stack_parameters import StackParams

Array = NDArray[np.float64]
Lengths = NDArray[np.integer]
Outputs = tuple[Array, Array, Array]


class MaskedStep(NamedTuple):
    """One time step of the n sequences that have not ended."""

    rows: Lengths  # (n,), their indices in the batch
    times: Lengths  # (n,), the index of the input that each one reads
    c_prev: Array  # (n, H)
    cell: oracle.Step


def forward(
    params: StackParams,
    x: Array,
    h0: Array,
    c0: Array,
    lengths: Lengths | None = None,
    masks: tuple[Array, ...] = (),
) -> tuple[Outputs, list[list[MaskedStep]]]:
    """Return (y (T, B, D*P), h (L*D, B, P), c (L*D, B, H)), and all steps of each direction.

    P is H where there is no projection.

    Args:
        params: the weights.
        x: inputs, (T, B, I).
        h0: initial hidden states, (L*D, B, P).
        c0: initial cell states, (L*D, B, H).
        lengths: of each sequence, (B,); T if None.
        masks: dropout masks, which multiply the outputs of each layer but the last, (T, B, D*P)
            each; none if empty.
    """
    T, B, _ = x.shape
    lengths = np.full(B, T) if lengths is None else lengths
    h, c = np.empty_like(h0), np.empty_like(c0)
    steps: list[list[MaskedStep]] = []
    for level, layer in enumerate(params.layers):
        if level > 0 and masks:
            x = x * masks[level - 1]
        ys = []
        for direction, weights in enumerate(layer):
            k = len(steps)
            y, h[k], c[k], layer_steps = _layer_forward(
                weights, x, h0[k], c0[k], lengths, direction == 1
            )
            ys.append(y)
            steps.append(layer_steps)
        x = np.concatenate(ys, axis=2)
    return (x, h, c), steps


def forward_backward(
    params: StackParams,
    x: Array,
    h0: Array,
    c0: Array,
    dy: Array,
    dh: Array,
    dc: Array,
    lengths: Lengths | None = None,
    masks: tuple[Array, ...] = (),
) -> tuple[Outputs, tuple[tuple[Array, ...], Array, Array, Array]]:
    """Return (y, h, c), and the gradients of sum(y*dy) + sum(h*dh) + sum(c*dc).

    They are the gradients of all weights (layer by layer, direction by direction, each in the order
    of ``LSTMParams.weights``), of x, h0 and c0.
    """
    outputs, steps = forward(params, x, h0, c0, lengths, masks)
    D, P = params.num_directions, params.output_size
    weights: dict[int, tuple[Array, ...]] = {}
    dh0, dc0 = np.empty_like(h0), np.empty_like(c0)
    for level in reversed(range(params.num_layers)):
        if level < params.num_layers - 1 and masks:
            dy = dy * masks[level]
        dxs = []
        for direction, layer in enumerate(params.layers[level]):
            k = level * D + direction
            dy_k = dy[:, :, direction * P : (direction + 1) * P]
            weights[k], dx, dh0[k], dc0[k] = _layer_backward(layer, steps[k], dy_k, dh[k], dc[k])
            dxs.append(dx)
        dy = np.sum(dxs, axis=0)
    flat = tuple(gradient for k in sorted(weights) for gradient in weights[k])
    return outputs, (flat, dy, dh0, dc0)


def _layer_forward(
    params: LSTMParams, x: Array, h0: Array, c0: Array, lengths: Lengths, reverse: bool
) -> tuple[Array, Array, Array, list[MaskedStep]]:
    T, B, _ = x.shape
    W, b = oracle.split_gates(params)
    p = oracle.split_peepholes(params)
    h, c, y = h0.copy(), c0.copy(), np.zeros((T, B, params.output_size))
    steps = []
    for s in range(T):
        rows = np.flatnonzero(lengths > s)
        times = lengths[rows] - 1 - s if reverse else np.full(len(rows), s)
        c_prev = c[rows]
        cell = oracle.step(W, b, x[times, rows], h[rows], c_prev, p)
        steps.append(MaskedStep(rows, times, c_prev, cell))
        h[rows] = cell.h if params.projection is None else cell.h @ params.projection.T
        c[rows], y[times, rows] = cell.c, h[rows]
    return y, h, c, steps


def _layer_backward(
    params: LSTMParams, steps: list[MaskedStep], dy: Array, dh: Array, dc: Array
) -> tuple[tuple[Array, ...], Array, Array, Array]:
    P = params.output_size
    W, _ = oracle.split_gates(params)
    p = oracle.split_peepholes(params)
    W_hr = np.eye(P) if params.projection is None else params.projection
    weights, dW_hr = oracle.GradientSums(W, p), np.zeros_like(W_hr)
    dx, dh, dc = np.zeros((*dy.shape[:2], params.input_size)), dh.copy(), dc.copy()
    for rows, times, c_prev, cell in reversed(steps):
        dh_t = dh[rows] + dy[times, rows]
        dW_hr += dh_t.T @ cell.h  # h_t = W_hr (o_t * tanh(c_t))
        dz, dv, dc[rows] = oracle.step_backward(W, cell, c_prev, dh_t @ W_hr, dc[rows], p)
        weights.add(dz, cell, c_prev)
        dh[rows], dx[times, rows] = dv[:, :P], dv[:, P:]
    gradients: dict[str, Any] = {
        "weight_ih": weights.W[:, P:],
        "weight_hh": weights.W[:, :P],
        "bias": weights.b,
        "projection": dW_hr,
        "peephole": weights.p,
    }
    return tuple(gradients[name] for name in params.weights()), dx, dh, dc
