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
    signature = {each.name: "constexpr" if each.name in constants else types[each.name] for each in kernel.params}
    aligned = {(k,): [["tt.divisibility", 16]] for k, kind in enumerate(signature.values()) if kind != "constexpr"}
    source = ASTSource(fn=kernel, signature=signature, constexprs=constants, attrs=aligned)
    options = {"num_warps": 4, "num_stages": 1}
    return compile(source, target=GPUTarget("cuda", 90, 32), options=options)

narrow, wide = "*bf16", "*fp32"
ints = dict.fromkeys(["T", "B", "H", "count"], "i32")
arrays = {name: wide for name in ("z", "c", "c0", "c_before", "c_next", "gates", "dh", "dc")}
types = ints | arrays | {name: narrow for name in ("h", "h_next", "product", "dy", "dz", "W")} | {"counters": "*i32"}
"""


def test_the_kernels_of_a_step_can_be_compiled_for_a_gpu_that_is_not_there() -> None:
    found = fresh(
        f"{COMPILING}\nout = [len(compiled(kernel, types, BLOCK=256).asm['cubin']) for kernel in "
        "(step.forward_cells, step.backward_cells)]"
    )
    assert min(found) > 0


def test_the_persistent_kernels_can_too_and_bring_the_weights_into_shared_memory_before_the_first_step() -> (
    None
):
    found = fresh(f"""{COMPILING}
K1, K2 = persistent.split(768)
sizes = dict(U=16, R=16, K1=K1, K2=K2, PRECISION="tf32x3")
out = []
for kernel, more in ((persistent.forward_kernel, dict(KEEP=1)), (persistent.backward_kernel, dict(S=4))):
    made = compiled(kernel, types, **sizes, **more)
    before, loop = made.asm["ttgir"].split("scf.for", 1)
    kept = [before.count("ttg.local_alloc"), made.metadata.shared, "atomic_rmw add, acquire" in loop]
    out.append(kept)
""")
    bytes_ = (4 * 16 * 768 + 512 * 16) * 2  # as ``rows_that_fit`` has them
    assert found == [[2, bytes_, True], [8, bytes_, True]]
