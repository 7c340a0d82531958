"""The gates of a cell over a sequence, and how far back its cell state still matters.

Differentiating c_t = f_t * c_{t-1} + i_t * g_t along the cell state alone gives f_t. So on that
path the gradient of c_T with respect to c_t is the product of the forget gates in between, without
any weight matrix or squashing function. It leaves out what goes through h_{t-1} into the gates;
``jacobian`` includes it.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from lstmbench.core.array_checks import Array, check_array, real_array
from lstmbench.core.oracle import Step, backward, forward, split_weights
from lstmbench.core.parameters import LSTMParams
from lstmbench.errors import LstmbenchError


class Trace(NamedTuple):
    """The input series, (T, I), and all that the cell computed from it, (T, H) each."""

    x: Array
    f: Array
    i: Array
    g: Array
    o: Array
    c: Array
    h: Array


def add_forget_bias(params: LSTMParams, value: float) -> LSTMParams:
    """Return the parameters with ``value`` added to the forget gate's bias: a longer memory."""
    bias = params.bias.copy()
    H = params.hidden_size
    bias[H : 2 * H] += value  # the second of i, f, g, o
    return LSTMParams(params.weight_ih, params.weight_hh, bias)


def trace(params: LSTMParams, x: ArrayLike) -> Trace:
    """Run the reference over one sequence, from a zero state, and keep every gate of every step.

    Args:
        params: the weights.
        x: the sequence, (T, I); (T,) where I is 1.

    Raises:
        LstmbenchError: if the shape is wrong.
    """
    series, steps = _run(params, x, copies=1)
    return Trace(
        series,
        *(np.concatenate([getattr(step, name) for step in steps]) for name in Trace._fields[1:]),
    )


def forget_products(f: Array) -> Array:
    """Return d c_T / d c_t along the cell state alone, for t = 1 ... T: (T, H), from f (T, H).

    The last row, t = T, is 1; the row before is f_T, the one before that f_T f_{T-1}, and so on.
    """
    ones = np.ones_like(f[:1])
    return np.cumprod(np.concatenate([ones, f[:0:-1]]), axis=0)[::-1]


def jacobian(params: LSTMParams, x: ArrayLike, times: ArrayLike) -> Array:
    """Return d c_T / d c_t along all paths, with h_t held fixed: (len(times), H, H).

    Args:
        params: the weights.
        x: the sequence, (T, I); (T,) where I is 1.
        times: the t, whole numbers from 1 to T.

    Raises:
        LstmbenchError: if the shape is wrong, or a time is not between 1 and T.
    """
    H = params.hidden_size
    _, steps = _run(params, x, copies=H)
    T = len(steps)
    weights = split_weights(params)
    jacobians = []
    for t in np.atleast_1d(np.asarray(times)):
        if not 1 <= t <= T:
            raise LstmbenchError(f"times must lie between 1 and T = {T}, but one of them is {t}.")
        later = steps[int(t) :]  # none for t = T: the result is the unit matrix
        # In copy k of the sequence, the loss is unit k of c_T
        dy, dh, dc = np.zeros((len(later), H, H)), np.zeros((H, H)), np.eye(H)
        jacobians.append(backward(weights, later, steps[int(t) - 1].c, dy, dh, dc)[-1])
    return np.array(jacobians)


def _run(params: LSTMParams, x: ArrayLike, copies: int) -> tuple[Array, list[Step]]:
    """Return the series, (T, I), and all steps of a batch of copies of it."""
    series = real_array(x, "x")
    if series.ndim == 1 and params.input_size == 1:
        series = series[:, None]
    series = check_array(series, "x", "T", params.input_size).astype(np.float64)
    state = np.zeros((copies, params.hidden_size))
    batch = np.repeat(series[:, None, :], copies, axis=1)  # (T, B, I)
    return series, forward(split_weights(params), batch, state, state)
