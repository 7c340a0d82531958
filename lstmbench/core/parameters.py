"""The canonical weights of one LSTM layer, and the gradients of a loss."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lstmbench.core.array_checks import Array, check_array, check_integer, seeded_generator
from lstmbench.core.weight_io import WeightIO

Float64Array = NDArray[np.float64]

GATES = ("i", "f", "g", "o")
"""Order of the gates in the rows of the stacked weights: input, forget, candidate, output (torch's
order).
"""
PEEPHOLES = ("i", "f", "o")
"""Order of the rows of the peephole weights. The gates i and f see c_{t-1}, the gate o sees c_t."""


@dataclass(frozen=True, eq=False, init=False)
class LSTMParams(WeightIO):
    """Weights of one LSTM layer in float64: gates stacked by rows as i, f, g, o, and one bias.

    Attributes:
        weight_ih: input-to-hidden weights, (4H, I).
        weight_hh: hidden-to-hidden weights, (4H, H); with a projection (4H, P).
        bias: the bias, (4H,); zeros where there is none. In frameworks with two biases, it is their
            sum.
        peephole: weights from the cell to the gates i, f, o, (3, H), or None.
        projection: W_hr of h = W_hr (o * tanh(c)), (P, H), or None. With it, outputs and h have P
            features, and c has H.
        input_size: I, the number of input features.
        hidden_size: H, the number of hidden units, and of features of a cell state.
        output_size: P with a projection, else H: the number of features of outputs and of h.
        proj_size: P, or 0 without a projection.
        has_bias: whether the LSTM has a bias.
        has_peephole: whether the gates see the cell.
    """

    weight_ih: Float64Array  # (4H, I)
    weight_hh: Float64Array  # (4H, H) or (4H, P)
    bias: Float64Array  # (4H,)
    peephole: Float64Array | None  # (3, H)
    projection: Float64Array | None  # (P, H)
    input_size: int
    hidden_size: int
    output_size: int
    proj_size: int
    has_bias: bool
    has_peephole: bool

    def __init__(
        self,
        weight_ih: ArrayLike,
        weight_hh: ArrayLike,
        bias: ArrayLike | None = None,
        *,
        peephole: ArrayLike | None = None,
        projection: ArrayLike | None = None,
    ) -> None:
        """Copy the arrays to float64; ``bias=None`` makes an LSTM without bias.

        Raises:
            LstmbenchError: if an array is not numeric, or the shapes do not fit together.
        """
        if projection is None:
            w_hr, w_hh = None, _copy(weight_hh, "weight_hh", "4H", "H", in_letters=True)
            P = H = w_hh.shape[1]
        else:
            w_hr = _copy(projection, "projection", "P", "H", in_letters=True)
            P, H = w_hr.shape
            reason = f" to go with projection of shape {w_hr.shape}"
            w_hh = _copy(weight_hh, "weight_hh", 4 * H, P, reason=reason)
        reason = f" to go with weight_hh of shape {w_hh.shape}"
        w_ih = _copy(weight_ih, "weight_ih", 4 * H, "I", reason=reason)
        vars(self).update(
            weight_ih=w_ih,
            weight_hh=w_hh,
            bias=np.zeros(4 * H) if bias is None else _copy(bias, "bias", 4 * H, reason=reason),
            peephole=None if peephole is None else _copy(peephole, "peephole", 3, H, reason=reason),
            projection=w_hr,
            input_size=w_ih.shape[1],
            hidden_size=H,
            output_size=P,
            proj_size=0 if w_hr is None else P,
            has_bias=bias is not None,
            has_peephole=peephole is not None,
        )

    @classmethod
    def init(
        cls,
        input_size: int,
        hidden_size: int,
        seed: int | np.random.Generator = 0,
        *,
        proj_size: int = 0,
        bias: bool = True,
        peephole: bool = False,
    ) -> Self:
        """Draw all weights from the uniform distribution on +-1/sqrt(H), as torch.nn.LSTM does.

        Args:
            input_size: I, the number of input features.
            hidden_size: H, the number of hidden units.
            seed: seed of NumPy's default generator, and the same seed gives the same bits; or a
                generator, which several layers can share.
            proj_size: P, the number of outputs of a projection; 0 for no projection.
            bias: whether there is a bias.
            peephole: whether the gates see the cell.

        Raises:
            LstmbenchError: if a size or the seed is not a whole number, or is too small.
        """
        check_integer("input_size", input_size, 1)
        check_integer("hidden_size", hidden_size, 1)
        check_integer("proj_size", proj_size, 0)
        generator = seeded_generator(seed)
        H, P = hidden_size, proj_size or hidden_size
        bound = 1 / np.sqrt(H)

        def uniform(*shape: int) -> Float64Array:
            return generator.uniform(-bound, bound, shape)

        weight_ih, weight_hh = uniform(4 * H, input_size), uniform(4 * H, P)
        return cls(
            weight_ih,
            weight_hh,
            uniform(4 * H) if bias else None,
            peephole=uniform(3, H) if peephole else None,
            projection=uniform(P, H) if proj_size else None,
        )

    def weights(self) -> dict[str, Float64Array]:
        """Return the weights that exist: of weight_ih, weight_hh, bias, projection, peephole."""
        arrays = {
            "weight_ih": self.weight_ih,
            "weight_hh": self.weight_hh,
            "bias": self.bias if self.has_bias else None,
            "projection": self.projection,
            "peephole": self.peephole,
        }
        return {name: array for name, array in arrays.items() if array is not None}

    def __repr__(self) -> str:
        return f"LSTMParams({self.describe()})"

    def describe(self) -> str:
        """Return the sizes in one line, such as ``I=8, H=16, P=4, no bias``."""
        parts = [f"I={self.input_size}, H={self.hidden_size}"]
        parts += [f"P={self.proj_size}"] * bool(self.proj_size)
        parts += ["no bias"] * (not self.has_bias) + ["peepholes"] * self.has_peephole
        return ", ".join(parts)


@dataclass(frozen=True, eq=False)
class Gradients:
    """Gradients of one scalar loss: NumPy, in the implementation's dtype.

    For bfloat16 and float16 they are float32.
    """

    weight_ih: Array  # (4H, I)
    weight_hh: Array  # (4H, H)
    bias: Array  # (4H,)
    x: Array  # (T, B, I)
    h0: Array  # (B, H)
    c0: Array  # (B, H)

    def __iter__(self) -> Iterator[Array]:
        """Yield the arrays in the order of the fields."""
        return iter(vars(self).values())

    def __repr__(self) -> str:
        return named_shapes(self)


def named_shapes(gradients: Any) -> str:
    """Return the class and the shapes of its arrays in one line."""
    shapes = (
        f"{name} {array.shape}" for name, array in vars(gradients).items() if array is not None
    )
    return f"{type(gradients).__name__}({', '.join(shapes)})"


def _copy(array: ArrayLike, name: str, *shape: int | str, **options: Any) -> Float64Array:
    return np.array(check_array(array, name, *shape, **options), dtype=np.float64)
