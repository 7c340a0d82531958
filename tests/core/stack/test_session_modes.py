"""NumPy goes in and out: no mode that a session is in reaches into an implementation."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import pytest
from conformance import cases
from stacks import Array, Problem, draw, stack_results

import lstmbench as lb
from lstmbench.core.registry import find
from lstmbench.core.tolerance import TOLERANCE, relative_error

torch = pytest.importorskip("torch")
jax = pytest.importorskip("jax")


@contextmanager
def torch_setting(get: str, set_: str, value: Any) -> Iterator[None]:
    before = getattr(torch, get)()
    getattr(torch, set_)(value)
    try:
        yield
    finally:
        getattr(torch, set_)(before)


@contextmanager
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


@contextmanager
def keras_policy() -> Iterator[None]:
    keras = pytest.importorskip("keras")
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


MODES: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "numpy: floating-point errors raise": lambda: np.errstate(all="raise"),
    "torch: autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "torch: no gradients": torch.no_grad,
    "torch: inference mode": torch.inference_mode,
    "torch: anomalies are detected": lambda: torch.autograd.detect_anomaly(check_nan=True),
    "torch: float64 is the default": lambda: torch_setting(
        "get_default_dtype", "set_default_dtype", torch.float64
    ),
    "torch: products may be bfloat16": lambda: torch_setting(
        "get_float32_matmul_precision", "set_float32_matmul_precision", "medium"
    ),
    "torch: another default device": lambda: torch.device("meta"),
    "torch: deterministic algorithms": deterministic,
    "keras: mixed precision": keras_policy,
    "jax: nothing is compiled": lambda: jax.disable_jit(),
    "jax: ranks are not promoted": lambda: jax.numpy_rank_promotion("raise"),
    "jax: dtypes are not promoted": lambda: jax.numpy_dtype_promotion("strict"),
    "jax: float64": lambda: jax.enable_x64(True),
    "jax: NaN raises": lambda: jax.debug_nans(True),
    "jax: infinity raises": lambda: jax.debug_infs(True),
    "jax: products may be bfloat16": lambda: jax.default_matmul_precision("bfloat16"),
    "jax: no transfer": lambda: jax.transfer_guard("disallow"),
    "jax: leaks are looked for": lambda: jax.checking_leaks(),
}


def problem(layers: int) -> Problem:
    """Layers in both directions, with lengths; some numbers underflow, and a gate overflows what
    exp can hold.
    """
    params = lb.StackParams.init(4, 6, num_layers=layers, bidirectional=True, seed=2)
    made = draw(5, 3, params, varied=True)
    made.x[0], made.x[1] = 1e4 * np.sign(made.x[0]), 1e-42
    return made


_usual: dict[str, dict[str, Array]] = {}


def compute(name: str) -> dict[str, Array]:
    framework = find(name).framework.name
    given = problem(layers=1 if framework == "jax" else 2)  # XLA compiles each under each mode
    stack = lb.load(name, given.params)
    if "training" in stack.modes:
        return stack_results(stack, given)
    y, (h, c) = stack.forward(given.x, given.state, given.lengths)
    return {"y": y, "h": h, "c": c}


def pairs() -> list[Any]:
    """Each implementation in float32 with the modes of what it computes with; of one that is not
    here, there is one.
    """
    actual = []
    for case in cases("float32"):
        name = case.values[0]
        about = {"numpy", name.partition(".")[0]}
        marks = list(case.marks)
        if not any(mark.name == "skip" for mark in marks):
            registration = find(name)
            about.add(registration.framework.name)
            marks += [pytest.mark.slow] * (
                registration.peer and registration.framework.name == "jax"
            )  # compiled anew
        modes = [mode for mode in MODES if mode.partition(":")[0] in about]
        actual += [pytest.param(name, mode, marks=marks, id=f"{name}-{mode}") for mode in modes]
    return actual


@pytest.mark.filterwarnings("ignore:Anomaly Detection")
@pytest.mark.parametrize(("name", "mode"), pairs())
def test_a_session_s_mode_makes_no_difference(name: str, mode: str) -> None:
    if name not in _usual:
        _usual[name] = compute(name)
    with MODES[mode]():
        changed = compute(name)
    usual = _usual[name]
    if name == "torch.compile":  # whose code is another where it was compiled under another mode
        assert [
            key
            for key in changed
            if relative_error(changed[key], usual[key]) > TOLERANCE["float32"]
        ] == []
    else:
        assert [
            key for key, array in changed.items() if not np.array_equal(array, usual[key])
        ] == []
