"""What goes into an LSTM that is measured: drawn once per workload, with the answer that the oracle
gives.

Weights, inputs, states and cotangents are rounded to the workload's dtype first, so that
implementation and oracle get the very same numbers and the error that is found is that of the
arithmetic.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmbench.core import oracle
from lstmbench.core.parameters import LSTMParams
from lstmbench.core.stack import stack_oracle
from lstmbench.core.stack.stack_parameters import StackParams
from lstmbench.errors import LstmbenchError
from lstmbench.measure.suites.case import Workload
from lstmbench.training.tasks.common.time_series import fahrenheit

Array = NDArray[Any]
SETS = 2
"""How many sets of inputs are rotated while timing, so that it is not one warm buffer that is
measured.
"""
HOURS = 8759
"""The length of the series ``temperatures``."""
WEIGHTS = ("weight_ih", "weight_hh", "bias")
INFERENCE = ("x", "h0", "c0")
TRAINING = (*INFERENCE, "dy", "dh", "dc")
OUTPUTS = ("y", "h", "c")
GRADIENTS = ("weight_ih", "weight_hh", "bias", "x", "h0", "c0")


def rounded(array: Array, dtype: str) -> NDArray[np.float64]:
    """Return the nearest numbers of a dtype (ties to even), held in float64; those of tf32 are
    float32's.

    To bfloat16 it goes by way of float32, as the frameworks do. Numbers only: a NaN is not kept as
    one.
    """
    if dtype == "float64":
        return np.asarray(array, dtype=np.float64)
    if dtype == "float16":
        return np.asarray(array).astype(np.float16).astype(np.float64)
    single = np.asarray(array, dtype=np.float32)
    if dtype == "bfloat16":  # NumPy has none: keep the upper half of the bits, rounded
        bits = single.view(np.uint32)
        single = (
            ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)
        )
    return single.astype(np.float64)


def weight_names(workload: Workload) -> list[tuple[str, ...]]:
    """Return the names of the arrays that hold the weights of each layer and direction, in order."""
    suffixes = ["", *(f"_{k}" for k in range(1, len(workload.layer_inputs)))]
    return [tuple(f"{name}{suffix}" for name in WEIGHTS) for suffix in suffixes]


def gradient_names(workload: Workload) -> list[str]:
    """Return the names of what there are gradients of, in the order in which an implementation
    returns them.
    """
    weights = [name for names in weight_names(workload) for name in names]
    return [*weights, *GRADIENTS[len(WEIGHTS) :]]


def params_of(workload: Workload, arrays: Mapping[str, Array]) -> LSTMParams | StackParams:
    """Return the weights among the arrays: of one layer, or of a stack."""
    D = workload.directions
    layers = [LSTMParams(*(arrays[name] for name in names)) for names in weight_names(workload)]
    return StackParams(zip(*[iter(layers)] * D, strict=True)) if workload.stacked else layers[0]


def draw(workload: Workload, seed: int) -> dict[str, Array]:
    """Draw the weights and ``SETS`` sets of inputs: ``weight_ih``, ..., ``x0``, ``h00``, ...,
    ``x1``, ...

    All are standard normal, but for the weights (uniform, as in ``LSTMParams.init``) and, where the
    workload's input is ``temperatures``, x: windows of the real series at random places. Where
    sequences have lengths, there are ``lengths0``, ... too, whole numbers.
    """
    T, B, H, D, many = (
        workload.seq_len,
        workload.batch_size,
        workload.hidden_size,
        workload.directions,
        len(workload.layer_inputs),
    )
    generator = np.random.default_rng(seed)
    first = int(generator.integers(2**31))
    stack = StackParams.init(
        workload.input_size, H, workload.num_layers, workload.bidirectional, seed=first
    )
    arrays: dict[str, Array] = {}
    for names, params in zip(weight_names(workload), stack, strict=True):
        arrays |= {given: getattr(params, name) for given, name in zip(names, WEIGHTS, strict=True)}
    state = (many, B, H) if workload.stacked else (B, H)
    for k in range(SETS):
        if workload.input == "temperatures":
            arrays[f"x{k}"] = windows(temperatures(), T, B, generator)
        else:
            arrays[f"x{k}"] = generator.standard_normal((T, B, workload.input_size))
        for name in TRAINING[1:]:
            arrays[f"{name}{k}"] = generator.standard_normal(
                (T, B, D * H) if name == "dy" else state
            )
    drawn = {name: rounded(array, workload.dtype) for name, array in arrays.items()}
    if workload.lengths != "full":
        staggered = -(-T * np.arange(1, B + 1) // B)
        drawn |= {f"lengths{k}": generator.permutation(staggered) for k in range(SETS)}
    return drawn


def write_inputs(workload: Workload, seed: int, path: Path) -> None:
    """Draw the inputs, let the oracle compute outputs and gradients for each set, and keep all in
    an npz file.

    The answers to the k-th set are ``answer_y<k>``, ``answer_h<k>``, ``answer_c<k>`` and, in mode
    ``training``, ``answer_d_<name><k>`` for each of ``gradient_names``.
    """
    arrays = draw(workload, seed)
    params = params_of(workload, arrays)
    answers: dict[str, Array] = {}
    for k in range(SETS):
        given = [arrays[f"{name}{k}"] for name in TRAINING]
        training = workload.mode == "training"
        if isinstance(params, LSTMParams):
            outputs, gradients = _layer_answers(params, given, training)
        else:
            outputs, gradients = _stack_answers(params, given, arrays.get(f"lengths{k}"), training)
        answers |= {
            f"answer_{name}{k}": array for name, array in zip(OUTPUTS, outputs, strict=True)
        }
        if training:
            names = gradient_names(workload)
            answers |= {
                f"answer_d_{name}{k}": array for name, array in zip(names, gradients, strict=True)
            }
    np.savez(path, **arrays, **answers)  # type: ignore[arg-type]


def _layer_answers(
    params: LSTMParams, given: list[Array], training: bool
) -> tuple[Sequence[Array], Sequence[Array]]:
    x, h0, c0, dy, dh, dc = given
    W, b = oracle.split_gates(params)
    steps = oracle.forward(W, b, x, h0, c0)
    outputs = (np.stack([step.h for step in steps]), steps[-1].h, steps[-1].c)
    return outputs, oracle.backward(W, steps, c0, dy, dh, dc) if training else ()


def _stack_answers(
    params: StackParams, given: list[Array], lengths: Array | None, training: bool
) -> tuple[Sequence[Array], Sequence[Array]]:
    if not training:
        x, h0, c0 = given[:3]
        return stack_oracle.forward(params, x, h0, c0, lengths)[0], ()
    x, h0, c0, dy, dh, dc = given
    outputs, (weights, *rest) = stack_oracle.forward_backward(
        params, x, h0, c0, dy, dh, dc, lengths
    )
    return outputs, (*weights, *rest)


@cache
def temperatures() -> Array:
    """Return Seattle's hourly temperatures of 2010, from the package vega_datasets, standardised,
    (HOURS,).
    """
    try:
        series = fahrenheit()
    except (ModuleNotFoundError, OSError) as error:
        raise LstmbenchError(
            f"The series 'temperatures' needs the package vega_datasets: {error}."
        ) from None
    return (series - series.mean()) / series.std()


def windows(series: Array, T: int, B: int, generator: np.random.Generator) -> Array:
    """Cut B windows of T steps out of a series, at random places: (T, B, 1)."""
    if len(series) < T:
        raise LstmbenchError(
            f"The series has {len(series)} values, fewer than the {T} time steps asked for."
        )
    starts = generator.integers(0, len(series) - T + 1, size=B)
    return np.stack([series[start : start + T] for start in starts], axis=1)[:, :, None]
