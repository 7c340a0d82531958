"""What a stack asks of a framework besides arithmetic: the same in each, and as it says."""

from typing import Any

import numpy as np
import pytest

from lstmbench.core import registry
from lstmbench.core.interface import ArrayBackend

EVERY = [(name, dtype) for name in ("numpy", "torch", "jax") for dtype in ("float32", "float64")]
EVERY += [(name, dtype) for name in ("torch", "jax") for dtype in ("bfloat16", "float16")]
X = np.arange(24.0).reshape(4, 3, 2) - 12  # (T, B, F)
INSIDE = np.arange(4)[:, None] < [4, 1, 3]


@pytest.fixture(params=EVERY, ids=lambda each: "-".join(each))
def framework(request: pytest.FixtureRequest) -> Any:
    name, dtype = request.param
    if name != "numpy":
        pytest.importorskip(name)
    actual = registry.array_backend_class(name)("cpu", dtype)
    with actual.scope():
        yield actual


def _mask(framework: ArrayBackend) -> Any:
    return framework.to_device(np.arange(4)[:, None] < np.array([4, 1, 3]))


def test_arrays_are_joined_and_turned(framework: ArrayBackend) -> None:
    x = framework.from_numpy(X)
    back = framework.to_numpy
    assert np.array_equal(
        back(framework.concatenate([x, x[:1]], axis=0)), np.concatenate([X, X[:1]])
    )
    assert np.array_equal(
        back(framework.concatenate([x, x], axis=2)), np.concatenate([X, X], axis=2)
    )
    assert np.array_equal(back(framework.flip(x)), X[::-1])
    zeros = framework.zeros((2, 3))
    assert (zeros.dtype, zeros.shape) == (x.dtype, (2, 3))
    assert not back(zeros).any()


def test_what_is_left_out_is_zero_whatever_it_was(framework: ArrayBackend) -> None:
    poisoned = X.copy()
    poisoned[~INSIDE] = [np.nan, -np.inf]
    given = framework.from_numpy(poisoned)
    kept = framework.to_numpy(framework.where_valid(given, _mask(framework)))
    assert np.array_equal(kept, np.where(INSIDE[:, :, None], X, 0))
    assert np.array_equal(framework.to_numpy(given), poisoned, equal_nan=True)


def test_what_is_kept_is_kept_to_the_bit(framework: ArrayBackend) -> None:
    odd = np.full((4, 3, 2), [np.nan, -0.0])
    kept = framework.to_numpy(framework.where_valid(framework.from_numpy(odd), _mask(framework)))
    assert np.isnan(kept[INSIDE][:, 0]).all()
    assert np.signbit(kept[INSIDE][:, 1]).all()


def test_rows_are_taken_and_added_to(framework: ArrayBackend) -> None:
    x, rows = (
        framework.from_numpy(X),
        framework.to_device(np.array([9, 1, 5])),
    )
    taken = framework.to_numpy(framework.take_rows(x, rows))
    assert np.array_equal(taken, X.reshape(12, 2)[[9, 1, 5]])
    every = framework.to_device(np.arange(12)[::-1].reshape(4, 3))
    assert np.array_equal(
        framework.to_numpy(framework.take_rows(x, every)), X.reshape(12, 2)[::-1].reshape(4, 3, 2)
    )
    added = framework.to_numpy(
        framework.add_rows(x, rows, framework.from_numpy(np.full((3, 2), 100.0)))
    )
    expected = X.reshape(12, 2).copy()
    expected[[9, 1, 5]] += 100
    assert np.array_equal(added, expected.reshape(4, 3, 2))


def test_rows_are_added_to_a_part_of_an_array_too(framework: ArrayBackend) -> None:
    wide = framework.from_numpy(np.concatenate([X, X], axis=2))
    rows, ones = (
        framework.to_device(np.array([0, 4, 11])),
        framework.from_numpy(np.ones((3, 2))),
    )
    added = framework.to_numpy(framework.add_rows(wide[:, :, 2:], rows, ones))
    expected = X.reshape(12, 2).copy()
    expected[[0, 4, 11]] += 1
    assert np.array_equal(added, expected.reshape(4, 3, 2))


def test_a_compiled_function_is_the_function(framework: ArrayBackend) -> None:
    weight = framework.from_numpy(np.ones((2, 2)))
    compiled = framework.compile(lambda x, pair, nothing: (x @ weight, (pair[0] + x[0], nothing)))
    x = framework.from_numpy(X)
    for given in (x, x[:2], x):
        product, (total, nothing) = compiled(given, (given[1], given[1]), None)
        assert nothing is None
        assert np.array_equal(
            framework.to_numpy(product), framework.to_numpy(given) @ np.ones((2, 2))
        )
        assert np.array_equal(framework.to_numpy(total), framework.to_numpy(given[0] + given[1]))


def test_jax_writes_no_weights_into_its_programs() -> None:
    jax = pytest.importorskip("jax")
    framework: Any = registry.array_backend_class("jax")("cpu", "float32")
    weight = framework.from_numpy(np.full((100, 100), 0.123456))
    compiled = framework.compile(lambda x: x @ weight)
    x = framework.from_numpy(np.ones((3, 100)))
    compiled(x)
    ((program, closed_over, _),) = compiled.programs.values()
    assert [array.shape for array in closed_over] == [(100, 100)]
    assert "dense<" not in program.lower(closed_over, [x]).as_text()
    assert "dense<" in jax.jit(lambda x: x @ weight).lower(x).as_text()


def test_jax_s_bytes_are_told_of_a_call_with_arguments_on_the_host() -> None:
    pytest.importorskip("jax")
    framework = registry.array_backend_class("jax")("cpu", "float32")
    x = framework.from_numpy(np.ones(1 << 18))
    assert (
        framework.allocated_bytes(
            lambda x, lengths, none: x * int(lengths.sum()), x, np.array([1, 2]), None
        )
        == 1 << 20
    )
