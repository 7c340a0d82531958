"""``numpy.fused`` cuts its products where the BLAS multiplies small ones faster, and only there; no
result changes.
"""

from typing import Any

import numpy as np
import pytest
from conformance import check, draw

import lstmbench as lb
from lstmbench.variants import numpy_fused
from lstmbench.variants.kernels import blocked_matmul
from lstmbench.variants.kernels.blocked_matmul import BlockedMatmul

H, ROWS = 64, 32
CUT = 40_000
"""A product of so many multiplications is cut into rows of 8: 9 would fit, and 8 divides 32."""
CUT_BACK = 150_000
"""So is, with so many, the one product of all gates with W; those of 64 numbers in a row are then
small as they are.
"""


def loaded(
    monkeypatch: pytest.MonkeyPatch, small_kernels: bool, small: int, dtype: str = "float64"
) -> Any:
    monkeypatch.setattr(blocked_matmul, "_blas_likes_small_products", lambda: small_kernels)
    monkeypatch.setattr(blocked_matmul, "MAX_SMALL", small)
    return lb.load("numpy.fused", lb.LSTMParams.init(H, H), dtype=dtype).implementation


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("small", "forward_rows", "backward_products"), [(CUT, 8, 4), (CUT_BACK, 0, 1)]
)
def test_it_is_the_lstm_with_cut_products(
    monkeypatch: pytest.MonkeyPatch,
    small: int,
    forward_rows: int,
    backward_products: int,
    dtype: str,
) -> None:
    implementation = loaded(monkeypatch, True, small, dtype)
    backward = numpy_fused._backward_matmul(implementation.weights[1], ROWS)
    assert implementation.forward_weights.U_hh.rows_at_once(ROWS) == forward_rows
    assert (backward.shape[0], backward.rows_at_once(ROWS)) == (backward_products, 8)
    check("numpy.fused", dtype, "cpu", draw(5, ROWS, H, H))


def test_swapped_blocks_of_columns_fail_the_check(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(blocked_matmul, "COLUMNS", 16)
    right = BlockedMatmul.blocks.func

    def swapped(self: Any) -> Any:
        blocks = right(self)
        blocks[:, :2] = blocks[:, 1::-1].copy()
        return blocks

    monkeypatch.setattr(BlockedMatmul, "blocks", property(swapped))
    loaded(monkeypatch, True, CUT)
    with pytest.raises(AssertionError, match="is wrong against the oracle"):
        check("numpy.fused", "float64", "cpu", draw(5, ROWS, H, H))


def test_training_packs_the_weights_in_every_call_and_inference_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    implementation = loaded(monkeypatch, True, CUT)
    x, state = np.ones((3, ROWS, H)), np.zeros((ROWS, H))
    y, _, _ = implementation.forward(x, state, state)
    for weight in implementation.weights:
        weight *= 2
    assert np.array_equal(implementation.forward(x, state, state)[0], y)
    (trained, _, _), _ = implementation.forward_saving(x, state, state)
    assert not np.allclose(trained, y)


@pytest.mark.parametrize(
    ("small_kernels", "small", "rows"),
    [(False, CUT, ROWS), (True, ROWS * H * H, ROWS), (True, CUT, 31), (True, CUT // 8, ROWS)],
    ids=["no such kernels", "small as it is", "rows that cannot be cut", "too few rows at once"],
)
def test_a_product_is_not_cut_where_cutting_does_not_pay(
    monkeypatch: pytest.MonkeyPatch, small_kernels: bool, small: int, rows: int
) -> None:
    assert loaded(monkeypatch, small_kernels, small).forward_weights.U_hh.rows_at_once(rows) == 0


@pytest.mark.parametrize(
    ("architecture", "threads", "wanted"),
    [("SkylakeX", 1, True), ("SkylakeX", 2, False), ("Haswell", 1, False), (None, 1, False)],
)
def test_small_products_are_for_one_thread_and_processors_with_kernels_for_them(
    monkeypatch: pytest.MonkeyPatch, architecture: str | None, threads: int, wanted: bool
) -> None:
    library: dict[str, Any] = {"user_api": "blas", "num_threads": threads}
    library |= {"architecture": architecture} if architecture else {}
    monkeypatch.setattr(blocked_matmul, "threadpool_info", lambda: [library])
    assert blocked_matmul._blas_likes_small_products.__wrapped__() is wanted


def test_cut_products_equal_numpy_s(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded(monkeypatch, True, CUT)
    random = np.random.default_rng(0)
    matrices, rows = random.normal(size=(4, H, H)), random.normal(size=(4, ROWS, H))
    products, out = (
        BlockedMatmul((4, H, H), "float64", lambda g: matrices[g]),
        np.empty((4, ROWS, H)),
    )
    for a in (rows[0], rows):
        products.multiply(a, out)
        assert np.allclose(out, a @ matrices, rtol=1e-12, atol=1e-12)
    beside, total = rows.transpose(1, 0, 2).reshape(ROWS, 4 * H), np.empty((ROWS, H))
    products.summed(ROWS)(beside, total)
    assert np.allclose(total, beside @ matrices.reshape(4 * H, H), rtol=1e-12, atol=1e-12)
