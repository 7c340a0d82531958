"""The Triton kernels can be compiled for a GPU that is not there, and keep the weights where they
should be.
"""

from importlib.util import find_spec

import pytest
from fresh import fresh

pytestmark = [
    pytest.mark.skipif(find_spec("torch") is None, reason="needs PyTorch"),
    pytest.mark.skipif(find_spec("triton") is None, reason="needs Triton"),
]

COMPILING = """
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile
from lstmbench.variants.kernels import triton_persistent as persistent
from lstmbench.variants.kernels import triton_step as step

def compiled(kernel, types, **constants):
    types = types | dict.fromkeys(constants, "constexpr")
    signature = {parameter.name: types[parameter.name] for parameter in kernel.params}
    is_argument = [kind != "constexpr" for kind in signature.values()]
    multiple_of_16 = [["tt.divisibility", 16]]
    aligned = {(k,): multiple_of_16 for k, is_array in enumerate(is_argument) if is_array}
    source = ASTSource(fn=kernel, signature=signature, constexprs=constants, attrs=aligned)
    options = {"num_warps": 4, "num_stages": 1}
    return compile(source, target=GPUTarget("cuda", 90, 32), options=options)

narrow, wide = "*bf16", "*fp32"
ints = dict.fromkeys(["T", "B", "H", "count"], "i32")
arrays = {name: wide for name in ("z", "c", "c0", "c_before", "c_next", "gates", "dh", "dc")}
arrays |= {name: narrow for name in ("h", "h_next", "product", "dy", "dz", "W")}
types = ints | arrays | {"counters": "*i32"}
"""


def test_the_kernels_of_a_step_compile_without_a_gpu() -> None:
    found = fresh(
        f"{COMPILING}\nout = [len(compiled(kernel, types, BLOCK=256).asm['cubin']) for kernel in "
        "(step.forward_cells, step.backward_cells)]"
    )
    assert min(found) > 0


def test_persistent_kernels_compile_and_load_the_weights_before_the_first_step() -> None:
    found = fresh(f"""{COMPILING}
K1, K2 = persistent.split(768)
sizes = dict(U=16, R=16, K1=K1, K2=K2, PRECISION="tf32x3")
out = []
kernels = (persistent.forward_kernel, dict(KEEP=1)), (persistent.backward_kernel, dict(S=4))
for kernel, constants in kernels:
    program = compiled(kernel, types, **sizes, **constants)
    before, loop = program.asm["ttgir"].split("scf.for", 1)
    waits = "atomic_rmw add, acquire" in loop
    out.append([before.count("ttg.local_alloc"), program.metadata.shared, waits])
""")
    bytes_ = (4 * 16 * 768 + 512 * 16) * 2  # as ``rows_that_fit`` has them
    assert found == [[2, bytes_, True], [8, bytes_, True]]
