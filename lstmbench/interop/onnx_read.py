"""ONNX, in: the LSTM nodes of a model. Gates i, o, f, c, where c is our g; two biases, added."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from lstmbench.core.array_checks import Array
from lstmbench.core.parameters import LSTMParams
from lstmbench.errors import LstmbenchError, error_text
from lstmbench.interop.file_checks import read_bytes, refuse_other_kinds
from lstmbench.interop.onnx_graph import OnnxGraph, UnknownValueError
from lstmbench.interop.weight_checks import (
    Layers,
    import_package,
    list_names,
    refuse_unless_ignored,
    reorder_gates,
    short_repr,
    sum_biases,
    to_float64,
)

_INPUTS = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")
_NUM_DIRECTIONS = {"forward": 1, "reverse": 1, "bidirectional": 2}
_ACTIVATIONS = ["sigmoid", "tanh", "tanh"]
_KNOWN_ATTRIBUTES = (
    "activations",
    "activation_alpha",  # Sigmoid and Tanh take no alpha and no beta
    "activation_beta",
    "direction",
    "hidden_size",
    "layout",
    "output_sequence",
)


@dataclass(frozen=True, eq=False)
class OnnxLayer:
    """One LSTM node of a model, with what it holds besides the weights.

    Attributes:
        name: the node's name; if it has none, its index among the LSTM nodes.
        params: the weights, one for each direction.
        direction: ``forward``, ``reverse`` or ``bidirectional``.
        layout: 0 if its arrays are time-major, (T, B, I); 1 if the batch comes first.
        h0: the initial state that the model holds, (D, B, H), or None.
        c0: the initial cell state that the model holds, (D, B, H), or None.
        lengths: the lengths of sequences that the model holds, (B,), or None.
        fed: which of initial_h, initial_c and sequence_lens the node takes from inputs or from
            other nodes.
    """

    name: str
    params: tuple[LSTMParams, ...]
    direction: str
    layout: int
    h0: Array | None
    c0: Array | None
    lengths: Array | None
    fed: tuple[str, ...]


def read_onnx(
    source: Any,
    node: str | int | None = None,
    inputs: Mapping[str, Any] | None = None,
    ignore: Collection[str] = (),
) -> list[OnnxLayer]:
    """Return the LSTM nodes of a model, which must be layers of one stack, or one of them.

    Args:
        source: a path, the bytes of a model, or a ModelProto. It is not run: only what follows from
            its constants is computed.
        node: the node's name, or its index among the LSTM nodes; all nodes if None.
        inputs: values of the model's inputs by name, for a model whose weights are inputs.
        ignore: what may be lost: ``activations``, or another attribute of nodes, such as ``clip``.

    Raises:
        LstmbenchError: if it is not a model, has no LSTM, or one that computes something else:
            other activations, clipping, coupled input and forget gates, weights that depend on
            inputs; or if the nodes are not layers of one stack.
    """
    return [layer for _, layer in _read_nodes(source, node, inputs, ignore)[1]]


def read(
    source: Any,
    node: str | int | None = None,
    inputs: Mapping[str, Any] | None = None,
    ignore: Collection[str] = (),
) -> Layers:
    """Return the weights alone.

    ``ignore`` may also name ``direction``, ``initial_h``, ``initial_c`` and ``sequence_lens``.

    Raises:
        LstmbenchError: see ``read_onnx``; or if a node says what the weights alone cannot hold.
    """
    graph, pairs = _read_nodes(source, node, inputs, ignore)
    for lstm, layer in pairs:
        where = f"LSTM node {layer.name!r}"
        if layer.direction == "reverse":
            problem = f"{where} reads in reverse only, which the weights do not say"
            refuse_unless_ignored("direction", ignore, problem)
        names = _input_names(lstm)
        for kind in ("sequence_lens", "initial_h", "initial_c"):
            if kind in names and (loss := _loss(graph, names, kind, layer)):
                problem = f"{where}: {kind} {loss}, which the weights do not hold"
                refuse_unless_ignored(kind, ignore, problem)
    return tuple(layer.params for _, layer in pairs)


def _input_names(node: Any) -> dict[str, str]:
    """Return what a node's inputs are called in the graph, by the operator's own names."""
    return {kind: name for kind, name in zip(_INPUTS, node.input, strict=False) if name}


def _loss(graph: OnnxGraph, names: Mapping[str, str], kind: str, layer: OnnxLayer) -> str:
    """Return what is lost without this input of a node; "" if it changes nothing."""
    if graph.is_input(names[kind]):
        return ""
    try:
        array = graph.value(names[kind], graph.example)
    except UnknownValueError as reason:
        return f"is not known before the model runs (it {reason})"
    if kind != "sequence_lens":
        return "is held by the model, or computed, and not zero" if array.any() else ""
    x_shape = graph.shapes.get(names.get("X", ""), ())
    full = len(x_shape) == 3 and (array == x_shape[layer.layout]).all()
    return "" if full else "is held by the model"


def _read_nodes(
    source: Any, node: str | int | None, inputs: Mapping[str, Any] | None, ignore: Collection[str]
) -> tuple[OnnxGraph, list[tuple[Any, OnnxLayer]]]:
    """Return the graph, and its LSTM nodes as they are and as layers."""
    graph = OnnxGraph(_load_model(source), inputs or {})
    lstms = [each for each in graph.nodes if (each.op_type, each.domain) == ("LSTM", "")]
    if not lstms:
        raise LstmbenchError("The model has no LSTM node in its main graph.")
    named = [(lstm.name or str(index), lstm) for index, lstm in enumerate(lstms)]
    if node is not None:
        chosen = [pair for index, pair in enumerate(named) if node in (index, pair[0])][:1]
        if not chosen:
            names = list_names(name for name, _ in named)
            raise LstmbenchError(
                f"The model has no LSTM node {node!r}; its LSTM nodes are {names}."
            )
        named = chosen
    pairs = [(lstm, _read_node(graph, lstm, name, ignore)) for name, lstm in named]
    for lower, upper in pairwise(pairs):
        _check_link(graph, *lower, *upper)
    return graph, pairs


def _load_model(source: Any) -> Any:
    onnx = import_package("onnx", "from_onnx")
    is_path = isinstance(source, str | os.PathLike)
    if is_path:
        content, name = read_bytes(source, "an ONNX model"), str(source)
    elif isinstance(source, bytes | bytearray | memoryview):
        content, name = bytes(source), "the given bytes"
        refuse_other_kinds(content, name, "an ONNX model")
    elif isinstance(source, onnx.ModelProto):
        content, name = source.SerializeToString(), "the given model"
    else:
        kind = type(source).__name__
        raise LstmbenchError(
            f"from_onnx takes a path, bytes or an onnx.ModelProto, but it was given a {kind}."
        )
    try:
        model = onnx.ModelProto.FromString(content)
        if is_path:  # large models keep their weights in files in the same folder
            onnx.load_external_data_for_model(model, os.path.dirname(source))
        if model.functions:
            model = import_package("onnx.inliner", "from_onnx").inline_local_functions(model)
    except Exception as error:  # the decoder's own errors, and any that a damaged reference causes
        reason = error_text(error)
        raise LstmbenchError(f"{name} cannot be read as an ONNX model: {reason}") from None
    return model


def _read_node(graph: OnnxGraph, node: Any, name: str, ignore: Collection[str]) -> OnnxLayer:
    where = f"LSTM node {name!r}"
    try:
        attributes = graph.attributes(node)
    except Exception as error:
        reason = error_text(error)
        raise LstmbenchError(f"{where} has an attribute that cannot be read: {reason}") from None
    _check_attributes(attributes, where, ignore)
    direction, layout = attributes.get("direction", "forward"), int(attributes.get("layout", 0))
    D, names = _NUM_DIRECTIONS[direction], _input_names(node)

    def weights(kind: str, *shape: int | str) -> Array:
        try:
            array = graph.value(names.get(kind, ""))
        except UnknownValueError as reason:
            raise LstmbenchError(f"{where}: {kind} {reason}.") from None
        return to_float64(array, f"{where}: {kind}", *shape)

    R = weights("R", D, "4H", "H")
    H = R.shape[2]
    W = weights("W", D, 4 * H, "I")
    if attributes.get("hidden_size", H) != H:
        actual = short_repr(attributes["hidden_size"])
        raise LstmbenchError(f"{where}: hidden_size must be {H} to go with R, but it is {actual}.")
    B = weights("B", D, 8 * H) if "B" in names else [None] * D
    P = weights("P", D, 3 * H) if "P" in names else [None] * D
    params = tuple(_read_direction(*arrays) for arrays in zip(W, R, B, P, strict=True))
    held: dict[str, Array | None] = {"initial_h": None, "initial_c": None, "sequence_lens": None}
    fed = []
    for kind in [kind for kind in held if kind in names]:
        try:
            array = graph.value(names[kind])
        except UnknownValueError:
            fed.append(kind)
            continue
        if kind != "sequence_lens":
            shape = (D, "B", H) if layout == 0 else ("B", D, H)
            array = to_float64(array, f"{where}: {kind}", *shape)
            array = array if layout == 0 else array.swapaxes(0, 1)
        elif array.ndim != 1 or array.dtype.kind not in "iu":
            raise LstmbenchError(f"{where}: sequence_lens must be whole numbers of shape (B,).")
        held[kind] = array
    h0, c0, lengths = held.values()
    return OnnxLayer(name, params, direction, layout, h0, c0, lengths, tuple(fed))


def _read_direction(W: Array, R: Array, B: Array | None, P: Array | None) -> LSTMParams:
    """Return the weights of one direction: W (4H, I), R (4H, H), B (8H,), P (3H,)."""
    return LSTMParams(
        reorder_gates(W, "iofg", "ifgo"),
        reorder_gates(R, "iofg", "ifgo"),
        None if B is None else reorder_gates(sum_biases(*np.split(B, 2)), "iofg", "ifgo"),
        peephole=None if P is None else reorder_gates(P.reshape(3, -1), "iof", "ifo"),
    )


def _check_attributes(attributes: Mapping[str, Any], where: str, ignore: Collection[str]) -> None:
    """Do nothing if the node computes our LSTM.

    Raises:
        LstmbenchError: if it computes something else; the attribute is named.
    """
    choices: dict[str, list[Any]] = {"direction": [*_NUM_DIRECTIONS], "layout": [0, 1]}
    for name, allowed in choices.items():
        value = attributes.get(name, allowed[0])
        if value not in allowed:
            raise LstmbenchError(
                f"{where}: {name} must be one of {', '.join(map(str, allowed))}, "
                f"but it is {short_repr(value)}."
            )
    expected = _ACTIVATIONS * _NUM_DIRECTIONS[attributes.get("direction", "forward")]
    activations = attributes.get("activations", expected)
    if not isinstance(activations, list) or [str(a).lower() for a in activations] != expected:
        problem = (
            f"{where}: activations must be Sigmoid, Tanh, Tanh for each direction, "
            f"but they are {short_repr(activations)}"
        )
        refuse_unless_ignored("activations", ignore, problem)
    for name, value in attributes.items():
        if name not in _KNOWN_ATTRIBUTES and (name, value) != ("input_forget", 0):
            problem = (
                f"{where}: the attribute {short_repr(name)} = {short_repr(value)} makes it another "
                "LSTM than ours"
            )
            refuse_unless_ignored(name, ignore, problem)


def _check_link(
    graph: OnnxGraph, lower: Any, below: OnnxLayer, upper: Any, above: OnnxLayer
) -> None:
    """Do nothing if the upper node's X is the lower one's Y, its directions side by side.

    What lies between is tried on numbers, at the model's own sizes.

    Raises:
        LstmbenchError: if X is something else, or cannot be computed.
    """
    nodes = f"LSTM nodes {below.name!r} and {above.name!r}"
    y, x = next(iter(lower.output), ""), _input_names(upper).get("X", "")
    Y = graph.example.get(y)
    if Y is None or Y.ndim != 4:  # the model does not tell its sizes: T = 2, B = 3
        D, H = len(below.params), below.params[0].hidden_size
        shape = (2, D, 3, H) if below.layout == 0 else (2, 3, D, H)
        Y = np.random.default_rng(0).uniform(-1, 1, shape)
    expected = Y if below.layout else Y.swapaxes(1, 2)
    expected = expected.reshape(*expected.shape[:2], -1)  # (T, B, D*H) or (B, T, D*H)
    if below.layout != above.layout:
        expected = expected.swapaxes(0, 1)
    try:
        actual = graph.value(x, graph.example | {y: Y})
    except UnknownValueError as reason:
        raise LstmbenchError(
            f"It cannot be told whether {nodes} are layers of one stack: the input of "
            f"{above.name!r} {reason}; read them one by one with node=."
        ) from None
    if not np.array_equal(actual, expected):
        raise LstmbenchError(
            f"{nodes} are not layers of one stack: the input of {above.name!r} is not just the "
            f"output of {below.name!r}; name one of them with node=."
        )
