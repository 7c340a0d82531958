"""The canonical weights of one LSTM layer, and the gradients of a loss with respect to everything that goes in."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lstmbench.errors import LstmbenchError

GATES = ("i", "f", "g", "o")
"""Order of the gates in the rows of the stacked weights: input, forget, candidate, output (as torch stacks them)."""


@dataclass(frozen=True, eq=False)
class LSTMParams:
    """Weights of one LSTM layer in float64, gates stacked by rows in the order i, f, g, o, with one bias.

    Attributes:
        weight_ih: input-to-hidden weights, (4H, I).
        weight_hh: hidden-to-hidden weights, (4H, H).
        bias: the bias, (4H,). Frameworks that keep two biases hold this one as their sum.
    """

    weight_ih: NDArray[np.float64]  # (4H, I)
    weight_hh: NDArray[np.float64]  # (4H, H)
    bias: NDArray[np.float64]  # (4H,)

    def __init__(self, weight_ih: ArrayLike, weight_hh: ArrayLike, bias: ArrayLike) -> None:
        """Take the three arrays (copied to float64).

        Raises:
            LstmbenchError: if they are not numeric, or their shapes do not belong together.
        """
        w_ih, w_hh, b = (
            _real(array, name) for name, array in (("weight_ih", weight_ih), ("weight_hh", weight_hh), ("bias", bias))
        )
        if w_hh.ndim != 2 or w_hh.shape[1] == 0 or w_hh.shape[0] != 4 * w_hh.shape[1]:
            raise LstmbenchError(f"weight_hh must have shape (4H, H) with H >= 1, but it has shape {w_hh.shape}.")
        rows = w_hh.shape[0]
        if w_ih.ndim != 2 or w_ih.shape[0] != rows or w_ih.shape[1] == 0:
            raise LstmbenchError(
                f"weight_ih must have shape ({rows}, I) with I >= 1 to go with weight_hh of shape {w_hh.shape}, "
                f"but it has shape {w_ih.shape}."
            )
        if b.shape != (rows,):
            raise LstmbenchError(
                f"bias must have shape ({rows},) to go with weight_hh of shape {w_hh.shape}, "
                f"but it has shape {b.shape}."
            )
        for name, array in (("weight_ih", w_ih), ("weight_hh", w_hh), ("bias", b)):
            object.__setattr__(self, name, array)

    @classmethod
    def init(cls, input_size: int, hidden_size: int, seed: int = 0) -> Self:
        """Draw all weights from the uniform distribution on +-1/sqrt(H), as torch.nn.LSTM does.

        Args:
            input_size: I, the number of features of an input.
            hidden_size: H, the number of hidden units.
            seed: seed of NumPy's default generator; the same seed gives the same bits.

        Raises:
            LstmbenchError: if a size is not a positive whole number.
        """
        for name, size in (("input_size", input_size), ("hidden_size", hidden_size)):
            if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1:
                raise LstmbenchError(f"{name} must be a whole number of at least 1, but it is {size!r}.")
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
            raise LstmbenchError(f"seed must be a whole number of at least 0, but it is {seed!r}.")
        generator = np.random.default_rng(seed)
        bound = 1 / np.sqrt(hidden_size)
        return cls(
            weight_ih=generator.uniform(-bound, bound, (4 * hidden_size, input_size)),
            weight_hh=generator.uniform(-bound, bound, (4 * hidden_size, hidden_size)),
            bias=generator.uniform(-bound, bound, 4 * hidden_size),
        )

    @property
    def input_size(self) -> int:
        """I, the number of features of an input."""
        return self.weight_ih.shape[1]

    @property
    def hidden_size(self) -> int:
        """H, the number of hidden units."""
        return self.weight_hh.shape[1]


@dataclass(frozen=True, eq=False)
class Gradients:
    """Gradients of one scalar loss, as NumPy arrays in the dtype of the implementation (bfloat16 comes as float32)."""

    weight_ih: NDArray[Any]  # (4H, I)
    weight_hh: NDArray[Any]  # (4H, H)
    bias: NDArray[Any]  # (4H,)
    x: NDArray[Any]  # (T, B, I)
    h0: NDArray[Any]  # (B, H)
    c0: NDArray[Any]  # (B, H)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        """Yield the six arrays in the order of the fields."""
        return (getattr(self, field.name) for field in fields(self))


def _real(array: ArrayLike, name: str) -> NDArray[np.float64]:
    try:
        given = np.asarray(array)
        if given.dtype.kind not in "fiub":
            raise TypeError
        return np.array(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise LstmbenchError(f"{name} must be an array of real numbers.") from None
