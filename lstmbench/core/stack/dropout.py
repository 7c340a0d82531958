"""Dropout between layers: NumPy draws the masks, so that every backend drops the same outputs."""

import numpy as np

from lstmbench.core.array_checks import Array, seeded_generator
from lstmbench.core.stack.stack_parameters import StackParams
from lstmbench.errors import LstmbenchError


def draw_masks(
    params: StackParams, T: int, B: int, dropout: float, seed: int | None
) -> tuple[Array, ...]:
    """Return one mask (T, B, D*P) for each layer but the last; none where ``dropout`` is 0.

    Its entries are 0 with probability ``dropout``, else 1 / (1 - dropout).

    Raises:
        LstmbenchError: if ``dropout`` is not in [0, 1), or it is not 0 and there is no seed.
    """
    real = isinstance(dropout, int | float | np.integer | np.floating)
    if not real or isinstance(dropout, bool) or not 0 <= dropout < 1:  # NaN fails this too
        raise LstmbenchError(f"dropout must be a number from 0 to below 1, but it is {dropout!r}.")
    if dropout == 0:
        return ()
    if seed is None:
        raise LstmbenchError(
            f"With a dropout of {dropout!r} a seed must be given, a whole number of at least 0."
        )
    generator = seeded_generator(seed)
    shape = (T, B, params.num_directions * params.output_size)
    return tuple(
        (generator.random(shape) >= dropout) / (1 - dropout) for _ in range(params.num_layers - 1)
    )
