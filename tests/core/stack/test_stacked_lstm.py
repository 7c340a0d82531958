"""What a user may hand to a stack, and the one sentence that the rest is answered with; how stacks
are loaded.
"""

from typing import Any

import numpy as np
import pytest
from plain import Plain
from refusals import refusal
from stacks import draw, errors, native_results, oracle_results, stack_results

import lstmbench as lb

T, B, I, H, P = 4, 3, 2, 5, 2  # noqa: E741 - the letters of the equations
PARAMS = lb.StackParams.init(I, H, num_layers=2, bidirectional=True, proj_size=P)
X, DY, H0, C0 = np.ones((T, B, I)), np.ones((T, B, 2 * P)), np.ones((4, B, P)), np.ones((4, B, H))


@pytest.fixture
def stack() -> lb.Stack:
    return lb.load("numpy.fused", PARAMS, dtype="float64")


def test_shapes_of_what_comes_back(stack: lb.Stack) -> None:
    y, (h, c) = stack.forward(X, lengths=[1, 4, 2])
    assert (y.shape, h.shape, c.shape) == (DY.shape, H0.shape, C0.shape)
    gradients = stack.backward(X, DY)
    assert [len(layer) for layer in gradients.layers] == [2, 2]
    for layer, params in zip(gradients.layers, PARAMS.layers, strict=True):
        for each, weights in zip(layer, params, strict=True):
            shapes = {name: getattr(each, name).shape for name in weights.weights()}
            assert shapes == {name: array.shape for name, array in weights.weights().items()}
            assert each.peephole is None
    assert (gradients.x.shape, gradients.h0.shape, gradients.c0.shape) == (
        X.shape,
        H0.shape,
        C0.shape,
    )


@pytest.mark.parametrize("lengths", [None, np.array([200, 100, 1, 7])], ids=["full", "padded"])
@pytest.mark.parametrize("options", [{}, {"bidirectional": True}, {"proj_size": 30}], ids=str)
def test_inference_keeps_nothing_of_a_layer_that_is_done(
    options: dict[str, Any], lengths: Any
) -> None:
    def peak(num_layers: int) -> int:
        params = lb.StackParams.init(32, 32, num_layers, **options)
        stack = lb.load("numpy.fused", params)
        rows = num_layers * params.num_directions, 4
        shapes = (200, 4, 32), (*rows, params.output_size), (*rows, 32)
        arrays = [np.zeros(shape, np.float32) for shape in shapes]
        forward = stack.implementation.forward
        forward(*arrays, lengths)  # creates the masked layers
        used = stack.framework.allocated_bytes(forward, *arrays, lengths)
        assert used is not None
        return used

    states = 2 * 2 * 3 * 4 * 32 * 4  # h and c of three layers more in both directions, as float32
    assert peak(6) - peak(3) <= 2 * states + 2**15  # the outputs of one layer are 100 KiB


def test_there_is_no_gradient_of_a_bias_that_is_not_there() -> None:
    stack = lb.load("numpy.fused", lb.StackParams.init(I, H, bias=False))
    assert stack.backward(X, np.ones((T, B, H))).layers[0][0].bias is None


@pytest.mark.parametrize("shape", [(T, B, I + 1), (T, I), (), (0, B, I), (T, 0, I)], ids=str)
def test_a_wrong_x_is_named_with_both_shapes(stack: lb.Stack, shape: tuple[int, ...]) -> None:
    expected = f"x must have shape (T, B, {I}) with T and B at least 1, but it has shape {shape}."
    assert refusal(stack.forward, np.ones(shape)) == expected
    assert refusal(stack.backward, np.ones(shape), DY) == expected


def test_a_wrong_state_is_named_with_both_shapes(stack: lb.Stack) -> None:
    for bad in (np.ones((4, B, H)), np.ones((2, B, P)), np.ones((B, P))):
        end = f"must have shape {(4, B, P)}, but it has shape {bad.shape}."
        assert refusal(stack.forward, X, (bad, C0)) == f"state's h {end}"
        assert refusal(stack.backward, X, DY, dstate=(bad, C0)) == f"dstate's dh {end}"
    end = f"must have shape {(4, B, H)}, but it has shape {H0.shape}."
    assert refusal(stack.forward, X, (H0, H0)) == f"state's c {end}"
    assert refusal(stack.backward, X, DY, (H0, H0)) == f"state's c {end}"
    expected = f"state must be a pair (h, c), of shapes {(4, B, P)} and {(4, B, H)}."
    for bad_pair in (H0, (H0,), (H0, C0, C0), 0, "hc"):
        assert refusal(stack.forward, X, bad_pair) == expected


def test_a_wrong_dy_is_named_with_both_shapes(stack: lb.Stack) -> None:
    bad = np.ones((T, B, P))
    assert (
        refusal(stack.backward, X, bad)
        == f"dy must have shape {DY.shape}, but it has shape {bad.shape}."
    )


LENGTHS: dict[str, tuple[Any, str]] = {
    "zero": ([1, 0, 4], "one of them is 0."),
    "negative": ([1, -2, 4], "one of them is -2."),
    "beyond T": ([1, 5, 4], "one of them is 5."),
    "too few": ([1, 2], "they have shape (2,)."),
    "too many": ([1, 2, 3, 4], "they have shape (4,)."),
    "a number": (3, "they have shape ()."),
    "a column": ([[1], [2], [3]], "they have shape (3, 1)."),
    "floats": ([1.0, 2.0, 3.0], "their dtype is float64."),
    "NaN": ([1, float("nan"), 3], "their dtype is float64."),
    "truth values": ([True, True, True], "their dtype is bool."),
    "strings": (["1", "2", "3"], "their dtype is <U1."),
    "None among them": ([1, None, 3], "their dtype is object."),
}


@pytest.mark.parametrize(("lengths", "reason"), LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("name", ["numpy.fused", "torch.nn"])
def test_wrong_lengths_are_named(name: str, lengths: Any, reason: str) -> None:
    pytest.importorskip(name.partition(".")[0])
    stack = lb.load(name, lb.StackParams.init(I, H))
    expected = (
        f"lengths must be {B} whole numbers from 1 to T = {T}, one for each sequence, but {reason}"
    )
    assert refusal(stack.forward, X, lengths=lengths) == expected
    assert refusal(stack.backward, X, np.ones((T, B, H)), lengths=lengths) == expected


def test_ragged_lengths_arerefusal(stack: lb.Stack) -> None:
    assert refusal(stack.forward, X, lengths=[[1], [2, 3], 4]).startswith(
        "lengths must be 3 whole numbers from 1"
    )


# loading


def test_the_kind_of_the_parameters_decides_what_is_loaded() -> None:
    assert isinstance(lb.load("numpy.fused", lb.LSTMParams.init(I, H)), lb.LSTM)
    assert isinstance(lb.load("numpy.fused", lb.LSTMParams.init(I, H, bias=False)), lb.LSTM)
    assert isinstance(lb.load("numpy.fused", lb.StackParams.init(I, H)), lb.Stack)
    assert isinstance(lb.load("numpy.fused", lb.LSTMParams.init(I, H, proj_size=P)), lb.Stack)
    assert isinstance(lb.load("numpy.reference", lb.LSTMParams.init(I, H, peephole=True)), lb.Stack)


def test_a_stack_knows_its_name_and_its_framework() -> None:
    stack = lb.load("numpy.fused", PARAMS)
    assert (stack.name, stack.framework.device, stack.framework.dtype) == (
        "numpy.fused",
        "cpu",
        "float32",
    )
    assert stack.modes == ("inference", "training")
    assert stack.params is PARAMS


@pytest.mark.parametrize("params", [None, {}, np.ones(3)], ids=type)
def test_parameters_of_another_type_arerefusal(params: Any) -> None:
    expected = (
        f"params must be an LSTMParams or a StackParams, but it is a {type(params).__name__}."
    )
    assert refusal(lb.load, "numpy.fused", params) == expected


def test_names_devices_and_dtypes_are_checked_as_for_one_layer() -> None:
    with pytest.raises(lb.LstmbenchError, match=r"Did you mean 'numpy.fused'\?$"):
        lb.load("numpy.fuse", PARAMS)
    assert refusal(lb.load, "numpy.fused", PARAMS, device="tpu").startswith(
        "numpy.fused sees no device 'tpu'"
    )
    assert refusal(lb.load, "numpy.fused", PARAMS, dtype="float16").startswith(
        "numpy.fused does not support dtype"
    )


def test_torch_s_own_lstm_projects_to_fewer_only() -> None:
    pytest.importorskip("torch")
    wide = lb.StackParams.init(I, H, proj_size=H)
    assert (
        refusal(lb.load, "torch.nn", wide)
        == f"torch.nn: proj_size must be smaller than hidden_size, {H}, but it is {H}."
    )
    problem = draw(T, B, wide, varied=True)
    assert (
        max(
            errors(
                stack_results(lb.load("numpy.fused", wide, dtype="float64"), problem),
                oracle_results(problem),
            ).values()
        )
        < 1e-12
    )


# plug-ins


@pytest.mark.usefixtures("own_registrations")
def test_what_offers_one_layer_without_going_back_from_a_forward_pass_makes_stacks_too() -> None:
    lb.register("mine.plain")(Plain)
    problem = draw(T, B, PARAMS, varied=True)
    stack = lb.load("mine.plain", PARAMS, dtype="float64")
    assert max(errors(stack_results(stack, problem), oracle_results(problem)).values()) <= 1e-12


@pytest.mark.usefixtures("own_registrations")
def test_what_is_for_inference_only_has_no_backward() -> None:
    lb.register("mine.forward_only", modes=("inference",))(Plain)
    stack = lb.load("mine.forward_only", PARAMS)
    assert stack.forward(X)[0].shape == DY.shape
    expected = "mine.forward_only has no backward: it is registered for inference only."
    assert refusal(stack.backward, X, DY) == expected


@pytest.mark.usefixtures("own_registrations")
def test_a_stack_of_one_s_own_is_used_but_for_dropout() -> None:
    class Own:
        calls = 0

        def __init__(self, params: Any, framework: Any) -> None: ...

        def forward(self, x: Any, h0: Any, c0: Any, lengths: Any = None) -> Any:
            Own.calls += 1
            return np.zeros((*x.shape[:2], 2 * P)), h0, c0

    with pytest.raises(
        lb.LstmbenchError, match=r"^mine.own: class Own has no method forward_backward\.$"
    ):
        lb.register("mine.own", stack=Own)(Plain)
    lb.register("mine.own", modes=("inference",), stack=Own)(Plain)
    stack = lb.load("mine.own", PARAMS)
    assert not stack.forward(X)[0].any()
    assert Own.calls == 1
    assert stack.forward(X, dropout=0.5, seed=0)[0].any()
    assert Own.calls == 1


def test_what_is_measured_is_what_users_get() -> None:
    problem = draw(T, B, PARAMS, varied=True)
    stack = lb.load("numpy.fused", PARAMS, dtype="float64")
    asked, native = stack_results(stack, problem), native_results(stack, problem)
    assert all(np.array_equal(array, native[name]) for name, array in asked.items())


@pytest.mark.parametrize("name", ["numpy.fused", "torch.fused", "jax.fused"])
def test_the_allocator_s_bytes_of_a_stack_are_told(name: str) -> None:
    pytest.importorskip(name.partition(".")[0])
    problem = draw(64, 4, PARAMS, varied=True)
    stack = lb.load(name, PARAMS)
    with stack.framework.scope():
        arrays = [stack.framework.from_numpy(array) for array in (problem.x, *problem.state)]
        taken = stack.framework.allocated_bytes(
            stack.implementation.forward, *arrays, problem.lengths
        )
    assert taken is not None
    assert taken >= 4 * 64 * 4 * 2 * P
