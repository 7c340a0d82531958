"""One layer in one direction, over any implementation of the plain LSTM: projection and padding.

Nothing here computes gates: each class calls an implementation with other weights or inputs, and
rearranges its results. All arrays are the framework's own.
"""

from typing import Any, NamedTuple, Protocol

import numpy as np

from lstmbench.core.interface import ArrayBackend
from lstmbench.core.parameters import LSTMParams

WeightGradients = dict[str, Any]
"""Gradients of the weights, by the names of the fields of ``LSTMParams``."""

GATE_SATURATION = 2.0**40
GATE_SATURATION_FLOAT16 = 2.0**14
"""What padding adds to a pre-activation, or subtracts: sigmoid is then exactly 1, or 0.

That holds in float16, whose largest number is 65504, while the rest, W_hh h + b with x = 0, is
below 16000.
"""


class Padding(NamedTuple):
    """What follows from the lengths of sequences, as native arrays.

    Attributes:
        lengths: the lengths themselves, (B,).
        valid: (T, B), true within each sequence.
        reversed_rows: (T, B), the row t*B + b to read in reverse order; None in one direction.
            Padding stays where it is.
        last_rows: (B,), the row of each sequence's last step.
    """

    lengths: Any
    valid: Any
    reversed_rows: Any
    last_rows: Any


class NativeLayer(Protocol):
    """One layer in one direction."""

    def forward(
        self, x: Any, h0: Any, c0: Any, padding: Any = None, *, save: bool
    ) -> tuple[Any, Any]:
        """Return (y (T, B, P or H), h, c), and what ``backward`` needs; None unless ``save``.

        Args:
            x: inputs, (T, B, I).
            h0: initial hidden state, (B, P or H).
            c0: initial cell state, (B, H).
            padding: a ``Padding``, for a layer that takes lengths; h and c are then those at the
                lengths. Else None.
            save: whether ``backward`` follows.
        """

    def backward(
        self, saved: Any, dy: Any, dh: Any, dc: Any
    ) -> tuple[WeightGradients, Any, Any, Any]:
        """Return the gradients of the weights, of x, of h0 and of c0; ``saved`` may be used up."""


def make_layer(params: LSTMParams, implementation: type, framework: ArrayBackend) -> NativeLayer:
    """Return one layer in one direction, with its projection if it has one."""
    kind = PlainLayer if params.projection is None else ProjectedLayer
    return kind(params, implementation, framework)


class PlainLayer:
    """The implementation itself; if it cannot save its forward pass, ``backward`` repeats it.

    Attributes:
        takes_lengths: whether there may be padding.
    """

    def __init__(self, params: LSTMParams, implementation: type, framework: ArrayBackend) -> None:
        self.implementation, self.framework = implementation(params, framework), framework
        pair = ("forward_saving", "backward")
        self.saves = all(hasattr(self.implementation, name) for name in pair)
        self.takes_lengths = self.saves and getattr(self.implementation, "takes_lengths", False)

    def forward(self, x: Any, h0: Any, c0: Any, padding: Any = None, *, save: bool) -> Any:
        lengths = () if padding is None else (padding.lengths,)
        if save and self.saves:
            return self.implementation.forward_saving(x, h0, c0, *lengths)
        outputs = self.implementation.forward(x, h0, c0, *lengths)
        if not save:
            return outputs, None
        return tuple(map(self.framework.as_training_input, outputs)), (x, h0, c0)

    def backward(self, saved: Any, dy: Any, dh: Any, dc: Any) -> Any:
        if self.saves:
            gradients = self.implementation.backward(saved, dy, dh, dc)
        else:
            _, gradients = self.implementation.forward_backward(*saved, dy, dh, dc)
        dW_ih, dW_hh, db, dx, dh0, dc0, *dp = gradients
        names = ("weight_ih", "weight_hh", "bias", "peephole")
        return dict(zip(names, (dW_ih, dW_hh, db, *dp), strict=False)), dx, dh0, dc0


class ProjectedLayer:
    """h_t = W_hr u_t with u_t = o_t * tanh(c_t), over an implementation that knows only u.

    From the second step on, W_hh h_{t-1} = (W_hh W_hr) u_{t-1}: a plain LSTM whose state is u. The
    first step is a plain LSTM too, which starts from u = 0 and has h_0 among its inputs. One
    product then projects all outputs.
    """

    def __init__(self, params: LSTMParams, implementation: type, framework: ArrayBackend) -> None:
        weights = params.weights()
        W_hh, W_hr = weights["weight_hh"], weights.pop("projection")
        later = weights | {"weight_hh": W_hh @ W_hr}  # (4H, H)
        first = weights | {
            "weight_ih": np.hstack([params.weight_ih, W_hh]),  # (4H, I+P)
            "weight_hh": np.zeros_like(later["weight_hh"]),
        }
        self.first, self.later = (
            PlainLayer(LSTMParams(**changed), implementation, framework)
            for changed in (first, later)
        )
        self.W_hh, self.W_hr = map(framework.from_numpy, (W_hh, W_hr))  # (4H, P), (P, H)
        self.framework, self.input_size = framework, params.input_size

    def forward(self, x: Any, h0: Any, c0: Any, padding: Any = None, *, save: bool) -> Any:
        concatenate = self.framework.concatenate
        x_and_h0, zeros = concatenate([x[:1], h0[None]], axis=2), self.framework.zeros(c0.shape)
        (u, u_T, c), saved_first = self.first.forward(x_and_h0, zeros, c0, save=save)
        saved_later = None
        if len(x) > 1:
            (later, u_T, c), saved_later = self.later.forward(x[1:], u_T, c, save=save)
            u = concatenate([u, later], axis=0)
        T, B, H = u.shape
        y = (u.reshape(T * B, H) @ self.W_hr.T).reshape(T, B, -1)
        saved = (saved_first, saved_later, u, u_T) if save else None
        return (y, u_T @ self.W_hr.T, c), saved

    def backward(self, saved: Any, dy: Any, dh: Any, dc: Any) -> Any:
        saved_first, saved_later, u, u_T = saved
        T, B, H = u.shape
        flat = dy.reshape(T * B, -1)
        dW_hr = flat.T @ u.reshape(T * B, H) + dh.T @ u_T
        du, du_T = (flat @ self.W_hr).reshape(T, B, H), dh @ self.W_hr
        if saved_later is not None:
            later, dx_later, du_T, dc = self.later.backward(saved_later, du[1:], du_T, dc)
        weights, dx_and_h0, _, dc0 = self.first.backward(saved_first, du[:1], du_T, dc)
        dW = weights["weight_ih"]  # of [W_ih, W_hh]
        weights |= {
            "weight_ih": dW[:, : self.input_size],
            "weight_hh": dW[:, self.input_size :],
            "projection": dW_hr,
        }
        dx, dh0 = dx_and_h0[:, :, : self.input_size], dx_and_h0[0, :, self.input_size :]
        if saved_later is not None:
            dV = later["weight_hh"]  # of W_hh W_hr
            later |= {"weight_hh": dV @ self.W_hr.T, "projection": self.W_hh.T @ dV}
            weights = {name: weights[name] + gradient for name, gradient in later.items()}
            dx = self.framework.concatenate([dx, dx_later], axis=0)
        return weights, dx, dh0, dc0


class MaskedLayer:
    """A layer that keeps its cell state through padding, over one that takes no lengths.

    The input has one more feature: 0 at a valid step, 1 at padding. Its weights saturate the gates
    there, so that f is exactly 1 and i exactly 0 in every dtype: c stays the same, to the bit. The
    gradients of f, i and g then vanish at padding, and that of o does where dy is 0. So padding
    adds nothing to any gradient. Outputs at padding have no meaning; they are finite where the
    inputs are.

    Attributes:
        num_mask_features: how many features are added; those after the first have zero weights.
    """

    def __init__(
        self, params: LSTMParams, implementation: type, framework: ArrayBackend, multiple: int
    ) -> None:
        H = params.hidden_size
        self.framework, self.input_size = framework, params.input_size
        self.num_mask_features = multiple if self.input_size % multiple == 0 else 1
        mask_weights = np.zeros((4 * H, self.num_mask_features))
        half = framework.storage_dtype == "float16"
        saturation = GATE_SATURATION_FLOAT16 if half else GATE_SATURATION
        mask_weights[:H, 0], mask_weights[H : 2 * H, 0] = -saturation, saturation  # rows i, f, g, o
        weight_ih = np.hstack([params.weight_ih, mask_weights])
        masked = LSTMParams(**params.weights() | {"weight_ih": weight_ih})
        self.layer = make_layer(masked, implementation, framework)

    def forward(self, x: Any, h0: Any, c0: Any, padding: Any = None, *, save: bool) -> Any:
        zeros = self.framework.zeros((*x.shape[:2], self.num_mask_features))
        x = self.framework.concatenate([x, zeros + ~padding.valid[:, :, None]], axis=2)
        (y, _, c), saved = self.layer.forward(x, h0, c0, save=save)
        h = self.framework.take_rows(y, padding.last_rows)
        return (y, h, c), (saved, padding.last_rows) if save else None

    def backward(self, saved: Any, dy: Any, dh: Any, dc: Any) -> Any:
        inner, last_rows = saved
        dy = self.framework.add_rows(dy, last_rows, dh)  # h was taken from y
        zeros = self.framework.zeros(dh.shape)
        weights, dx, dh0, dc0 = self.layer.backward(inner, dy, zeros, dc)
        weights["weight_ih"] = weights["weight_ih"][:, : self.input_size]
        return weights, dx[:, :, : self.input_size], dh0, dc0
