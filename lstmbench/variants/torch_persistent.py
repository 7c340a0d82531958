"""``torch.persistent``: ``torch.fused`` on CUDA, with all steps of a sequence in one kernel.

A step of few sequences is little work, and most of its time goes into starting it and into reading
W_hh. Here both happen once: a Triton kernel runs over the whole sequence, and each of its programs
keeps its slice of W_hh, the gates of 16 units, in the memory of its processor. Between two steps
all programs wait for each other. Forward they exchange h, which is the output anyway, and backward
dz, from which the gradients of weights and inputs are one product each, as in ``torch.fused``.

That needs as many processors as there are slices, and memory on each for one: on an H100, of 132
processors with 227 KiB, for H up to 1536 in bfloat16 and float16, 768 in tf32 and 384 in float32,
and for batches of up to some hundred. Beyond that the steps are those of ``torch.fused``.

A float32 product is made of three in TF32, of the factors rounded to TF32 and of the remainders:
its error is near float32's own. (Float32 itself has no tensor cores, and W_hh would spill from the
registers.)
"""

from lstmbench.backends.torch_backend import TorchBackend
from lstmbench.core.parameters import LSTMParams
from lstmbench.core.registry import register
from lstmbench.variants.kernels.triton_persistent import PersistentSteps
from lstmbench.variants.torch_fused import TorchFused

CHUNK_BYTES = 1 << 30
"""Inference keeps the gates of as many steps as fit: thousands, so that starting a kernel takes a
negligible share of the time.
"""


@register(
    "torch.persistent",
    framework="torch",
    devices=("cuda",),
    dtypes=("float32", "tf32", "bfloat16", "float16"),
)
class TorchPersistent(TorchFused):
    """One kernel for all steps."""

    def __init__(self, params: LSTMParams, framework: TorchBackend) -> None:
        super().__init__(params, framework, PersistentSteps)
        self.chunk_bytes = CHUNK_BYTES
