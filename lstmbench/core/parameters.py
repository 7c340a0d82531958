"""The canonical weights of one LSTM layer, and the gradients of a loss with respect to everything
that goes in.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lstmbench.core.array_checks import numbers
from lstmbench.core.weight_formats import WeightFormats
from lstmbench.errors import LstmbenchError

GATES = ("i", "f", "g", "o")
"""Order of the gates in the rows of the stacked weights: input, forget, candidate, output (as torch
stacks them).
"""
PEEPHOLES = ("i", "f", "o")
"""Order of the rows of the peephole weights. The gates i and f look at c_{t-1}, the gate o at c_t.
"""


@dataclass(frozen=True, eq=False)
class LSTMParams(WeightFormats):
    """Weights of one LSTM layer in float64, gates stacked by rows in the order i, f, g, o, with one
    bias.

    Attributes:
        weight_ih: input-to-hidden weights, (4H, I).
        weight_hh: hidden-to-hidden weights, (4H, H); with a projection (4H, P).
        bias: the bias, (4H,). Frameworks that keep two biases hold this one as their sum. Zeros
            where there is none.
        peephole: weights from the cell to the gates i, f, o, (3, H), or None.
        projection: W_hr of h = W_hr (o * tanh(c)), (P, H), or None; outputs and h then have P
            numbers, c has H.
        has_bias: False where the LSTM has no bias, and ``bias`` stands for it.
    """

    weight_ih: NDArray[np.float64]  # (4H, I)
    weight_hh: NDArray[np.float64]  # (4H, H) or (4H, P)
    bias: NDArray[np.float64]  # (4H,)
    peephole: NDArray[np.float64] | None = None  # (3, H)
    projection: NDArray[np.float64] | None = None  # (P, H)
    has_bias: bool = field(default=True, init=False)

    def __init__(
        self,
        weight_ih: ArrayLike,
        weight_hh: ArrayLike,
        bias: ArrayLike | None = None,
        *,
        peephole: ArrayLike | None = None,
        projection: ArrayLike | None = None,
    ) -> None:
        """Take the arrays (copied to float64); ``bias=None`` makes an LSTM without bias.

        Raises:
            LstmbenchError: if they are not numeric, or their shapes do not belong together.
        """
        w_ih, w_hh = _real(weight_ih, "weight_ih"), _real(weight_hh, "weight_hh")
        w_hr = None if projection is None else _real(projection, "projection")
        H = _hidden_size(w_hh, w_hr)
        if w_ih.ndim != 2 or w_ih.shape[0] != 4 * H or w_ih.shape[1] == 0:
            raise LstmbenchError(
                f"weight_ih must have shape ({4 * H}, I) with I >= 1 to go with weight_hh of shape {w_hh.shape}, "
                f"but it has shape {w_ih.shape}."
            )
        b = np.zeros(4 * H) if bias is None else _real(bias, "bias")
        p = None if peephole is None else _real(peephole, "peephole")
        for name, array, shape in (("bias", b, (4 * H,)), ("peephole", p, (3, H))):
            if array is not None and array.shape != shape:
                raise LstmbenchError(
                    f"{name} must have shape {shape} to go with weight_hh of shape {w_hh.shape}, "
                    f"but it has shape {array.shape}."
                )
        values = {
            "weight_ih": w_ih,
            "weight_hh": w_hh,
            "bias": b,
            "peephole": p,
            "projection": w_hr,
        }
        for name, value in (values | {"has_bias": bias is not None}).items():
            object.__setattr__(self, name, value)

    @classmethod
    def init(
        cls,
        input_size: int,
        hidden_size: int,
        seed: int = 0,
        *,
        proj_size: int = 0,
        bias: bool = True,
        peephole: bool = False,
    ) -> Self:
        """Draw all weights from the uniform distribution on +-1/sqrt(H), as torch.nn.LSTM does.

        Args:
            input_size: I, the number of features of an input.
            hidden_size: H, the number of hidden units.
            seed: seed of NumPy's default generator; the same seed gives the same bits.
            proj_size: P, the number of outputs of a projection; 0 for none.
            bias: whether there is a bias.
            peephole: whether the gates see the cell.

        Raises:
            LstmbenchError: if a size is not a positive whole number.
        """
        for name, number, least in (
            ("input_size", input_size, 1),
            ("hidden_size", hidden_size, 1),
            ("seed", seed, 0),
            ("proj_size", proj_size, 0),
        ):
            whole_number(name, number, least)
        return cls.draw(
            np.random.default_rng(seed), input_size, hidden_size, proj_size, bias, peephole
        )

    @classmethod
    def draw(
        cls,
        generator: np.random.Generator,
        input_size: int,
        hidden_size: int,
        proj_size: int,
        bias: bool,
        peephole: bool,
    ) -> Self:
        """Draw all weights as ``init`` does, from a generator that may serve several layers in
        turn.
        """
        H, P = hidden_size, proj_size or hidden_size
        bound = 1 / np.sqrt(H)

        def uniform(*shape: int) -> NDArray[np.float64]:
            return generator.uniform(-bound, bound, shape)

        weight_ih, weight_hh = uniform(4 * H, input_size), uniform(4 * H, P)
        return cls(
            weight_ih,
            weight_hh,
            uniform(4 * H) if bias else None,
            peephole=uniform(3, H) if peephole else None,
            projection=uniform(P, H) if proj_size else None,
        )

    def weights(self) -> dict[str, NDArray[np.float64]]:
        """Return the arrays by name: weight_ih, weight_hh, and where there are such bias,
        projection, peephole.
        """
        names = ["weight_ih", "weight_hh", "bias"] if self.has_bias else ["weight_ih", "weight_hh"]
        optional = {"projection": self.projection, "peephole": self.peephole}
        return {name: getattr(self, name) for name in names} | {
            name: array for name, array in optional.items() if array is not None
        }

    def __repr__(self) -> str:
        return f"LSTMParams({self.describe()})"

    def describe(self) -> str:
        """Return the sizes in one line, such as ``I=8, H=16, P=4, no bias``."""
        parts = [f"I={self.input_size}, H={self.hidden_size}"]
        parts += [f"P={self.proj_size}"] * (self.projection is not None)
        parts += ["no bias"] * (not self.has_bias) + ["peepholes"] * (self.peephole is not None)
        return ", ".join(parts)

    @property
    def input_size(self) -> int:
        """I, the number of features of an input."""
        return self.weight_ih.shape[1]

    @property
    def hidden_size(self) -> int:
        """H, the number of hidden units, and of numbers in a cell state."""
        return self.weight_hh.shape[0] // 4

    @property
    def output_size(self) -> int:
        """P with a projection, H without: the number of features of an output, and of numbers in a
        hidden state.
        """
        return self.weight_hh.shape[1]

    @property
    def proj_size(self) -> int:
        """P, or 0 where there is no projection."""
        return 0 if self.projection is None else self.output_size


@dataclass(frozen=True, eq=False)
class Gradients:
    """Gradients of one scalar loss, as NumPy arrays in the implementation's dtype (float32 for
    bfloat16, float16).
    """

    weight_ih: NDArray[Any]  # (4H, I)
    weight_hh: NDArray[Any]  # (4H, H)
    bias: NDArray[Any]  # (4H,)
    x: NDArray[Any]  # (T, B, I)
    h0: NDArray[Any]  # (B, H)
    c0: NDArray[Any]  # (B, H)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        """Yield the arrays in the order of the fields."""
        return (getattr(self, field.name) for field in fields(self))

    def __repr__(self) -> str:
        shapes = (f"{field.name} {getattr(self, field.name).shape}" for field in fields(self))
        return f"{type(self).__name__}({', '.join(shapes)})"


@dataclass(frozen=True, eq=False, repr=False)
class PeepholeGradients(Gradients):
    """The gradients of an LSTM with peepholes: one array more."""

    peephole: NDArray[Any]  # (3, H)


def whole_number(name: str, number: object, least: int) -> None:
    """Do nothing if it is a whole number, and large enough.

    Raises:
        LstmbenchError: if it is not.
    """
    if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < least:
        raise LstmbenchError(
            f"{name} must be a whole number of at least {least}, but it is {number!r}."
        )


def _hidden_size(w_hh: NDArray[np.float64], w_hr: NDArray[np.float64] | None) -> int:
    """Return H, where weight_hh and the projection, if there is one, have shapes that an LSTM can
    have.
    """
    if w_hr is None:
        if w_hh.ndim != 2 or w_hh.shape[1] == 0 or w_hh.shape[0] != 4 * w_hh.shape[1]:
            raise LstmbenchError(
                f"weight_hh must have shape (4H, H) with H >= 1, but it has shape {w_hh.shape}."
            )
        return w_hh.shape[1]
    if w_hr.ndim != 2 or 0 in w_hr.shape:
        raise LstmbenchError(
            f"projection must have shape (P, H) with P >= 1 and H >= 1, but it has shape {w_hr.shape}."
        )
    P, H = w_hr.shape
    if w_hh.shape != (4 * H, P):
        raise LstmbenchError(
            f"weight_hh must have shape {(4 * H, P)} to go with projection of shape {w_hr.shape}, "
            f"but it has shape {w_hh.shape}."
        )
    return H


def _real(array: ArrayLike, name: str) -> NDArray[np.float64]:
    return np.array(numbers(array, name), dtype=np.float64)  # a copy, which nobody else can change
