"""On a processor with fewer instructions than this one, the libraries choose other kernels: it is
the LSTM there, too.

What is compiled here and by Numba is held for all processors in test_recurrence.py and
test_numpy_numba.py.
"""

import platform

import pytest
from fresh import fresh

pytest.importorskip("torch")
pytest.importorskip("jax")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        platform.machine() != "x86_64", reason="the libraries' switches are those of x86-64"
    ),
]

NAMES = ("numpy.fused", "torch.fused", "torch.nn", "jax.fused", "jax.scan")
PROCESSORS = {
    "AVX2": {
        "NPY_DISABLE_CPU_FEATURES": "X86_V4",
        "OPENBLAS_CORETYPE": "Haswell",
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "XLA_FLAGS": "--xla_cpu_max_isa=AVX2",
    },
    "SSE": {
        "NPY_DISABLE_CPU_FEATURES": "X86_V4 X86_V3",
        "OPENBLAS_CORETYPE": "Nehalem",
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "XLA_FLAGS": "--xla_cpu_max_isa=SSE4_2",
    },
}
CHECK = f"""
from conformance import check, draw
from lstmbench.measure import environment
for name in {NAMES}:
    check(name, "float32", "cpu", draw(4, 9, 17, 33))
found = environment.frameworks()
kernels = [pool.get("architecture") for pool in found["pools"]]
out = [found["code_paths"]["numpy.tanh"], found["torch_cpu_capability"], kernels]
"""


@pytest.mark.parametrize("processor", PROCESSORS)
def test_it_is_the_lstm_on_a_lesser_processor(processor: str) -> None:
    tanh, capability, kernels = fresh(CHECK, **PROCESSORS[processor])
    assert tanh != "X86_V4"
    assert capability == {"AVX2": "AVX2", "SSE": "DEFAULT"}[processor]
    assert PROCESSORS[processor]["OPENBLAS_CORETYPE"] in kernels
