"""What goes out through a format comes back with the same bits, odd numbers among them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from weights import bits, stacks

import lstmbench as lb

SEVERAL = st.sampled_from([True, False])


def one(stack: lb.StackParams, several: bool) -> Any:
    return stack if several else stack.layers[0][0]


def check(
    data: st.DataObject,
    there_and_back: Callable[[Any, str], Any],
    dtypes: tuple[str, ...],
    **kinds: bool,
) -> None:
    several, dtype = data.draw(SEVERAL), data.draw(st.sampled_from(dtypes))
    params = one(data.draw(stacks(dtype, several, **kinds)), several)
    actual = there_and_back(params, dtype)
    assert type(actual) is type(params)
    assert bits(actual) == bits(params)


def with_zero_biases(stack: lb.StackParams) -> lb.StackParams:
    """What a format makes of weights without bias, if it always has one."""
    layers = [
        [lb.LSTMParams(p.weight_ih, p.weight_hh, p.bias) for p in layer] for layer in stack.layers
    ]
    return lb.StackParams(layers)


@given(st.data())
def test_torch_state_dict(data: st.DataObject) -> None:
    pytest.importorskip("torch")
    check(
        data,
        lambda p, dtype: type(p).from_torch(p.to_torch(dtype)),
        ("float64", "float32"),
        projection=True,
    )


@given(st.data())
def test_torch_module(data: st.DataObject) -> None:
    torch = pytest.importorskip("torch")

    def there_and_back(params: Any, dtype: str) -> Any:
        module = params.to_torch(dtype, module=True)
        assert isinstance(module, torch.nn.LSTM)
        return type(params).from_torch(module)

    check(data, there_and_back, ("float64", "float32"), projection=True)


@given(st.data())
def test_keras_arrays(data: st.DataObject) -> None:
    check(data, lambda p, dtype: type(p).from_keras(p.to_keras(dtype)), ("float64", "float32"))


@given(st.data(), st.sampled_from(["linen", "nnx.LSTMCell", "nnx.OptimizedLSTMCell"]))
def test_flax(data: st.DataObject, form: str) -> None:
    pytest.importorskip("flax")
    several = data.draw(SEVERAL)
    stack = with_zero_biases(data.draw(stacks("float32", several)))
    params = one(stack, several)
    assert bits(type(params).from_flax(params.to_flax("float32", form=form))) == bits(params)


@pytest.mark.parametrize("form", ["linen", "nnx.LSTMCell", "nnx.OptimizedLSTMCell"])
def test_flax_in_float64(form: str) -> None:
    pytest.importorskip("flax")
    import jax

    params = lb.LSTMParams.init(3, 5)
    with jax.enable_x64(True):
        assert bits(lb.LSTMParams.from_flax(params.to_flax(form=form))) == bits(params)


@given(st.data())
def test_flax_without_flax(data: st.DataObject) -> None:
    stack = with_zero_biases(data.draw(stacks("float64")))
    assert bits(lb.StackParams.from_flax(stack.to_flax())) == bits(stack)


@given(st.data())
def test_equinox(data: st.DataObject) -> None:
    pytest.importorskip("equinox")
    check(data, lambda p, dtype: type(p).from_equinox(p.to_equinox(dtype)), ("float32",))


def test_equinox_in_float64() -> None:
    pytest.importorskip("equinox")
    import jax

    params = lb.LSTMParams.init(3, 5)
    with jax.enable_x64(True):
        assert bits(lb.LSTMParams.from_equinox(params.to_equinox())) == bits(params)


@given(st.data())
def test_onnx(data: st.DataObject) -> None:
    pytest.importorskip("onnx")

    def there_and_back(params: Any, dtype: str) -> Any:
        return type(params).from_onnx(params.to_onnx(dtype=dtype).SerializeToString())

    check(data, there_and_back, ("float64", "float32"), peephole=True)


@given(st.data())
def test_safetensors(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("weights") / "a.safetensors"

    def there_and_back(params: Any, dtype: str) -> Any:
        params.save(path, dtype)
        return type(params).open(path)

    check(data, there_and_back, ("float64", "float32"), projection=True, peephole=True)


def test_an_onnx_file_is_the_model_that_is_returned(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    params = lb.LSTMParams.init(3, 5)
    model = params.to_onnx(tmp_path / "a.onnx", "float64")
    assert bits(lb.LSTMParams.from_onnx(tmp_path / "a.onnx")) == bits(params)
    assert (tmp_path / "a.onnx").read_bytes() == model.SerializeToString(deterministic=True)


def test_halves_come_back_as_they_went() -> None:
    pytest.importorskip("torch")
    params = lb.LSTMParams.init(3, 5)
    for dtype in ("float16", "bfloat16"):
        once = lb.LSTMParams.from_torch(params.to_torch(dtype))
        assert bits(once) != bits(params)
        assert bits(lb.LSTMParams.from_torch(once.to_torch(dtype))) == bits(once)
        np.testing.assert_allclose(once.weight_ih, params.weight_ih, rtol=0.01)


def test_one_bit_would_be_seen() -> None:
    params = lb.LSTMParams.init(3, 5)
    other = lb.LSTMParams.init(3, 5)
    assert bits(params) == bits(other)
    other.bias[0] = -0.0
    params.bias[0] = 0.0
    assert bits(params) != bits(other)
