"""The steps of an LSTM in float32 as compiled code, ``recurrence.cpp``.

The system's compiler builds a library once, in the user's cache, under a name that depends on the
source, the compiler and the processor. If that folder is not writable, a private folder among the
temporary files takes its place. Without a compiler, ``cpp_functions()`` is None, and
implementations use their framework's own operations. ``LSTMBENCH_COMPILED=0`` in the environment
forces that.
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
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from lstmbench.core.registry import NOT_COMPILED

CODE_NAME = "recurrence"
"""The key of ``code_path()`` in manifests, since before this module had its present name."""
HERE = Path(__file__).parent
FLAGS = (
    *("-O3", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math"),
    *("-std=c++17", "-shared", "-fPIC"),
)
TUNED = ("-march=native",)
_Size = ctypes.c_size_t


class _Tensor(ctypes.c_void_p):
    """A contiguous tensor of PyTorch, by the address of its first number, or None."""

    @classmethod
    def from_param(cls, tensor: Any) -> Any:
        return None if tensor is None else ctypes.c_void_p(tensor.data_ptr())


ARGUMENTS: Mapping[str, list[Any]] = {
    "packed_size": [_Size] * 2,
    "pack_forward": [_Tensor] * 2 + [_Size] * 2,
    "pack_backward": [_Tensor] * 2 + [_Size] * 2,
    "inputs": [_Size] * 4 + [_Tensor] * 5,
    "forward": [_Size] * 3 + [_Tensor] * 6 + [_Size, _Tensor],
    "backward": [_Size] * 3 + [_Tensor] * 8,
    "recompute_gates": [_Size] * 3 + [_Tensor] * 3,
    "input_gradients": [_Size] * 3 + [_Tensor] * 3,
    "weight_gradients": [_Size] * 3 + [_Tensor] * 4 + [ctypes.c_bool],
}
"""What the functions of ``recurrence.cpp`` take."""


@cache
def cpp_functions() -> ctypes.CDLL | None:
    """Return the functions of ``recurrence.cpp``, built if necessary; None if that is impossible.

    They take tensors of PyTorch, see ``ARGUMENTS``.
    """
    functions = library("recurrence.cpp")
    return None if isinstance(functions, str) else with_argument_types(functions)


def with_argument_types(functions: ctypes.CDLL) -> ctypes.CDLL:
    """Return a library built from ``recurrence.cpp``, with the types of its functions declared."""
    for name, types in ARGUMENTS.items():
        getattr(functions, name).argtypes = types
    functions.packed_size.restype = _Size
    functions.instructions.restype = ctypes.c_char_p
    return functions


@cache
def library(source: str, headers: str = "", version: str = "") -> ctypes.CDLL | str:
    """Return the library built from a source file, or the reason why there is none.

    Args:
        source: the name of a file in this folder.
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
    return re.sub(r"[^\s']*/", "", reason.splitlines()[0])[:200]  # without paths of this machine


def code_path() -> str:
    """Return how the functions were built and what they use, since times depend on it."""
    if functions := cpp_functions():
        instructions = functions.instructions().decode()
        return f"{_version()}, {' '.join((*FLAGS, *TUNED))}; {instructions}"
    slower = "torch.fused, torch.recompute and jax.fused are slower"
    return f"{NOT_COMPILED}, and {slower}: {library('recurrence.cpp')}"


def _built(source: str, headers: str, version: str) -> Path:
    """Return the path of the library; it is built under another name first, then renamed."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(HERE.glob("recurrence*.[ch]*"))]
    key = [*texts, _version(), *FLAGS, *TUNED, headers, version, _processor()]
    name = f"{Path(source).stem}-{hashlib.sha256(repr(key).encode()).hexdigest()[:16]}.so"
    for folder in _folders():
        path = folder / name
        if os.path.isfile(path):
            return path
        try:
            scratch = tempfile.TemporaryDirectory(dir=folder)
        except OSError:  # not writable
            continue
        with scratch:
            new = Path(scratch.name, name)
            compile_library(HERE / source, new, *([f"-I{headers}"] if headers else []))
            new.replace(path)
        return path
    raise OSError("neither the user's cache nor the folder for temporary files can be written to")


def _folders() -> Iterator[Path]:
    """Yield the folders for libraries: the user's cache, then a private temporary folder."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    user = os.geteuid() if hasattr(os, "geteuid") else "user"
    if os.path.isabs(cache):  # it is not where there is no home
        folder = Path(cache, "lstmbench")
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
        yield folder
    folder = Path(tempfile.gettempdir(), f"lstmbench-{user}")
    with suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        # Libraries in it are run: only this user may own it and write to it
        is_own = user in ("user", status.st_uid) and not status.st_mode & 0o022
        if stat.S_ISDIR(status.st_mode) and is_own:
            yield folder


def compile_library(source: Path, output: Path, *flags: str) -> None:
    """Compile a file with our flags and ``flags``.

    Raises:
        OSError, ValueError, subprocess.SubprocessError: if the compiler is missing or fails.
    """
    command = [*_compiler(), *FLAGS, *TUNED, *flags, str(source), "-o", str(output)]
    subprocess.run(
        command, check=True, capture_output=True, text=True, errors="replace", timeout=300
    )


def _compiler() -> list[str]:
    """Return the compiler's command; ``CXX`` may have several words, as ``ccache g++ -m64``."""
    named = os.environ.get("CXX", "").strip()
    if named and not shutil.which(named):  # else it is a path, which may contain blanks
        return shlex.split(named)
    return [named or shutil.which("g++") or shutil.which("clang++") or "c++"]


@cache
def _version() -> str:
    """Return the first line of the compiler's version."""
    command = [*_compiler(), "--version"]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return (answer.stdout.splitlines() or ["a compiler without a version"])[0]


def _processor() -> str:
    """Return what the compiler builds for: the processor and its instructions."""
    with suppress(OSError):
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0]
        return "\n".join(re.findall("^(?:model name|flags|Features|CPU part).*", first, re.M))
    return f"{sys.platform} {platform.machine()} {platform.processor()}"
