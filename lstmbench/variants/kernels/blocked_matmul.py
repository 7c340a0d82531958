"""Products with the matrices of gates by NumPy's BLAS, cut into small ones where that is faster.

A BLAS packs its operands in each product, which costs much where one of them has few rows. OpenBLAS
does not pack small matrices, on processors with AVX-512. There, a product is cut into small ones of
some rows by some columns, with the matrices stored in blocks of these columns.
"""

from collections.abc import Callable
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import DTypeLike
from threadpoolctl import threadpool_info

from lstmbench.core.array_checks import Array

Product = Callable[[Array, Array], Any]
"""Multiplies its first argument, and writes to the second."""

CODE_NAME = "cut_products"
"""The key of ``code_path()`` in manifests, since before this module had its present name."""
MIN_ROWS = 8
"""With fewer rows in a small product, cutting does not pay (validation/numpy_products.py)."""
MAX_SMALL = 10**6
"""Largest m * k * n of a product (m, k) by (k, n) that OpenBLAS treats as small (its
``sgemm_small_kernel_permit`` for SkylakeX)."""
COLUMNS = 64
"""Columns of a small product, chosen by trial (docs/performance.md)."""
SMALL_KERNEL_PROCESSORS = ("SkylakeX", "Cooperlake", "SapphireRapids")
"""OpenBLAS' names of the processors for which it has kernels for small products."""


@cache
def _blas_likes_small_products() -> bool:
    """Return whether NumPy's BLAS is an OpenBLAS with kernels for them, on one thread."""
    return any(
        pool.get("architecture") in SMALL_KERNEL_PROCESSORS and pool["num_threads"] == 1
        for pool in threadpool_info()
    )


def code_path() -> str:
    """Return whether products are cut into small ones."""
    return "products cut into small ones" if _blas_likes_small_products() else "whole products"


class BlockedMatmul:
    """Products of rows with G matrices (K, N), from ``matrix(g)``.

    The matrices are stored when they are first needed, whole or in blocks of columns.
    """

    def __init__(
        self, shape: tuple[int, int, int], dtype: DTypeLike, matrix: Callable[[int], Array]
    ) -> None:
        self.shape, self.dtype, self.matrix = shape, dtype, matrix

    @cached_property
    def whole(self) -> Array:
        """The matrices, (G, K, N)."""
        whole = np.empty(self.shape, self.dtype)
        for g, matrix in enumerate(whole):
            matrix[...] = self.matrix(g)
        return whole

    @cached_property
    def blocks(self) -> Array:
        """The blocks of their columns, (G, N / COLUMNS, 1, K, COLUMNS)."""
        G, K, N = self.shape
        blocks = np.empty((G, N // COLUMNS, 1, K, COLUMNS), self.dtype)
        for g, of_matrix in enumerate(blocks):
            of_matrix[:, 0] = self.matrix(g).reshape(K, N // COLUMNS, COLUMNS).transpose(1, 0, 2)
        return blocks

    def rows_at_once(self, rows: int) -> int:
        """Return the rows of a small product, or 0 where cutting does not pay."""
        _, K, N = self.shape
        if N % COLUMNS or rows * K * N <= MAX_SMALL or not _blas_likes_small_products():
            return 0
        most = min(rows, MAX_SMALL // (K * COLUMNS))
        return next((k for k in range(most, MIN_ROWS - 1, -1) if rows % k == 0), 0)

    def multiply(self, a: Array, out: Array) -> None:
        """Write a @ matrices to ``out`` (G, rows, N), for a (rows, K) or (G, rows, K)."""
        *_, rows, K = a.shape
        small = self.rows_at_once(rows)
        if not small:
            np.matmul(a, self.whole, out=out)
            return
        G, _, N = out.shape
        cut = a.reshape(*a.shape[:-2], 1, rows // small, small, K)
        blocks = out.reshape(G, rows // small, small, N // COLUMNS, COLUMNS).transpose(
            0, 3, 1, 2, 4
        )
        np.matmul(cut, self.blocks, out=blocks)

    def product(self, rows: int) -> Product:
        """Return ``multiply`` for a (rows, K), chosen once: that costs as much as a product."""
        if self.rows_at_once(rows):
            return self.multiply
        whole = self.whole
        return lambda a, out: np.matmul(a, whole, out)

    def summed(self, rows: int) -> Product:
        """Return a function that writes a (rows, G K) @ matrices, summed, to ``out`` (rows, N)."""
        G, K, N = self.shape
        if G == 1:
            if not self.rows_at_once(rows):
                whole = self.whole[0]
                return lambda a, out: np.matmul(a, whole, out)
            return lambda a, out: self.multiply(a, out[None])
        parts = np.empty((G, rows, N), self.dtype)

        def summed(a: Array, out: Array) -> None:
            self.multiply(a.reshape(rows, G, K).transpose(1, 0, 2), out=parts)
            np.add.reduce(parts, axis=0, out=out)

        return summed
