"""The steps of an LSTM in float32 as compiled code, ``_recurrence.cpp``: built once, with the system's compiler.

What is built lies in the user's cache, under a name that says from what and for which processor; it is found there
again. Where there is no compiler, ``recurrence()`` is None, and those that use it compute in their framework's own
operations. The environment variable ``LSTMBENCH_COMPILED=0`` asks for that.
"""

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
FLAGS = ("-O3", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-std=c++17", "-shared", "-fPIC")
TUNED = ("-march=native",)
_Array, _Size = ctypes.c_void_p, ctypes.c_size_t


class Recurrence:
    """The functions of ``_recurrence.cpp``; arrays are given by the address of their first number."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.pack_forward, self.pack_backward = library.pack_forward, library.pack_backward
        self.inputs, self.forward, self.backward = library.inputs, library.forward, library.backward
        self.cells, self.inputs_back, self.weights_back = library.cells, library.inputs_back, library.weights_back
        self.pack_forward.argtypes = [_Array] * 2 + [_Size] * 2
        self.pack_backward.argtypes = [_Array] * 2 + [_Size] * 2
        self.inputs.argtypes = [_Size] * 4 + [_Array] * 5 + [_Size]
        self.forward.argtypes = [_Size] * 3 + [_Array] * 6 + [_Size, _Array, _Size]
        self.backward.argtypes = [_Size] * 3 + [_Array] * 8
        self.cells.argtypes = [_Size] * 3 + [_Array] * 3
        self.inputs_back.argtypes = [_Size] * 3 + [_Array] * 3
        self.weights_back.argtypes = [_Size] * 3 + [_Array] * 4 + [ctypes.c_bool]
        self.wide = int(library.wide())
        self._library = library

    @property
    def instructions(self) -> str:
        """The processor's instructions that the functions use."""
        self._library.instructions.restype = ctypes.c_char_p
        return str(self._library.instructions().decode())

    def packed_size(self, H: int, depth: int) -> int:
        """Return how many numbers ``pack_forward`` writes for W (4H, depth), at most, and ``pack_backward`` for
        W (4 depth, H)."""
        return 4 * depth * -(-H // self.wide) * self.wide


@cache
def recurrence() -> Recurrence | None:
    """Return the compiled functions, built now if they are not there yet; None if they cannot be had."""
    found = library("_recurrence.cpp")
    return None if found is None else Recurrence(found)


@cache
def library(source: str, headers: str = "", version: str = "") -> ctypes.CDLL | None:
    """Return what one of the files beside this one compiles to, or None if it cannot be had.

    Args:
        source: the file's name.
        headers: a folder of headers that it includes.
        version: of these headers.
    """
    if os.environ.get("LSTMBENCH_COMPILED") == "0":
        return None
    with suppress(OSError, subprocess.SubprocessError):
        return ctypes.CDLL(str(_built(source, headers, version)))
    return None


def code_path() -> str:
    """Say how the functions were built and what they compute with, or that they were not: a time depends on it."""
    steps = recurrence()
    return f"{_version()}, {' '.join((*FLAGS, *TUNED))}; {steps.instructions}" if steps else "not compiled"


def _built(source: str, headers: str, version: str) -> Path:
    """Return the library, made now if need be: under a name of its own first, so that nobody finds half of it."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(HERE.glob("_recurrence*.[ch]*"))]
    what = [*texts, _version(), *FLAGS, *TUNED, headers, version, _processor()]
    name = f"{Path(source).stem}-{hashlib.sha256(repr(what).encode()).hexdigest()[:16]}.so"
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lstmbench"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        folder = Path(tempfile.mkdtemp(prefix="lstmbench-"))
    done = folder / name
    if not done.is_file():
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            made = Path(scratch) / name
            include = [f"-I{headers}"] if headers else []
            compile_library(HERE / source, made, *include)
            made.replace(done)
    return done


def compile_library(source: Path, made: Path, *more: str) -> None:
    """Compile a file with the flags of all, and ``more``; raise what ``subprocess`` does where that fails."""
    command = [_compiler(), *FLAGS, *TUNED, *more, str(source), "-o", str(made)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)


def _compiler() -> str:
    return os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++") or "c++"


@cache
def _version() -> str:
    """Return the first line in which the compiler tells its version."""
    told = subprocess.run([_compiler(), "--version"], check=True, capture_output=True, text=True, timeout=60)
    return told.stdout.splitlines()[0]


def _processor() -> str:
    """Return what the compiler builds for: the processor and all that it can do."""
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0].splitlines()
        return "\n".join(line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part")))
    return f"{sys.platform} {platform.machine()} {platform.processor()}"
