"""What PyTorch's default exporter writes: node by node, and by itself where onnxscript is there."""

import warnings
from typing import Any

import numpy as np
import pytest
from weights import bits

import lstmbench as lb
from lstmbench.interop import read_onnx

onnx = pytest.importorskip("onnx")
torch = pytest.importorskip("torch")
T, B, I, H = 5, 2, 3, 4  # noqa: E741 - the letters of the equations
KINDS = [(1, False), (2, False), (2, True)]


class Writer:
    """The graph of an exported nn.LSTM: optimized, or as it is before its constants are folded."""

    def __init__(self, module: Any, optimized: bool, batch: int | str) -> None:
        self.arrays = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
        self.layers, self.directions = module.num_layers, 1 + module.bidirectional
        self.optimized, self.batch = optimized, batch
        self.nodes: list[Any] = []
        self.initializers = {} if optimized else dict(self.arrays)
        self.count = 0

    def add(self, operator: str, inputs: list[str], output: str = "", **attributes: Any) -> str:
        self.count += 1
        output = output or f"val_{self.count}"
        self.nodes.append(onnx.helper.make_node(operator, inputs, [output], **attributes))
        return output

    def constant(self, array: Any) -> str:
        value = np.asarray(array)
        if self.optimized:
            self.count += 1
            self.initializers[f"val_{self.count}"] = value
            return f"val_{self.count}"
        if value.ndim == 1 and value.dtype == np.int64:
            return self.add("Constant", [], value_ints=value.tolist())
        return self.add("Constant", [], value=onnx.numpy_helper.from_array(value))

    def zeros(self) -> str:
        count = self.layers * self.directions
        if self.optimized and isinstance(self.batch, int):
            return self.constant(np.zeros((count, self.batch, H), "f4"))
        sizes = (
            [self.constant([count]), self.constant([self.batch]), self.constant([H])]
            if self.batch == B
            else []
        )
        sizes = sizes or [
            self.constant([count]),
            self.add("Shape", ["input"], start=1, end=2),
            self.constant([H]),
        ]
        return self.add("Expand", [self.constant(np.float32(0)), self.add("Concat", sizes, axis=0)])

    def rows(self, name: str) -> str:
        """The gates i, f, g, o of PyTorch in the order i, o, f, g of ONNX."""
        if self.optimized:
            return self.constant(
                np.concatenate([np.split(self.arrays[name], 4)[gate] for gate in (0, 3, 1, 2)])
            )
        zero = self.constant([0])
        H = self.add("Shape", [self.state], start=2, end=3)
        ends = [self.add("Mul", [H, self.constant([number])]) for number in range(5)]
        gates = [
            self.add("Slice", [name, ends[gate], ends[gate + 1], zero]) for gate in (0, 3, 1, 2)
        ]
        return self.add("Concat", gates, axis=0)

    def stacked(self, arrays: list[str]) -> str:
        """One array for each direction, in one."""
        if self.optimized:
            return self.constant(np.stack([self.initializers.pop(name) for name in arrays]))
        return self.add(
            "Concat", [self.add("Unsqueeze", [each, self.constant([0])]) for each in arrays], axis=0
        )

    def layer(self, number: int, x: str) -> str:
        parts = [f"_l{number}", f"_l{number}_reverse"][: self.directions]
        W, R = (
            self.stacked([self.rows(kind + part) for part in parts])
            for kind in ("weight_ih", "weight_hh")
        )
        both = [[self.rows(kind + part) for kind in ("bias_ih", "bias_hh")] for part in parts]
        if self.optimized:
            b = self.stacked(
                [
                    self.constant(np.concatenate([self.initializers.pop(n) for n in pair]))
                    for pair in both
                ]
            )
        else:
            b = self.stacked([self.add("Concat", pair, axis=0) for pair in both])
        state = self.state
        if self.layers > 1:
            ends = [
                self.constant([number * self.directions]),
                self.constant([(number + 1) * self.directions]),
            ]
            state = self.add("Slice", [state, *ends, self.constant([0])])
        outputs = [f"{name}_{number}" for name in ("Y", "h", "c")]
        direction = "bidirectional" if self.directions == 2 else "forward"
        attributes = {"hidden_size": H, "direction": direction, "input_forget": 0, "layout": 0}
        self.nodes.append(
            onnx.helper.make_node("LSTM", [x, W, R, b, "", state, state], outputs, **attributes)
        )
        turned = self.add("Transpose", [outputs[0]], perm=[0, 2, 1, 3])
        if self.optimized and isinstance(self.batch, int):
            shape = self.constant([T, self.batch, self.directions * H])
        else:
            sizes = self.add("Shape", [turned], start=0)
            pieces = [
                self.add("Slice", [sizes, self.constant([k]), self.constant([k + 1])])
                for k in range(4)
            ]
            width = self.add(
                "Reshape", [self.add("Mul", pieces[2:]), self.constant([-1])], allowzero=0
            )
            shape = self.add("Concat", [*pieces[:2], width], axis=0)
        return self.add("Reshape", [turned, shape], f"y_{number}", allowzero=1)

    def model(self) -> Any:
        self.state = self.zeros()
        y = "input"
        for number in range(self.layers):
            y = self.layer(number, y)
        kind = onnx.TensorProto.FLOAT
        made = onnx.helper.make_model(
            onnx.helper.make_graph(
                self.nodes,
                "main_graph",
                [onnx.helper.make_tensor_value_info("input", kind, [T, self.batch, I])],
                [onnx.helper.make_tensor_value_info(y, kind, [T, self.batch, self.directions * H])],
                [
                    onnx.numpy_helper.from_array(np.ascontiguousarray(a), n)
                    for n, a in self.initializers.items()
                ],
            ),
            opset_imports=[onnx.helper.make_opsetid("", 20)],
            ir_version=10,
        )
        onnx.checker.check_model(made, full_check=True)
        return made


@pytest.mark.parametrize("batch", [B, "batch"])
@pytest.mark.parametrize("optimized", [True, False])
@pytest.mark.parametrize(("num_layers", "bidirectional"), KINDS)
def test_what_the_default_exporter_writes_is_taken(
    num_layers: int, bidirectional: bool, optimized: bool, batch: int | str
) -> None:
    module = torch.nn.LSTM(I, H, num_layers=num_layers, bidirectional=bidirectional)
    made = Writer(module, optimized, batch).model()
    inputs = None
    if not (
        optimized or batch == B
    ):  # there the sizes of the weights are taken from the shape of the input
        with pytest.raises(
            lb.LstmbenchError,
            match="R depends on the model's input 'input': give its value as inputs=",
        ):
            lb.StackParams.from_onnx(made)
        inputs = {"input": np.zeros((T, B, I), "f4")}
    assert bits(lb.StackParams.from_onnx(made, inputs=inputs)) == bits(
        lb.StackParams.from_torch(module)
    )
    if batch == B:
        x = torch.randn(T, B, I)
        runtime = pytest.importorskip("onnxruntime")
        session = runtime.InferenceSession(
            made.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        (y,) = session.run(None, {"input": x.numpy()})
        np.testing.assert_allclose(y, module(x)[0].detach(), atol=1e-6)


def export(module: Any, arguments: tuple[Any, ...], **options: Any) -> Any:
    pytest.importorskip("onnxscript", reason="PyTorch's default exporter needs onnxscript")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.onnx.export(
            module.eval(), arguments, dynamo=True, verbose=False, **options
        ).model_proto


@pytest.mark.parametrize("optimize", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("num_layers", "bidirectional"), KINDS)
def test_the_default_exporter(
    num_layers: int, bidirectional: bool, bias: bool, optimize: bool
) -> None:
    module = torch.nn.LSTM(
        I, H, num_layers, bias=bias, bidirectional=bidirectional, batch_first=not bias
    )
    made = export(module, (torch.randn(T, B, I),), optimize=optimize)
    actual, expected = lb.StackParams.from_onnx(made), lb.StackParams.from_torch(module)
    for ours, theirs in zip(actual, expected, strict=True):  # a bias of zeros where there is none
        np.testing.assert_array_equal(ours.weight_ih, theirs.weight_ih)
        np.testing.assert_array_equal(ours.weight_hh, theirs.weight_hh)
        np.testing.assert_array_equal(ours.bias, theirs.bias)


def test_the_default_exporter_with_a_state_or_a_free_batch() -> None:
    module = torch.nn.LSTM(I, H, 2, bidirectional=True)
    expected = bits(lb.StackParams.from_torch(module))
    made = export(module, (torch.randn(T, B, I), (torch.randn(4, B, H), torch.randn(4, B, H))))
    assert bits(lb.StackParams.from_onnx(made)) == expected
    assert read_onnx(made)[1].fed == ("initial_h", "initial_c")
    made = export(module, (torch.randn(T, B, I),), dynamic_shapes=({1: torch.export.Dim.DYNAMIC},))
    assert bits(lb.StackParams.from_onnx(made)) == expected
