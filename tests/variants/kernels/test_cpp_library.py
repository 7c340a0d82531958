"""The compiled steps give what PyTorch's own operations give, which run where nothing compiles."""

import ctypes
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conformance import draw, relative_error, results
from hypothesis import given
from hypothesis import strategies as st
from unprivileged import heeding_modes

import lstmbench as lb
from examples import examples
from lstmbench.measure import environment
from lstmbench.results import machine_identity
from lstmbench.variants.kernels import cpp_library

jax = pytest.importorskip("jax")
torch_fused = pytest.importorskip("lstmbench.variants.torch_fused", reason="needs PyTorch")
_jax = pytest.importorskip("lstmbench.variants._jax_layers", reason="needs JAX")


def needs_compiler(test: Any) -> Any:
    without = pytest.mark.skipif(
        cpp_library.cpp_functions() is None, reason="there is no C++ compiler"
    )
    return pytest.mark.compile(without(test))


@pytest.fixture
def uncached() -> Iterator[None]:
    """Forget libraries that were built, before and after the test."""
    functions = [cpp_library.cpp_functions, cpp_library.library, cpp_library._version]
    if jax_fused := sys.modules.get("lstmbench.variants.jax_fused"):
        functions.append(jax_fused._cpp_functions)
    for function in functions:
        function.cache_clear()
    yield
    for function in functions:
        function.cache_clear()


def compiler(path: Path, script: str) -> str:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@needs_compiler
@given(
    T=st.integers(1, 4), B=st.integers(1, 14), features=st.integers(1, 20), H=st.integers(1, 140)
)
def test_compiled_and_eager_steps_give_the_same_at_all_sizes(
    T: int, B: int, features: int, H: int
) -> None:
    problem = draw(T, B, features, H)
    found = results(lb.load("torch.fused", problem.params), problem)
    plain = lb.load("torch.fused", problem.params)
    implementation = plain.implementation
    assert isinstance(implementation.kernel, torch_fused.CppSteps)
    implementation.kernel = torch_fused.EagerSteps(*implementation.weights)
    for name, wanted in results(plain, problem).items():
        assert relative_error(found[name], wanted) < 3e-6, name


@needs_compiler
def test_compiled_functions_take_subclasses_of_tensors_and_nothing_else() -> None:
    torch = torch_fused.torch
    problem = draw(2, 3, 4, 5)
    forward = lb.load("torch.fused", problem.params).implementation.forward
    tensors = [torch.tensor(array, dtype=torch.float32) for array in problem.inputs]
    parameters = [torch.nn.Parameter(tensor) for tensor in tensors]
    for found, wanted in zip(forward(*parameters), forward(*tensors), strict=True):
        assert torch.equal(found, wanted)
    with pytest.raises(ctypes.ArgumentError):
        cpp_library.cpp_functions().pack_forward(np.ones(4), tensors[0], 1, 1)


NATIVE, TOO_LARGE = "this processor", "like AVX-512, estimates too large"
INSTRUCTIONS = {
    NATIVE: ["-march=native"],
    "whatever every processor has": [],
    "AVX2 and FMA": ["-march=x86-64-v3"],
    "AVX-512": ["-march=x86-64-v4"],
    "like AVX": ["-DLSTMBENCH_LANES=8", "-DLSTMBENCH_FUSED=0"],
    "like AVX2 and FMA": ["-DLSTMBENCH_LANES=8", "-DLSTMBENCH_FUSED=1"],
    "like NEON": ["-DLSTMBENCH_LANES=4", "-DLSTMBENCH_FUSED=1"],
    TOO_LARGE: ["-DLSTMBENCH_LANES=16", "-DLSTMBENCH_FUSED=1", "-DLSTMBENCH_ESTIMATE=0x1p-14"],
    "like AVX-512, estimates too small": [
        "-DLSTMBENCH_LANES=16",
        "-DLSTMBENCH_FUSED=1",
        "-DLSTMBENCH_ESTIMATE=-0x1p-14",
    ],
}
"""Compiler flags by kind of processor. What this processor lacks is emulated with its worst error:
the estimate of a reciprocal on AVX-512 is off by at most 2^-14.
"""
NEEDED = {
    "AVX2 and FMA": {"avx2", "fma"},
    "AVX-512": {"avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512cd"},
}
COMPILERS = list(
    dict.fromkeys(filter(None, map(shutil.which, (cpp_library._compiler()[0], "g++", "clang++"))))
)
"""The library's own compiler comes first."""


def run_check(source: str, folder: Path, compiler_: str, *flags: str) -> str:
    """Compile a program of this folder, run it, and return its output; it must succeed."""
    program = folder / "check"
    command = [compiler_, "-std=c++17", "-Wno-psabi", f"-I{cpp_library.HERE}", *flags]
    subprocess.run(
        [*command, str(Path(__file__).with_name(source)), "-o", str(program)], check=True
    )
    found = subprocess.run([program], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    assert found.stdout.startswith("0 wrong")
    return found.stdout


@needs_compiler
@pytest.mark.parametrize("optimised", ["-O1", "-O3"])
@pytest.mark.parametrize("compiler_", COMPILERS, ids=lambda path: Path(path).name)
@pytest.mark.parametrize("instructions", INSTRUCTIONS)
def test_gates_are_accurate_and_in_range_with_every_processor_and_compiler(
    instructions: str, compiler_: str, optimised: str, tmp_path: Path
) -> None:
    if missing := NEEDED.get(instructions, set()) - set(environment.machine()["cpu_flags"]):
        pytest.skip(f"this processor has no {min(missing)}; it is emulated")
    run_check("gates_check.cpp", tmp_path, compiler_, optimised, *INSTRUCTIONS[instructions])


@needs_compiler
def test_a_less_accurate_estimate_fails_the_check(tmp_path: Path) -> None:
    far = ["-DLSTMBENCH_FUSED=1", "-DLSTMBENCH_ESTIMATE=1e-3"]
    with pytest.raises(AssertionError, match="instead of"):
        run_check("gates_check.cpp", tmp_path, COMPILERS[0], "-O1", *far)


def widths() -> list[Any]:
    """Return one way to each width of vectors, by instructions that are here or else emulated; this
    processor's first.

    Two of one width differ in their gates alone.
    """
    here = set(environment.machine()["cpu_flags"])
    eight = "AVX2 and FMA" if NEEDED["AVX2 and FMA"] <= here else "like AVX"
    sixteen = [] if NEEDED["AVX-512"] <= here else [TOO_LARGE]  # or it is this processor's
    others = ["whatever every processor has", eight, *sixteen]
    return [NATIVE, *others]


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize("instructions", widths())
def test_steps_match_plain_loops_and_stay_in_bounds_at_every_vector_width(
    instructions: str, tmp_path: Path
) -> None:
    sanitised = ["-O0", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    run_check(
        "recurrence_check.cpp", tmp_path, COMPILERS[0], *sanitised, *INSTRUCTIONS[instructions]
    )


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("compiler_", COMPILERS[1:], ids=lambda path: Path(path).name)
def test_steps_match_plain_loops_with_another_compiler(compiler_: str, tmp_path: Path) -> None:
    flags = [flag for flag in cpp_library.FLAGS if flag != "-shared"]
    run_check("recurrence_check.cpp", tmp_path, compiler_, *flags, *cpp_library.TUNED)


@pytest.mark.parametrize("name", ["torch.fused", "torch.recompute"])
def test_strided_arrays_give_the_same_results(name: str) -> None:
    torch = pytest.importorskip("torch")
    problem = draw(3, 4, 5, 6)
    implementation = lb.load(name, problem.params).implementation
    plain = [torch.tensor(array, dtype=torch.float32) for array in problem.all_inputs]
    gaps = [torch.stack([array, array], dim=-1)[..., 0] for array in plain]
    assert not any(array.is_contiguous() for array in gaps)
    for method, count in (("forward", 3), ("forward_backward", 6)):
        call = getattr(implementation, method)
        for found, wanted in zip(
            flat(call(*gaps[:count])), flat(call(*plain[:count])), strict=True
        ):
            torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)


def flat(arrays: Any) -> list[Any]:
    return (
        [each for array in arrays for each in flat(array)]
        if isinstance(arrays, tuple)
        else [arrays]
    )


def one_gate(gate: int, x: np.ndarray) -> np.ndarray:
    """Return c after one step from 0, for inputs x to one of i and g, while the other is 1."""
    weight, bias = np.zeros((4, 1)), np.array([30.0, 0, 30, 30])
    weight[gate], bias[gate] = 1, 0
    params = lb.LSTMParams(weight_ih=weight, weight_hh=np.zeros((4, 1)), bias=bias)
    _, (_, c) = lb.load("torch.fused", params).forward(x.reshape(1, -1, 1))
    return c.ravel()


@needs_compiler
def test_small_gates_are_accurate() -> None:
    x = (
        np.concatenate([np.linspace(-80, 20, 100_001), -np.logspace(-30, 0, 1000)])
        .astype(np.float32)
        .astype(float)
    )
    sigmoid = one_gate(0, x)
    np.testing.assert_allclose(
        sigmoid, 1 / (1 + np.exp(-x)), rtol=4e-6
    )  # exp(80): 80 is rounded, too
    assert sigmoid.min() >= 0 and sigmoid.max() <= 1
    candidate = one_gate(2, x)
    np.testing.assert_allclose(candidate, np.tanh(x), rtol=5e-7)
    assert np.abs(candidate).max() <= 1


@pytest.mark.usefixtures("uncached")
@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ("asked not to", "LSTMBENCH_COMPILED=0 asks for that"),
        ("none", "[Errno 2] No such file or directory: 'nothing'"),
        ("fails", "the compiler ends with exit code 1: check.cpp:1: error: no room"),
        ("writes nonsense", ".so: file too short"),
        ("no command", "No closing quotation"),
        ("says nothing", ".so: cannot open shared object file: No such file or directory"),
    ],
)
def test_without_a_working_compiler_eager_steps_run_and_the_reason_is_given(
    broken: str, reason: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    commands = {
        "none": str(tmp_path / "nothing"),
        "fails": compiler(
            tmp_path / "fails",
            '[ "$1" = --version ] && echo 1 && exit\n'
            "echo /some/where/check.cpp:1: error: no room >&2\nexit 1",
        ),
        "no command": "g++ 'and",
        "says nothing": compiler(
            tmp_path / "silent", 'for last; do :; done; [ $# = 1 ] || ln -s /no/where "$last"'
        ),
        "writes nonsense": compiler(
            tmp_path / "lies",
            'case "$1" in --version) echo compiler 1; exit;; esac\n'
            'for last; do :; done; echo nonsense > "$last"',
        ),
    }
    monkeypatch.setenv(
        "LSTMBENCH_COMPILED", "0"
    ) if broken == "asked not to" else monkeypatch.setenv("CXX", commands[broken])
    assert cpp_library.cpp_functions() is None
    code_path = cpp_library.code_path()
    assert code_path.startswith(
        "not compiled, and torch.fused, torch.recompute and jax.fused are slower: "
    )
    assert code_path.endswith(reason) and "/" not in code_path
    problem = draw(3, 2, 4, 5)
    lstm = lb.load("torch.fused", problem.params)
    assert isinstance(lstm.implementation.kernel, torch_fused.EagerSteps)
    results(lstm, problem)
    if broken == "fails":
        assert not list(tmp_path.glob("cache/*/*"))  # nothing half built is left


@needs_compiler
@examples(15)  # each shape is compiled by XLA twice
@given(T=st.integers(1, 4), B=st.integers(1, 8), features=st.integers(1, 20), H=st.integers(1, 70))
def test_compiled_and_scanned_steps_of_jax_give_the_same(
    T: int, B: int, features: int, H: int
) -> None:
    jax_fused = pytest.importorskip("lstmbench.variants.jax_fused", reason="needs JAX")
    assert not isinstance(jax_fused._cpp_functions(), str)
    problem = draw(T, B, features, H)
    found = results(lb.load("jax.fused", problem.params), problem)
    scanned = lb.load("jax.fused", problem.params)
    run = jax_fused.sequence(jax_fused.ScanSteps)
    _jax.DifferentiableLayer.__init__(scanned.implementation, run, scanned.implementation.weights)
    for name, wanted in results(scanned, problem).items():
        assert relative_error(found[name], wanted) < 1e-5, name


@pytest.mark.usefixtures("uncached")
def test_without_a_compiler_jax_scans(monkeypatch: pytest.MonkeyPatch) -> None:
    jax_fused = pytest.importorskip("lstmbench.variants.jax_fused", reason="needs JAX")
    monkeypatch.setenv("LSTMBENCH_COMPILED", "0")
    jax_fused._cpp_functions.cache_clear()
    try:
        problem = draw(3, 2, 4, 5)
        lstm = lb.load("jax.fused", problem.params)
        assert (
            jax_fused.code_path()
            == "not compiled, lax.scan in its place: LSTMBENCH_COMPILED=0 asks for that"
        )
        text = str(
            jax.make_jaxpr(lstm.implementation._forward)(
                lstm.implementation.weights, *problem.inputs
            )
        )
        assert "scan" in text and "ffi_call" not in text
        results(lstm, problem)
    finally:
        jax_fused._cpp_functions.cache_clear()


@needs_compiler
@pytest.mark.usefixtures("unoptimised")
def test_the_library_is_built_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cpp_library.cpp_functions() is not None
    (library,) = tmp_path.glob("lstmbench/*")
    built = os.stat(library).st_mtime_ns
    cpp_library.cpp_functions.cache_clear()
    cpp_library.library.cache_clear()
    assert cpp_library.cpp_functions() is not None and os.stat(library).st_mtime_ns == built


@needs_compiler
def test_how_the_library_was_built_is_recorded() -> None:
    assert "-O3" in environment.frameworks()["code_paths"]["recurrence"]
    lanes = {"AVX-512": 16, "AVX2": 8, "AVX": 8}.get(
        machine_identity.vector_instructions(environment.machine()), 4
    )
    assert f"; {lanes} numbers in a vector, " in environment.code_paths()["recurrence"]


# What the compiler is called by, and where it may write


@pytest.fixture
def unoptimised(monkeypatch: pytest.MonkeyPatch, uncached: None) -> None:
    """Build without optimisation, which takes a second."""
    monkeypatch.setattr(cpp_library, "FLAGS", ("-O0", "-std=c++17", "-shared", "-fPIC"))
    monkeypatch.setattr(cpp_library, "TUNED", ())


@needs_compiler
@pytest.mark.usefixtures("unoptimised")
@pytest.mark.parametrize(
    "named", ["env COMPILER", "COMPILER -pipe", "'COMPILER' -DONE='a b'", "a folder/c++", " "]
)
def test_the_compiler_may_be_a_command_of_several_words(
    named: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As "ccache g++" and "g++ -m64" are; and a path may have a blank in it."""
    (tmp_path / "a folder").mkdir()
    compiler(tmp_path / "a folder" / "c++", f'exec {COMPILERS[0]} "$@"')
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv(
        "CXX",
        named.replace("COMPILER", COMPILERS[0]).replace("a folder", str(tmp_path / "a folder")),
    )
    assert cpp_library.cpp_functions() is not None, cpp_library.code_path()


@pytest.fixture
def folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[Path, Path]:
    """A user's cache, which is there, and the folder for temporary files."""
    cache, temporary = tmp_path / "cache" / "lstmbench", tmp_path / "tmp"
    cache.mkdir(parents=True)
    temporary.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parent))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    return cache, temporary


@needs_compiler
@pytest.mark.usefixtures("unoptimised")
def test_with_a_read_only_cache_one_private_temporary_folder_is_used(
    folders: tuple[Path, Path],
) -> None:
    cache, temporary = folders
    cache.chmod(0o555)
    with heeding_modes():
        assert cpp_library.cpp_functions() is not None, cpp_library.code_path()
        (folder,) = temporary.iterdir()
        (library,) = folder.iterdir()
        assert (
            folder.name == f"lstmbench-{os.geteuid()}"
            and stat.S_IMODE(folder.stat().st_mode) == 0o700
        )
        built = library.stat().st_mtime_ns
        cpp_library.cpp_functions.cache_clear()
        cpp_library.library.cache_clear()
        assert cpp_library.cpp_functions() is not None and [
            *temporary.iterdir(),
            *folder.iterdir(),
        ] == [folder, library]
        assert library.stat().st_mtime_ns == built
    cache.chmod(0o755)
    shutil.copy(library, cache)  # as an image may bring it
    shutil.rmtree(folder)
    cache.chmod(0o555)
    cpp_library.cpp_functions.cache_clear()
    cpp_library.library.cache_clear()
    with heeding_modes():
        assert cpp_library.cpp_functions() is not None and list(temporary.iterdir()) == []
    cache.chmod(0o755)


@pytest.mark.usefixtures("uncached")
def test_without_a_writable_folder_the_reason_is_given(folders: tuple[Path, Path]) -> None:
    for folder in folders:
        folder.chmod(0o555)
    with heeding_modes():
        assert cpp_library.cpp_functions() is None
        assert (
            "neither the user's cache nor the folder for temporary files can"
            in cpp_library.code_path()
        )
    for folder in folders:
        folder.chmod(0o755)


@pytest.mark.parametrize("what", ["of another user", "for others to write", "a link"])
def test_a_temporary_folder_that_others_can_write_to_is_not_used(
    what: str, folders: tuple[Path, Path]
) -> None:
    cache, temporary = folders
    folder = temporary / f"lstmbench-{os.geteuid()}"
    assert [*cpp_library._folders()] == [cache, folder]
    if what == "a link":
        folder.rename(temporary / "elsewhere")
        folder.symlink_to(temporary / "elsewhere")
    elif what == "for others to write":
        folder.chmod(0o777)
    elif os.geteuid() == 0:
        os.chown(folder, 65534, 65534)
    else:
        pytest.skip("only root gives folders away")
    assert [*cpp_library._folders()] == [cache]


@pytest.mark.parametrize("home", [None, "relative"])
def test_without_a_home_only_the_temporary_folder_is_used(
    home: str | None, folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A container's user has neither HOME nor a line in /etc/passwd."""
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    if home:
        monkeypatch.setenv("XDG_CACHE_HOME", home)
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: (_ for _ in ()).throw(KeyError(uid)))
    assert [folder.parent for folder in cpp_library._folders()] == [folders[1]]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "tmp"]


def test_on_a_gpu_without_triton_the_slower_kernel_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert torch_fused.code_path() is None or torch_fused.torch.cuda.is_available()
    monkeypatch.setattr(torch_fused.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch_fused, "find_spec", lambda name: None)
    assert environment.code_paths()["torch_fused"].startswith(
        "not compiled on cuda, PyTorch's operations in its place"
    )


def test_float64_and_bfloat16_use_eager_steps() -> None:
    for dtype in ("float64", "bfloat16"):
        lstm = lb.load("torch.fused", lb.LSTMParams.init(3, 4), dtype=dtype)
        assert isinstance(lstm.implementation.kernel, torch_fused.EagerSteps)
