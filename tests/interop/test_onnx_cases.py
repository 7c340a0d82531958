"""ONNX's own cases of the operator LSTM, loaded through from_onnx, give the outputs that the cases
state.
"""

from importlib import import_module
from typing import Any

import numpy as np
import pytest
from weights import Array, oracle

import lstmbench as lb
from lstmbench.interop import read_onnx

onnx = pytest.importorskip("onnx")
EVERYWHERE = ("defaults", "with_initial_bias", "with_peepholes", "batchwise")
LATER = ("reverse", "bidirectional")  # older releases of the package lack these


def case(name: str) -> tuple[Any, dict[str, Array], dict[str, Array]]:
    """Return the model of a case, its inputs by the operator's names for them, and its expected
    outputs likewise.
    """
    import_module("onnx.backend.test.case.node.lstm")  # its classes make the cases
    cases = {
        each.name: each for each in import_module("onnx.backend.test.case.node")._NodeTestCases
    }
    actual = cases.get(f"test_lstm_{name}")
    if actual is None and name in LATER:
        pytest.skip(f"this release of onnx has no case {name}")
    (inputs, outputs) = actual.data_sets[0]
    (node,) = actual.model.graph.node
    given = dict(zip([name for name in node.input if name], inputs, strict=True))
    return (
        actual.model,
        given,
        dict(zip([name for name in node.output if name], outputs, strict=True)),
    )


def as_constants(model: Any, given: dict[str, Array]) -> Any:
    """Return the model with all but X as initializers, as models of trained networks have them."""
    held = onnx.ModelProto.FromString(model.SerializeToString())
    del held.graph.input[1:]
    held.graph.initializer.extend(
        onnx.numpy_helper.from_array(given[name], name) for name in list(given)[1:]
    )
    return held


@pytest.mark.parametrize("name", [*EVERYWHERE, *LATER])
@pytest.mark.parametrize("held", ["inputs", "initializers"])
def test_the_case_comes_out_right(name: str, held: str) -> None:
    model, given, expected = case(name)
    source, inputs = (model, given) if held == "inputs" else (as_constants(model, given), None)
    (layer,) = read_onnx(source, inputs=inputs)
    actual = computed(layer, given["X"])
    for output, array in expected.items():
        assert actual[output].shape == array.shape
        np.testing.assert_allclose(actual[output], array, rtol=1e-5, atol=1e-7)
    # The classes give the very same weights
    if layer.direction == "bidirectional":
        assert len(lb.StackParams.from_onnx(source, inputs=inputs).layers[0]) == 2
    else:
        alone = lb.LSTMParams.from_onnx(
            source, inputs=inputs, ignore=("direction",) * (layer.direction == "reverse")
        )
        np.testing.assert_array_equal(alone.weight_ih, layer.params[0].weight_ih)


def computed(layer: Any, X: Array) -> dict[str, Array]:
    """Return Y, Y_h, Y_c as the operator lays them out."""
    x = X.swapaxes(0, 1) if layer.layout == 1 else X
    backwards = layer.direction == "reverse"
    stack = lb.StackParams([layer.params])
    y, h, c = oracle(stack, x[::-1] if backwards else x, layer.h0, layer.c0)
    T, B, D = *x.shape[:2], len(layer.params)
    Y = (y[::-1] if backwards else y).reshape(T, B, D, -1).transpose(0, 2, 1, 3)
    if layer.layout == 1:
        return {"Y": Y.transpose(2, 0, 1, 3), "Y_h": h.swapaxes(0, 1), "Y_c": c.swapaxes(0, 1)}
    return {"Y": Y, "Y_h": h, "Y_c": c}


def test_the_cases_are_those_that_are_known() -> None:
    case("defaults")
    cases = import_module("onnx.backend.test.case.node")._NodeTestCases
    names = {
        each.name.removeprefix("test_lstm_") for each in cases if each.name.startswith("test_lstm_")
    }
    assert names - set(LATER) == set(EVERYWHERE)


def test_the_case_with_peepholes_needs_them() -> None:
    """The result needs the peepholes, so they cannot be ignored silently."""
    model, given, expected = case("with_peepholes")
    given["P"] = np.zeros_like(given["P"])
    (layer,) = read_onnx(model, inputs=given)
    assert np.abs(computed(layer, given["X"])["Y_h"] - expected["Y_h"]).max() > 1e-3


def test_what_the_case_holds_beside_its_weights_is_told() -> None:
    model, given, _ = case("with_peepholes")
    (layer,) = read_onnx(as_constants(model, given))
    assert layer.h0 is not None
    assert (layer.h0.shape, layer.direction, layer.layout, layer.fed) == (
        (1, 2, 3),
        "forward",
        0,
        (),
    )
    assert layer.lengths is not None
    assert layer.lengths.tolist() == [1, 1]
    weights = {name: given[name] for name in ("W", "R", "B", "P")}
    (layer,) = read_onnx(model, inputs=weights)
    assert (layer.h0, layer.lengths) == (None, None)
    assert layer.fed == ("initial_h", "initial_c", "sequence_lens")
