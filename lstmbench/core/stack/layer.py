"""One layer in one direction, over any implementation of the plain LSTM: with a projection, and
with padding.

Nothing here computes gates: each class asks an implementation, with other weights or inputs, for
something that it offers, and takes the answer apart. All arrays are the framework's own.
"""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from lstmbench.core.interface import ArrayBackend
from lstmbench.core.parameters import LSTMParams

Make = Callable[[LSTMParams], Any]
"""Makes an implementation of the plain LSTM (it may have peepholes) from its parameters."""
Weights = dict[str, Any]
"""Gradients of the weights, by the names of the fields of ``LSTMParams``."""

HOLD = 2.0**40
HOLD_FLOAT16 = 2.0**14
"""What padding adds to a pre-activation, or takes off: sigmoid is then 1, or 0, whatever the rest.

In float16, whose largest number is 65504, that holds while the rest, W_hh h + b with x = 0, is
below 16000.
"""


class Layer(Protocol):
    """One layer in one direction: x (T, B, I), h0 (B, P or H), c0 (B, H) -> y (T, B, P or H), h, c."""

    def forward(self, x: Any, h0: Any, c0: Any, *lengths: Any) -> tuple[Any, Any, Any]:
        """Return y, h, c; lengths (B,) are given only to one that takes them."""
        ...

    def forward_saving(
        self, x: Any, h0: Any, c0: Any, *lengths: Any
    ) -> tuple[tuple[Any, Any, Any], Any]:
        """Return (y, h, c), and what ``backward`` needs; it may use it up."""
        ...

    def backward(self, saved: Any, dy: Any, dh: Any, dc: Any) -> tuple[Weights, Any, Any, Any]:
        """Return the gradients of the weights, of x, of h0 and of c0."""
        ...


def make_layer(params: LSTMParams, make: Make, framework: ArrayBackend) -> Layer:
    """Return one layer in one direction, with its projection if it has one."""
    return (
        Plain(params, make, framework)
        if params.projection is None
        else Projected(params, make, framework)
    )


class Plain:
    """The implementation itself; where it does not offer to go back from a forward pass, it goes
    forward again.

    Attributes:
        takes_lengths: whether ``lengths`` may be given; then h and c are those at the lengths.
    """

    def __init__(self, params: LSTMParams, make: Make, framework: ArrayBackend) -> None:
        self.implementation, self.framework = make(params), framework
        pair = [getattr(self.implementation, name, None) for name in ("forward_saving", "backward")]
        self.saves = all(callable(method) for method in pair)
        self.takes_lengths = self.saves and getattr(self.implementation, "takes_lengths", False)
        self.peephole = params.peephole is not None

    def forward(self, x: Any, h0: Any, c0: Any, *lengths: Any) -> Any:
        return self.implementation.forward(x, h0, c0, *lengths)

    def forward_saving(self, x: Any, h0: Any, c0: Any, *lengths: Any) -> Any:
        if self.saves:
            return self.implementation.forward_saving(x, h0, c0, *lengths)
        outputs = self.implementation.forward(x, h0, c0)
        return tuple(map(self.framework.as_training_input, outputs)), (x, h0, c0)

    def backward(self, saved: Any, dy: Any, dh: Any, dc: Any) -> Any:
        if self.saves:
            gradients = self.implementation.backward(saved, dy, dh, dc)
        else:
            _, gradients = self.implementation.forward_backward(*saved, dy, dh, dc)
        dW_ih, dW_hh, db, dx, dh0, dc0, *rest = gradients
        weights = {"weight_ih": dW_ih, "weight_hh": dW_hh, "bias": db}
        if self.peephole:
            (weights["peephole"],) = rest
        return weights, dx, dh0, dc0


class Projected:
    """h_t = W_hr u_t with u_t = o_t * tanh(c_t), over an implementation that knows u only.

    From the second step on, W_hh h_{t-1} = (W_hh W_hr) u_{t-1}: a plain LSTM whose state is u. At
    the first step h_0 is
    given as it is: a plain LSTM of one step, which has it among its inputs and starts from u = 0.
    All outputs are then projected by one product.
    """

    def __init__(self, params: LSTMParams, make: Make, framework: ArrayBackend) -> None:
        assert params.projection is not None
        bias = params.bias if params.has_bias else None
        H = params.hidden_size
        at_first = np.hstack([params.weight_ih, params.weight_hh])  # (4H, I+P)
        self.first = Plain(
            LSTMParams(at_first, np.zeros((4 * H, H)), bias, peephole=params.peephole),
            make,
            framework,
        )
        later = params.weight_hh @ params.projection  # (4H, H)
        self.later = Plain(
            LSTMParams(params.weight_ih, later, bias, peephole=params.peephole), make, framework
        )
        self.W_hh = framework.from_numpy(params.weight_hh)  # (4H, P)
        self.W_hr = framework.from_numpy(params.projection)  # (P, H)
        self.framework = framework

    def _project(self, u: Any) -> Any:
        T, B, H = u.shape
        return (u.reshape(T * B, H) @ self.W_hr.T).reshape(T, B, -1)

    def _first_inputs(self, x: Any, h0: Any, c0: Any) -> tuple[Any, Any, Any]:
        zeros = self.framework.zeros(c0.shape)
        return self.framework.concatenate([x[:1], h0[None]], axis=2), zeros, c0

    def forward(self, x: Any, h0: Any, c0: Any, *_: Any) -> Any:
        u, u_T, c = self.first.forward(*self._first_inputs(x, h0, c0))
        if len(x) > 1:
            us, u_T, c = self.later.forward(x[1:], u_T, c)
            u = self.framework.concatenate([u, us], axis=0)
        return self._project(u), u_T @ self.W_hr.T, c

    def forward_saving(self, x: Any, h0: Any, c0: Any, *_: Any) -> Any:
        (u, u_T, c), saved_first = self.first.forward_saving(*self._first_inputs(x, h0, c0))
        saved_later = None
        if len(x) > 1:
            (us, u_T, c), saved_later = self.later.forward_saving(x[1:], u_T, c)
            u = self.framework.concatenate([u, us], axis=0)
        return (self._project(u), u_T @ self.W_hr.T, c), (saved_first, saved_later, u, u_T)

    def backward(self, saved: Any, dy: Any, dh: Any, dc: Any) -> Any:
        saved_first, saved_later, u, u_T = saved
        T, B, H = u.shape
        flat = dy.reshape(T * B, -1)
        dW_hr = flat.T @ u.reshape(T * B, H) + dh.T @ u_T
        du, du_T = (flat @ self.W_hr).reshape(T, B, H), dh @ self.W_hr
        later: Weights = {}
        dx = None
        if saved_later is not None:
            later, dx, du_T, dc = self.later.backward(saved_later, du[1:], du_T, dc)
        first, dx_and_h, _, dc0 = self.first.backward(saved_first, du[:1], du_T, dc)
        return (
            self._weights(first, later, dW_hr, dx_and_h.shape[2]),
            *self._inputs(dx_and_h, dx),
            dc0,
        )

    def _weights(self, first: Weights, later: Weights, dW_hr: Any, width: int) -> Weights:
        features = width - self.W_hh.shape[1]
        at_first = first.pop("weight_ih")
        weights = first | {"weight_ih": at_first[:, :features], "weight_hh": at_first[:, features:]}
        if later:
            dV = later.pop("weight_hh")  # of W_hh W_hr
            dW_hr = dW_hr + self.W_hh.T @ dV
            later["weight_hh"] = dV @ self.W_hr.T
            weights = {name: weights[name] + gradient for name, gradient in later.items()}
        return weights | {"projection": dW_hr}

    def _inputs(self, dx_and_h: Any, dx: Any) -> tuple[Any, Any]:
        features = dx_and_h.shape[2] - self.W_hh.shape[1]
        dx_first, dh0 = dx_and_h[:, :, :features], dx_and_h[0, :, features:]
        return dx_first if dx is None else self.framework.concatenate([dx_first, dx], axis=0), dh0


class MaskedLayer:
    """A layer that keeps its cell state through padding, over one that takes no lengths.

    The input has a feature more, 0 at a step inside and 1 at one of padding. Its weights open the
    forget gate and
    close the input gate, so far that in every dtype f is 1 and i is 0: c stays as it is, to the
    bit. There the gradients of f and i vanish, and that of g; that of o does where dy is 0. So
    padding adds nothing to any gradient. Outputs at padding mean nothing; they are finite where the
    inputs are.

    Attributes:
        extra: how many features more; those besides the one have no weights.
    """

    def __init__(
        self, params: LSTMParams, make: Make, framework: ArrayBackend, lanes: int = 1
    ) -> None:
        H = params.hidden_size
        self.features = params.input_size
        self.extra = lanes if self.features % lanes == 0 else 1
        hold = np.zeros((4 * H, self.extra))
        amount = HOLD_FLOAT16 if framework.storage_dtype == "float16" else HOLD
        hold[:H, 0], hold[H : 2 * H, 0] = -amount, amount  # rows i, f, g, o
        bias = params.bias if params.has_bias else None
        weight_ih = np.hstack([params.weight_ih, hold])
        held = LSTMParams(
            weight_ih,
            params.weight_hh,
            bias,
            peephole=params.peephole,
            projection=params.projection,
        )
        self.layer = make_layer(held, make, framework)

    def forward(self, x: Any, h0: Any, c0: Any, *_: Any) -> Any:
        return self.layer.forward(x, h0, c0)

    def forward_saving(self, x: Any, h0: Any, c0: Any, *_: Any) -> Any:
        return self.layer.forward_saving(x, h0, c0)

    def backward(self, saved: Any, dy: Any, dh: Any, dc: Any) -> Any:
        weights, dx, dh0, dc0 = self.layer.backward(saved, dy, dh, dc)
        own = weights["weight_ih"][:, : self.features]
        return weights | {"weight_ih": own}, dx[:, :, : self.features], dh0, dc0
