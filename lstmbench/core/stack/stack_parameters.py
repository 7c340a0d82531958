"""The canonical weights of a stack of LSTM layers, in one direction or both."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from lstmbench.core.array_checks import check_integer, seeded_generator
from lstmbench.core.parameters import LSTMParams
from lstmbench.core.weight_io import WeightIO
from lstmbench.errors import LstmbenchError

_SHARED = ("hidden_size", "proj_size", "output_size", "has_bias", "has_peephole")
"""What all layers and directions have in common."""


@dataclass(frozen=True, eq=False, init=False)
class StackParams(WeightIO):
    """Weights of several layers: ``layers[l][d]``; d = 0 reads forward, d = 1, if any, in reverse.

    Layer l > 0 takes the outputs of the layer below, those of its two directions side by side. A
    state of the stack is laid out as in torch: h (L*D, B, P or H), c (L*D, B, H), layer l,
    direction d at index l*D + d.

    Attributes:
        layers: L layers of D directions each, D the same 1 or 2 in all of them.
        num_layers: L.
        num_directions: D, 1 or 2.
        bidirectional: whether there are two directions.
        input_size: I, the number of input features.
        hidden_size: H, the number of hidden units of each layer and direction.
        output_size: P with projections, else H: the outputs of one direction; the stack has D times
            that.
        proj_size: P, or 0 without projections.
        has_bias: whether there is a bias.
        has_peephole: whether the gates see the cell.
    """

    _is_stack: ClassVar[bool] = True

    layers: tuple[tuple[LSTMParams, ...], ...]
    num_layers: int
    num_directions: int
    bidirectional: bool
    input_size: int
    hidden_size: int
    output_size: int
    proj_size: int
    has_bias: bool
    has_peephole: bool

    def __init__(self, layers: Iterable[Iterable[LSTMParams]]) -> None:
        """Take the layers, from the lowest to the highest.

        Raises:
            LstmbenchError: if they do not fit together; the first that does not fit is named.
        """
        checked = tuple(_to_tuple(layer, "a layer") for layer in _to_tuple(layers, "layers"))
        if not checked:
            raise LstmbenchError("layers must hold at least one layer, but they hold none.")
        for level, directions in enumerate(checked):
            _check_directions(f"layers[{level}]", directions, len(checked[0]))
        first, D = checked[0][0], len(checked[0])
        width = first.input_size
        for level, directions in enumerate(checked):
            for direction, params in enumerate(directions):
                _check_like_first(f"layers[{level}][{direction}]", params, first, width)
            width = D * first.output_size
        vars(self).update(
            layers=checked,
            num_layers=len(checked),
            num_directions=D,
            bidirectional=D == 2,
            **{name: getattr(first, name) for name in _SHARED},
            input_size=first.input_size,
        )

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
            input_size: I, the number of input features.
            hidden_size: H, the number of hidden units of each layer and direction.
            num_layers: L.
            bidirectional: whether each layer reads in both directions.
            proj_size: P, the number of outputs of a projection; 0 for no projection.
            bias: whether there is a bias.
            peephole: whether the gates see the cell.
            seed: seed of NumPy's default generator; the same seed gives the same bits.

        Raises:
            LstmbenchError: if a size or the seed is not a whole number, or is too small.
        """
        check_integer("num_layers", num_layers, 1)
        generator = seeded_generator(seed)
        options: dict[str, Any] = {"proj_size": proj_size, "bias": bias, "peephole": peephole}
        layers, width = [], input_size
        for _ in range(num_layers):
            layer = [
                LSTMParams.init(width, hidden_size, generator, **options)
                for _ in range(2 if bidirectional else 1)
            ]
            layers.append(layer)
            width = sum(params.output_size for params in layer)
        return cls(layers)

    def __iter__(self) -> Iterator[LSTMParams]:
        """Yield each layer's and direction's parameters, in the order of a state's first axis."""
        return (params for layer in self.layers for params in layer)

    def __repr__(self) -> str:
        return f"StackParams({self.describe()})"

    def describe(self) -> str:
        """Return the sizes in one line, such as ``I=8, H=16, L=2, both directions``."""
        parts = [self.layers[0][0].describe(), f"L={self.num_layers}"]
        return ", ".join(parts + ["both directions"] * self.bidirectional)


def _to_tuple(items: object, name: str) -> tuple[Any, ...]:
    if isinstance(items, LSTMParams) or not isinstance(items, Iterable):
        raise LstmbenchError(
            f"layers must be a sequence of layers, each a sequence of one or two LSTMParams, "
            f"but {name} is a {type(items).__name__}."
        )
    return tuple(items)


def _check_directions(name: str, directions: tuple[Any, ...], expected: int) -> None:
    for direction, params in enumerate(directions):
        if not isinstance(params, LSTMParams):
            raise LstmbenchError(
                f"{name}[{direction}] must be an LSTMParams, but it is a {type(params).__name__}."
            )
    count = len(directions)
    if count not in (1, 2):
        raise LstmbenchError(f"{name} must hold one or two directions, but it holds {count}.")
    if count != expected:
        raise LstmbenchError(
            f"{name} must hold as many directions as layers[0], {expected}, but it holds {count}."
        )


def _check_like_first(name: str, params: LSTMParams, first: LSTMParams, input_size: int) -> None:
    if params.input_size != input_size:
        raise LstmbenchError(
            f"{name} must have input_size {input_size}, but it has {params.input_size}."
        )
    for feature in _SHARED:
        expected, actual = getattr(first, feature), getattr(params, feature)
        if actual != expected:
            raise LstmbenchError(
                f"{name}.{feature} must be {expected} as in layers[0][0], but it is {actual}."
            )
