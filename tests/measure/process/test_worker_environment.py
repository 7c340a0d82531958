"""A worker gets no variable of the user that changes what is timed and is not recorded."""

import os
from typing import Any

import pytest

from lstmbench.measure.process import worker_environment as module
from lstmbench.measure.process.worker_environment import (
    THREAD_VARIABLES,
    library_settings,
    recorded_variables,
    worker_environment,
)
from lstmbench.report import provenance

SLOWER = {
    "JAX_DISABLE_JIT": "1",
    "JAX_DEBUG_NANS": "1",
    "JAX_ENABLE_X64": "1",
    "JAX_NUMPY_DTYPE_PROMOTION": "strict",
    "JAX_DEFAULT_MATMUL_PRECISION": "bfloat16",
    "OMP_WAIT_POLICY": "PASSIVE",
    "OMP_PROC_BIND": "true",
    "GOMP_SPINCOUNT": "0",
    "GOMP_CPU_AFFINITY": "0",
    "KMP_BLOCKTIME": "0",
    "KMP_AFFINITY": "compact",
    "MKL_DYNAMIC": "true",
    "MKL_CBWR": "COMPATIBLE",
    "MKL_VERBOSE": "1",
    "ONEDNN_VERBOSE": "1",
    "ONEDNN_DEFAULT_FPMATH_MODE": "BF16",
    "DNNL_DEFAULT_FPMATH_MODE": "BF16",
    "TORCH_COMPILE_DISABLE": "1",
    "TORCHDYNAMO_DISABLE": "1",
    "TORCH_LOGS": "+all",
    "PYTORCH_JIT": "0",
    "PYTORCH_NO_CUDA_MEMORY_CACHING": "1",
    "NVIDIA_TF32_OVERRIDE": "1",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": "1",
    "CUDA_LAUNCH_BLOCKING": "1",
    "TRITON_INTERPRET": "1",
    "NUMBA_DISABLE_JIT": "1",
    "NUMBA_OPT": "0",
    "NUMBA_BOUNDSCHECK": "1",
    "KERAS_BACKEND": "tensorflow",
    "EQX_ON_ERROR": "breakpoint",
    "PYTHONMALLOC": "debug",
    "PYTHONTRACEMALLOC": "5",
    "PYTHONDEVMODE": "1",
    "PYTHONWARNINGS": "error",
    "PYTHONOPTIMIZE": "2",
    "MALLOC_PERTURB_": "1",
    "MALLOC_TRIM_THRESHOLD_": "0",
    "COVERAGE_PROCESS_START": "x",
    "LD_BIND_NOW": "1",
}


@pytest.mark.parametrize("name", SLOWER)
def test_variables_that_change_times_or_results_do_not_reach_a_worker(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, SLOWER[name])
    assert name not in worker_environment(2, "cpu", 0)
    assert name in recorded_variables(2, "cpu")["removed"]


@pytest.mark.parametrize(
    "name", ["XLA_FLAGS", "LD_PRELOAD", "OPENBLAS_CORETYPE", "ONEDNN_MAX_CPU_ISA"]
)
def test_user_choices_are_passed_on_and_recorded_without_folders(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "/a/b/lib.so:--flag=/c/d")
    assert worker_environment(2, "cpu", 0)[name] == "/a/b/lib.so:--flag=/c/d"
    assert recorded_variables(2, "cpu")["passed"][name] == "lib.so:--flag=d"


@pytest.mark.parametrize(
    "name", ["HOME", "PATH", "MY_PLUGIN", "SLURM_JOB_ID", "NUMBA_CACHE_DIR", "LD_LIBRARY_PATH"]
)
def test_all_other_variables_are_passed_on_unchanged(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "/a/b")
    assert worker_environment(2, "cpu", 0)[name] == "/a/b"
    assert name not in str(recorded_variables(2, "cpu"))


def test_only_threads_device_and_preallocation_are_set() -> None:
    """Wait policy, binding and dynamic threads keep each library's default."""
    assert set(library_settings(2, "cuda")) - set(THREAD_VARIABLES) == {
        "XLA_PYTHON_CLIENT_PREALLOCATE"
    }
    assert set(library_settings(2, "cpu")) - set(library_settings(2, "cuda")) == {
        "CUDA_VISIBLE_DEVICES",
        "JAX_PLATFORMS",
    }


def manifest(**variables: Any) -> dict[str, Any]:
    return {"environments": {"a": {"threads": 2, "variables": variables}, "b": {"threads": 1}}}


def test_the_footer_names_the_settings_without_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAX_DISABLE_JIT", "1")
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=/tmp/x")
    line = provenance.worker_variables(manifest(**recorded_variables(2, "cuda")))
    assert "_THREADS" not in line and "NPROC" not in line
    for words in (
        "workers: XLA_PYTHON_CLIENT_PREALLOCATE=false;",
        "set by the user: ",
        "XLA_FLAGS=--xla_dump_to=x",
    ):
        assert words in line
    assert line.partition("not passed on: ")[2].count("JAX_DISABLE_JIT") == 1


def test_the_footer_names_a_user_choice_whose_value_is_the_number_of_threads() -> None:
    given = manifest(set={"OMP_NUM_THREADS": "2"}, passed={"MALLOC_ARENA_MAX": "2"}, removed=[])
    assert provenance.worker_variables(given).endswith(
        "of the workers: set by the user: MALLOC_ARENA_MAX=2."
    )


@pytest.mark.parametrize(
    "given", [{}, manifest(), {"environments": {"a": None, "b": {"variables": "?"}}}]
)
def test_the_footer_of_a_run_without_recorded_variables_names_none(given: dict[str, Any]) -> None:
    assert provenance.worker_variables(given) == ""


def test_one_thread_also_limits_xla_s_matrix_products() -> None:
    assert "--xla_cpu_multi_thread_eigen=false" in worker_environment(1, "cpu", 0)["XLA_FLAGS"]
    assert "multi_thread_eigen" not in worker_environment(2, "cpu", 0).get("XLA_FLAGS", "")


def test_a_user_s_own_xla_flags_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=x")
    assert worker_environment(1, "cpu", 0)["XLA_FLAGS"].split()[0] == "--xla_dump_to=x"


def test_a_worker_for_the_gpu_sees_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    variables = worker_environment(1, "cuda", 0)
    assert variables["CUDA_VISIBLE_DEVICES"] == "1"
    assert "JAX_PLATFORMS" not in variables
    assert variables["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"


def test_layouts_differ_in_hash_seed_and_environment_size() -> None:
    layouts = [worker_environment(1, "cpu", layout) for layout in range(3)]
    assert len({variables["PYTHONHASHSEED"] for variables in layouts}) == 3
    assert len({len(variables["LSTMBENCH_LAYOUT"]) for variables in layouts}) == 3


def test_a_user_without_a_name_gets_one_in_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert module.user_variable() == {}
    for error in (KeyError, OSError):  # by the version of Python

        def nobody(error: type[Exception] = error) -> str:
            raise error("uid not variables: 12345")

        monkeypatch.setattr(module.getpass, "getuser", nobody)
        assert worker_environment(1, "cpu", 0)["USER"] == f"uid-{os.getuid()}"
