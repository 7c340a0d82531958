"""ONNX, out: a model with one LSTM node per layer, which onnxruntime runs."""

import os
from typing import Any

import numpy as np

from lstmbench import __version__
from lstmbench.core.array_checks import Array
from lstmbench.core.parameters import LSTMParams
from lstmbench.files import write_atomically
from lstmbench.interop.weight_checks import (
    Layers,
    import_package,
    refuse_unsupported,
    reorder_gates,
    round_to,
)

# ONNX 1.9 (2021), the first release with today's LSTM operator: old runtimes read the file too
OPSET = 14
IR_VERSION = 7


def write(
    layers: Layers,
    path: str | os.PathLike[str] | None = None,
    dtype: str = "float32",
    state: bool = False,
    lengths: bool = False,
) -> Any:
    """Return a ModelProto, and write it to a file if a path is given.

    Its input is x (T, B, I), its outputs are y (T, B, D*H), h and c (L*D, B, H).

    Args:
        layers: the weights.
        path: the file to write.
        dtype: of weights, inputs and outputs. onnxruntime computes LSTMs in float32 only.
        state: whether h0 and c0, (L*D, B, H) each, are inputs too; otherwise they are zero.
        lengths: whether the lengths of the sequences, (B,) in int32, are an input too.

    Raises:
        LstmbenchError: if there is a projection, which ONNX's LSTM lacks, or a number is too large
            for the dtype.
    """
    onnx = import_package("onnx", "to_onnx")
    refuse_unsupported(layers, "to_onnx", "ONNX's LSTM", peephole=True)
    constants = {
        f"{name}_{level}": round_to(array, dtype, name)
        for level, directions in enumerate(layers)
        for name, array in node_weights(directions).items()
    }
    first, L, D = layers[0][0], len(layers), len(layers[0])
    H = first.hidden_size
    constants["shape"] = np.array([0, 0, D * H], dtype=np.int64)  # 0 keeps a size
    if state:
        constants["sizes"] = np.full(L, D, dtype=np.int64)
    state_shape = (L * D, "B", H)
    inputs: dict[str, Any] = {"x": ("T", "B", first.input_size)}
    inputs |= {"h0": state_shape, "c0": state_shape} if state else {}
    inputs |= {"lengths": ("B",)} if lengths else {}
    outputs: dict[str, Any] = {"y": ("T", "B", D * H), "h": state_shape, "c": state_shape}
    number = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))

    def describe(name: str, shape: tuple[int | str, ...]) -> Any:
        kind = onnx.TensorProto.INT32 if name == "lengths" else number
        return onnx.helper.make_tensor_value_info(name, kind, shape)

    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            _nodes(onnx.helper.make_node, L, D, H, {*inputs, *constants}),
            "lstm",
            [describe(name, shape) for name, shape in inputs.items()],
            [describe(name, shape) for name, shape in outputs.items()],
            [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
        ),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="lstmbench",
        producer_version=__version__,
    )
    if path is not None:
        write_atomically(path, model.SerializeToString(deterministic=True))
    return model


def _nodes(make_node: Any, L: int, D: int, H: int, known: set[str]) -> list[Any]:
    """Return the nodes of the graph; ``known`` are the names of inputs and constants."""
    nodes = []

    def add(
        operator: str, suffix: str | int, inputs: list[str], outputs: list[str], **attributes: Any
    ) -> None:
        nodes.append(make_node(operator, inputs, outputs, f"{operator}_{suffix}", **attributes))

    for name in ("h0", "c0") if "h0" in known else ():
        parts = [f"{name}_{level}" for level in range(L)]
        add("Split", name, [name, "sizes"], parts, axis=0)
        known = known | set(parts)
    x, direction = "x", "bidirectional" if D == 2 else "forward"
    for level in range(L):
        kinds = ("W", "R", "B", "lengths", "h0", "c0", "P")  # the operator's order, after X
        names = [kind if kind == "lengths" else f"{kind}_{level}" for kind in kinds]
        inputs = [x, *(name if name in known else "" for name in names)]
        while not inputs[-1]:  # optional inputs at the end are left out
            inputs.pop()
        outputs = [f"{name}_{level}" for name in ("Y", "h", "c")]
        add("LSTM", level, inputs, outputs, hidden_size=H, direction=direction)
        # From Y (T, D, B, H) to the next layer's input (T, B, D*H)
        side_by_side = f"side_by_side_{level}"
        add("Transpose", level, outputs[:1], [side_by_side], perm=[0, 2, 1, 3])
        x = "y" if level == L - 1 else f"y_{level}"
        add("Reshape", level, [side_by_side, "shape"], [x])
    for name in ("h", "c"):
        add("Concat", name, [f"{name}_{level}" for level in range(L)], [name], axis=0)
    return nodes


def node_weights(directions: tuple[LSTMParams, ...]) -> dict[str, Array]:
    """Return W (D, 4H, I), R (D, 4H, H), and B (D, 8H) and P (D, 3H) if there are any."""
    arrays: dict[str, list[Array]] = {}
    for params in directions:
        weights = params.weights()
        peephole = weights.pop("peephole", None)
        W, R, *bias = (reorder_gates(array, "ifgo", "iofg") for array in weights.values())
        node = {"W": W, "R": R}
        if bias:  # adding -0.0 changes no bit, while +0.0 would change a -0.0
            node["B"] = np.concatenate([bias[0], np.full_like(bias[0], -0.0)])
        if peephole is not None:
            node["P"] = reorder_gates(peephole, "ifo", "iof").ravel()
        for name, array in node.items():
            arrays.setdefault(name, []).append(array)
    return {name: np.stack(parts) for name, parts in arrays.items()}
