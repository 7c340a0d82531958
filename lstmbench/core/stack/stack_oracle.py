"""The oracle of stacks: layer by layer, direction by direction, step by step in float64,
derivatives by hand.

What ``lstmbench.core.oracle`` is for one layer. It shares nothing with the composed stack but the
parameters: a sequence that has ended takes no part in the step any more, a reverse direction reads
each sequence from its own end, and a projection and the peepholes stand in the equations of the
step.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstmbench.core.oracle import sigmoid
from lstmbench.core.parameters import LSTMParams
from lstmbench.core.stack.stack_parameters import StackParams

Array = NDArray[np.float64]
Lengths = NDArray[np.integer]
Outputs = tuple[Array, Array, Array]


class Step(NamedTuple):
    """One time step of those sequences that have not ended; n of them."""

    rows: Lengths  # (n,), which they are
    times: Lengths  # (n,), which of its inputs each one reads
    x: Array  # (n, I)
    h_prev: Array  # (n, P)
    c_prev: Array  # (n, H)
    i: Array  # (n, H), and so are the others
    f: Array
    g: Array
    o: Array
    c: Array


class Tape(NamedTuple):
    """What one layer did in one direction."""

    params: LSTMParams
    steps: list[Step]
    x_shape: tuple[int, ...]


def forward(
    params: StackParams,
    x: Array,
    h0: Array,
    c0: Array,
    lengths: Lengths | None = None,
    masks: tuple[Array, ...] = (),
) -> Outputs:
    """Return y (T, B, D*P), h (L*D, B, P), c (L*D, B, H); P is H where there is no projection.

    Args:
        params: the weights.
        x: inputs, (T, B, I).
        h0: initial hidden states, (L*D, B, P).
        c0: initial cell states, (L*D, B, H).
        lengths: of each sequence, (B,); T if None.
        masks: what the outputs of each layer but the last are multiplied with, (T, B, D*P) each;
            nothing if empty.
    """
    return _forward(params, x, h0, c0, lengths, masks)[0]


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
    """Return what ``forward`` does, and the gradients of sum(y*dy) + sum(h*dh) + sum(c*dc).

    The gradients are those of all weights (layer by layer, direction by direction, each in the
    order of ``LSTMParams.weights``), of x, h0 and c0.
    """
    outputs, tapes = _forward(params, x, h0, c0, lengths, masks)
    D, P = params.num_directions, params.output_size
    weights: dict[int, tuple[Array, ...]] = {}
    dh0, dc0 = np.empty_like(h0), np.empty_like(c0)
    for level in reversed(range(params.num_layers)):
        if level < params.num_layers - 1 and masks:
            dy = dy * masks[level]
        dx = np.zeros(tapes[level * D].x_shape)
        for direction in range(D):
            k = level * D + direction
            part = dy[:, :, direction * P : (direction + 1) * P]
            weights[k], dx_part, dh0[k], dc0[k] = _layer_backward(tapes[k], part, dh[k], dc[k])
            dx += dx_part
        dy = dx
    flat = tuple(gradient for k in sorted(weights) for gradient in weights[k])
    return outputs, (flat, dy, dh0, dc0)


def _forward(
    params: StackParams,
    x: Array,
    h0: Array,
    c0: Array,
    lengths: Lengths | None,
    masks: tuple[Array, ...],
) -> tuple[Outputs, list[Tape]]:
    T, B, _ = x.shape
    lengths = np.full(B, T) if lengths is None else lengths
    hs: list[Array] = []
    cs: list[Array] = []
    tapes: list[Tape] = []
    for level, layer in enumerate(params.layers):
        if level > 0 and masks:
            x = x * masks[level - 1]
        ys: list[Array] = []
        for direction, weights in enumerate(layer):
            k = len(tapes)
            (y, h, c), tape = _layer_forward(
                weights, x, h0[k], c0[k], lengths, reverse=direction == 1
            )
            for found, array in ((ys, y), (hs, h), (cs, c)):
                found.append(array)
            tapes.append(tape)
        x = np.concatenate(ys, axis=2)
    return (x, np.stack(hs), np.stack(cs)), tapes


def _layer_forward(
    params: LSTMParams, x: Array, h0: Array, c0: Array, lengths: Lengths, reverse: bool
) -> tuple[Outputs, Tape]:
    T, B, _ = x.shape
    h, c = h0.copy(), c0.copy()
    y = np.zeros((T, B, params.output_size))
    steps = []
    for s in range(T):
        rows = np.flatnonzero(lengths > s)
        times = lengths[rows] - 1 - s if reverse else np.full(len(rows), s)
        step, h_next = _step(params, rows, times, x[times, rows], h[rows], c[rows])
        h[rows], c[rows], y[times, rows] = h_next, step.c, h_next
        steps.append(step)
    return (y, h, c), Tape(params, steps, x.shape)


def _step(
    params: LSTMParams, rows: Lengths, times: Lengths, x: Array, h_prev: Array, c_prev: Array
) -> tuple[Step, Array]:
    p_i, p_f, p_o = np.zeros((3, 1)) if params.peephole is None else params.peephole
    z_i, z_f, z_g, z_o = np.split(
        x @ params.weight_ih.T + h_prev @ params.weight_hh.T + params.bias, 4, axis=1
    )
    i, f, g = sigmoid(z_i + p_i * c_prev), sigmoid(z_f + p_f * c_prev), np.tanh(z_g)
    c = f * c_prev + i * g
    o = sigmoid(z_o + p_o * c)
    u = o * np.tanh(c)
    h = u if params.projection is None else u @ params.projection.T
    return Step(rows, times, x, h_prev, c_prev, i, f, g, o, c), h


def _layer_backward(
    tape: Tape, dy: Array, dh: Array, dc: Array
) -> tuple[tuple[Array, ...], Array, Array, Array]:
    params = tape.params
    p_i, p_f, p_o = np.zeros((3, 1)) if params.peephole is None else params.peephole
    W_hr = np.eye(params.hidden_size) if params.projection is None else params.projection
    dW_ih, dW_hh, db = (
        np.zeros_like(array) for array in (params.weight_ih, params.weight_hh, params.bias)
    )
    dW_hr, dp = np.zeros_like(W_hr), np.zeros((3, params.hidden_size))
    dx = np.zeros(tape.x_shape)
    dh, dc = dh.copy(), dc.copy()
    for rows, times, x, h_prev, c_prev, i, f, g, o, c in reversed(tape.steps):
        dh_t = dh[rows] + dy[times, rows]
        # h = W_hr u, u = o * tanh(c)
        u, du = o * np.tanh(c), dh_t @ W_hr
        dW_hr += dh_t.T @ u
        dz_o = du * np.tanh(c) * o * (1 - o)
        dc_t = dc[rows] + du * o * (1 - np.tanh(c) ** 2) + dz_o * p_o
        # c = f * c_prev + i * g
        dz_i, dz_f, dz_g = (
            dc_t * g * i * (1 - i),
            dc_t * c_prev * f * (1 - f),
            dc_t * i * (1 - g**2),
        )
        dz = np.concatenate([dz_i, dz_f, dz_g, dz_o], axis=1)
        dW_ih += dz.T @ x
        dW_hh += dz.T @ h_prev
        db += dz.sum(axis=0)
        dp += [(dz_i * c_prev).sum(axis=0), (dz_f * c_prev).sum(axis=0), (dz_o * c).sum(axis=0)]
        dx[times, rows] += dz @ params.weight_ih
        dh[rows] = dz @ params.weight_hh
        dc[rows] = dc_t * f + dz_i * p_i + dz_f * p_f
    found = {
        "weight_ih": dW_ih,
        "weight_hh": dW_hh,
        "bias": db,
        "projection": dW_hr,
        "peephole": dp,
    }
    return tuple(found[name] for name in params.weights()), dx, dh, dc
