"""What an ONNX model says and weights cannot hold is refused, unless it is ignored; what changes
nothing is taken.
"""

from typing import Any

import numpy as np
import pytest
from weights import Array, bits, oracle

import lstmbench as lb
from lstmbench.core.tolerance import relative_error
from lstmbench.interop import read_onnx

onnx = pytest.importorskip("onnx")
T, B, I, H = 4, 2, 3, 5  # noqa: E741 - the letters of the equations
STATE = np.random.default_rng(1).standard_normal((1, B, H)).astype("f4")
ZERO = np.zeros_like(STATE)


def sized(made: Any, **sizes: int) -> Any:
    """Give the inputs sizes in place of the letters."""
    for value in made.graph.input:
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param in sizes:
                dim.dim_value = sizes[dim.dim_param]
    return made


def model(num_layers: int = 1, **options: bool) -> Any:
    return lb.StackParams.init(I, H, num_layers).to_onnx(**options)


def lstm(made: Any, number: int = 0) -> Any:
    return [node for node in made.graph.node if node.op_type == "LSTM"][number]


def with_input(
    made: Any, place: int, name: str, *nodes: Any, number: int = 0, **constants: Array
) -> Any:
    """Feed an input of an LSTM node by name, from nodes and constants that are put in."""
    node = lstm(made, number)
    node.input.extend([""] * (8 - len(node.input)))
    node.input[place] = name
    where = list(made.graph.node).index(node)
    for put_in in reversed(nodes):
        made.graph.node.insert(where, put_in)
    made.graph.initializer.extend(
        onnx.numpy_helper.from_array(array, each) for each, array in constants.items()
    )
    onnx.checker.check_model(made)
    return made


def node(operator: str, inputs: list[str], output: str, **attributes: Any) -> Any:
    return onnx.helper.make_node(operator, inputs, [output], **attributes)


def weights(made: Any) -> list[Any]:
    """Return the weights of a model of as many layers that says nothing else."""
    return bits(
        lb.StackParams.from_onnx(
            model(len([each for each in made.graph.node if each.op_type == "LSTM"]))
        )
    )


def refused(made: Any, what: str) -> str:
    """Return the sentence, when it is sure that ``ignore`` takes the weights all the same."""
    with pytest.raises(lb.LstmbenchError) as caught:
        lb.StackParams.from_onnx(made)
    sentence = str(caught.value)
    assert sentence.endswith(f"; to read the weights without it, pass ignore=({what!r},).")
    assert bits(lb.StackParams.from_onnx(made, ignore=(what,))) == weights(made)
    with pytest.raises(lb.LstmbenchError):
        lb.StackParams.from_onnx(made, ignore=("something else",))
    return sentence


def taken(made: Any) -> bool:
    return bits(lb.StackParams.from_onnx(made)) == weights(made)


def test_a_direction_in_reverse_is_refused() -> None:
    made = model()
    lstm(made).attribute.append(onnx.helper.make_attribute("direction", "reverse"))
    del lstm(made).attribute[1]  # the first is the size
    for cls in (lb.LSTMParams, lb.StackParams):
        with pytest.raises(
            lb.LstmbenchError,
            match=r"^LSTM node 'LSTM_0' reads in reverse only, .*\('direction',\)\.$",
        ):
            cls.from_onnx(made)
    assert bits(lb.LSTMParams.from_onnx(made, ignore="direction")) == bits(
        lb.LSTMParams.from_onnx(model())
    )
    assert read_onnx(made)[0].direction == "reverse"


@pytest.mark.parametrize(("place", "what"), [(5, "initial_h"), (6, "initial_c")])
def test_a_state_that_the_model_holds_is_refused_unless_it_is_zero(place: int, what: str) -> None:
    assert "is held by the model, or computed, and not zero" in refused(
        with_input(model(), place, "s", s=STATE), what
    )
    assert taken(with_input(model(), place, "s", s=ZERO))
    assert taken(with_input(model(), place, "s", s=-ZERO))


@pytest.mark.parametrize("given", ["h_0", "Y_0"])
def test_a_state_that_one_layer_hands_to_the_next_is_refused(given: str) -> None:
    between = [node("Slice", ["Y_0", "from", "to"], "last"), node("Squeeze", ["last", "from"], "s")]
    numbers = {"from": np.array([0]), "to": np.array([1])}
    made = with_input(model(2), 5, "h_0" if given == "h_0" else "s", *between, number=1, **numbers)
    assert refused(made, "initial_h").startswith(
        "LSTM node 'LSTM_1': initial_h is held by the model, or computed,"
    )


def test_a_state_from_the_input_is_refused() -> None:
    nodes = [
        node("ReduceMean", ["x"], "mean", axes=[0, 2]),
        node("Expand", ["mean", "shape_s"], "s"),
    ]
    assert "initial_c" in refused(
        with_input(model(), 6, "s", *nodes, shape_s=np.array([1, 1, H])), "initial_c"
    )


def test_zeros_of_the_input_s_size_are_no_state() -> None:
    nodes = [
        node("Shape", ["x"], "sizes"),
        node("Gather", ["sizes", "one"], "batch"),
        node("Concat", ["first", "batch", "last"], "shape_s", axis=0),
    ]
    numbers = {"one": np.array([1]), "first": np.array([1]), "last": np.array([H])}
    zeros = node("ConstantOfShape", ["shape_s"], "s")
    assert taken(with_input(model(), 5, "s", *nodes, zeros, **numbers))
    spread = node("Expand", ["zero", "shape_s"], "s")
    assert taken(
        with_input(model(), 5, "s", *nodes, spread, zero=np.zeros((1, 1, 1), "f4"), **numbers)
    )
    ones = node(
        "ConstantOfShape", ["shape_s"], "s", value=onnx.numpy_helper.from_array(np.ones(1, "f4"))
    )
    refused(with_input(model(), 5, "s", *nodes, ones, **numbers), "initial_h")


def test_a_state_that_is_given_when_the_model_runs_is_no_loss() -> None:
    assert taken(model(2, state=True))
    made = model(2, state=True)
    assert {"initial_h", "initial_c"} == set(read_onnx(made)[1].fed)


def test_a_state_that_cannot_be_computed_is_named() -> None:
    made = model()
    made.opset_import.append(onnx.helper.make_opsetid("mine", 1))
    made = with_input(made, 5, "s", node("Magic", ["x"], "s", domain="mine"))
    assert "initial_h is not known before the model runs (it cannot be computed: " in refused(
        made, "initial_h"
    )


@pytest.mark.parametrize(
    ("lengths", "sizes", "whole"),
    [
        ([T] * B, {"T": T, "B": B}, True),
        ([T, 1], {"T": T, "B": B}, False),
        ([T] * B, {}, False),
        ([T], {"T": T}, True),
    ],
)
def test_lengths_that_the_model_holds_are_refused_unless_they_are_whole(
    lengths: list[int], sizes: dict[str, int], whole: bool
) -> None:
    made = with_input(sized(model(), **sizes), 4, "n", n=np.array(lengths, "i4"))
    if whole:
        assert taken(made)
    else:
        assert refused(made, "sequence_lens").startswith(
            "LSTM node 'LSTM_0': sequence_lens is held by the model, which"
        )


def test_lengths_that_are_given_or_follow_from_the_input_are_no_loss() -> None:
    assert taken(model(lengths=True))
    nodes = [
        node("Shape", ["x"], "sizes"),
        node("Gather", ["sizes", "zero"], "steps"),
        node("Gather", ["sizes", "one"], "batch"),
        node("Expand", ["steps", "batch"], "wide"),
        node("Cast", ["wide"], "n", to=onnx.TensorProto.INT32),
    ]
    assert taken(with_input(model(), 4, "n", *nodes, zero=np.array([0]), one=np.array([1])))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("clip", 0.5),
        ("input_forget", 1),
        ("mystery", 1),
        ("activations", ["Sigmoid", "Relu", "Tanh"]),
    ],
)
def test_what_makes_a_node_another_lstm_can_be_ignored(name: str, value: Any) -> None:
    made = model()
    lstm(made).attribute.append(onnx.helper.make_attribute(name, value))
    assert f"{name}" in refused(made, name)
    with pytest.raises(lb.LstmbenchError, match=name):
        read_onnx(made)
    assert len(read_onnx(made, ignore=name)) == 1


def test_numbers_that_our_activations_do_not_take_are_passed_over() -> None:
    runtime = pytest.importorskip("onnxruntime")
    made = model()
    lstm(made).attribute.append(
        onnx.helper.make_attribute("activations", ["Sigmoid", "Tanh", "Tanh"])
    )
    lstm(made).attribute.append(onnx.helper.make_attribute("activation_alpha", [0.5, 0.5, 0.5]))
    lstm(made).attribute.append(onnx.helper.make_attribute("activation_beta", [0.5, 0.5, 0.5]))
    assert taken(made)
    x = np.random.default_rng(0).standard_normal((T, B, I)).astype("f4")
    session = runtime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    assert (
        relative_error(session.run(["y"], {"x": x})[0], oracle(lb.StackParams.init(I, H), x)[0])
        < 1e-5
    )
