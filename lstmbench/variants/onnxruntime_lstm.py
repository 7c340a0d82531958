"""``onnxruntime.lstm``: the peer for inference, ONNX's operator LSTM as ONNX Runtime computes it on
the CPU.

The model is made in memory: one node, weights as initializers, time-major, lengths and batch left
open. ONNX orders the gates i, o, f, c, and has two biases; the first holds ours, the second zeros.
Float32 only: the CPU's kernel for LSTM has no other type.

Timed is ``InferenceSession.run`` on NumPy arrays; it returns new ones. The session's thread pool
has as many threads as OMP_NUM_THREADS says, which ONNX Runtime does not read by itself; unset, it
takes all cores. Its memory comes from an
allocator of its own, outputs included, of which tracemalloc sees next to nothing: the row has no
allocated bytes, and only the process's peak tells. Its sigmoid and tanh clamp their arguments:
where NaN goes in, numbers come out.
"""

import os
from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from lstmbench.backends.numpy_backend import NumpyBackend
from lstmbench.core.array_checks import Array
from lstmbench.core.parameters import LSTMParams
from lstmbench.core.registry import register

OPSET, IR = (
    14,
    8,
)  # LSTM as it stands since opset 14; an old version of the format, so that old runtimes read it


def _model(params: LSTMParams) -> bytes:
    I, H = params.input_size, params.hidden_size  # noqa: E741 - the letters of the equations

    def weight(name: str, rows: Array) -> Any:
        i, f, g, o = np.split(np.asarray(rows, dtype=np.float32), 4)
        return numpy_helper.from_array(np.concatenate([i, o, f, g])[None], name)

    bias = weight("b", params.bias)
    both = np.concatenate(
        [numpy_helper.to_array(bias), np.zeros((1, 4 * H), np.float32)], axis=1
    )  # (1, 8H)
    weights = [
        weight("W", params.weight_ih),
        weight("R", params.weight_hh),
        numpy_helper.from_array(both, "B"),
    ]
    shapes = {"x": ["T", "B", I], "h0": [1, "B", H], "c0": [1, "B", H]}
    outputs = {"y": ["T", 1, "B", H], "h": [1, "B", H], "c": [1, "B", H]}
    node = helper.make_node(
        "LSTM", ["x", "W", "R", "B", "", "h0", "c0"], list(outputs), hidden_size=H
    )
    given, returned = (
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in described.items()
        ]
        for described in (shapes, outputs)
    )
    graph = helper.make_graph([node], "lstm", given, returned, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    return bytes(model.SerializeToString())


def _options() -> Any:
    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = 1  # there is one node
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if threads.isdecimal():
        options.intra_op_num_threads = int(threads)
    return options


@register(
    "onnxruntime.lstm", framework="numpy", dtypes=("float32",), modes=("inference",), peer=True
)
class OnnxRuntimeLSTM:
    """One session on the CPU; ONNX's axis of directions is taken away as a view."""

    hides_memory = True

    def __init__(self, params: LSTMParams, framework: NumpyBackend) -> None:
        self.session = onnxruntime.InferenceSession(
            _model(params), _options(), providers=["CPUExecutionProvider"]
        )

    def forward(self, x: Array, h0: Array, c0: Array) -> tuple[Array, Array, Array]:
        y, h, c = self.session.run(None, {"x": x, "h0": h0[None], "c0": c0[None]})
        return y[:, 0], h[0], c[0]
