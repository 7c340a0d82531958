"""ONNX, in: the LSTM nodes of a model. Gates i, o, f, c, where c is our g; two biases, which are added."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lstmbench.cell.parameters import LSTMParams
from lstmbench.errors import LstmbenchError
from lstmbench.formats.arrays import Array, Layers, added, listed, needed, reorder, said, shaped, shown
from lstmbench.formats.files import read_bytes, refuse_others
from lstmbench.formats.onnx_graph import Graph

_INPUTS = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")
_DIRECTIONS = {"forward": 1, "reverse": 1, "bidirectional": 2}
_DEFAULTS = ["sigmoid", "tanh", "tanh"]
_HARMLESS = ("hidden_size", "direction", "layout", "output_sequence")


@dataclass(frozen=True, eq=False)
class OnnxLayer:
    """One LSTM node of a model, with what it holds beside the weights.

    Attributes:
        name: the node's name; if it has none, its place among the LSTM nodes.
        params: the weights, one for each direction.
        direction: ``forward``, ``reverse`` or ``bidirectional``.
        layout: 0 if its arrays are time-major, (T, B, I); 1 if the batch comes first.
        h0: the initial state that the model holds, (D, B, H), or None.
        c0: the initial cell state that the model holds, (D, B, H), or None.
        lengths: the lengths of sequences that the model holds, (B,), or None.
        fed: which of initial_h, initial_c and sequence_lens the node takes from inputs or from other nodes.
    """

    name: str
    params: tuple[LSTMParams, ...]
    direction: str
    layout: int
    h0: Array | None
    c0: Array | None
    lengths: Array | None
    fed: tuple[str, ...]


def read_onnx(source: Any, node: str | int | None = None, inputs: Mapping[str, Any] | None = None) -> list[OnnxLayer]:
    """Return the LSTM nodes of a model, which must be layers of one stack, or the one that is named.

    Args:
        source: a path, the bytes of a model, or a ModelProto. Nothing is run.
        node: the node's name, or its place among the LSTM nodes, from 0 on; all nodes if None.
        inputs: values of the model's inputs by name, for a model whose weights are inputs.

    Raises:
        LstmbenchError: if it is no model, has no LSTM, or one that is none of ours: other activations, clipping, input
            and forget gate coupled, weights that are computed; or if the nodes are not layers of one stack.
    """
    graph = Graph(_model(source), inputs or {})
    places = [place for place, each in enumerate(graph.nodes) if each.op_type == "LSTM" and each.domain in _DOMAINS]
    names = [graph.nodes[place].name or str(number) for number, place in enumerate(places)]
    if not places:
        raise LstmbenchError("The model has no LSTM node in its main graph.")
    if node is not None:
        number = node if isinstance(node, int) else names.index(node) if node in names else len(names)
        if not 0 <= number < len(names):
            raise LstmbenchError(f"The model has no LSTM node {node!r}; its LSTM nodes are {listed(names)}.")
        return [_layer(graph, graph.nodes[places[number]], names[number])]
    layers = [_layer(graph, graph.nodes[place], name) for place, name in zip(places, names, strict=True)]
    for number in range(1, len(layers)):
        _check_link(graph, places[number - 1 : number + 1], layers[number - 1 : number + 1])
    return layers


_DOMAINS = ("", "ai.onnx")


def read(source: Any, node: str | int | None, inputs: Mapping[str, Any] | None, single: bool) -> Layers:
    """Return the weights alone; a layer in reverse only is taken where there is no stack to put it in.

    Raises:
        LstmbenchError: see ``read_onnx``; or if a stack would read in reverse only.
    """
    layers = read_onnx(source, node, inputs)
    for layer in layers:
        if layer.direction == "reverse" and not (single and len(layers) == 1):
            raise LstmbenchError(
                f"LSTM node {layer.name!r} reads in reverse only, which no layer of StackParams does; "
                f"LSTMParams.from_onnx(..., node={layer.name!r}) gives its weights."
            )
    return tuple(layer.params for layer in layers)


def _model(source: Any) -> Any:
    onnx = needed("onnx", "from_onnx")
    if isinstance(source, onnx.ModelProto):
        return source
    if isinstance(source, bytes | bytearray | memoryview):
        data, name = bytes(source), "the given bytes"
        refuse_others(data, name, "an ONNX model")
    elif isinstance(source, str | os.PathLike):
        data, name = read_bytes(source, "an ONNX model"), str(source)
    else:
        kind = type(source).__name__
        raise LstmbenchError(f"from_onnx takes a path, bytes or an onnx.ModelProto, but it was given a {kind}.")
    try:
        model = onnx.ModelProto.FromString(data)
        if isinstance(source, str | os.PathLike):  # large models keep their weights in files beside them
            folder = os.path.dirname(os.path.abspath(source))
            onnx.external_data_helper.load_external_data_for_model(model, folder)
    except Exception as error:  # the decoder's own errors, and whatever a damaged reference to a file causes
        raise LstmbenchError(f"{name} cannot be read as an ONNX model: {said(error)}") from None
    return model


def _layer(graph: Graph, node: Any, name: str) -> OnnxLayer:
    where = f"LSTM node {name!r}"
    try:
        attributes = graph.attributes(node)
    except Exception as error:
        raise LstmbenchError(f"{where} has an attribute that cannot be read: {said(error)}") from None
    direction = attributes.get("direction", "forward")
    if not isinstance(direction, str) or direction not in _DIRECTIONS:
        raise LstmbenchError(
            f"{where}: direction must be one of {', '.join(_DIRECTIONS)}, but it is {shown(direction)}."
        )
    D = _DIRECTIONS[direction]
    _check_attributes(attributes, where, D)
    names = dict(zip(_INPUTS, node.input, strict=False))

    def find(which: str) -> Array | None:
        name = names.get(which)
        if name in graph.broken and name not in graph.known:
            raise LstmbenchError(f"{where}: {which}, {name!r}, cannot be read: {graph.broken[name]}.")
        return graph.known.get(name) if name else None

    def need(which: str) -> Array:
        found = find(which)
        if found is None:
            raise LstmbenchError(f"{where}: {which} {_why(graph, names.get(which))}.")
        return found

    def optional(which: str, *shape: int | str) -> Array | None:
        return shaped(need(which), f"{where}: {which}", *shape) if names.get(which) else None

    H = shaped(need("R"), f"{where}: R", D, "4H", "H").shape[2]
    R = shaped(need("R"), f"{where}: R", D, 4 * H, H)
    W = shaped(need("W"), f"{where}: W", D, 4 * H, "I")
    B, P = optional("B", D, 8 * H), optional("P", D, 3 * H)
    if attributes.get("hidden_size", H) != H:
        found = attributes["hidden_size"]
        raise LstmbenchError(f"{where}: hidden_size must be {H} to go with R, but it is {shown(found)}.")
    params = tuple(
        LSTMParams(
            reorder(W[d], "iofg", "ifgo"),
            reorder(R[d], "iofg", "ifgo"),
            None if B is None else reorder(added(*np.split(B[d], 2)), "iofg", "ifgo"),
            peephole=None if P is None else reorder(P[d], "iof", "ifo").reshape(3, H),
        )
        for d in range(D)
    )
    layout = int(attributes.get("layout", 0))
    state = {which: _state(find(which), f"{where}: {which}", D, H, layout) for which in ("initial_h", "initial_c")}
    lengths = find("sequence_lens")
    if lengths is not None and (lengths.ndim != 1 or lengths.dtype.kind not in "iu"):
        raise LstmbenchError(f"{where}: sequence_lens must be whole numbers of shape (B,).")
    held = {**state, "sequence_lens": lengths}
    fed = tuple(which for which, array in held.items() if array is None and names.get(which))
    return OnnxLayer(name, params, direction, layout, state["initial_h"], state["initial_c"], lengths, fed)


def _check_attributes(attributes: Mapping[str, Any], where: str, D: int) -> None:
    """Raise unless the node computes our LSTM; what is in the way is named."""
    activations = attributes.get("activations", _DEFAULTS * D)
    if not isinstance(activations, list) or [str(each).lower() for each in activations] != _DEFAULTS * D:
        raise LstmbenchError(
            f"{where}: activations must be Sigmoid, Tanh, Tanh for each direction, but they are {shown(activations)}."
        )
    if attributes.get("layout", 0) not in (0, 1):
        raise LstmbenchError(f"{where}: layout must be 0 or 1, but it is {shown(attributes['layout'])}.")
    for name, value in attributes.items():
        if name == "input_forget" and value == 0:
            continue
        if name in ("activation_alpha", "activation_beta") and value == []:
            continue
        if name not in (*_HARMLESS, "activations"):
            raise LstmbenchError(
                f"{where}: the attribute {shown(name)} = {shown(value)} makes it another LSTM than ours."
            )


def _why(graph: Graph, name: str | None) -> str:
    if not name:
        return "is missing"
    if name in graph.inputs:
        return f"is the model's input {name!r}: give its value as inputs={{{name!r}: ...}}"
    if any(name in node.output for node in graph.nodes):
        return f"is computed by the model, as {name!r}, and no constant"
    return f"is {name!r}, which the model does not have"


def _state(array: Array | None, name: str, D: int, H: int, layout: int) -> Array | None:
    if array is None:
        return None
    return shaped(array, name, D, "B", H) if layout == 0 else shaped(array, name, "B", D, H).transpose(1, 0, 2)


def _check_link(graph: Graph, places: list[int], layers: list[OnnxLayer]) -> None:
    """Raise unless the upper node's X is the lower one's Y, its directions side by side and nothing else done to it.

    What lies between is tried on numbers that are all different.
    """
    (lower, upper), (below, above) = (graph.nodes[place] for place in places), layers
    sizes = (2, len(below.params), 3, below.params[0].hidden_size)  # (T, D, B, H)
    Y = np.arange(np.prod(sizes), dtype=np.float32).reshape(sizes)
    wanted = Y.transpose(0, 2, 1, 3).reshape(2, 3, -1)  # (T, B, D*H)
    if above.layout == 1:
        wanted = wanted.swapaxes(0, 1)
    fed = {lower.output[0]: Y.transpose(2, 0, 1, 3) if below.layout == 1 else Y} if lower.output else {}
    found = graph.rearranged(graph.known | fed, after=places[0] + 1).get(upper.input[0] if upper.input else "")
    if found is None or not np.array_equal(found, wanted):
        raise LstmbenchError(
            f"LSTM nodes {below.name!r} and {above.name!r} are not layers of one stack: "
            f"the input of {above.name!r} is not just the output of {below.name!r}; name one of them with node=."
        )
