"""Dropout between layers: masks drawn by NumPy from a seed, so that every backend drops the same
outputs.
"""

import numpy as np

from lstmbench.core.array_checks import Array
from lstmbench.core.parameters import whole_number
from lstmbench.core.stack.stack_parameters import StackParams
from lstmbench.errors import LstmbenchError


def draw_masks(
    params: StackParams, T: int, B: int, dropout: float, seed: int | None
) -> tuple[Array, ...]:
    """Return one mask (T, B, D*P) for each layer but the last: 0 with probability ``dropout``, else
    1 / (1 - dropout).

    None are drawn where ``dropout`` is 0, or there is one layer only.

    Raises:
        LstmbenchError: if ``dropout`` is not in [0, 1), or there is no seed to draw from.
    """
    real = isinstance(dropout, int | float | np.integer | np.floating) and not isinstance(
        dropout, bool
    )
    if not real or not 0 <= dropout < 1:  # nor is NaN
        raise LstmbenchError(f"dropout must be a number from 0 to below 1, but it is {dropout!r}.")
    if dropout == 0:
        return ()
    if seed is None:
        raise LstmbenchError(
            f"With a dropout of {dropout!r} a seed must be given, a whole number of at least 0."
        )
    whole_number("seed", seed, 0)
    generator = np.random.default_rng(seed)
    shape = (T, B, params.num_directions * params.output_size)
    return tuple(
        (generator.random(shape) >= dropout) / (1 - dropout) for _ in range(params.num_layers - 1)
    )
