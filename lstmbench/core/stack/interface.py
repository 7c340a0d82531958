"""The interface of what computes a stack on native arrays, and its gradients as users get them."""

from dataclasses import dataclass
from typing import Any, Protocol

from lstmbench.core.array_checks import Array
from lstmbench.core.parameters import named_shapes
from lstmbench.core.stack.stack_parameters import StackParams


class StackImplementation(Protocol):
    """A stack on the framework's own arrays; these two methods are what is timed.

    A peer with its own layers, directions and lengths registers such a class,
    ``register(..., stack=Class)``. T time steps, B sequences, L layers, D directions; P is H
    without a projection.
    """

    def __init__(self, params: StackParams, framework: Any) -> None: ...

    def forward(
        self, x: Any, h0: Any, c0: Any, lengths: Array | None = None
    ) -> tuple[Any, Any, Any]:
        """Return y (T, B, D*P), h (L*D, B, P), c (L*D, B, H) for x (T, B, I), h0 like h, c0 like c.

        ``lengths`` (B,) are a NumPy array of whole numbers, or None. Beyond its length a sequence's
        y is 0, and x is ignored; h and c are those at its length.
        """

    def forward_backward(
        self,
        x: Any,
        h0: Any,
        c0: Any,
        dy: Any,
        dh: Any,
        dc: Any,
        lengths: Array | None = None,
    ) -> tuple[tuple[Any, Any, Any], tuple[tuple[Any, ...], Any, Any, Any]]:
        """Return (y, h, c) and the gradients of sum(y*dy) + sum(h*dh) + sum(c*dc).

        They are (weights, dx, dh0, dc0). The weights' gradients come layer by layer and direction
        by direction, each in the order of ``LSTMParams.weights``.
        """


@dataclass(frozen=True, eq=False)
class LayerGradients:
    """Gradients of the weights of one layer in one direction, None for a weight that it lacks."""

    weight_ih: Array  # (4H, I)
    weight_hh: Array  # (4H, P or H)
    bias: Array | None = None  # (4H,)
    projection: Array | None = None  # (P, H)
    peephole: Array | None = None  # (3, H)

    def __repr__(self) -> str:
        return named_shapes(self)


@dataclass(frozen=True, eq=False)
class StackGradients:
    """Gradients of one scalar loss: NumPy, in the implementation's dtype.

    For bfloat16 and float16 they are float32.
    """

    layers: tuple[tuple[LayerGradients, ...], ...]  # [l][d], as in StackParams
    x: Array  # (T, B, I), 0 beyond the lengths
    h0: Array  # (L*D, B, P or H)
    c0: Array  # (L*D, B, H)

    def __repr__(self) -> str:
        count = sum(map(len, self.layers))
        shapes = f"x {self.x.shape}, h0 {self.h0.shape}, c0 {self.c0.shape}"
        return f"StackGradients(layers {count}, {shapes})"


def stack_gradients(
    params: StackParams, native: tuple[tuple[Array, ...], Array, Array, Array]
) -> StackGradients:
    """Name the gradients that ``StackImplementation.forward_backward`` returns."""
    flat, dx, dh0, dc0 = native
    arrays = iter(flat)
    layers = tuple(
        tuple(
            LayerGradients(**{name: next(arrays) for name in direction.weights()})
            for direction in layer
        )
        for layer in params.layers
    )
    return StackGradients(layers, dx, dh0, dc0)
