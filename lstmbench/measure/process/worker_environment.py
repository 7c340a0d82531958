"""The environment variables of a worker: the threads that were asked for, and each library's own
defaults.

A variable in a user's shell can change what is timed: with ``JAX_DISABLE_JIT=1`` a compiled
implementation is interpreted. So a worker gets no variable of a library that computes
(``LIBRARY_PREFIXES``), except those that say where something is found (``PATH_VARIABLES``) and those that people set
to choose how a library computes (``USER_CHOICES``). These and what is set here are recorded in the
manifest, and printed beneath each table. docs/environment.md lists what was tried.
"""

import getpass
import os
import re
import sys
from typing import Any

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NPROC",  # the size of XLA's own thread pool
)
"""The variable that sets the size of each thread pool that an LSTM may run on."""
LIBRARY_PREFIXES = (
    *(
        "ACCELERATE_",
        "ATEN_",
        "BLIS_",
        "COVERAGE_",
        "COV_CORE_",
        "CUBLAS",
        "CUDA_",
        "CUDNN_",
        "DNNL_",
        "EQX_",
        "FLAX_",
    ),
    *(
        "GLIBC_",
        "GOMP_",
        "GOTO_",
        "JAX_",
        "KERAS_",
        "KMP_",
        "LD_",
        "LIBXSMM_",
        "MALLOC_",
        "MIMALLOC_",
    ),
    *(
        "MKL_",
        "NPY_",
        "NUMBA_",
        "NUMEXPR_",
        "NUMPY_",
        "NVIDIA_",
        "OMP_",
        "ONEDNN_",
        "OPENBLAS_",
        "ORT_",
        "PJRT_",
    ),
    *(
        "PYTHON",
        "PYTORCH_",
        "TBB_",
        "TF_CPP_",
        "TF_CUDNN_",
        "TF_ENABLE_",
        "TF_FORCE_",
        "TF_GPU_",
        "TF_XLA_",
        "TORCH",
        "TRITON_",
        "VECLIB_",
        "XLA_",
    ),
)
"""How the variables of libraries that compute begin, and those of the memory allocator, the linker
and Python.
"""
PATH_VARIABLES = {
    *(
        "CUDA_CACHE_PATH",
        "CUDA_DEVICE_ORDER",
        "CUDA_HOME",
        "CUDA_PATH",
        "CUDA_VISIBLE_DEVICES",
        "JAX_PLATFORMS",
    ),
    *(
        "KERAS_HOME",
        "LD_LIBRARY_PATH",
        "NUMBA_CACHE_DIR",
        "NVIDIA_DRIVER_CAPABILITIES",
        "NVIDIA_VISIBLE_DEVICES",
    ),
    *(
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONHOME",
        "PYTHONIOENCODING",
        "PYTHONNOUSERSITE",
        "PYTHONPYCACHEPREFIX",
    ),
    *(
        "PYTHONUNBUFFERED",
        "PYTHONUSERBASE",
        "PYTHONUTF8",
        "TORCHINDUCTOR_CACHE_DIR",
        "TORCH_EXTENSIONS_DIR",
    ),
    *("TORCH_HOME", "TRITON_CACHE_DIR", "TRITON_HOME", "TRITON_LIBCUDA_PATH", "TRITON_PTXAS_PATH"),
}
"""Variables of the families that say where something is, and leave the time of a call as it is."""
USER_CHOICES = {
    *(
        "ATEN_CPU_CAPABILITY",
        "CUBLAS_WORKSPACE_CONFIG",
        "CUDA_MODULE_LOADING",
        "DNNL_MAX_CPU_ISA",
        "GLIBC_TUNABLES",
    ),
    *("JAX_COMPILATION_CACHE_DIR", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"),
    *("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "LD_PRELOAD", "MALLOC_ARENA_MAX", "MALLOC_CONF"),
    *(
        "MKL_ENABLE_INSTRUCTIONS",
        "NPY_DISABLE_CPU_FEATURES",
        "NPY_ENABLE_CPU_FEATURES",
        "NUMBA_CPU_FEATURES",
    ),
    *("NUMBA_CPU_NAME", "ONEDNN_MAX_CPU_ISA", "OPENBLAS_CORETYPE", "PYTHON_GIL", "PYTHON_JIT"),
    *("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF", "XLA_FLAGS", "XLA_PYTHON_CLIENT_ALLOCATOR"),
    "XLA_PYTHON_CLIENT_MEM_FRACTION",
}
"""Variables of the families that choose an instruction set, an allocator or a cache: passed on, and
recorded.
"""


def pythonpath_variable() -> dict[str, str]:
    """Return the environment variable with which a Python process finds the modules that this one
    finds.
    """
    return {"PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}


def user_variable() -> dict[str, str]:
    """Return a variable that names the user where nothing does, as in a container.

    PyTorch before 2.13 does not go without a name.
    """
    try:
        getpass.getuser()
    except (KeyError, OSError, ImportError):  # by version and system
        return {"USER": f"uid-{os.getuid()}"}
    return {}


def worker_environment(threads: int, device: str, layout: int) -> dict[str, str]:
    """Return the environment variables of a worker; they must be set before any framework is
    imported.

    Args:
        threads: how many threads each pool may have.
        device: ``cpu`` hides the GPUs from the worker, so that a CPU row never pays for finding
            one.
        layout: number of the process; its hash seed and the size of its environment differ, since
            both move memory about and so move timings (Mytkowicz et al., "Producing wrong data
            without doing anything obviously wrong!", 2009).
    """
    passed = {name: value for name, value in os.environ.items() if not _removed(name)}
    chosen = library_settings(threads, device)
    if "XLA_FLAGS" in passed and "XLA_FLAGS" in chosen:
        chosen["XLA_FLAGS"] = f"{passed['XLA_FLAGS']} {chosen['XLA_FLAGS']}"
    moved = {"PYTHONHASHSEED": str(layout + 1), "LSTMBENCH_LAYOUT": "x" * (97 * layout)}
    return (
        passed
        | chosen
        | moved
        | pythonpath_variable()
        | user_variable()
        | {"TF_CPP_MIN_LOG_LEVEL": "2"}
    )


def recorded_variables(threads: int, device: str) -> dict[str, Any]:
    """Return what the manifest says of a worker's variables: what is ``set``, ``passed`` on and
    ``removed``.

    Of a path only the last part is recorded. What is the same in every worker, or says where
    something is, is left out.
    """
    passed = {name: os.environ[name] for name in sorted(USER_CHOICES & os.environ.keys())}
    return {
        "set": library_settings(threads, device),
        "passed": {name: re.sub(r"/[^\s,:;]*/", "", value) for name, value in passed.items()},
        "removed": sorted(os.environ.keys() - worker_environment(threads, device, 0).keys()),
    }


def _removed(name: str) -> bool:
    return name.startswith(LIBRARY_PREFIXES) and name not in PATH_VARIABLES | USER_CHOICES


def library_settings(threads: int, device: str) -> dict[str, str]:
    """Return what lstmbench sets: the threads, and nothing that makes a library slower than it is
    by itself.
    """
    chosen = dict.fromkeys(THREAD_VARIABLES, str(threads))
    # JAX would take three quarters of a GPU's memory at its start, and no peak could be read
    chosen["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    if threads == 1:
        chosen["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    if device == "cpu":
        chosen |= {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
    return chosen
