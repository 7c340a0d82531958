"""The weights and inputs of a workload, drawn once, with the oracle's answers.

Weights, inputs, states and cotangents are rounded to the workload's dtype first: implementation and
oracle get the same numbers, and the error is that of the arithmetic alone.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmbench.core.parameters import LSTMParams
from lstmbench.core.stack import stack_oracle
from lstmbench.core.stack.stack_parameters import StackParams
from lstmbench.errors import LstmbenchError
from lstmbench.measure.suites.case import Workload
from lstmbench.training.tasks.common.time_series import fahrenheit

Array = NDArray[Any]
SETS = 2
"""Sets of inputs that alternate while timing, so that not just one warm buffer is measured."""
HOURS = 8759
"""The length of the series ``temperatures``."""
WEIGHTS = ("weight_ih", "weight_hh", "bias")
INFERENCE = ("x", "h0", "c0")
TRAINING = (*INFERENCE, "dy", "dh", "dc")
OUTPUTS = ("y", "h", "c")


def rounded(array: Array, dtype: str) -> NDArray[np.float64]:
    """Return the nearest numbers of a dtype (ties to even), in float64; for tf32 those of float32.

    bfloat16 is rounded from float32, as the frameworks do. NaN is not supported.
    """
    own_types = {"float64": np.float64, "float16": np.float16}
    nearest = np.asarray(array).astype(own_types.get(dtype, np.float32))
    if dtype == "bfloat16":  # NumPy lacks it: keep the upper half of the bits, rounded
        bits = nearest.view(np.uint32)
        upper = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
        nearest = upper.astype(np.uint32).view(np.float32)
    return nearest.astype(np.float64)


def weight_names(workload: Workload) -> list[tuple[str, ...]]:
    """Return the names of the weights' arrays, by layer and direction."""
    suffixes = ["", *(f"_{k}" for k in range(1, len(workload.layer_inputs)))]
    return [tuple(f"{name}{suffix}" for name in WEIGHTS) for suffix in suffixes]


def gradient_names(workload: Workload) -> list[str]:
    """Return the names of the gradients, in the order in which an implementation returns them."""
    weights = [name for names in weight_names(workload) for name in names]
    return [*weights, *INFERENCE]


def params_of(workload: Workload, arrays: Mapping[str, Array]) -> StackParams:
    """Return the weights among the arrays, also of a single layer as a stack."""
    D = workload.directions
    layers = [LSTMParams(*(arrays[name] for name in names)) for names in weight_names(workload)]
    return StackParams(zip(*[iter(layers)] * D, strict=True))


def draw(workload: Workload, seed: int) -> dict[str, Array]:
    """Draw the weights and ``SETS`` sets of inputs: ``weight_ih``, ``x0``, ``h00``, ``x1``, ...

    All are standard normal, except the weights (uniform, as in ``LSTMParams.init``) and x of a
    workload with input ``temperatures``: random windows of the series. Where sequences have
    lengths, ``lengths0``, ... are integers, (B,).
    """
    T, B, H, D = workload.seq_len, workload.batch_size, workload.hidden_size, workload.directions
    generator = np.random.default_rng(seed)
    first = int(generator.integers(2**31))
    stack = StackParams.init(
        workload.input_size, H, workload.num_layers, workload.bidirectional, seed=first
    )
    arrays: dict[str, Array] = {}
    for names, params in zip(weight_names(workload), stack, strict=True):
        arrays |= dict(zip(names, params.weights().values(), strict=True))
    state = (len(workload.layer_inputs), B, H) if workload.stacked else (B, H)
    for k in range(SETS):
        if workload.input == "temperatures":
            arrays[f"x{k}"] = windows(temperatures(), T, B, generator)
        else:
            arrays[f"x{k}"] = generator.standard_normal((T, B, workload.input_size))
        for name in TRAINING[1:]:
            shape = (T, B, D * H) if name == "dy" else state
            arrays[f"{name}{k}"] = generator.standard_normal(shape)
    drawn = {name: rounded(array, workload.dtype) for name, array in arrays.items()}
    if workload.lengths != "full":
        staggered = -(-T * np.arange(1, B + 1) // B)
        drawn |= {f"lengths{k}": generator.permutation(staggered) for k in range(SETS)}
    return drawn


def write_inputs(workload: Workload, seed: int, path: Path) -> None:
    """Draw the inputs, and save them with the oracle's answers to each set in an npz file.

    The answers to the k-th set are ``answer_y<k>``, ``answer_h<k>``, ``answer_c<k>`` and, in mode
    ``training``, ``answer_d_<name><k>`` for each of ``gradient_names``.
    """
    arrays = draw(workload, seed)
    params = params_of(workload, arrays)
    training = workload.mode == "training"
    gradients = [f"d_{name}" for name in gradient_names(workload)] if training else []
    names = [f"answer_{name}" for name in (*OUTPUTS, *gradients)]
    state = (-1, workload.batch_size, workload.hidden_size)  # (L*D, B, H), also of a single layer
    for k in range(SETS):
        x, h0, c0, dy, dh, dc = (arrays[f"{name}{k}"] for name in TRAINING)
        initial, lengths = (x, h0.reshape(state), c0.reshape(state)), arrays.get(f"lengths{k}")
        if training:
            cotangents = (dy, dh.reshape(state), dc.reshape(state))
            (y, h, c), (weights, dx, dh0, dc0) = stack_oracle.forward_backward(
                params, *initial, *cotangents, lengths
            )
            answers = [*weights, dx, dh0.reshape(h0.shape), dc0.reshape(c0.shape)]
        else:
            (y, h, c), _ = stack_oracle.forward(params, *initial, lengths)
            answers = []
        answers = [y, h.reshape(h0.shape), c.reshape(c0.shape), *answers]
        arrays |= {f"{name}{k}": array for name, array in zip(names, answers, strict=True)}
    np.savez(path, **arrays)  # type: ignore[arg-type]


@cache
def temperatures() -> Array:
    """Return Seattle's hourly temperatures of 2010 (vega_datasets), standardised, (HOURS,)."""
    try:
        series = fahrenheit()
    except (ModuleNotFoundError, OSError) as error:
        raise LstmbenchError(
            f"The series 'temperatures' needs the package vega_datasets: {error}."
        ) from None
    return (series - series.mean()) / series.std()


def windows(series: Array, T: int, B: int, generator: np.random.Generator) -> Array:
    """Return B random windows of T steps of a series, (T, B, 1)."""
    if len(series) < T:
        raise LstmbenchError(
            f"The series has {len(series)} values; a window of {T} time steps does not fit."
        )
    starts = generator.integers(0, len(series) - T + 1, size=B)
    return np.stack([series[start : start + T] for start in starts], axis=1)[:, :, None]
