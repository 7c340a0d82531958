"""Models of ONNX: which LSTM nodes are found and taken together, and what is refused in which
words.
"""

import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from weights import bits

import lstmbench as lb
from lstmbench.interop import read_onnx

onnx = pytest.importorskip("onnx")
H, I = 5, 3  # noqa: E741 - the letters of the equations


def model(num_layers: int = 1, bidirectional: bool = False, **options: bool) -> Any:
    return lb.StackParams.init(I, H, num_layers, bidirectional).to_onnx(**options)


def lstm(made: Any, number: int = 0) -> Any:
    return [node for node in made.graph.node if node.op_type == "LSTM"][number]


def constant(made: Any, name: str, array: Any) -> None:
    (old,) = (each for each in made.graph.initializer if each.name == name)
    old.CopyFrom(onnx.numpy_helper.from_array(np.asarray(array), name))


def attribute(**values: Any) -> Callable[[Any], None]:
    def spoil(made: Any) -> None:
        kept = [each for each in lstm(made).attribute if each.name not in values]
        del lstm(made).attribute[:]
        lstm(made).attribute.extend(
            [*kept, *(onnx.helper.make_attribute(*item) for item in values.items())]
        )

    return spoil


def test_a_path_bytes_and_a_model_are_the_same(tmp_path: Path) -> None:
    made = model(2, True)
    path = tmp_path / "lstm.onnx"
    path.write_bytes(made.SerializeToString())
    sources = (made, made.SerializeToString(), path, str(path))
    first, *others = (bits(lb.StackParams.from_onnx(source)) for source in sources)
    assert others == [first] * 3


def test_a_node_is_named_or_numbered() -> None:
    made = model(2)
    one, two = lb.StackParams.from_onnx(made)
    assert (
        bits(lb.LSTMParams.from_onnx(made, node="LSTM_1"))
        == bits(lb.LSTMParams.from_onnx(made, node=1))
        == bits(two)
    )
    assert bits(lb.LSTMParams.from_onnx(made, node=0)) == bits(one)
    for node in ("LSTM_2", 2, -1, ""):
        with pytest.raises(
            lb.LstmbenchError, match=r"has no LSTM node .*; its LSTM nodes are LSTM_0, LSTM_1\."
        ):
            lb.LSTMParams.from_onnx(made, node=node)
    with pytest.raises(lb.LstmbenchError, match=r"here are 2 layers: use StackParams\.from_onnx\."):
        lb.LSTMParams.from_onnx(made)


@pytest.mark.parametrize("folded", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize(
    ("num_layers", "bidirectional"), [(1, False), (2, False), (1, True), (3, True)]
)
def test_what_torch_exports_is_taken(
    num_layers: int, bidirectional: bool, batch_first: bool, folded: bool
) -> None:
    torch = pytest.importorskip("torch")
    module = torch.nn.LSTM(
        I, H, num_layers=num_layers, bidirectional=bidirectional, batch_first=batch_first
    )
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module, (torch.zeros(4, 2, I),), buffer, dynamo=False, do_constant_folding=folded
        )
    actual, expected = (
        lb.StackParams.from_onnx(buffer.getvalue()),
        lb.StackParams.from_torch(module),
    )
    assert bits(actual) == bits(expected)
    for layer in read_onnx(buffer.getvalue()):
        assert layer.h0 is None or not layer.h0.any()


def taken_weights(made: onnx.ModelProto) -> dict[str, Any]:
    """Remove the first layer's weights from a model; return all its initializers as they were."""
    arrays = {each.name: onnx.numpy_helper.to_array(each) for each in made.graph.initializer}
    kept = [each for each in made.graph.initializer if each.name not in ("W_0", "R_0", "B_0")]
    del made.graph.initializer[:]
    made.graph.initializer.extend(kept)
    return arrays


def prepend(made: onnx.ModelProto, before: list[Any]) -> None:
    """Put nodes before those of a model."""
    nodes = [*before, *made.graph.node]
    del made.graph.node[:]
    made.graph.node.extend(nodes)


def test_constants_may_be_nodes_and_be_rearranged() -> None:
    made = model()
    expected = bits(lb.StackParams.from_onnx(made))
    arrays = taken_weights(made)
    node, tensor = onnx.helper.make_node, onnx.numpy_helper.from_array
    made.graph.initializer.append(tensor(np.array([0]), "first"))
    before = [
        node("Constant", [], ["flat"], value=tensor(arrays["W_0"].reshape(-1))),
        node("Constant", [], ["W_shape"], value=tensor(np.array([1, 4 * H, I]))),
        node("Reshape", ["flat", "W_shape"], ["W_0"]),
        node("Constant", [], ["turned"], value=tensor(arrays["R_0"].transpose(2, 1, 0))),
        node("Transpose", ["turned"], ["R_0"]),
        node("Constant", [], ["bare"], value=tensor(arrays["B_0"][0])),
        node("Unsqueeze", ["bare", "first"], ["held"]),
        node("Identity", ["held"], ["B_0"]),
    ]
    prepend(made, before)
    assert bits(lb.StackParams.from_onnx(made)) == expected


def test_squeezed_outputs_make_a_chain_too() -> None:
    made = model(2)
    (between,) = (
        node for node in made.graph.node if node.op_type == "Reshape" and node.output[0] == "y_0"
    )
    between.CopyFrom(onnx.helper.make_node("Squeeze", ["Y_0", "axis"], ["y_0"]))
    made.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1]), "axis"))
    assert bits(lb.StackParams.from_onnx(made)) == bits(lb.StackParams.from_onnx(model(2)))


def put_between(made: Any, *nodes: Any) -> None:
    """Put nodes after the lower layer's output y_0; the last of them gives ``other``, the upper
    layer's input.
    """
    place = next(number for number, each in enumerate(made.graph.node) if "y_0" in each.output)
    for node in reversed(nodes):
        made.graph.node.insert(place + 1, node)
    lstm(made, 1).input[0] = "other"


def sized(made: Any, **sizes: int) -> Any:
    for dim in made.graph.input[0].type.tensor_type.shape.dim:
        if dim.dim_param in sizes:
            dim.dim_value = sizes[dim.dim_param]
    return made


def test_what_lies_between_layers_is_tried_at_the_model_s_own_sizes() -> None:
    made = sized(model(2), T=5, B=2)
    constant(made, "shape", [5, 2, H])
    assert bits(lb.StackParams.from_onnx(made)) == bits(lb.StackParams.from_onnx(model(2)))
    free = model(2)
    constant(free, "shape", [5, 2, H])
    with pytest.raises(
        lb.LstmbenchError,
        match=(
            r"^It cannot be told whether LSTM nodes 'LSTM_0' and 'LSTM_1' are layers of one "
            r"stack: the input of 'LSTM_1' cannot be computed: .*; read them one by one with "
            r"node=\.$"
        ),
    ):
        lb.StackParams.from_onnx(free)
    assert bits(lb.LSTMParams.from_onnx(free, node=1)) == bits(
        lb.LSTMParams.from_onnx(made, node=1)
    )


def node_of(operator: str, inputs: list[str], output: str, **attributes: Any) -> Any:
    return onnx.helper.make_node(operator, inputs, [output], **attributes)


@pytest.mark.parametrize(
    "nodes",
    [
        [("Identity", ["y_0"], "other")],
        [("Dropout", ["y_0"], "other")],
        [("Cast", ["y_0"], "wide", {"to": 11}), ("Cast", ["wide"], "other", {"to": 1})],
        [("Clip", ["y_0", "low", "high"], "other")],  # what an LSTM gives lies between
        [
            ("Shape", ["x"], "s"),
            ("Slice", ["s", "0", "2"], "tb"),
            ("Concat", ["tb", "H"], "to", {"axis": 0}),
            ("Reshape", ["Y_0", "to"], "other"),
        ],
    ],
    ids=lambda nodes: nodes[0][0],
)
@pytest.mark.parametrize("sizes", [{}, {"T": 3, "B": 3}], ids=["free", "fixed"])
def test_what_changes_nothing_between_layers_is_passed_over(
    nodes: list[Any], sizes: dict[str, int]
) -> None:
    made = sized(model(2), **sizes)
    put_between(made, *(node_of(*each[:3], **dict(*each[3:])) for each in nodes))
    numbers = (
        {"0": [0], "2": [2], "H": [H]}
        if len(nodes) == 4
        else {"low": np.float32(-1), "high": np.float32(1)}
    )
    made.graph.initializer.extend(
        onnx.numpy_helper.from_array(np.asarray(each), name) for name, each in numbers.items()
    )
    assert bits(lb.StackParams.from_onnx(made)) == bits(lb.StackParams.from_onnx(model(2)))


@pytest.mark.parametrize(
    ("between", "told"),
    [
        (("Relu", {}), True),
        (("Neg", {}), True),
        (("Tanh", {}), True),
        (("Transpose", {"perm": [1, 0, 2]}), True),
        (("Unsqueeze", {"axes": [0]}), False),  # an input in this version
        (("Dropout", {"domain": "somewhere.else"}), False),
    ],
    ids=str,
)
@pytest.mark.parametrize("sizes", [{}, {"T": 3, "B": 3}], ids=["free", "fixed"])
def test_layers_with_something_between_them_are_no_stack(
    between: tuple[str, dict[str, Any]], told: bool, sizes: dict[str, int]
) -> None:
    made = sized(model(2), **sizes)
    operator, attributes = between
    put_between(made, node_of(operator, ["y_0"], "other", **attributes))
    nodes = "LSTM nodes 'LSTM_0' and 'LSTM_1' are"
    sentence = (
        f"^{nodes} not layers of one stack: .* node="
        if told
        else f"^It cannot be told whether {nodes} layers"
    )
    with pytest.raises(lb.LstmbenchError, match=sentence):
        lb.StackParams.from_onnx(made)
    lb.LSTMParams.from_onnx(made, node="LSTM_1")


def test_layers_in_a_function_of_the_model_are_found() -> None:
    made = model(2)
    opsets = list(made.opset_import)
    given = ["x", *(each.name for each in made.graph.initializer)]
    made.functions.append(
        onnx.helper.make_function(
            "mine", "Stack", given, ["y", "h", "c"], list(made.graph.node), opsets
        )
    )
    del made.graph.node[:]
    made.graph.node.append(onnx.helper.make_node("Stack", given, ["y", "h", "c"], domain="mine"))
    made.opset_import.append(onnx.helper.make_opsetid("mine", 1))
    assert bits(lb.StackParams.from_onnx(made)) == bits(lb.StackParams.from_onnx(model(2)))


def test_weights_that_constants_make_are_constants() -> None:
    """As PyTorch writes them with do_constant_folding=False, and with nodes that compute."""
    made = model()
    expected = bits(lb.StackParams.from_onnx(made))
    arrays = taken_weights(made)
    i, o, f, c = np.split(arrays["W_0"][0], 4)
    numbers = {
        "torch": np.concatenate([i, f, c, o]),
        "0": [0],
        "double": arrays["R_0"] * 2,
        "two": np.float32(2),
    }
    numbers |= {str(number * H): [number * H] for number in range(1, 5)} | {
        "halves": np.split(arrays["B_0"], 2, 1)[0]
    }
    numbers |= {"others": np.split(arrays["B_0"], 2, 1)[1]}
    made.graph.initializer.extend(
        onnx.numpy_helper.from_array(np.asarray(each), name) for name, each in numbers.items()
    )
    before = [
        *(
            node_of("Slice", ["torch", str(number * H), str((number + 1) * H), "0"], f"gate_{gate}")
            for number, gate in enumerate("ifco")
        ),
        node_of("Concat", [f"gate_{gate}" for gate in "iofc"], "flat", axis=0),
        node_of("Unsqueeze", ["flat", "0"], "W_0"),
        node_of("Div", ["double", "two"], "R_0"),
        node_of("Concat", ["halves", "others"], "B_0", axis=1),
    ]
    prepend(made, before)
    onnx.checker.check_model(made)
    assert bits(lb.StackParams.from_onnx(made)) == expected


def test_layers_side_by_side_are_no_stack() -> None:
    made = model(2)
    lstm(made, 1).input[0] = "x"
    with pytest.raises(lb.LstmbenchError, match="are not layers of one stack"):
        lb.StackParams.from_onnx(made)


def no_input(place: int) -> Callable[[Any], None]:
    return lambda made: lstm(made).input.__setitem__(place, "")


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (
            lambda m: lstm(m).__setattr__("op_type", "GRU"),
            "The model has no LSTM node in its main graph",
        ),
        (
            lambda m: lstm(m).__setattr__("domain", "mine"),
            "The model has no LSTM node in its main graph",
        ),
        (
            attribute(activations=["Sigmoid", "Relu", "Tanh"]),
            r"activations must be .*\['Sigmoid', 'Relu', 'Tanh'\]",
        ),
        (
            attribute(activations=["Sigmoid", "Tanh"]),
            r"activations must be Sigmoid, Tanh, Tanh for each direction, but",
        ),
        (
            attribute(activations=3),
            "activations must be Sigmoid, Tanh, Tanh for each direction, but they are 3",
        ),
        (attribute(clip=1.0), r"the attribute 'clip' = 1\.0 makes it another LSTM than ours"),
        (
            attribute(input_forget=1),
            "the attribute 'input_forget' = 1 makes it another LSTM than ours",
        ),
        (attribute(mystery=1), "the attribute 'mystery' = 1 makes it another LSTM than ours"),
        (
            attribute(direction="sideways"),
            "direction must be one of forward, reverse, bidirectional, but it is 'sideways'",
        ),
        (attribute(direction=["forward"]), r"direction must be one of .*, but it is \['forward'\]"),
        (
            attribute(direction=1),
            "direction must be one of forward, reverse, bidirectional, but it is 1",
        ),
        (
            attribute(direction="bidirectional"),
            r"R must have shape \(2, 20, 5\), but it has shape \(1, 20, 5\)",
        ),
        (attribute(layout=2), "layout must be one of 0, 1, but it is 2"),
        (attribute(hidden_size=6), "hidden_size must be 5 to go with R, but it is 6"),
        (no_input(1), r"LSTM node 'LSTM_0': W is missing\."),
        (
            lambda m: lstm(m).input.__delitem__(slice(2, None)),
            r"LSTM node 'LSTM_0': R is missing\.",
        ),
        (
            lambda m: lstm(m).input.__setitem__(1, "x"),
            r"W depends on the model's input 'x': give its value as inputs=\{'x': \.\.\.\}",
        ),
        (
            lambda m: lstm(m).input.__setitem__(1, "y"),
            "W depends on the model's input 'x': give its value as inputs=",
        ),
        (
            lambda m: lstm(m).input.__setitem__(1, "nowhere"),
            "W depends on 'nowhere', which the model does not have",
        ),
        (
            lambda m: constant(m, "W_0", np.zeros((1, 15, 3))),
            r"W must have shape \(1, 20, I\) with I at least 1, but it has .*\(1, 15, 3\)",
        ),
        (
            lambda m: constant(m, "R_0", np.zeros((20, 5))),
            r"R must have shape \(1, 4H, H\) with H at least 1, but it has shape \(20, 5\)",
        ),
        (
            lambda m: constant(m, "B_0", np.zeros((1, 20))),
            r"B must have shape \(1, 40\), but it has shape \(1, 20\)",
        ),
        (
            lambda m: constant(m, "B_0", np.zeros((1, 40), int)),
            "B must hold numbers of dtype .*, but its dtype is int64",
        ),
        (
            lambda m: constant(m, "B_0", np.array([["a"] * 40])),
            "B must hold numbers of dtype .*, but its dtype is",
        ),
        (
            lambda m: lstm(m).input.extend(["", "W_0"]),
            r"initial_h must have shape \(1, B, 5\) with B at least 1, but it has .*\(1, 20, 3\)",
        ),
        (
            lambda m: lstm(m).input.extend(["W_0"]),
            r"sequence_lens must be whole numbers of shape \(B,\)",
        ),
        (
            lambda m: lstm(m).input.extend(["", "", "", "W_0"]),
            r"P must have shape \(1, 15\), but it has .*\(1, 20, 3\)",
        ),
        (
            lambda m: m.graph.initializer[0].dims.__setitem__(0, 2),
            r"W depends on 'W_0', which cannot be read: .*(reshape|size|shape)",
        ),
        (
            lambda m: m.graph.initializer[0].__setattr__("data_type", 99),
            "W depends on 'W_0', which cannot be read: ",
        ),
    ],
)
def test_what_is_wrong_is_named(spoil: Callable[[Any], Any], sentence: str) -> None:
    made = model()
    spoil(made)
    for source in (made, made.SerializeToString()):
        with pytest.raises(lb.LstmbenchError, match=sentence) as caught:
            lb.LSTMParams.from_onnx(source)
        assert "\n" not in str(caught.value)


def test_a_layout_written_as_a_float_is_a_whole_number() -> None:
    made = model()
    attribute(layout=1.0)(made)
    (layer,) = read_onnx(made)
    assert (layer.layout, type(layer.layout)) == (1, int)
    lstm(made).input.extend(["n"])
    made.graph.initializer.append(onnx.numpy_helper.from_array(np.array([4, 4]), "n"))
    with pytest.raises(lb.LstmbenchError, match="sequence_lens is held by the model"):
        lb.LSTMParams.from_onnx(made)


def test_every_node_that_is_written_has_a_name_of_its_own() -> None:
    nodes = model(2, True, state=True).graph.node
    names = [node.name for node in nodes]
    assert len(set(names)) == len(names)
    assert all(node.name.startswith(f"{node.op_type}_") for node in nodes)


def test_default_activations_that_are_written_out_are_taken() -> None:
    made = model(1, True)
    attribute(activations=["sigmoid", "Tanh", "tanh"] * 2, input_forget=0)(made)
    assert bits(lb.StackParams.from_onnx(made)) == bits(lb.StackParams.from_onnx(model(1, True)))


def test_an_input_that_is_none_is_named() -> None:
    with pytest.raises(
        lb.LstmbenchError,
        match=r"The model has no input 'W'; its inputs are h0, x, c0|are c0, h0, x\.",
    ):
        lb.LSTMParams.from_onnx(model(state=True), inputs={"W": np.zeros(3)})


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (b"", "The model has no LSTM node"),
        (b"\xff" * 50, "the given bytes cannot be read as an ONNX model: "),
        (3, "from_onnx takes a path, bytes or an onnx.ModelProto, but it was given a int"),
        ("missing.onnx", r"missing\.onnx cannot be read: No such file or directory\."),
    ],
)
def test_something_else_is_refused(source: Any, sentence: str) -> None:
    with pytest.raises(lb.LstmbenchError, match=sentence):
        lb.LSTMParams.from_onnx(source)


def test_weights_beside_the_model_are_read_from_its_folder_only(tmp_path: Path) -> None:
    made = model()
    onnx.save(
        made,
        tmp_path / "a.onnx",
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    assert bits(lb.StackParams.from_onnx(tmp_path / "a.onnx")) == bits(
        lb.StackParams.from_onnx(model())
    )
    with pytest.raises(
        lb.LstmbenchError, match="'R_0', which cannot be read: it is kept in another file"
    ):
        lb.StackParams.from_onnx((tmp_path / "a.onnx").read_bytes())
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(lb.LstmbenchError, match=r"a\.onnx cannot be read as an ONNX model: "):
        lb.StackParams.from_onnx(tmp_path / "a.onnx")
    # A reference that leads out of the folder
    (tmp_path / "weights.bin").write_bytes(bytes(2000))
    (tmp_path / "inner").mkdir()
    stray = onnx.ModelProto.FromString((tmp_path / "a.onnx").read_bytes())
    for tensor in stray.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = "../weights.bin"
    (tmp_path / "inner" / "a.onnx").write_bytes(stray.SerializeToString())
    with pytest.raises(lb.LstmbenchError, match=r"a\.onnx cannot be read as an ONNX model: "):
        lb.StackParams.from_onnx(tmp_path / "inner" / "a.onnx")


def test_a_projection_has_no_place_in_it() -> None:
    with pytest.raises(
        lb.LstmbenchError,
        match="to_onnx: these weights have a projection, for which ONNX's LSTM has no",
    ):
        lb.LSTMParams.init(3, 5, proj_size=2).to_onnx()
    with pytest.raises(
        lb.LstmbenchError,
        match=r"dtype must be float64, float32 or float16 .*, but it is 'bfloat16'",
    ):
        lb.LSTMParams.init(3, 5).to_onnx(dtype="bfloat16")
