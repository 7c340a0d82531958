"""ONNX, out: a model of all layers, one LSTM node each, that onnxruntime runs."""

import os
from typing import Any

import numpy as np

from lstmbench import __version__
from lstmbench.core.parameters import LSTMParams
from lstmbench.errors import LstmbenchError
from lstmbench.files import write_atomically
from lstmbench.interop.weight_checks import Array, Layers, needed, reorder, rounded

# Those of ONNX 1.9 of 2021: the first with the LSTM as it still is, so that old runtimes read the
# file too
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
        path: where to write the file.
        dtype: of weights, inputs and outputs. onnxruntime computes LSTMs in float32 only.
        state: whether h0 and c0, (L*D, B, H) each, are inputs too; otherwise they are zero.
        lengths: whether the lengths of the sequences, (B,) in int32, are an input too.

    Raises:
        LstmbenchError: if there is a projection, which ONNX's LSTM has not, or a number is too
            large for the dtype.
    """
    onnx = needed("onnx", "to_onnx")
    if any(params.projection is not None for directions in layers for params in directions):
        raise LstmbenchError(
            "to_onnx: these weights have a projection, for which ONNX's LSTM has no place."
        )
    nodes: list[Any] = []
    constants: dict[str, Array] = {}

    def add(operator: str, inputs: list[str], outputs: list[str], **attributes: Any) -> None:
        nodes.append(
            onnx.helper.make_node(
                operator, inputs, outputs, name=f"{operator}_{outputs[0]}", **attributes
            )
        )

    L, D, H = len(layers), len(layers[0]), layers[0][0].hidden_size
    h0 = c0 = [""] * L
    if state:
        h0, c0 = ([f"{name}_{layer}" for layer in range(L)] for name in ("h0", "c0"))
        constants["sizes"] = np.full(L, D, dtype=np.int64)
        for name, parts in (("h0", h0), ("c0", c0)):
            add("Split", [name, "sizes"], parts, axis=0)
    below = "x"
    for layer, directions in enumerate(layers):
        arrays = {
            f"{name}_{layer}": rounded(array, dtype, name)
            for name, array in _arrays(directions).items()
        }
        constants |= arrays
        given = [name if name in arrays else "" for name in (f"{kind}_{layer}" for kind in "WRBP")]
        inputs = [below, *given[:3], "lengths" if lengths else "", h0[layer], c0[layer], given[3]]
        while not inputs[-1]:
            inputs.pop()
        outputs = [f"{name}_{layer}" for name in ("Y", "h", "c")]
        direction = "bidirectional" if D == 2 else "forward"
        nodes.append(
            onnx.helper.make_node(
                "LSTM", inputs, outputs, name=f"LSTM_{layer}", hidden_size=H, direction=direction
            )
        )
        below = "y" if layer == L - 1 else f"y_{layer}"
        # Y is (T, D, B, H), and a layer takes (T, B, D*H)
        add("Transpose", [f"Y_{layer}"], [f"side_by_side_{layer}"], perm=[0, 2, 1, 3])
        add("Reshape", [f"side_by_side_{layer}", "shape"], [below])
    constants["shape"] = np.array([0, 0, D * H], dtype=np.int64)
    for name in ("h", "c"):
        add("Concat", [f"{name}_{layer}" for layer in range(L)], [name], axis=0)

    kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))

    def value(name: str, *shape: int | str) -> Any:
        return onnx.helper.make_tensor_value_info(
            name, onnx.TensorProto.INT32 if name == "lengths" else kind, shape
        )

    states = [value(name, L * D, "B", H) for name in ("h0", "c0")]
    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            nodes,
            "lstm",
            [
                value("x", "T", "B", layers[0][0].input_size),
                *states * state,
                *[value("lengths", "B")] * lengths,
            ],
            [value("y", "T", "B", D * H), value("h", L * D, "B", H), value("c", L * D, "B", H)],
            [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
        ),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="lstmbench",
        producer_version=__version__,
    )
    if path is not None:
        content = model.SerializeToString(deterministic=True)
        write_atomically(path, content)
    return model


def _arrays(directions: tuple[LSTMParams, ...]) -> dict[str, Array]:
    """Return W (D, 4H, I), R (D, 4H, H), and B (D, 8H) and P (D, 3H) if there are any."""
    first = directions[0]
    W = [reorder(params.weight_ih, "ifgo", "iofg") for params in directions]
    R = [reorder(params.weight_hh, "ifgo", "iofg") for params in directions]
    arrays = {"W": np.stack(W), "R": np.stack(R)}
    if first.has_bias:
        # Adding -0.0 changes no bit, where +0.0 would change a -0.0
        ours = np.stack([reorder(params.bias, "ifgo", "iofg") for params in directions])
        arrays["B"] = np.concatenate([ours, np.full_like(ours, -0.0)], axis=1)
    if first.peephole is not None:
        rows = [params.peephole for params in directions if params.peephole is not None]
        arrays["P"] = np.stack([reorder(array.ravel(), "ifo", "iof") for array in rows])
    return arrays
