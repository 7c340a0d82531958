"""Products with the matrices of some gates by NumPy's BLAS, cut into small ones where that is
faster.

A BLAS lays its operands out anew in each product, which costs much where one of them has few rows.
OpenBLAS leaves that out for small matrices, on processors with AVX-512. So a product is cut into
small ones there: some rows by some columns, with the matrices laid out beforehand in blocks of
these columns.
"""

from collections.abc import Callable
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from threadpoolctl import threadpool_info

Array = NDArray[Any]
Product = Callable[[Array, Array], Any]
"""Multiplies its first argument, and writes to the second."""

FEWEST_ROWS = 8
"""With fewer rows in a product, to cut it does not pay."""
SMALL, COLUMNS = 10**6, 64
"""OpenBLAS takes a product of (m, k) with (k, n) for small up to this m * k * n; so many columns
then are a good n.
"""
WITH_SMALL_KERNELS = ("SkylakeX", "Cooperlake", "SapphireRapids")


@cache
def _blas_likes_small_products() -> bool:
    """Say whether NumPy's BLAS is an OpenBLAS with kernels for them; they run on one thread, and so
    must it.
    """
    return any(
        library.get("architecture") in WITH_SMALL_KERNELS and library["num_threads"] == 1
        for library in threadpool_info()
    )


def code_path() -> str:
    """Say whether products are cut into small ones."""
    return "products cut into small ones" if _blas_likes_small_products() else "whole products"


class BlockedMatmul:
    """Products of rows, from the left, with G matrices (K, N), of which ``matrix(g)`` returns one.

    They are laid out when they are first needed, as the product needs them: whole, or in blocks of
    columns.
    """

    def __init__(
        self, shape: tuple[int, int, int], dtype: DTypeLike, matrix: Callable[[int], Array]
    ) -> None:
        self.shape, self.dtype, self.matrix = shape, dtype, matrix

    @cached_property
    def whole(self) -> Array:
        """The matrices one after the other, (G, K, N)."""
        whole = np.empty(self.shape, self.dtype)
        for g, place in enumerate(whole):
            place[...] = self.matrix(g)
        return whole

    @cached_property
    def blocks(self) -> Array:
        """The blocks of their columns one after the other, (G, N / COLUMNS, 1, K, COLUMNS)."""
        G, K, N = self.shape
        blocks = np.empty((G, N // COLUMNS, 1, K, COLUMNS), self.dtype)
        for g, place in enumerate(blocks):
            place[:, 0] = self.matrix(g).reshape(K, N // COLUMNS, COLUMNS).transpose(1, 0, 2)
        return blocks

    def rows_at_once(self, rows: int) -> int:
        """Return how many of the rows a small product takes; 0 if the product is better not cut."""
        _, K, N = self.shape
        if N % COLUMNS or rows * K * N <= SMALL or not _blas_likes_small_products():
            return 0
        most = min(rows, SMALL // (K * COLUMNS))
        best = next((k for k in range(most, 0, -1) if rows % k == 0), 1)
        return best if best >= FEWEST_ROWS else 0

    def multiply(self, a: Array, out: Array) -> None:
        """Write a @ matrices to ``out``, (G, rows, N): a is (rows, K), or (G, rows, K) with rows
        for each matrix.
        """
        *_, rows, K = a.shape
        some = self.rows_at_once(rows)
        if not some:
            np.matmul(a, self.whole, out=out)
            return
        G, _, N = out.shape
        cut = a.reshape(*a.shape[:-2], 1, rows // some, some, K)
        blocks = out.reshape(G, rows // some, some, N // COLUMNS, COLUMNS).transpose(0, 3, 1, 2, 4)
        np.matmul(cut, self.blocks, out=blocks)

    def product(self, rows: int) -> Product:
        """Return ``multiply`` for a (rows, K), decided once: of few numbers, to decide takes as
        long as the product.
        """
        if self.rows_at_once(rows):
            return self.multiply
        whole = self.whole
        return lambda a, out: np.matmul(a, whole, out)

    def summed(self, rows: int) -> Product:
        """Return what writes the sum over the matrices of a (rows, G K) @ matrices to ``out``,
        (rows, N).
        """
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
