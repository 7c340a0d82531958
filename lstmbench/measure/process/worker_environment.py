"""The environment variables of a worker: the number of threads, and each library's own defaults.

A variable in a user's shell can change what is timed: with ``JAX_DISABLE_JIT=1`` a compiled
implementation is interpreted. A worker therefore gets no variable of a library that computes
(``LIBRARY_PREFIXES``), except those that name a location (``PATH_VARIABLES``) and those that people
set to choose how a library computes (``USER_CHOICES``). These choices and what is set here are
recorded in the manifest and printed beneath each table. docs/environment.md lists what was tried.
"""

import getpass
import os
import re
import sys
from typing import Any

THREAD_VARIABLES = tuple(
    """
    OMP_NUM_THREADS MKL_NUM_THREADS OPENBLAS_NUM_THREADS BLIS_NUM_THREADS VECLIB_MAXIMUM_THREADS
    NUMEXPR_NUM_THREADS NPROC
    """.split()  # noqa: SIM905 - a list literal would be three times as long
)
"""The variable that sets the size of each thread pool that an LSTM may run on; NPROC that of XLA's.
"""
LIBRARY_PREFIXES = tuple(
    """
    ACCELERATE_ ATEN_ BLIS_ COVERAGE_ COV_CORE_ CUBLAS CUDA_ CUDNN_ DNNL_ EQX_ FLAX_ GLIBC_
    GOMP_ GOTO_ JAX_ KERAS_ KMP_ LD_ LIBXSMM_ MALLOC_ MIMALLOC_ MKL_ NPY_ NUMBA_ NUMEXPR_ NUMPY_
    NVIDIA_ OMP_ ONEDNN_ OPENBLAS_ ORT_ PJRT_ PYTHON PYTORCH_ TBB_ TF_CPP_ TF_CUDNN_ TF_ENABLE_
    TF_FORCE_ TF_GPU_ TF_XLA_ TORCH TRITON_ VECLIB_ XLA_
    """.split()  # noqa: SIM905 - a list literal would be three times as long
)
"""Prefixes of the variables of libraries that compute, the memory allocator, the linker and Python.
"""
PATH_VARIABLES = frozenset(
    """
    CUDA_CACHE_PATH CUDA_DEVICE_ORDER CUDA_HOME CUDA_PATH CUDA_VISIBLE_DEVICES JAX_PLATFORMS
    KERAS_HOME LD_LIBRARY_PATH NUMBA_CACHE_DIR NVIDIA_DRIVER_CAPABILITIES NVIDIA_VISIBLE_DEVICES
    PYTHONDONTWRITEBYTECODE PYTHONHOME PYTHONIOENCODING PYTHONNOUSERSITE PYTHONPYCACHEPREFIX
    PYTHONUNBUFFERED PYTHONUSERBASE PYTHONUTF8 TORCHINDUCTOR_CACHE_DIR TORCH_EXTENSIONS_DIR
    TORCH_HOME TRITON_CACHE_DIR TRITON_HOME TRITON_LIBCUDA_PATH TRITON_PTXAS_PATH
    """.split()  # noqa: SIM905 - a list literal would be three times as long
)
"""Exceptions: variables that name a location and do not change the time of a call."""
USER_CHOICES = frozenset(
    """
    ATEN_CPU_CAPABILITY CUBLAS_WORKSPACE_CONFIG CUDA_MODULE_LOADING DNNL_MAX_CPU_ISA
    GLIBC_TUNABLES JAX_COMPILATION_CACHE_DIR JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS
    JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES LD_PRELOAD MALLOC_ARENA_MAX MALLOC_CONF
    MKL_ENABLE_INSTRUCTIONS NPY_DISABLE_CPU_FEATURES NPY_ENABLE_CPU_FEATURES NUMBA_CPU_FEATURES
    NUMBA_CPU_NAME ONEDNN_MAX_CPU_ISA OPENBLAS_CORETYPE PYTHON_GIL PYTHON_JIT PYTORCH_ALLOC_CONF
    PYTORCH_CUDA_ALLOC_CONF XLA_FLAGS XLA_PYTHON_CLIENT_ALLOCATOR XLA_PYTHON_CLIENT_MEM_FRACTION
    """.split()  # noqa: SIM905 - a list literal would be three times as long
)
"""Exceptions: variables that choose an instruction set, an allocator or a cache. They are recorded.
"""


def worker_environment(threads: int, device: str, layout: int) -> dict[str, str]:
    """Return all environment variables of a worker, to be set before any framework is imported.

    Args:
        threads: size of each thread pool.
        device: ``cpu`` or ``cuda``. ``cpu`` hides the GPUs, so that no CPU row pays for a search.
        layout: number of the memory layout. It sets the hash seed and the size of the environment,
            which both move memory and so change timings (Mytkowicz et al., "Producing wrong data
            without doing anything obviously wrong!", 2009).
    """
    passed = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(LIBRARY_PREFIXES) or name in PATH_VARIABLES | USER_CHOICES
    }
    settings = library_settings(threads, device)
    if "XLA_FLAGS" in passed and "XLA_FLAGS" in settings:
        settings["XLA_FLAGS"] = f"{passed['XLA_FLAGS']} {settings['XLA_FLAGS']}"
    return {
        **passed,
        **settings,
        "PYTHONHASHSEED": str(layout + 1),
        "LSTMBENCH_LAYOUT": "x" * (97 * layout),  # a prime: alignment changes, too
        "TF_CPP_MIN_LOG_LEVEL": "2",  # errors only
        **pythonpath_variable(),
        **user_variable(),
    }


def library_settings(threads: int, device: str) -> dict[str, str]:
    """Return the variables that lstmbench sets: none makes a library slower than by default."""
    settings = dict.fromkeys(THREAD_VARIABLES, str(threads))
    # JAX would take three quarters of a GPU's memory when it starts, and no peak could be read
    settings["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    if threads == 1:
        settings["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    if device == "cpu":
        settings |= {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
    return settings


def pythonpath_variable() -> dict[str, str]:
    """Return the variable with which another Python finds the modules that this one finds."""
    return {"PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}


def user_variable() -> dict[str, str]:
    """Return a variable that names the user where nothing else does, as in a container.

    PyTorch before 2.13 fails without a user name.
    """
    try:
        getpass.getuser()
    except (KeyError, OSError, ImportError):  # which one depends on the Python version
        return {"USER": f"uid-{os.getuid()}"}
    return {}


def recorded_variables(threads: int, device: str) -> dict[str, Any]:
    """Return the manifest's record of a worker's variables: ``set``, ``passed`` and ``removed``.

    Only the last component of a path is recorded. Variables that are the same in every worker or
    name a location are left out.
    """
    passed = {name: os.environ[name] for name in sorted(USER_CHOICES & os.environ.keys())}
    return {
        "set": library_settings(threads, device),
        "passed": {name: re.sub(r"/[^\s,:;]*/", "", value) for name, value in passed.items()},
        "removed": sorted(os.environ.keys() - worker_environment(threads, device, 0).keys()),
    }
