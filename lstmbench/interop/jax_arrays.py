"""Arrays of JAX in a dtype: float64 is there only where it was turned on."""

from typing import Any

import numpy as np

from lstmbench.errors import LstmbenchError
from lstmbench.interop.weight_checks import Array, fits, needed


def jax_array(array: Array, dtype: str | None, method: str, name: str) -> Any:
    """Return a copy as an array of JAX, in that dtype or, if None, in the one that JAX gives to
    numbers now.

    Raises:
        LstmbenchError: if JAX has no float64 here, or a number is too large for the dtype.
    """
    jnp = needed("jax.numpy", method)
    default = jnp.zeros(()).dtype.name
    wanted = default if dtype is None else dtype
    if wanted == "float64" and default != "float64":
        raise LstmbenchError(
            f"{method}: JAX has no float64 here; set jax_enable_x64, or take dtype='float32'."
        )
    return jnp.array(
        fits(np.ascontiguousarray(array), wanted, name).astype(jnp.dtype(wanted)), copy=True
    )
