"""``onnxruntime.lstm``: the peer for inference, ONNX's operator LSTM as ONNX Runtime computes it on
the CPU.

The model is built in memory: one node, weights as initializers, time-major, T and B open. ONNX
orders the gates i, o, f, c, and has two biases; the first holds ours, the second zeros. Float32
only: the CPU's kernel for LSTM has no other type.

Timed is ``InferenceSession.run`` on NumPy arrays; it returns new ones. The session's thread pool
has OMP_NUM_THREADS threads, set here since ONNX Runtime does not read that variable; unset, it uses
all cores. ONNX Runtime has its own allocator, also for outputs, which tracemalloc does not see: the
row has no allocated bytes, only the peak of the process. Its sigmoid and tanh clamp their
arguments, so that NaN in the inputs gives numbers in the outputs.
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
from lstmbench.interop.onnx_write import IR_VERSION, OPSET, node_weights


def _model(params: LSTMParams) -> bytes:
    H = params.hidden_size

    def describe(shapes: dict[str, list[Any]]) -> list[Any]:
        return [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in shapes.items()
        ]

    weights = [
        numpy_helper.from_array(np.float32(array), name)
        for name, array in node_weights((params,)).items()
    ]
    inputs = {"x": ["T", "B", params.input_size], "h0": [1, "B", H], "c0": [1, "B", H]}
    outputs = {"y": ["T", 1, "B", H], "h": [1, "B", H], "c": [1, "B", H]}
    names = ["x", "W", "R", "B" * params.has_bias, "", "h0", "c0"]
    node = helper.make_node("LSTM", names, list(outputs), hidden_size=H)
    graph = helper.make_graph([node], "lstm", describe(inputs), describe(outputs), weights)
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)
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
