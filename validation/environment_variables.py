"""Measure what environment variables do to a plain loop, and what a worker receives of them.

    python validation/environment_variables.py [--only NAME] [--pairs 3] > table.md

The output is the table in docs/environment.md. For each variable, a loop in a new interpreter is
timed with and without it, in turns, on two threads if there are two cores; printed is the median of
the ratios. Then the variable is set, and the harness says what a worker would receive.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from lstmbench.measure.process import worker_environment
from lstmbench.measure.process.available_resources import available_cores

HAND_TIMED = Path(__file__).with_name("hand_timed.py")
SIZES = (50, 16, 128, 128)
TRIED = {
    "numpy.fused": {
        "OPENBLAS_CORETYPE": "Prescott",
        "OPENBLAS_VERBOSE": "2",
        "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX",
        "MALLOC_ARENA_MAX": "1",
        "MALLOC_PERTURB_": "1",
        "MALLOC_TRIM_THRESHOLD_": "0",
        "MALLOC_MMAP_THRESHOLD_": "4096",
        "GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=4096",
        "PYTHONMALLOC": "debug",
        "PYTHONTRACEMALLOC": "5",
        "PYTHONDEVMODE": "1",
        "PYTHONWARNINGS": "error",
        "PYTHONOPTIMIZE": "2",
    },
    "numpy.numba": {
        "NUMBA_DISABLE_JIT": "1",
        "NUMBA_OPT": "0",
        "NUMBA_BOUNDSCHECK": "1",
        "NUMBA_CPU_NAME": "generic",
    },
    "torch.nn": {
        "OMP_WAIT_POLICY": "PASSIVE",
        "OMP_PROC_BIND": "true",
        "OMP_DYNAMIC": "true",
        "GOMP_SPINCOUNT": "0",
        "GOMP_CPU_AFFINITY": "0",
        "KMP_BLOCKTIME": "0",
        "MKL_CBWR": "COMPATIBLE",
        "MKL_VERBOSE": "1",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "ONEDNN_DEFAULT_FPMATH_MODE": "BF16",
        "ONEDNN_VERBOSE": "1",
        "ATEN_CPU_CAPABILITY": "default",
        "PYTORCH_JIT": "0",
    },
    "torch.compile": {
        "TORCH_COMPILE_DISABLE": "1",
        "TORCHDYNAMO_DISABLE": "1",
        "TORCHINDUCTOR_CPP_WRAPPER": "1",
    },
    "jax.scan": {
        "JAX_DISABLE_JIT": "1",
        "JAX_DEBUG_NANS": "1",
        "JAX_ENABLE_X64": "1",
        "JAX_DEFAULT_MATMUL_PRECISION": "bfloat16",
        "JAX_NUMPY_RANK_PROMOTION": "raise",
        "JAX_NUMPY_DTYPE_PROMOTION": "strict",
        "JAX_CHECK_TRACER_LEAKS": "1",
        "XLA_FLAGS": "--xla_backend_optimization_level=0",
    },
    "keras.lstm": {"KERAS_BACKEND": "jax"},
    "equinox.scan": {"EQX_ON_ERROR": "nan"},
}
"""By the implementation that is timed: variables, with a value that should tell."""
NOT_TIMED = {
    "of a GPU, not tried here": """
        CUDA_LAUNCH_BLOCKING CUBLAS_WORKSPACE_CONFIG NVIDIA_TF32_OVERRIDE PYTORCH_CUDA_ALLOC_CONF
        PYTORCH_NO_CUDA_MEMORY_CACHING TORCH_ALLOW_TF32_CUBLAS_OVERRIDE TRITON_INTERPRET
        XLA_PYTHON_CLIENT_ALLOCATOR XLA_PYTHON_CLIENT_MEM_FRACTION
    """,
    "a cache of compiled programs: the first call": """
        JAX_COMPILATION_CACHE_DIR TORCHINDUCTOR_CACHE_DIR
    """,
    "another allocator": "LD_PRELOAD",
}
"""Why variables are not timed, and their names."""


def loop(implementation: str, extra: dict[str, str]) -> float | None:
    """Return the seconds of a call in a new interpreter; None where it fails."""
    case = json.dumps([implementation, "training", SIZES, "float32"])
    command = [sys.executable, str(HAND_TIMED), "--child", case]
    done = subprocess.run(
        command, env=os.environ | extra, capture_output=True, text=True, check=False
    )
    return json.loads(done.stdout.splitlines()[-1])["seconds"] if done.returncode == 0 else None


def effect(implementation: str, name: str, value: str, pairs: int) -> str:
    """Return how many times longer a call takes with the variable."""
    ratios = []
    for _ in range(pairs):
        without, given = loop(implementation, {}), loop(implementation, {name: value})
        if given is None or without is None:
            return "fails"
        ratios.append(given / without)
    return f"{statistics.median(ratios):.2f}"


def what_a_worker_gets(name: str, value: str) -> str:
    """Return whether the variable reaches a worker."""
    os.environ[name] = value
    try:
        reaches = (
            worker_environment.worker_environment(available_cores(), "cpu", 0).get(name) == value
        )
        found = worker_environment.recorded_variables(available_cores(), "cpu")
    finally:
        del os.environ[name]
    return (
        "passed on, and recorded"
        if name in found["passed"]
        else "passed on"
        if reaches
        else "not passed on"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", help="this variable alone")
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args()
    only = options.only
    for name in [
        name for name in os.environ if name.startswith(worker_environment.LIBRARY_PREFIXES)
    ]:
        del os.environ[name]
    print("| implementation | variable | time of a call with it, over without | a worker |")
    print("|---|---|---|---|")
    for implementation, variables in TRIED.items():
        for name, value in variables.items():
            if only in (None, name):
                row = [
                    implementation,
                    f"`{name}={value}`",
                    effect(implementation, name, value, options.pairs),
                ]
                print(f"| {' | '.join([*row, what_a_worker_gets(name, value)])} |", flush=True)
    for why, names in NOT_TIMED.items():
        for name in names.split():
            if only in (None, name):
                print(f"| | `{name}` | {why} | {what_a_worker_gets(name, '1')} |", flush=True)


if __name__ == "__main__":
    main()
