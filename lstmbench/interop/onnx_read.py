"""ONNX, in: the LSTM nodes of a model. Gates i, o, f, c, where c is our g; two biases, which are
added.
"""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from lstmbench.core.parameters import LSTMParams
from lstmbench.errors import LstmbenchError, error_text
from lstmbench.interop.model_files import read_bytes, refuse_others
from lstmbench.interop.onnx_graph import Graph, UnknownError
from lstmbench.interop.weight_checks import (
    Array,
    Layers,
    added,
    listed,
    needed,
    refuse_unless_ignored,
    reorder,
    shaped,
    shown,
)

_INPUTS = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")
_DIRECTIONS = {"forward": 1, "reverse": 1, "bidirectional": 2}
_HELD = ("initial_h", "initial_c", "sequence_lens")
_DEFAULTS = ["sigmoid", "tanh", "tanh"]
# Sigmoid and Tanh take no alpha and no beta
_HARMLESS = (
    "activation_alpha",
    "activation_beta",
    "direction",
    "hidden_size",
    "layout",
    "output_sequence",
)


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
    """Return the LSTM nodes of a model, which must be layers of one stack, or the one that is
    named.

    Args:
        source: a path, the bytes of a model, or a ModelProto. It is not run: only what follows from
            its constants alone is computed.
        node: the node's name, or its place among the LSTM nodes, from 0 on; all nodes if None.
        inputs: values of the model's inputs by name, for a model whose weights are inputs.
        ignore: what may be lost: ``activations``, or another attribute of nodes, such as ``clip``.

    Raises:
        LstmbenchError: if it is no model, has no LSTM, or one that is none of ours: other
            activations, clipping, input and forget gate coupled, weights that are computed; or if
            the nodes are not layers of one stack.
    """
    return [layer for _, layer in _read(source, node, inputs, ignore)[1]]


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
    graph, found = _read(source, node, inputs, ignore)
    for lstm, layer in found:
        where = f"LSTM node {layer.name!r}"
        if layer.direction == "reverse":
            refuse_unless_ignored(
                "direction", ignore, f"{where} reads in reverse only, which the weights do not say"
            )
        for which, name in zip(_INPUTS, lstm.input, strict=False):
            if (
                which in _HELD
                and name
                and not graph.is_given(name)
                and (reason := _loss(graph, lstm, which, name))
            ):
                refuse_unless_ignored(
                    which, ignore, f"{where}: {which} {reason}, which the weights do not hold"
                )
    return tuple(layer.params for _, layer in found)


def _loss(graph: Graph, lstm: Any, which: str, name: str) -> str:
    """Return what is lost without this input of a node; nothing if it changes nothing."""
    try:
        array = graph.value(name, graph.example)
    except UnknownError as why:
        return f"is not known before the model runs (it {why})"
    if which == "sequence_lens":
        sizes = graph.shapes.get(lstm.input[0], ())
        layout = graph.attributes(lstm).get("layout", 0)
        return "" if len(sizes) == 3 and (array == sizes[layout]).all() else "is held by the model"
    return "is held by the model, or computed, and not zero" if array.any() else ""


def _read(
    source: Any, node: str | int | None, inputs: Mapping[str, Any] | None, ignore: Collection[str]
) -> tuple[Graph, list[tuple[Any, OnnxLayer]]]:
    graph = Graph(_model(source), inputs or {})
    lstms = [
        each for each in graph.nodes if each.op_type == "LSTM" and each.domain in ("", "ai.onnx")
    ]
    names = [each.name or str(number) for number, each in enumerate(lstms)]
    if not lstms:
        raise LstmbenchError("The model has no LSTM node in its main graph.")
    chosen = range(len(lstms))
    if node is not None:
        number = (
            node if isinstance(node, int) else names.index(node) if node in names else len(names)
        )
        if number not in chosen:
            raise LstmbenchError(
                f"The model has no LSTM node {node!r}; its LSTM nodes are {listed(names)}."
            )
        chosen = range(number, number + 1)
    found = [
        (lstms[number], _layer(graph, lstms[number], names[number], ignore)) for number in chosen
    ]
    for (lower, below), (upper, above) in pairwise(found):
        _check_link(graph, lower, upper, below, above)
    return graph, found


def _model(source: Any) -> Any:
    onnx = needed("onnx", "from_onnx")
    data, name = None, "the given model"
    if isinstance(source, bytes | bytearray | memoryview):
        data, name = bytes(source), "the given bytes"
        refuse_others(data, name, "an ONNX model")
    elif isinstance(source, str | os.PathLike):
        data, name = read_bytes(source, "an ONNX model"), str(source)
    elif not isinstance(source, onnx.ModelProto):
        kind = type(source).__name__
        raise LstmbenchError(
            f"from_onnx takes a path, bytes or an onnx.ModelProto, but it was given a {kind}."
        )
    try:
        model = onnx.ModelProto.FromString(data) if data is not None else source
        if isinstance(
            source, str | os.PathLike
        ):  # large models keep their weights in files beside them
            folder = os.path.dirname(os.path.abspath(source))
            onnx.external_data_helper.load_external_data_for_model(model, folder)
        if model.functions:
            model = needed("onnx.inliner", "from_onnx").inline_local_functions(model)
    except (
        Exception
    ) as error:  # the decoder's own errors, and whatever a damaged reference to a file causes
        raise LstmbenchError(
            f"{name} cannot be read as an ONNX model: {error_text(error)}"
        ) from None
    return model


def _layer(graph: Graph, node: Any, name: str, ignore: Collection[str]) -> OnnxLayer:
    where = f"LSTM node {name!r}"
    try:
        attributes = graph.attributes(node)
    except Exception as error:
        raise LstmbenchError(
            f"{where} has an attribute that cannot be read: {error_text(error)}"
        ) from None
    direction = attributes.get("direction", "forward")
    if not isinstance(direction, str) or direction not in _DIRECTIONS:
        raise LstmbenchError(
            f"{where}: direction must be one of {', '.join(_DIRECTIONS)}, but it is {shown(direction)}."
        )
    D = _DIRECTIONS[direction]
    _check_attributes(attributes, where, D, ignore)
    names = dict(zip(_INPUTS, node.input, strict=False))

    def need(which: str) -> Array:
        try:
            return graph.value(names.get(which, ""))
        except UnknownError as why:
            raise LstmbenchError(f"{where}: {which} {why}.") from None

    def held(which: str) -> Array | None:
        try:
            return graph.value(names.get(which, ""))
        except UnknownError:
            return None

    def optional(which: str, *shape: int | str) -> Array | None:
        return shaped(need(which), f"{where}: {which}", *shape) if names.get(which) else None

    H = shaped(need("R"), f"{where}: R", D, "4H", "H").shape[2]
    R = shaped(need("R"), f"{where}: R", D, 4 * H, H)
    W = shaped(need("W"), f"{where}: W", D, 4 * H, "I")
    B, P = optional("B", D, 8 * H), optional("P", D, 3 * H)
    if attributes.get("hidden_size", H) != H:
        found = attributes["hidden_size"]
        raise LstmbenchError(
            f"{where}: hidden_size must be {H} to go with R, but it is {shown(found)}."
        )
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
    state = {
        which: _state(held(which), f"{where}: {which}", D, H, layout)
        for which in ("initial_h", "initial_c")
    }
    lengths = held("sequence_lens")
    if lengths is not None and (lengths.ndim != 1 or lengths.dtype.kind not in "iu"):
        raise LstmbenchError(f"{where}: sequence_lens must be whole numbers of shape (B,).")
    taken = {**state, "sequence_lens": lengths}
    fed = tuple(which for which, array in taken.items() if array is None and names.get(which))
    return OnnxLayer(
        name, params, direction, layout, state["initial_h"], state["initial_c"], lengths, fed
    )


def _check_attributes(
    attributes: Mapping[str, Any], where: str, D: int, ignore: Collection[str]
) -> None:
    """Raise unless the node computes our LSTM; what is in the way is named."""
    activations = attributes.get("activations", _DEFAULTS * D)
    if (
        not isinstance(activations, list)
        or [str(each).lower() for each in activations] != _DEFAULTS * D
    ):
        found = f"{where}: activations must be Sigmoid, Tanh, Tanh for each direction, but they are {shown(activations)}"
        refuse_unless_ignored("activations", ignore, found)
    if attributes.get("layout", 0) not in (0, 1):
        raise LstmbenchError(
            f"{where}: layout must be 0 or 1, but it is {shown(attributes['layout'])}."
        )
    for name, value in attributes.items():
        if name not in (*_HARMLESS, "activations") and (name, value) != ("input_forget", 0):
            sentence = f"{where}: the attribute {shown(name)} = {shown(value)} makes it another LSTM than ours"
            refuse_unless_ignored(name, ignore, sentence)


def _state(array: Array | None, name: str, D: int, H: int, layout: int) -> Array | None:
    if array is None:
        return None
    return (
        shaped(array, name, D, "B", H)
        if layout == 0
        else shaped(array, name, "B", D, H).transpose(1, 0, 2)
    )


def _check_link(graph: Graph, lower: Any, upper: Any, below: OnnxLayer, above: OnnxLayer) -> None:
    """Raise unless the upper node's X is the lower one's Y, its directions side by side and nothing
    else done to it.

    What lies between is tried on numbers, at the model's own sizes.
    """
    between = f"LSTM nodes {below.name!r} and {above.name!r}"
    y, x = (next(iter(names), "") for names in (lower.output, upper.input))
    Y = graph.example.get(y)
    if Y is None or Y.ndim != 4:  # the model does not tell its sizes
        D, H = len(below.params), below.params[0].hidden_size
        Y = np.random.default_rng(0).uniform(
            -1, 1, (2, D, 3, H) if below.layout == 0 else (2, 3, D, H)
        )
    wanted = Y.transpose((0, 2, 1, 3) if below.layout == 0 else (1, 0, 2, 3))
    wanted = wanted.reshape(*wanted.shape[:2], -1)  # (T, B, D*H)
    if above.layout == 1:
        wanted = wanted.swapaxes(0, 1)
    try:
        found = graph.value(x, graph.example | {y: Y})
    except UnknownError as why:
        raise LstmbenchError(
            f"It cannot be told whether {between} are layers of one stack: the input of {above.name!r} {why}; "
            "read them one by one with node=."
        ) from None
    if not np.array_equal(found, wanted):
        raise LstmbenchError(
            f"{between} are not layers of one stack: the input of {above.name!r} is not just the output of "
            f"{below.name!r}; name one of them with node=."
        )
