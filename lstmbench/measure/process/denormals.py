"""One denormal mode for all: numbers below the smallest normal one count as zero, as XLA has it on
the CPU anyway.

Arithmetic on denormals is ten to thirty times slower on many CPUs, and a decaying state or gradient
gets there. XLA flushes them while it runs; NumPy and PyTorch keep them unless the processor is told
otherwise. So a worker tells it,
before anything runs: the mode belongs to a thread, and the threads that it starts inherit it.
"""

import ctypes
import platform

import numpy as np

# Where the C library's fenv_t keeps the register, in 32-bit words, and which bits flush inputs and
# results to zero
_REGISTER = {"x86_64": (7, 0x8040), "AMD64": (7, 0x8040), "aarch64": (0, 1 << 24)}


def flush() -> str:
    """Flush denormals to zero in this thread and those that it starts, where we know how; return
    what holds now.
    """
    where = _REGISTER.get(platform.machine())
    if where is not None and platform.libc_ver()[0] == "glibc":
        libm = ctypes.CDLL("libm.so.6")
        environment = (ctypes.c_uint32 * 16)()
        if libm.fegetenv(ctypes.byref(environment)) == 0:
            environment[where[0]] |= where[1]
            libm.fesetenv(ctypes.byref(environment))
    return mode()


def mode() -> str:
    """Return ``flushed`` or ``kept``, by trying."""
    tiny = np.full(64, 1e-40, dtype=np.float32)
    return "kept" if (tiny * np.float32(1)).view(np.uint32).any() else "flushed"
