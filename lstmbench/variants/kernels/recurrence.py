"""The steps of an LSTM in float32 as compiled code, ``recurrence.cpp``: built once, with the
system's compiler.

What is built lies in the user's cache, under a name that says from what and for which processor; it
is found there again. Where that folder cannot be written to, one of the user's among the temporary
files takes its place. Where there is no compiler, ``recurrence()`` is None, and those that use it
compute in their framework's own operations. The environment variable ``LSTMBENCH_COMPILED=0`` asks
for that.
"""

import ctypes
import hashlib
import os
import platform
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

from lstmbench.core.registry import NOT_COMPILED

HERE = Path(__file__).parent
FLAGS = (
    "-O3",
    "-ffp-contract=fast",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-std=c++17",
    "-shared",
    "-fPIC",
)
TUNED = ("-march=native",)
_Array, _Size = ctypes.c_void_p, ctypes.c_size_t


class Recurrence:
    """The functions of ``recurrence.cpp``; arrays are given by the address of their first number."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.pack_forward, self.pack_backward = library.pack_forward, library.pack_backward
        self.inputs, self.forward, self.backward = library.inputs, library.forward, library.backward
        self.cells, self.inputs_back, self.weights_back = (
            library.cells,
            library.inputs_back,
            library.weights_back,
        )
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
        """Return how many numbers ``pack_forward`` writes for W (4H, depth), at most, and
        ``pack_backward`` for
        W (4 depth, H)."""
        return 4 * depth * -(-H // self.wide) * self.wide


@cache
def recurrence() -> Recurrence | None:
    """Return the compiled functions, built now if they are not there yet; None if they cannot be
    had.
    """
    found = library("recurrence.cpp")
    return None if isinstance(found, str) else Recurrence(found)


@cache
def library(source: str, headers: str = "", version: str = "") -> ctypes.CDLL | str:
    """Return what one of the files beside this one compiles to, or why it cannot be had.

    Args:
        source: the file's name.
        headers: a folder of headers that it includes.
        version: of these headers.
    """
    if os.environ.get("LSTMBENCH_COMPILED") == "0":
        return "LSTMBENCH_COMPILED=0 asks for that"
    try:
        return ctypes.CDLL(str(_built(source, headers, version)))
    except subprocess.CalledProcessError as error:
        reason = f"the compiler ends with exit code {error.returncode}: {error.stderr}"
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        reason = str(error)
    return re.sub(r"[^\s']*/", "", reason.splitlines()[0])[:200]  # no path of this machine


def code_path() -> str:
    """Say how the functions were built and what they compute with, or that they were not: a time
    depends on it.
    """
    if steps := recurrence():
        return f"{_version()}, {' '.join((*FLAGS, *TUNED))}; {steps.instructions}"
    slower = "torch.fused, torch.recompute and jax.fused are slower"
    return f"{NOT_COMPILED}, and {slower}: {library('recurrence.cpp')}"


def _built(source: str, headers: str, version: str) -> Path:
    """Return the library, made now if need be: under a name of its own first, so that nobody finds
    half of it.
    """
    texts = [path.read_text(encoding="utf-8") for path in sorted(HERE.glob("recurrence*.[ch]*"))]
    what = [*texts, _version(), *FLAGS, *TUNED, headers, version, _processor()]
    name = f"{Path(source).stem}-{hashlib.sha256(repr(what).encode()).hexdigest()[:16]}.so"
    for folder in _folders():
        done = folder / name
        if os.path.isfile(done):
            return done
        try:
            scratch = tempfile.TemporaryDirectory(dir=folder)
        except OSError:  # it is only read
            continue
        with scratch:
            made = Path(scratch.name) / name
            compile_library(HERE / source, made, *([f"-I{headers}"] if headers else []))
            made.replace(done)
        return done
    raise OSError("neither the user's cache nor the folder for temporary files can be written to")


def _folders() -> Iterator[Path]:
    """Yield the folders in which what is built may lie: the user's cache, and its stand-in."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    user = os.geteuid() if hasattr(os, "geteuid") else "user"
    if os.path.isabs(cache):  # not so where there is no home
        folder = Path(cache, "lstmbench")
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
        yield folder
    folder = Path(tempfile.gettempdir(), f"lstmbench-{user}")
    with suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        about = folder.lstat()
        # What lies there is run: it must be this user's own, and nobody else's to write
        if (
            stat.S_ISDIR(about.st_mode)
            and user in ("user", about.st_uid)
            and not about.st_mode & 0o022
        ):
            yield folder


def compile_library(source: Path, made: Path, *more: str) -> None:
    """Compile a file with the flags of all, and ``more``; raise what ``subprocess`` does where that
    fails.
    """
    command = [*_compiler(), *FLAGS, *TUNED, *more, str(source), "-o", str(made)]
    subprocess.run(
        command, check=True, capture_output=True, text=True, errors="replace", timeout=300
    )


def _compiler() -> list[str]:
    """Return the words that call the compiler: ``CXX`` may be a command, such as ``ccache g++
    -m64``.
    """
    named = os.environ.get("CXX", "").strip()
    if named and not shutil.which(named):  # else it is a path, which may have blanks in it
        return shlex.split(named)
    return [named or shutil.which("g++") or shutil.which("clang++") or "c++"]


@cache
def _version() -> str:
    """Return the first line in which the compiler tells its version."""
    told = subprocess.run(
        [*_compiler(), "--version"], check=True, capture_output=True, text=True, timeout=60
    )
    return (told.stdout.splitlines() or ["a compiler without a version"])[0]


def _processor() -> str:
    """Return what the compiler builds for: the processor and all that it can do."""
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0].splitlines()
        return "\n".join(
            line
            for line in lines
            if line.startswith(("model name", "flags", "Features", "CPU part"))
        )
    return f"{sys.platform} {platform.machine()} {platform.processor()}"
