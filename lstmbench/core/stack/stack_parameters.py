"""The canonical weights of a stack of LSTM layers, in one direction or in both."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from lstmbench.core.parameters import LSTMParams, whole_number
from lstmbench.core.weight_formats import WeightFormats
from lstmbench.errors import LstmbenchError


@dataclass(frozen=True, eq=False)
class StackParams(WeightFormats):
    """Weights of several layers: ``layers[l][d]``, where d = 0 reads forward and d = 1, if it is
    there, in reverse.

    Layer l > 0 takes the outputs of the layer below, those of its two directions side by side. A
    state of the whole
    stack is laid out as in torch: h (L*D, B, P or H), c (L*D, B, H), layer l, direction d at index
    l*D + d.

    Attributes:
        layers: L layers of D directions each, D the same 1 or 2 in all of them.
    """

    _several: ClassVar[bool] = True

    layers: tuple[tuple[LSTMParams, ...], ...]

    def __init__(self, layers: Iterable[Iterable[LSTMParams]]) -> None:
        """Take the layers, from the lowest to the highest.

        Raises:
            LstmbenchError: if they do not belong together; the first that does not fit is named.
        """
        given = tuple(tuple(_several(layer, "a layer")) for layer in _several(layers, "layers"))
        if not given:
            raise LstmbenchError("layers must hold at least one layer, but they hold none.")
        for layer, directions in enumerate(given):
            _check_types(layer, directions, len(given[0]))
        first = given[0][0]
        for layer, directions in enumerate(given):
            below = first.input_size if layer == 0 else len(directions) * first.output_size
            for direction, params in enumerate(directions):
                _check(f"layers[{layer}][{direction}]", params, first, below)
        object.__setattr__(self, "layers", given)

    @classmethod
    def init(
        cls,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bidirectional: bool = False,
        proj_size: int = 0,
        bias: bool = True,
        peephole: bool = False,
        seed: int = 0,
    ) -> Self:
        """Draw all weights from the uniform distribution on +-1/sqrt(H), as torch.nn.LSTM does.

        The first layer's first direction has the weights of ``LSTMParams.init`` with the same seed.

        Args:
            input_size: I, the number of features of an input.
            hidden_size: H, the number of hidden units of each layer and direction.
            num_layers: L.
            bidirectional: whether each layer reads in both directions.
            proj_size: P, the number of outputs of a projection; 0 for none.
            bias: whether there is a bias.
            peephole: whether the gates see the cell.
            seed: seed of NumPy's default generator; the same seed gives the same bits.

        Raises:
            LstmbenchError: if a size is not a whole number, or is too small.
        """
        sizes = {"input_size": input_size, "hidden_size": hidden_size, "num_layers": num_layers}
        for name, number in sizes.items():
            whole_number(name, number, 1)
        for name, number in (("proj_size", proj_size), ("seed", seed)):
            whole_number(name, number, 0)
        generator = np.random.default_rng(seed)
        D = 2 if bidirectional else 1
        layers = []
        for layer in range(num_layers):
            features = input_size if layer == 0 else D * (proj_size or hidden_size)
            layers.append(
                [
                    LSTMParams.draw(generator, features, hidden_size, proj_size, bias, peephole)
                    for _ in range(D)
                ]
            )
        return cls(layers)

    def __iter__(self) -> Iterator[LSTMParams]:
        """Yield the parameters of every layer and direction, in the order of the state's first
        axis.
        """
        return (params for layer in self.layers for params in layer)

    def __repr__(self) -> str:
        return f"StackParams({self.describe()})"

    def describe(self) -> str:
        """Return the sizes in one line, such as ``I=8, H=16, L=2, both directions``."""
        parts = [self.layers[0][0].describe(), f"L={self.num_layers}"]
        return ", ".join(parts + ["both directions"] * self.bidirectional)

    @property
    def num_layers(self) -> int:
        """L."""
        return len(self.layers)

    @property
    def num_directions(self) -> int:
        """D, 1 or 2."""
        return len(self.layers[0])

    @property
    def bidirectional(self) -> bool:
        """Whether there are two directions."""
        return self.num_directions == 2

    @property
    def input_size(self) -> int:
        """I, the number of features of an input."""
        return self.layers[0][0].input_size

    @property
    def hidden_size(self) -> int:
        """H, the number of hidden units of each layer and direction."""
        return self.layers[0][0].hidden_size

    @property
    def proj_size(self) -> int:
        """P, the number of outputs of the projections, or 0 where there are none."""
        return self.layers[0][0].proj_size

    @property
    def output_size(self) -> int:
        """P with projections, H without: the width of one direction's output. The stack's is D
        times that.
        """
        return self.layers[0][0].output_size

    @property
    def has_bias(self) -> bool:
        """Whether there is a bias."""
        return self.layers[0][0].has_bias

    @property
    def has_peephole(self) -> bool:
        """Whether the gates see the cell."""
        return self.layers[0][0].peephole is not None


def _several(items: object, name: str) -> tuple[Any, ...]:
    if isinstance(items, LSTMParams) or not isinstance(items, Iterable):
        raise LstmbenchError(
            f"layers must be a sequence of layers, each a sequence of one or two LSTMParams, "
            f"but {name} is a {type(items).__name__}."
        )
    return tuple(items)


def _check_types(layer: int, directions: tuple[Any, ...], wanted: int) -> None:
    for direction, params in enumerate(directions):
        if not isinstance(params, LSTMParams):
            found = type(params).__name__
            raise LstmbenchError(
                f"layers[{layer}][{direction}] must be an LSTMParams, but it is a {found}."
            )
    if len(directions) not in (1, 2):
        raise LstmbenchError(
            f"layers[{layer}] must hold one or two directions, but it holds {len(directions)}."
        )
    if len(directions) != wanted:
        raise LstmbenchError(
            f"layers[{layer}] must hold as many directions as layers[0], {wanted}, but it holds {len(directions)}."
        )


def _check(name: str, params: LSTMParams, first: LSTMParams, input_size: int) -> None:
    if params.input_size != input_size:
        raise LstmbenchError(
            f"{name} must have input_size {input_size}, but it has {params.input_size}."
        )
    for what in ("hidden_size", "proj_size"):
        wanted, found = getattr(first, what), getattr(params, what)
        if found != wanted:
            raise LstmbenchError(
                f"{name} must have {what} {wanted} as layers[0][0] has, but it has {found}."
            )
    for what, wanted, found in (
        ("a bias", first.has_bias, params.has_bias),
        ("peepholes", first.peephole is not None, params.peephole is not None),
    ):
        if found != wanted:
            ours, theirs = (
                f"has {what}" if has else f"has no {what.removeprefix('a ')}"
                for has in (found, wanted)
            )
            raise LstmbenchError(
                f"{name} must be like layers[0][0], which {theirs}, but it {ours}."
            )
