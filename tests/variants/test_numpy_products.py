"""``numpy.fused`` cuts its products where the BLAS multiplies small ones faster, and only there; no result changes."""

from typing import Any

import numpy as np
import pytest
from conformance import check, draw

import lstmbench as lb
from lstmbench.variants import numpy_fused

H, ROWS = 64, 32
CUT = 40_000
"""A product of so many multiplications is cut into rows of 8: 9 would fit, and 8 divides 32."""


def loaded(monkeypatch: pytest.MonkeyPatch, small_kernels: bool, small: int, dtype: str = "float64") -> Any:
    monkeypatch.setattr(numpy_fused, "_blas_likes_small_products", lambda: small_kernels)
    monkeypatch.setattr(numpy_fused, "SMALL", small)
    return lb.load("numpy.fused", lb.LSTMParams.init(H, H), dtype=dtype).implementation


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_is_the_lstm_in_small_products_too(monkeypatch: pytest.MonkeyPatch, dtype: str) -> None:
    implementation = loaded(monkeypatch, True, CUT, dtype)
    assert implementation.U_hh.rows_at_once(ROWS) == implementation.to_h.rows_at_once(ROWS) == 8
    check("numpy.fused", dtype, "cpu", draw(5, ROWS, H, H))


def test_a_block_of_columns_in_the_wrong_place_fails_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numpy_fused, "COLUMNS", 16)
    right = numpy_fused._Weight.__init__

    def swapped(self: Any, gates: Any) -> None:
        right(self, gates)
        self.blocks[:, :2] = self.blocks[:, 1::-1].copy()

    monkeypatch.setattr(numpy_fused._Weight, "__init__", swapped)
    loaded(monkeypatch, True, CUT)
    with pytest.raises(AssertionError, match="is wrong against the oracle"):
        check("numpy.fused", "float64", "cpu", draw(5, ROWS, H, H))


@pytest.mark.parametrize(
    ("small_kernels", "small", "rows"),
    [(False, CUT, ROWS), (True, ROWS * H * H, ROWS), (True, CUT, 31), (True, CUT // 8, ROWS)],
    ids=["no such kernels", "small as it is", "rows that cannot be cut", "too few rows at once"],
)
def test_a_product_is_left_whole_where_to_cut_it_does_not_pay(
    monkeypatch: pytest.MonkeyPatch, small_kernels: bool, small: int, rows: int
) -> None:
    assert loaded(monkeypatch, small_kernels, small).U_hh.rows_at_once(rows) == 0


@pytest.mark.parametrize(
    ("architecture", "threads", "wanted"),
    [("SkylakeX", 1, True), ("SkylakeX", 2, False), ("Haswell", 1, False), (None, 1, False)],
)
def test_small_products_are_for_one_thread_and_processors_with_kernels_for_them(
    monkeypatch: pytest.MonkeyPatch, architecture: str | None, threads: int, wanted: bool
) -> None:
    library: dict[str, Any] = {"user_api": "blas", "num_threads": threads}
    library |= {"architecture": architecture} if architecture else {}
    monkeypatch.setattr(numpy_fused, "threadpool_info", lambda: [library])
    assert numpy_fused._blas_likes_small_products.__wrapped__() is wanted


def test_products_of_small_ones_are_numpy_s(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded(monkeypatch, True, CUT)
    random = np.random.default_rng(0)
    gates, rows = random.normal(size=(4, H, H)), random.normal(size=(4, ROWS, H))
    out = np.empty((4, ROWS, H))
    for a in (rows[0], rows):
        numpy_fused._Weight(gates).multiply(a, out)
        assert np.allclose(out, a @ gates, rtol=1e-12, atol=1e-12)
