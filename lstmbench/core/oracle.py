"""The oracle: the six equations of the LSTM as they are printed, and their derivatives by hand.

    f_t = sigmoid(W_f [h_{t-1}, x_t] + b_f)      i_t = sigmoid(W_i [h_{t-1}, x_t] + b_i)
    g_t = tanh(W_g [h_{t-1}, x_t] + b_g)         o_t = sigmoid(W_o [h_{t-1}, x_t] + b_o)
    c_t = f_t * c_{t-1} + i_t * g_t              h_t = o_t * tanh(c_t)

Source: Hochreiter & Schmidhuber, "Long Short-Term Memory", Neural Computation 9 (1997), with the
forget gate of Gers, Schmidhuber & Cummins, "Learning to Forget", Neural Computation 12 (2000). The
backward pass is backpropagation through time, written gate by gate. Nothing here is made fast:
everything else is held against it.

With peepholes (Gers & Schmidhuber, "Recurrent Nets that Time and Count", IJCNN 2000) the gates see
the cell: p_i * c_{t-1} and p_f * c_{t-1} are added inside the sigmoids of i and f, p_o * c_t inside
that of o.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstmbench.core.parameters import Gradients, LSTMParams, PeepholeGradients

Array = NDArray[Any]


class Step(NamedTuple):
    """Everything that one time step computes; v is [h_{t-1}, x_t], (B, H+I), the rest is (B, H)."""

    v: Array
    f: Array
    i: Array
    g: Array
    o: Array
    c: Array
    h: Array


class Peepholes(NamedTuple):
    """What the gates i, f and o see of each unit of the cell, (H,) each."""

    i: Array
    f: Array
    o: Array


class Gates(NamedTuple):
    """One array for each gate: weights W acting on [h, x], (H, H+I), or biases, (H,)."""

    i: Array
    f: Array
    g: Array
    o: Array


def sigmoid(z: Array) -> Array:
    """Return 1 / (1 + exp(-z)); for very negative z the exponential overflows to inf, and the
    result is the right 0.
    """
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-z))


def split_gates(params: LSTMParams, dtype: Any = np.float64) -> tuple[Gates, Gates]:
    """Return the equations' W_i, W_f, W_g, W_o, each (H, H+I), and b_i, b_f, b_g, b_o, each (H,)."""
    W = np.concatenate([params.weight_hh, params.weight_ih], axis=1).astype(dtype)  # (4H, H+I)
    b = params.bias.astype(dtype)  # (4H,)
    return Gates(*np.split(W, 4)), Gates(*np.split(b, 4))


def split_peepholes(params: LSTMParams, dtype: Any = np.float64) -> Peepholes | None:
    """Return p_i, p_f, p_o, or None where the gates do not see the cell."""
    return None if params.peephole is None else Peepholes(*params.peephole.astype(dtype))


def step(W: Gates, b: Gates, x_t: Array, h: Array, c: Array, p: Peepholes | None = None) -> Step:
    """One time step: x_t (B, I), h and c (B, H)."""
    v = np.concatenate([h, x_t], axis=1)  # (B, H+I)
    see_i, see_f = (0, 0) if p is None else (p.i * c, p.f * c)
    f = sigmoid(v @ W.f.T + b.f + see_f)
    i = sigmoid(v @ W.i.T + b.i + see_i)
    g = np.tanh(v @ W.g.T + b.g)
    c = f * c + i * g
    o = sigmoid(v @ W.o.T + b.o + (0 if p is None else p.o * c))
    h = o * np.tanh(c)
    return Step(v, f, i, g, o, c, h)


def forward(
    W: Gates, b: Gates, x: Array, h0: Array, c0: Array, p: Peepholes | None = None
) -> list[Step]:
    """All time steps: x (T, B, I), h0 and c0 (B, H)."""
    steps: list[Step] = []
    h, c = h0, c0
    for x_t in x:
        steps.append(step(W, b, x_t, h, c, p))
        h, c = steps[-1].h, steps[-1].c
    return steps


def backward(
    W: Gates,
    steps: list[Step],
    c0: Array,
    dy: Array,
    dh: Array,
    dc: Array,
    p: Peepholes | None = None,
) -> Gradients:
    """Backpropagation through time for the loss sum(y*dy) + sum(h_T*dh) + sum(c_T*dc).

    Args:
        W: the weights, as ``split_gates`` returns them.
        steps: what ``forward`` returned.
        c0: the initial cell state, (B, H).
        dy: gradient of the loss with respect to each output, (T, B, H).
        dh: gradient with respect to the last hidden state, beyond its part in dy, (B, H).
        dc: gradient with respect to the last cell state, (B, H).
        p: the peepholes, as ``split_peepholes`` returns them; with them, ``PeepholeGradients`` come
            back.
    """
    H = c0.shape[1]
    dW = Gates(*(np.zeros_like(w) for w in W))
    db = Gates(*(np.zeros_like(w[:, 0]) for w in W))
    dp = Peepholes(*(np.zeros_like(c0[0]) for _ in range(3)))
    dx = np.empty((len(steps), c0.shape[0], W.i.shape[1] - H), dtype=c0.dtype)  # (T, B, I)
    for t in reversed(range(len(steps))):
        v, f, i, g, o, c, _ = steps[t]
        c_prev = steps[t - 1].c if t > 0 else c0
        dh = dh + dy[t]
        # h_t = o_t * tanh(c_t)
        do = dh * np.tanh(c)
        dz_o = do * o * (1 - o)
        dc = dc + dh * o * (1 - np.tanh(c) ** 2) + (0 if p is None else dz_o * p.o)
        # c_t = f_t * c_{t-1} + i_t * g_t
        df, di, dg = dc * c_prev, dc * g, dc * i
        # through sigmoid' = s (1 - s) and tanh' = 1 - tanh^2 to the pre-activations z = W v + b
        dz = Gates(i=di * i * (1 - i), f=df * f * (1 - f), g=dg * (1 - g**2), o=dz_o)
        dv = np.zeros_like(v)
        for w, dw, dbias, dz_gate in zip(W, dW, db, dz, strict=True):
            dw += dz_gate.T @ v
            dbias += dz_gate.sum(axis=0)
            dv += dz_gate @ w
        dh, dx[t] = dv[:, :H], dv[:, H:]
        dc = dc * f
        if p is not None:  # what the gates saw of the cell
            dc = dc + dz.i * p.i + dz.f * p.f
            for dp_gate, dz_gate, seen in zip(
                dp, (dz.i, dz.f, dz.o), (c_prev, c_prev, c), strict=True
            ):
                dp_gate += (dz_gate * seen).sum(axis=0)
    stacked = np.concatenate(dW)  # (4H, H+I)
    gradients = (stacked[:, H:], stacked[:, :H], np.concatenate(db), dx, dh, dc)
    return Gradients(*gradients) if p is None else PeepholeGradients(*gradients, np.stack(dp))
