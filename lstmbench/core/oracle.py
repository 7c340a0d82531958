"""The oracle: the six equations of the LSTM as they are printed, and their derivatives by hand.

    f_t = sigmoid(W_f [h_{t-1}, x_t] + b_f)      i_t = sigmoid(W_i [h_{t-1}, x_t] + b_i)
    g_t = tanh(W_g [h_{t-1}, x_t] + b_g)         o_t = sigmoid(W_o [h_{t-1}, x_t] + b_o)
    c_t = f_t * c_{t-1} + i_t * g_t              h_t = o_t * tanh(c_t)

Source: Hochreiter & Schmidhuber, "Long Short-Term Memory", Neural Computation 9 (1997), with the
forget gate of Gers, Schmidhuber & Cummins, "Learning to Forget", Neural Computation 12 (2000). The
backward pass is backpropagation through time, written gate by gate. Nothing here is optimised:
everything else is compared with it.

With peepholes (Gers & Schmidhuber, "Recurrent Nets that Time and Count", IJCNN 2000) the gates see
the cell: p_i * c_{t-1} and p_f * c_{t-1} are added inside the sigmoids of i and f, p_o * c_t inside
that of o.
"""

from typing import Any, NamedTuple

import numpy as np

from lstmbench.core.array_checks import Array as Array
from lstmbench.core.parameters import LSTMParams


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
    """The weights by which the gates i, f and o see the cell, (H,) each."""

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
    """Return 1 / (1 + exp(-z)); where exp(-z) overflows to inf, that is 0, as it should be."""
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-z))


def split_gates(params: LSTMParams, dtype: Any = np.float64) -> tuple[Gates, Gates]:
    """Return W_i, W_f, W_g, W_o, each (H, H+I), and b_i, b_f, b_g, b_o, each (H,)."""
    W = np.concatenate([params.weight_hh, params.weight_ih], axis=1).astype(dtype)  # (4H, H+I)
    b = params.bias.astype(dtype)  # (4H,)
    return Gates(*np.split(W, 4)), Gates(*np.split(b, 4))


def split_peepholes(params: LSTMParams, dtype: Any = np.float64) -> Peepholes | None:
    """Return p_i, p_f, p_o, or None where the gates do not see the cell."""
    return None if params.peephole is None else Peepholes(*params.peephole.astype(dtype))


def step(W: Gates, b: Gates, x_t: Array, h: Array, c: Array, p: Peepholes | None = None) -> Step:
    """One time step: x_t (B, I), h and c (B, H)."""
    v = np.concatenate([h, x_t], axis=1)  # (B, H+I)
    seen_i, seen_f = (0, 0) if p is None else (p.i * c, p.f * c)
    f = sigmoid(v @ W.f.T + b.f + seen_f)
    i = sigmoid(v @ W.i.T + b.i + seen_i)
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


class GradientSums:
    """Weight gradients, summed over time steps: W (4H, H+I), the gates stacked, and b (4H,).

    With peepholes also p (3, H).
    """

    def __init__(self, W: Gates, p: Peepholes | None) -> None:
        self.W = np.zeros_like(np.concatenate(W))
        self.b = np.zeros_like(self.W[:, 0])
        self.p = None if p is None else np.zeros_like(np.stack(p))

    def add(self, dz: Gates, at: Step, c_prev: Array) -> None:
        """Add what one step contributes through its pre-activations z = W v + b."""
        stacked = np.concatenate(dz, axis=1)  # (B, 4H)
        self.W += stacked.T @ at.v
        self.b += stacked.sum(axis=0)
        if self.p is not None:
            seen = [dz.i * c_prev, dz.f * c_prev, dz.o * at.c]
            self.p += np.sum(seen, axis=1)


def step_backward(
    W: Gates, at: Step, c_prev: Array, dh: Array, dc: Array, p: Peepholes | None
) -> tuple[Gates, Array, Array]:
    """Return the gradients of the pre-activations, (B, H) each, of v (B, H+I) and of c_{t-1}.

    Args:
        W: the weights, as ``split_gates`` returns them.
        at: the step.
        c_prev: c_{t-1}, (B, H).
        dh: gradient with respect to h_t, (B, H).
        dc: gradient with respect to c_t, beyond its part in dh, (B, H).
        p: the peepholes, as ``split_peepholes`` returns them.
    """
    _, f, i, g, o, c, _ = at
    # h_t = o_t * tanh(c_t)
    do = dh * np.tanh(c)
    dz_o = do * o * (1 - o)
    dc = dc + dh * o * (1 - np.tanh(c) ** 2) + (0 if p is None else dz_o * p.o)
    # c_t = f_t * c_{t-1} + i_t * g_t
    df, di, dg = dc * c_prev, dc * g, dc * i
    # through sigmoid' = s (1 - s) and tanh' = 1 - tanh^2 to the pre-activations z = W v + b
    dz = Gates(i=di * i * (1 - i), f=df * f * (1 - f), g=dg * (1 - g**2), o=dz_o)
    dv = np.zeros_like(at.v)
    for w, dz_gate in zip(W, dz, strict=True):
        dv += dz_gate @ w
    dc_prev = dc * f + (0 if p is None else dz.i * p.i + dz.f * p.f)
    return dz, dv, dc_prev


def backward(
    W: Gates,
    steps: list[Step],
    c0: Array,
    dy: Array,
    dh: Array,
    dc: Array,
    p: Peepholes | None = None,
) -> tuple[Array, ...]:
    """Backpropagation through time for the loss sum(y*dy) + sum(h_T*dh) + sum(c_T*dc).

    Args:
        W: the weights, as ``split_gates`` returns them.
        steps: what ``forward`` returned.
        c0: the initial cell state, (B, H).
        dy: gradient of the loss with respect to each output, (T, B, H).
        dh: gradient with respect to the last hidden state, beyond its part in dy, (B, H).
        dc: gradient with respect to the last cell state, (B, H).
        p: the peepholes, as ``split_peepholes`` returns them.

    Returns:
        The gradients in the order of ``Gradients``; with peepholes theirs, (3, H), as a seventh.
    """
    H = c0.shape[1]
    weights = GradientSums(W, p)
    dx = np.empty((len(steps), c0.shape[0], W.i.shape[1] - H), dtype=c0.dtype)  # (T, B, I)
    for t in reversed(range(len(steps))):
        c_prev = steps[t - 1].c if t > 0 else c0
        dz, dv, dc = step_backward(W, steps[t], c_prev, dh + dy[t], dc, p)
        weights.add(dz, steps[t], c_prev)
        dh, dx[t] = dv[:, :H], dv[:, H:]
    gradients = (weights.W[:, H:], weights.W[:, :H], weights.b, dx, dh, dc)
    return gradients if weights.p is None else (*gradients, weights.p)
