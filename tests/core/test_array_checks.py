"""Floats of two bytes and fewer, of torch, JAX and ml_dtypes, are taken as the numbers that they
hold.
"""

from typing import Any

import numpy as np
import pytest
from conformance import cases
from numpy.typing import NDArray

import lstmbench as lb
from lstmbench.core.array_checks import real_array
from lstmbench.core.cell_trace import trace

Array = NDArray[Any]
T, B, I, H = 4, 3, 9, 8  # noqa: E741 - the letters of the equations
SINGLE = np.random.default_rng(0).standard_normal((T, B, I)).astype("f4")
NARROW = (
    "bfloat16",
    "float8_e3m4",
    "float8_e4m3",
    "float8_e4m3b11fnuz",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
    "float6_e2m3fn",
    "float4_e2m1fn",
)


def of_ml_dtypes(array: Array, dtype: str = "bfloat16") -> Any:
    kind = getattr(pytest.importorskip("ml_dtypes"), dtype, None)
    if kind is None:
        pytest.skip(f"this release of ml_dtypes has no {dtype}")
    return array.astype(kind)


def of_torch(array: Array, dtype: str = "bfloat16") -> Any:
    torch = pytest.importorskip("torch")
    return torch.tensor(array).to(getattr(torch, dtype))


def of_jax(array: Array, dtype: str = "bfloat16") -> Any:
    return pytest.importorskip("jax.numpy").asarray(array, dtype=dtype)


SOURCES = [of_ml_dtypes, of_torch, of_jax]


@pytest.mark.parametrize("dtype", NARROW)
def test_every_number_of_ml_dtypes_is_kept(dtype: str) -> None:
    given = of_ml_dtypes(np.abs(SINGLE) if "e8m0" in dtype else SINGLE, dtype)
    actual = real_array(given, "x")
    assert actual.dtype == np.float32
    np.testing.assert_array_equal(actual, given.astype(np.float64))
    assert actual.any()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float8_e4m3fn", "float8_e5m2"])
@pytest.mark.parametrize("of", [of_torch, of_jax])
def test_every_number_of_a_framework_is_kept(of: Any, dtype: str) -> None:
    given = of(SINGLE, dtype)
    expected = given.double().numpy() if of is of_torch else np.asarray(given.astype("float32"))
    np.testing.assert_array_equal(real_array(given, "x"), expected)
    assert np.abs(real_array(given, "x") - SINGLE).max() < 0.5


@pytest.mark.parametrize("dtype", ["int4", "uint4", "complex32"])
def test_what_is_no_float_is_refused(dtype: str) -> None:
    with pytest.raises(
        lb.LstmbenchError, match=f"^x must be an array of real numbers, but its dtype is {dtype}"
    ):
        real_array(of_ml_dtypes(np.zeros((2, 2), "f4"), dtype), "x")


@pytest.mark.parametrize(("name", "dtype", "device"), cases("float32"))
def test_bfloat16_gives_what_its_numbers_in_float32_give(
    name: str, dtype: str, device: str
) -> None:
    random = np.random.default_rng(1)
    params = lb.LSTMParams.init(I, H)
    state, dy = (
        random.standard_normal((2, B, H)).astype("f4"),
        random.standard_normal((T, B, H)).astype("f4"),
    )
    lstm = lb.load(name, params, device=device, dtype=dtype)
    for of in SOURCES:
        wide = [real_array(of(array), "x") for array in (SINGLE, *state, dy)]
        x, h0, c0, narrow_dy = (of(array) for array in (SINGLE, *state, dy))
        y, last = lstm.forward(x, (h0, c0))
        wanted_y, wanted_last = lstm.forward(wide[0], (wide[1], wide[2]))
        for actual, expected in zip((y, *last), (wanted_y, *wanted_last), strict=True):
            np.testing.assert_array_equal(actual, expected)
        if "training" in lstm.modes:
            found_gradients = lstm.backward(x, narrow_dy, (h0, c0), (h0, c0))
            wanted_gradients = lstm.backward(
                wide[0], wide[3], (wide[1], wide[2]), (wide[1], wide[2])
            )
            for actual, expected in zip(found_gradients, wanted_gradients, strict=True):
                np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("of", SOURCES)
def test_weights_in_bfloat16_are_taken(of: Any) -> None:
    params = lb.LSTMParams.init(I, H)
    arrays = [of(array.astype("f4")) for array in params.weights().values()]
    actual = lb.LSTMParams(*arrays)
    for array, narrow, expected in zip(
        actual.weights().values(), arrays, params.weights().values(), strict=True
    ):
        np.testing.assert_array_equal(array, real_array(narrow, "weights"))
        np.testing.assert_allclose(array, expected, rtol=2.0**-8)


@pytest.mark.parametrize("of", SOURCES)
def test_a_stack_and_a_trace_take_bfloat16(of: Any) -> None:
    stack = lb.load("numpy.fused", lb.StackParams.init(I, H, num_layers=2, bidirectional=True))
    x = of(SINGLE)
    np.testing.assert_array_equal(
        stack.forward(x, lengths=[T, 1, 2])[0],
        stack.forward(real_array(x, "x"), lengths=[T, 1, 2])[0],
    )
    params = lb.LSTMParams.init(I, H)
    np.testing.assert_array_equal(
        trace(params, x[:, 0]).h, trace(params, real_array(x, "x")[:, 0]).h
    )


def test_what_a_framework_says_ends_with_one_full_stop() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(lb.LstmbenchError) as caught:
        real_array(torch.ones(2, requires_grad=True), "x")
    assert str(caught.value).endswith(".") and not str(caught.value).endswith("..")
    assert "\n" not in str(caught.value)
