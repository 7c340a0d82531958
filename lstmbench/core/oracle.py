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
that of o. With a projection (Sak, Senior & Beaufays, "Long Short-Term Memory Recurrent Neural
Network Architectures for Large Scale Acoustic Modeling", Interspeech 2014) h_t = W_hr (o_t *
tanh(c_t)) has P features; without one, P is H.
"""

from typing import Any, NamedTuple

import numpy as np

from lstmbench.core.array_checks import Array as Array
from lstmbench.core.parameters import LSTMParams


class Step(NamedTuple):
    """Everything that one time step computes.

    v is [h_{t-1}, x_t], (B, P+I), h is (B, P), the rest is (B, H).
    """

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
    """One array for each gate: weights W acting on [h, x], (H, P+I), or biases, (H,)."""

    i: Array
    f: Array
    g: Array
    o: Array


class Weights(NamedTuple):
    """The weights of a cell, gate by gate; p and W_hr (P, H) are None where it has none."""

    W: Gates
    b: Gates
    p: Peepholes | None
    W_hr: Array | None


def sigmoid(z: Array) -> Array:
    """Return 1 / (1 + exp(-z)); where exp(-z) overflows to inf, that is 0, as it should be."""
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-z))


def split_weights(params: LSTMParams, dtype: Any = np.float64) -> Weights:
    """Return the weights gate by gate."""
    W = np.concatenate([params.weight_hh, params.weight_ih], axis=1).astype(dtype)  # (4H, P+I)
    b = params.bias.astype(dtype)  # (4H,)
    p, W_hr = params.peephole, params.projection
    return Weights(
        Gates(*np.split(W, 4)),
        Gates(*np.split(b, 4)),
        None if p is None else Peepholes(*p.astype(dtype)),
        None if W_hr is None else W_hr.astype(dtype),
    )


def step(weights: Weights, x_t: Array, h: Array, c: Array) -> Step:
    """One time step: x_t (B, I), h (B, P) and c (B, H)."""
    W, b, p, W_hr = weights
    v = np.concatenate([h, x_t], axis=1)  # (B, P+I)
    seen_i, seen_f = (0, 0) if p is None else (p.i * c, p.f * c)
    f = sigmoid(v @ W.f.T + b.f + seen_f)
    i = sigmoid(v @ W.i.T + b.i + seen_i)
    g = np.tanh(v @ W.g.T + b.g)
    c = f * c + i * g
    o = sigmoid(v @ W.o.T + b.o + (0 if p is None else p.o * c))
    h = o * np.tanh(c)
    return Step(v, f, i, g, o, c, h if W_hr is None else h @ W_hr.T)


def forward(weights: Weights, x: Array, h0: Array, c0: Array) -> list[Step]:
    """All time steps: x (T, B, I), h0 (B, P) and c0 (B, H)."""
    steps: list[Step] = []
    h, c = h0, c0
    for x_t in x:
        steps.append(step(weights, x_t, h, c))
        h, c = steps[-1].h, steps[-1].c
    return steps


def step_backward(
    weights: Weights, at: Step, c_prev: Array, dh: Array, dc: Array
) -> tuple[Gates, Array, Array]:
    """Return the gradients of the pre-activations, (B, H) each, of v (B, P+I) and of c_{t-1}.

    Args:
        weights: the weights, as ``split_weights`` returns them.
        at: the step.
        c_prev: c_{t-1}, (B, H).
        dh: gradient with respect to o_t * tanh(c_t), (B, H).
        dc: gradient with respect to c_t, beyond its part in dh, (B, H).
    """
    W, _, p, _ = weights
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
    weights: Weights, steps: list[Step], c0: Array, dy: Array, dh: Array, dc: Array
) -> tuple[Array, ...]:
    """Backpropagation through time for the loss sum(y*dy) + sum(h_T*dh) + sum(c_T*dc).

    Args:
        weights: the weights, as ``split_weights`` returns them.
        steps: what ``forward`` returned.
        c0: the initial cell state, (B, H).
        dy: gradient of the loss with respect to each output, (T, B, P).
        dh: gradient with respect to the last hidden state, beyond its part in dy, (B, P).
        dc: gradient with respect to the last cell state, (B, H).

    Returns:
        The gradients in the order of ``Gradients``, then those of the projection, (P, H), and of
        the peepholes, (3, H), if there are any.
    """
    W, _, p, W_hr = weights
    P, H = dh.shape[1], c0.shape[1]
    dW = np.zeros_like(np.concatenate(W))  # (4H, P+I)
    db = np.zeros_like(dW[:, 0])
    dp, dW_hr = np.zeros((3, H), dW.dtype), np.zeros((P, H), dW.dtype)
    dx = np.empty((len(steps), len(c0), dW.shape[1] - P), dtype=c0.dtype)  # (T, B, I)
    for t in reversed(range(len(steps))):
        at, c_prev = steps[t], steps[t - 1].c if t > 0 else c0
        dh = dh + dy[t]
        if W_hr is not None:  # h_t = W_hr (o_t * tanh(c_t))
            dW_hr += dh.T @ (at.o * np.tanh(at.c))
            dh = dh @ W_hr
        dz, dv, dc = step_backward(weights, at, c_prev, dh, dc)
        stacked = np.concatenate(dz, axis=1)  # (B, 4H)
        dW += stacked.T @ at.v
        db += stacked.sum(axis=0)
        if p is not None:
            dp += np.sum([dz.i * c_prev, dz.f * c_prev, dz.o * at.c], axis=1)
        dh, dx[t] = dv[:, :P], dv[:, P:]
    others = [gradient for gradient, w in ((dW_hr, W_hr), (dp, p)) if w is not None]
    return (dW[:, P:], dW[:, :P], db, dx, dh, dc, *others)
