import numpy as np
import pytest

from lstmbench.core.tolerance import TOLERANCE, relative_error


def test_the_tolerances_are_those_that_are_promised() -> None:
    assert dict(TOLERANCE) == {
        "float64": 1e-12,
        "float32": 1e-5,
        "tf32": 2e-3,
        "float16": 4e-3,
        "bfloat16": 3e-2,
    }
    with pytest.raises(TypeError):
        TOLERANCE["float64"] = 1.0  # type: ignore[index]


def test_it_is_the_norm_of_the_difference_over_the_norm_of_the_reference() -> None:
    assert relative_error([[3.0, 4.0]], [[3.0, 3.0]]) == pytest.approx(1 / np.sqrt(18), rel=1e-15)
    assert relative_error(np.float32(1.5), 1) == 0.5
    assert relative_error([1.0, 2.0], [1.0, 2.0]) == 0


def test_beside_a_reference_of_zero_it_is_absolute() -> None:
    assert relative_error([3.0, 4.0], [0.0, 0.0]) == 5
    assert relative_error([0.0, 0.0], [0.0, 0.0]) == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("side", ["array", "reference", "both"])
def test_what_is_not_finite_never_agrees(bad: float, side: str) -> None:
    array, reference = np.ones(3), np.ones(3)
    if side in ("array", "both"):
        array[1] = bad
    if side in ("reference", "both"):
        reference[1] = bad
    assert relative_error(array, reference) == np.inf


@pytest.mark.parametrize("shape", [(), (1,), (3,), (1, 2), (2, 2)])
def test_another_shape_never_agrees(shape: tuple[int, ...]) -> None:
    assert relative_error(np.ones(shape), np.ones(2)) == np.inf


@pytest.mark.parametrize("size", [1e-310, 1e-200, 1e200, 1e308])
def test_tiny_and_huge_numbers_neither_vanish_nor_overflow(size: float) -> None:
    assert relative_error([1.5 * size, 0.0], [size, 0.0]) == pytest.approx(0.5)


def test_the_largest_over_the_smallest_is_infinite_and_quiet() -> None:
    assert relative_error([1e308], [1e-310]) == np.inf
