"""Arrays in and out of each framework, and what its own accounting says of a known allocation."""

import tracemalloc
from typing import Any

import numpy as np
import pytest

from lstmbench.core import registry
from lstmbench.core.interface import ArrayBackend

MEBIBYTE = 1 << 20


def _framework(name: str, dtype: str = "float32") -> ArrayBackend:
    if name != "numpy":
        pytest.importorskip(name)
    return registry.array_backend_class(name)("cpu", dtype)


EVERY = [(name, dtype) for name in ("numpy", "torch", "jax") for dtype in ("float32", "float64")]
EVERY += [(name, dtype) for name in ("torch", "jax") for dtype in ("bfloat16", "float16")]


@pytest.mark.parametrize("name", ["numpy", "torch", "jax"])
def test_the_cpu_comes_first_and_both_float_dtypes_are_there(name: str) -> None:
    framework = _framework(name)
    assert framework.devices()[0] == "cpu"
    assert framework.dtypes[:2] == ("float32", "float64")
    assert ("bfloat16" in framework.dtypes) == (name != "numpy")


@pytest.mark.parametrize(("name", "dtype"), EVERY)
def test_what_goes_in_comes_back(name: str, dtype: str) -> None:
    framework = _framework(name, dtype)
    expected = np.float64 if dtype == "float64" else np.float32
    array = np.array(
        [[1.0, -2.5, np.nan], [np.inf, -np.inf, 0.15625]]
    )  # all of them numbers of bfloat16
    with framework.scope():
        native = framework.from_numpy(array)
        framework.synchronize(((native,), native))
        back = framework.to_numpy(native)
    assert str(native.dtype).removeprefix("torch.") == dtype
    assert back.dtype == expected
    assert np.array_equal(back, array, equal_nan=True)


@pytest.mark.parametrize("name", ["torch", "jax"])
def test_all_outputs_are_waited_for_where_calls_are_asynchronous(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[Any] = []
    module = pytest.importorskip(name)
    if name == "torch":
        monkeypatch.setattr(module.cuda, "synchronize", lambda: waited.append("all"))
    else:
        monkeypatch.setattr(module, "block_until_ready", waited.append)
    registry.array_backend_class(name)("cuda", "float32").synchronize(outputs := ((1,), 2))
    assert waited == (["all"] if name == "torch" else [outputs])


@pytest.mark.parametrize(("name", "dtype"), EVERY)
def test_numbers_are_rounded_once_to_the_nearest(name: str, dtype: str) -> None:
    framework = _framework(name, dtype)
    with framework.scope():
        third = float(framework.to_numpy(framework.from_numpy(np.array([1 / 3])))[0])
    nearest = {"float64": 1 / 3, "float32": float(np.float32(1 / 3))}
    assert third == (nearest | {"bfloat16": 0.333984375, "float16": 0.333251953125})[dtype]


@pytest.mark.parametrize(("name", "dtype"), EVERY)
def test_no_memory_is_shared_with_the_caller(name: str, dtype: str) -> None:
    framework = _framework(name, dtype)
    exact = np.float64 if dtype == "float64" else np.float32
    array = np.ones((64, 64), dtype=exact)
    with framework.scope():
        native = framework.from_numpy(array)
        array[...] = 2
        back = framework.to_numpy(native)
        assert (back == 1).all()
        back[...] = 3
        assert (framework.to_numpy(native) == 1).all()


@pytest.mark.parametrize("name", ["numpy", "torch", "jax"])
@pytest.mark.parametrize("kind", ["f2", "i1", "u8", "?", ">f8", "g"])
def test_numbers_of_any_kind_are_taken(name: str, kind: str) -> None:
    framework = _framework(name)
    array = np.array([[0, 1, 1], [1, 0, 1]]).astype(kind)
    for layout in (array, np.asfortranarray(array), array[:, ::-1], array[::2, 1:]):
        assert np.array_equal(framework.to_numpy(framework.from_numpy(layout)), layout)


def test_jax_s_float64_stays_inside_its_scope() -> None:
    jax = pytest.importorskip("jax")
    framework = _framework("jax", "float64")
    before = jax.config.jax_enable_x64
    with framework.scope():
        assert framework.from_numpy(np.ones(2)).dtype == np.float64
        assert jax.numpy.ones(2).dtype == np.float64
    assert jax.config.jax_enable_x64 == before
    assert jax.numpy.ones(2).dtype == (np.float64 if before else np.float32)


def test_jax_s_float64_leaves_its_scope_with_an_error() -> None:
    jax = pytest.importorskip("jax")
    with pytest.raises(ZeroDivisionError), _framework("jax", "float64").scope():
        1 / 0  # noqa: B018
    assert jax.numpy.ones(2).dtype == np.float32


def test_loading_and_running_in_float64_leaves_jax_in_float32() -> None:
    jax = pytest.importorskip("jax")
    import lstmbench as lb

    lstm = lb.load("jax.fused", lb.LSTMParams.init(2, 3), dtype="float64")
    y, _ = lstm.forward(np.ones((2, 1, 2)))
    assert y.dtype == np.float64
    assert jax.numpy.ones(2).dtype == np.float32


# On CUDA, float32 would be TF32 unless it is told not to; telling takes no device


def test_torch_rounds_no_float32_on_cuda_inside_its_scope() -> None:
    torch = pytest.importorskip("torch")
    backends = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [backend.allow_tf32 for backend in backends]
    assert before[0]  # torch's own default
    with registry.array_backend_class("torch")("cuda", "float32").scope():
        assert [backend.allow_tf32 for backend in backends] == [False, False]
    assert [backend.allow_tf32 for backend in backends] == before
    with (
        pytest.raises(ZeroDivisionError),
        registry.array_backend_class("torch")("cuda", "float32").scope(),
    ):
        1 / 0  # noqa: B018
    assert [backend.allow_tf32 for backend in backends] == before


def test_torch_rounds_float32_on_cuda_where_tf32_is_asked_for() -> None:
    torch = pytest.importorskip("torch")
    backends = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [backend.allow_tf32 for backend in backends]
    framework = registry.array_backend_class("torch")("cuda", "tf32")
    assert framework.storage_dtype == "float32"
    with framework.scope():
        assert [backend.allow_tf32 for backend in backends] == [True, True]
    assert [backend.allow_tf32 for backend in backends] == before


def test_jax_rounds_no_float32_on_cuda_inside_its_scope() -> None:
    jax = pytest.importorskip("jax")
    before = jax.config.jax_default_matmul_precision
    with registry.array_backend_class("jax")("cuda", "float32").scope():
        jaxpr = str(jax.make_jaxpr(jax.numpy.matmul)(np.ones((2, 2)), np.ones((2, 2))))
        assert "Precision.HIGHEST" in jaxpr
    assert jax.config.jax_default_matmul_precision == before


def test_jax_rounds_float32_on_cuda_where_tf32_is_asked_for() -> None:
    jax = pytest.importorskip("jax")
    with registry.array_backend_class("jax")("cuda", "tf32").scope():
        jaxpr = str(jax.make_jaxpr(jax.numpy.matmul)(np.ones((2, 2)), np.ones((2, 2))))
    assert "Precision.HIGHEST" not in jaxpr


@pytest.mark.parametrize("name", ["torch", "jax"])
def test_nothing_is_set_on_the_cpu(name: str) -> None:
    framework = _framework(name)
    module = pytest.importorskip(name)
    with framework.scope():
        if name == "torch":
            assert module.backends.cudnn.allow_tf32
        else:
            assert module.config.jax_default_matmul_precision is None


# The allocator's bytes: outputs and temporaries of a call, not its arguments


def _bytes(framework: ArrayBackend, call: Any, *arrays: Any) -> int:
    with framework.scope():
        actual = framework.allocated_bytes(call, *(framework.from_numpy(array) for array in arrays))
    assert actual is not None
    return actual


def test_numpy_s_bytes_are_exact() -> None:
    framework = _framework("numpy")
    slack = 1 << 14  # Python's own objects are counted too
    million = np.ones(MEBIBYTE // 4)

    def three_at_once(x: Any) -> Any:
        first = x + 1
        second = first * 2
        return first + second

    assert 0 <= _bytes(framework, lambda: np.empty(MEBIBYTE, np.uint8)) - MEBIBYTE <= slack
    assert 0 <= _bytes(framework, lambda x: x + x, million) - MEBIBYTE <= slack
    assert (
        0 <= _bytes(framework, lambda x: (x + x).sum(), million) - MEBIBYTE <= slack
    )  # freed, but it was there
    assert 0 <= _bytes(framework, three_at_once, million) - 3 * MEBIBYTE <= slack
    assert _bytes(framework, lambda x: None, million) <= slack


def test_numpy_s_bytes_are_those_of_the_call_alone_also_where_somebody_else_traces() -> None:
    framework = _framework("numpy")
    tracemalloc.start()
    try:
        np.empty(10 * MEBIBYTE, np.uint8)
        assert 0 <= _bytes(framework, lambda: np.empty(MEBIBYTE, np.uint8)) - MEBIBYTE <= 1 << 14
        assert tracemalloc.is_tracing()
    finally:
        tracemalloc.stop()
    _bytes(framework, lambda: None)
    assert not tracemalloc.is_tracing()


def test_numpy_s_tracing_ends_with_an_error() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        _bytes(_framework("numpy"), fail)
    assert not tracemalloc.is_tracing()


def test_torch_s_bytes_are_exact() -> None:
    torch = pytest.importorskip("torch")
    framework = _framework("torch")
    million = np.ones(MEBIBYTE // 4)

    def two_after_one() -> Any:
        first = torch.empty(MEBIBYTE // 4)
        del first
        return torch.empty(MEBIBYTE // 2)

    def three_at_once(x: Any) -> Any:
        first = x + 1
        second = first * 2
        return first + second

    assert _bytes(framework, lambda: torch.empty(MEBIBYTE // 4)) == MEBIBYTE
    assert _bytes(framework, lambda x: x + x, million) == MEBIBYTE
    assert _bytes(framework, two_after_one) == 2 * MEBIBYTE
    assert _bytes(framework, three_at_once, million) == 3 * MEBIBYTE
    assert _bytes(framework, lambda x: x, million) == 0


def test_torch_s_bytes_include_what_autograd_keeps() -> None:
    torch = pytest.importorskip("torch")

    def call(x: Any) -> Any:
        x = x.detach().requires_grad_()
        y = torch.tanh(torch.tanh(torch.tanh(x)))  # each keeps its output
        return torch.autograd.grad(y.sum(), x)

    actual = _bytes(_framework("torch"), call, np.ones(MEBIBYTE // 4))
    assert 4 * MEBIBYTE <= actual <= 6 * MEBIBYTE


def test_jax_s_bytes_are_outputs_and_temporaries() -> None:
    pytest.importorskip("jax")
    import jax.numpy as jnp

    framework = _framework("jax")
    million = np.ones(MEBIBYTE // 4)
    slack = 1024  # a tuple is a table of pointers
    assert _bytes(framework, lambda x: x + x, million) == MEBIBYTE
    assert 0 <= _bytes(framework, lambda x: (x + 1, x + 2), million) - 2 * MEBIBYTE <= slack
    # sorting twice needs room for the first order; one number comes out
    assert (
        MEBIBYTE
        <= _bytes(framework, lambda x: jnp.sort(jnp.flip(jnp.sort(x)))[0], million)
        <= 4 * MEBIBYTE
    )


@pytest.mark.parametrize("name", ["numpy", "torch", "jax"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bytes_grow_with_the_width_of_the_dtype(name: str, dtype: str) -> None:
    actual = _bytes(_framework(name, dtype), lambda x: x + x, np.ones(1 << 18))
    assert actual == pytest.approx((1 << 18) * np.dtype(dtype).itemsize, abs=1 << 14)


# What the device did


@pytest.mark.parametrize("name", ["numpy", "torch", "jax"])
def test_a_cpu_tells_nothing_of_a_device(name: str) -> None:
    assert _framework(name).device_profile(lambda: 1 / 0) == {}  # nor is anything called


def test_the_kernels_that_took_longest_are_named_with_their_shares() -> None:
    longest = pytest.importorskip(
        "lstmbench.backends.torch_backend", reason="needs PyTorch"
    )._longest_kernels
    times = {
        "void LSTM_elementWise_fp<float, float>(int, int)": 20.0,
        "void LSTM_elementWise_fp<double>(int)": 10.0,
        "sgemm_128x32": 60.0,
        "Memset (Device)": 6.0,
        "copy": 4.0,
        "launch": 0.0,
    }
    assert longest(times) == "sgemm_128x32 60%, LSTM_elementWise_fp 30%, Memset 6%"
    assert longest({}) == ""
