"""``numpy.fused`` allocates what the formula says that an LSTM must keep, and little besides."""

from typing import Any

import numpy as np
import pytest

import lstmbench as lb
from lstmbench.measure.suites.case import Workload
from lstmbench.variants import numpy_fused
from lstmbench.variants.numpy_fused import NumpyFused

BEYOND = 0.02


def excess(
    implementation: Any, mode: str, T: int, B: int, features: int, H: int, dtype: str
) -> float:
    """How much more it allocates than the formula says, as a share."""
    framework = implementation.framework
    shapes = [
        (T, B, features),
        (B, H),
        (B, H),
        *([(T, B, H), (B, H), (B, H)] * (mode == "training")),
    ]
    random = np.random.default_rng(0)
    arrays = [framework.from_numpy(random.normal(size=shape)) for shape in shapes]
    native = implementation.implementation
    call = native.forward_backward if mode == "training" else native.forward
    call(*arrays)  # what Python keeps after a first call is not the call's
    formula = Workload(mode, B, T, features, H, dtype=dtype).formula_bytes
    return framework.allocated_bytes(call, *arrays) / formula - 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("T", "features"), [(256, 64), (300, 16), (1024, 64), (1024, 1)])
@pytest.mark.parametrize("mode", ["inference", "training"])
def test_it_is_the_formula_to_2_percent(mode: str, T: int, features: int, dtype: str) -> None:
    lstm = lb.load("numpy.fused", lb.LSTMParams.init(features, 64), dtype=dtype)
    assert abs(excess(lstm, mode, T, 4, features, 64, dtype)) <= BEYOND


def test_memory_for_all_gates_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    lstm = lb.load("numpy.fused", lb.LSTMParams.init(64, 64))
    monkeypatch.setattr(numpy_fused, "MIN_IN_PLACE_STEPS", 10_000)
    monkeypatch.setattr(numpy_fused.ForwardWeights, "chunk_steps", lambda self, h0: 10_000)
    assert excess(lstm, "inference", 256, 4, 64, 64, "float32") > 1


def test_a_copy_of_all_outputs_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    lstm = lb.load("numpy.fused", lb.LSTMParams.init(64, 64))
    whole = NumpyFused.backward

    def with_a_copy(self: Any, saved: Any, *cotangents: Any) -> Any:
        copies = [array.copy() for array in saved[1:3]]
        result = whole(self, saved, *cotangents)
        del copies
        return result

    monkeypatch.setattr(NumpyFused, "backward", with_a_copy)
    assert excess(lstm, "training", 256, 4, 64, 64, "float32") > BEYOND


@pytest.mark.parametrize("T", [127, 128, 129, 140, 200, 1000])
def test_working_in_the_outputs_memory_changes_no_result(
    T: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lstm = lb.load("numpy.fused", lb.LSTMParams.init(3, 5), dtype="float64")
    random = np.random.default_rng(T)
    x, state = (
        random.normal(size=(T, 2, 3)),
        (random.normal(size=(2, 5)), random.normal(size=(2, 5))),
    )
    y, (h, c) = lstm.forward(x, state)
    monkeypatch.setattr(numpy_fused, "MIN_IN_PLACE_STEPS", 10_000)
    plain, (h_plain, c_plain) = lstm.forward(x, state)
    for found, wanted in ((y, plain), (h, h_plain), (c, c_plain)):
        assert np.allclose(found, wanted, rtol=1e-12, atol=1e-15)
    gradient = lstm.backward(x, np.ones_like(y), state).x
    monkeypatch.setattr(numpy_fused, "CHUNK_BYTES", 1)
    monkeypatch.setattr(numpy_fused, "FACTOR_BYTES", 1)
    assert np.allclose(lstm.backward(x, np.ones_like(y), state).x, gradient, rtol=1e-12, atol=1e-15)


def test_numpy_s_own_buffers_are_as_they_were() -> None:
    before = np.getbufsize()
    lstm = lb.load("numpy.fused", lb.LSTMParams.init(3, 5))
    lstm.backward(np.ones((4, 2, 3)), np.ones((4, 2, 5)))
    with pytest.raises(ValueError, match="matmul"):
        lstm.implementation.forward(
            np.ones((4, 2, 9), "f4"), np.ones((2, 5), "f4"), np.ones((2, 5), "f4")
        )
    assert np.getbufsize() == before
