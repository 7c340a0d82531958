"""Denormal mode: numbers below the smallest normal one count as zero, in every framework alike.

Arithmetic on denormals is ten to thirty times slower on many CPUs, and a decaying state or gradient
becomes denormal. XLA always flushes them on the CPU. NumPy and PyTorch keep them unless the
processor is set otherwise. A worker therefore sets it before anything runs: the mode belongs to a
thread, and threads inherit it from the thread that starts them.
"""

import ctypes
import platform

import numpy as np

_CONTROL_WORDS = {"x86_64": (7, 0x8040), "AMD64": (7, 0x8040), "aarch64": (0, 1 << 24)}
"""By processor: the 32-bit word of glibc's fenv_t with the control register (MXCSR, FPCR), and its
bits that flush inputs and results to zero (DAZ and FTZ, FZ)."""


def flush() -> str:
    """Flush denormals to zero, where it is known how, in this thread and those that it starts.

    Returns:
        The mode that holds now, see ``mode``.
    """
    word, bits = _CONTROL_WORDS.get(platform.machine(), (0, 0))
    if bits and platform.libc_ver()[0] == "glibc":
        libm = ctypes.CDLL("libm.so.6")
        environment = (ctypes.c_uint32 * 16)()
        if libm.fegetenv(ctypes.byref(environment)) == 0:
            environment[word] |= bits
            libm.fesetenv(ctypes.byref(environment))
    return mode()


def mode() -> str:
    """Return ``flushed`` or ``kept``, by trying."""
    tiny = np.full(64, 1e-40, dtype=np.float32)
    return "kept" if (tiny * np.float32(1)).view(np.uint32).any() else "flushed"
