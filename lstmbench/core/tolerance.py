"""How far a result may be from the oracle's, by dtype: for the tests and for measuring."""

from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

TOLERANCE: Final = MappingProxyType(
    {"float64": 1e-12, "float32": 1e-5, "tf32": 2e-3, "float16": 4e-3, "bfloat16": 3e-2}
)
"""Largest ``relative_error`` allowed in each output, last state and gradient, by dtype.

tf32 and float16 round numbers to 10 bits, bfloat16 to 7; tf32 only those that are multiplied."""


def relative_error(array: ArrayLike, reference: ArrayLike) -> float:
    """Return the norm of the difference over the norm of the reference (L2).

    Where the reference is all zeros, it is the norm of ``array`` itself. A NaN or an infinity on
    either side, or different shapes, give inf: they never pass for agreement.
    """
    actual, expected = (np.asarray(value, dtype=np.float64) for value in (array, reference))
    if actual.shape != expected.shape or not (
        np.isfinite(actual).all() and np.isfinite(expected).all()
    ):
        return float("inf")
    # Scaled by the largest entry, so that squares of tiny or huge entries do not under- or overflow
    scale = float(np.abs(expected).max(initial=0.0)) or 1.0
    with np.errstate(over="ignore"):
        difference = np.linalg.norm(actual / scale - expected / scale)
    return float(difference / (np.linalg.norm(expected / scale) or 1.0))
