"""What computes a stack on native arrays, and the gradients that users get of one."""

from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from lstmbench.core.array_checks import Array
from lstmbench.core.stack.stack_parameters import StackParams


class NativeStack(Protocol):
    """Computes a stack on the framework's own arrays; these two methods are what is timed.

    A peer with layers, directions and lengths of its own offers them in a class that it registers,
    ``register(..., stack=Class)``. T time steps, B sequences, L layers, D directions; P is H
    without a projection.
    """

    def __init__(self, params: StackParams, framework: Any) -> None: ...

    def forward(
        self, x: Any, h0: Any, c0: Any, lengths: NDArray[Any] | None = None
    ) -> tuple[Any, Any, Any]:
        """Return y (T, B, D*P), h (L*D, B, P), c (L*D, B, H) for x (T, B, I), h0 like h, c0 like c.

        ``lengths`` (B,) are whole numbers of NumPy, on the host, or None. Beyond its length a
        sequence's y is 0, and whatever stands in x there has no influence; h and c are those at its
        length.
        """
        ...

    def forward_backward(
        self,
        x: Any,
        h0: Any,
        c0: Any,
        dy: Any,
        dh: Any,
        dc: Any,
        lengths: NDArray[Any] | None = None,
    ) -> tuple[tuple[Any, Any, Any], tuple[tuple[Any, ...], Any, Any, Any]]:
        """Return (y, h, c) and the gradients of sum(y*dy) + sum(h*dh) + sum(c*dc).

        They are (weights, dx, dh0, dc0), where weights holds the gradient of each layer's and
        direction's arrays in turn, in the order of ``LSTMParams.weights``: weight_ih, weight_hh,
        and where there are such bias, projection, peephole.
        """
        ...


@dataclass(frozen=True, eq=False)
class LayerGradients:
    """Gradients of the weights of one layer in one direction, None where it has no such weight."""

    weight_ih: Array  # (4H, I)
    weight_hh: Array  # (4H, P or H)
    bias: Array | None = None  # (4H,)
    projection: Array | None = None  # (P, H)
    peephole: Array | None = None  # (3, H)

    def __repr__(self) -> str:
        shapes = (
            f"{name} {array.shape}" for name, array in vars(self).items() if array is not None
        )
        return f"LayerGradients({', '.join(shapes)})"


@dataclass(frozen=True, eq=False)
class StackGradients:
    """Gradients of one scalar loss, as NumPy arrays in the implementation's dtype (float32 for
    bfloat16, float16).
    """

    layers: tuple[tuple[LayerGradients, ...], ...]  # [l][d], as in StackParams
    x: Array  # (T, B, I), 0 beyond the lengths
    h0: Array  # (L*D, B, P or H)
    c0: Array  # (L*D, B, H)

    def __repr__(self) -> str:
        count = sum(map(len, self.layers))
        return f"StackGradients(layers {count}, x {self.x.shape}, h0 {self.h0.shape}, c0 {self.c0.shape})"


def stack_gradients(
    params: StackParams, native: tuple[tuple[Array, ...], Array, Array, Array]
) -> StackGradients:
    """Name the gradients that ``NativeStack.forward_backward`` returns."""
    flat, dx, dh0, dc0 = native
    rest = iter(flat)
    layers = tuple(
        tuple(LayerGradients(**{name: next(rest) for name in each.weights()}) for each in layer)
        for layer in params.layers
    )
    return StackGradients(layers, dx, dh0, dc0)
