"""What goes into the measured LSTMs: representable, never zeros, the same from the same seed,
rightly answered.
"""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import lstmbench as lb
from lstmbench.core.tolerance import relative_error
from lstmbench.errors import LstmbenchError
from lstmbench.measure import inputs
from lstmbench.measure.suites.case import Workload

SMALL = Workload("training", batch_size=3, seq_len=5, input_size=4, hidden_size=6)
SERIES = Workload(
    "training", batch_size=3, seq_len=50, input_size=1, hidden_size=6, input="temperatures"
)
FLOATS = st.floats(width=32, allow_nan=False)


def bits(*patterns: int) -> np.ndarray:
    return np.array(patterns, dtype=np.uint32).view(np.float32)


@given(array=arrays(np.float32, st.integers(1, 20), elements=FLOATS))
@example(array=bits(0x3F808000, 0x3F818000, 0xBF808000)).via(
    "ties, to the even neighbour above and below"
)
@example(array=bits(0x3F807FFF, 0x3F808001, 0x3F817FFF, 0x3F818001)).via("just beside ties")
@example(array=bits(0x3FFFFFFF, 0x00007FFF, 0x00008000, 0x00018000, 0x007FFFFF)).via(
    "into the exponent, denormals"
)
@example(array=bits(0x7F7FFFFF, 0x7F7F7FFF, 0xFF7F8000, 0x7F800000, 0x80000000)).via(
    "beyond the largest, inf, -0"
)
def test_rounding_to_bfloat16_is_to_the_nearest_ties_to_even(array: np.ndarray) -> None:
    torch = pytest.importorskip("torch")
    expected = torch.from_numpy(array.copy()).to(torch.bfloat16).to(torch.float64).numpy()
    found = inputs.rounded(array, "bfloat16")
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(np.signbit(found), np.signbit(expected))


@given(array=arrays(np.float64, st.integers(1, 20), elements=st.floats(-1e30, 1e30)))
@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
def test_what_is_rounded_stays_as_it_is_when_it_is_rounded_again(
    dtype: str, array: np.ndarray
) -> None:
    once = inputs.rounded(array, dtype)
    assert once.dtype == np.float64
    np.testing.assert_array_equal(inputs.rounded(once, dtype), once)
    half_a_step = {"float64": 0.0, "float32": 2.0**-24, "bfloat16": 2.0**-8 * 1.001}[dtype]
    assert (np.abs(once - array) <= half_a_step * np.abs(array) + 1e-40).all()


@pytest.mark.parametrize("workload", [SMALL, SERIES], ids=["random", "temperatures"])
@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "float16"])
def test_the_same_seed_draws_the_same_and_another_seed_something_else(
    workload: Workload, dtype: str
) -> None:
    workload = Workload(**(vars(workload) | {"dtype": dtype}))
    first, again, other = (inputs.draw(workload, seed) for seed in (1, 1, 2))
    for name, array in first.items():
        np.testing.assert_array_equal(array, again[name])
        assert not np.array_equal(array, other[name])
        np.testing.assert_array_equal(array, inputs.rounded(array, dtype))


def test_no_input_is_zero_and_no_two_sets_are_the_same() -> None:
    arrays_ = inputs.draw(SMALL, seed=3)
    for name in inputs.TRAINING:
        assert np.isfinite(arrays_[f"{name}0"]).all()
        assert (arrays_[f"{name}0"] != 0).all()
        assert not np.array_equal(arrays_[f"{name}0"], arrays_[f"{name}1"])


def test_the_shapes_are_those_of_the_workload() -> None:
    T, B, I, H = 5, 3, 4, 6  # noqa: E741
    found = {name: array.shape for name, array in inputs.draw(SMALL, seed=0).items()}
    sets = {"x": (T, B, I), "h0": (B, H), "c0": (B, H), "dy": (T, B, H), "dh": (B, H), "dc": (B, H)}
    expected = {"weight_ih": (4 * H, I), "weight_hh": (4 * H, H), "bias": (4 * H,)}
    assert found == expected | {
        f"{name}{k}": shape for name, shape in sets.items() for k in range(inputs.SETS)
    }


def test_the_temperatures_are_a_real_series_standardised() -> None:
    series = inputs.temperatures()
    assert series.shape == (inputs.HOURS,)
    assert abs(series.mean()) < 1e-12
    assert abs(series.std() - 1) < 1e-12
    # What a sorted or a shuffled series has not: an hour is like the one before, noon is unlike
    # midnight
    assert np.corrcoef(series[:-1], series[1:])[0, 1] > 0.95
    assert (
        np.corrcoef(series[:-12], series[12:])[0, 1] < np.corrcoef(series[:-24], series[24:])[0, 1]
    )


def test_the_inputs_are_windows_of_the_series() -> None:
    series = inputs.rounded(inputs.temperatures(), "float32")
    every = np.lib.stride_tricks.sliding_window_view(series, SERIES.seq_len)
    drawn = inputs.draw(SERIES, seed=5)
    for k in range(inputs.SETS):
        for window in drawn[f"x{k}"][:, :, 0].T:
            assert (every == window).all(axis=1).any()


@given(length=st.integers(1, 9), seed=st.integers(0, 2**32))
def test_windows_come_from_the_whole_series_and_not_from_beyond(length: int, seed: int) -> None:
    series = np.arange(9.0)
    found = inputs.windows(series, length, 256, np.random.default_rng(seed))
    assert found.shape == (length, 256, 1)
    assert set(found[0, :, 0]) == set(range(9 - length + 1))
    assert (np.diff(found, axis=0) == 1).all()


def test_windows_longer_than_the_series_are_refused_with_both_lengths() -> None:
    with pytest.raises(LstmbenchError, match="9 values; a window of 10 time steps does not fit"):
        inputs.windows(np.arange(9.0), 10, 1, np.random.default_rng(0))


@pytest.mark.parametrize("mode", ["inference", "training"])
def test_the_answers_are_those_of_the_reference_to_each_set(mode: str, tmp_path: Path) -> None:
    workload = Workload(**(vars(SMALL) | {"mode": mode}))
    inputs.write_inputs(workload, 7, tmp_path / "inputs.npz")
    drawn = inputs.draw(workload, 7)
    with np.load(tmp_path / "inputs.npz", allow_pickle=False) as kept:
        arrays_ = dict(kept)
    params = lb.LSTMParams(*(drawn[name] for name in inputs.WEIGHTS))
    oracle = lb.load("numpy.reference", params, dtype="float64")
    for k in range(inputs.SETS):
        x, h0, c0, dy, dh, dc = (drawn[f"{name}{k}"] for name in inputs.TRAINING)
        y, (h, c) = oracle.forward(x, (h0, c0))
        expected = {"y": y, "h": h, "c": c}
        if mode == "training":
            gradients = oracle.backward(x, dy, (h0, c0), (dh, dc))
            expected |= {
                f"d_{name}": getattr(gradients, name) for name in inputs.gradient_names(SMALL)
            }
        for name, array in expected.items():
            assert relative_error(arrays_.pop(f"answer_{name}{k}"), array) < 1e-14
    assert set(arrays_) == set(drawn)
