"""How far a result may be from the oracle's: one tolerance for each dtype, used by the tests and by
the measuring.
"""

from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

TOLERANCE: Final = MappingProxyType(
    {"float64": 1e-12, "float32": 1e-5, "tf32": 2e-3, "float16": 4e-3, "bfloat16": 3e-2}
)
"""Largest ``relative_error`` against the float64 oracle, by dtype: for each output, last state and
gradient.

The last three round numbers to 10, 10 and 7 bits; in tf32 those that are multiplied alone."""


def relative_error(array: ArrayLike, reference: ArrayLike) -> float:
    """Return the relative L2 error, the norm of the difference over the norm of the reference.

    Where the reference is zero everywhere there is nothing to be relative to, and it is the norm of
    ``array`` itself.
    A NaN, or an infinity, on either side gives inf, and so does another shape: neither can pass for
    agreement.
    """
    given, wanted = np.asarray(array, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if given.shape != wanted.shape or not (np.isfinite(given).all() and np.isfinite(wanted).all()):
        return float("inf")
    # The largest entry becomes 1 first, so that squares of tiny or huge entries neither vanish nor
    # overflow
    scale = float(np.abs(wanted).max(initial=0.0)) or 1.0
    with np.errstate(over="ignore"):
        difference = np.linalg.norm((given / scale - wanted / scale).ravel())
    return float(difference / (np.linalg.norm((wanted / scale).ravel()) or 1.0))
