"""``torch.fused``: the whole sequence at once in PyTorch, with a hand-written backward.

Only the recurrence is computed step by step. The product of all inputs with W_ih before, and the
gradients of the weights, of the bias and of the inputs after, are one product each over many steps.
That leaves a product with W_hh and elementwise work for each step. There are three step kernels:

- On a CPU in float32, if there is a C++ compiler: ``recurrence.cpp``. It computes the elementwise
  work of a step while the step's product is still in registers, and reads dz once for the weights
  and the bias. It needs packed weights: inference packs them when they are loaded, training in
  every call, since they change after each. It runs on one core, whatever ``threads``.
- On CUDA, but for float64: the product by cuBLAS, and one Triton kernel for all that is elementwise
  in a step.
- Elsewhere, PyTorch's own operations, one after the other.

All keep the gates of every step and c for the backward pass, in which dz overwrites the gates. With
dh and dc the sums of what the outputs and the step after contribute, and all else of step t:

    do = dh tanh(c) o (1 - o)                   dc <- dc + dh o (1 - tanh(c)^2)
    di = dc g i (1 - i)    df = dc c_{t-1} f (1 - f)    dg = dc i (1 - g^2)
    dh_{t-1} = W_hh^T dz                        dc_{t-1} = dc f

In bfloat16 and float16 the products are of that dtype, and all elementwise work and the carried
states are float32: c sums over time, and would lose small addends.
"""

import ctypes
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lstmbench.backends.torch_backend import TorchBackend
from lstmbench.core.parameters import LSTMParams
from lstmbench.core.registry import NOT_COMPILED, register
from lstmbench.variants._common import TwoPass, native_weights, steps_within
from lstmbench.variants.kernels.cpp_library import cpp_functions
from lstmbench.variants.kernels.eager_steps import EagerSteps, Steps

CHUNK_BYTES, CUDA_CHUNK_BYTES = 1 << 19, 1 << 25
"""Inference keeps the gates of as many steps as stay in the cache until they are used (a GPU's is
larger), or of as many as take the memory of W_ih: fewer would not be worth reading W_ih. Measured,
see docs/performance.md.
"""

Lengths = NDArray[np.int64]
"""(B,); only the compiled steps take them, as tensors."""


class CppSteps:
    """The step kernel in compiled code; c, dh, dc and ``Steps`` must be contiguous.

    Lengths (B,) are counted from the first of the given steps.
    """

    def __init__(self, W_ih: Tensor, W_hh: Tensor, b: Tensor, functions: ctypes.CDLL) -> None:
        self.W_ih, self.W_hh, self.b, self.functions = W_ih, W_hh, b, functions
        (_, features), H = W_ih.shape, W_hh.shape[1]
        sizes = (H, features), (features, H), (H, H), (H, H)
        packed = (b.new_empty(functions.packed_size(*size)) for size in sizes)
        self.ih_forward, self.ih_backward, self.hh_forward, self.hh_backward = packed
        self.pack()

    def pack(self) -> None:
        functions, H = self.functions, self.W_hh.shape[1]
        for W, forward, backward in (
            (self.W_ih, self.ih_forward, self.ih_backward),
            (self.W_hh, self.hh_forward, self.hh_backward),
        ):
            functions.pack_forward(W, forward, H, W.shape[1])
            functions.pack_backward(W, backward, 4 * H, W.shape[1])

    def inputs(self, x: Tensor, gates: Tensor, lengths: Tensor | None = None) -> None:
        arrays = self.ih_forward, x.contiguous(), self.b, gates, lengths
        self.functions.inputs(*x.shape, self.W_hh.shape[1], *arrays)

    def forward(self, h: Tensor, c: Tensor, steps: Steps, lengths: Tensor | None = None) -> None:
        arrays = self.hh_forward, h.contiguous(), c, *steps
        self.functions.forward(*steps.h.shape, *arrays, steps.c.stride(0), lengths)

    def recompute_gates(self, h: Tensor, c: Tensor, steps: Steps) -> None:
        arrays = self.hh_forward, h, None, steps.gates, None
        self.functions.inputs(*h.shape, h.shape[2], *arrays)
        self.functions.recompute_gates(*h.shape, c, steps.gates, steps.c)

    def backward(
        self,
        c0: Tensor,
        steps: Steps,
        dy: Tensor,
        dh: Tensor,
        dc: Tensor,
        lengths: Tensor | None = None,
    ) -> Tensor:
        arrays = self.hh_backward, c0, steps.c, dy.contiguous(), steps.gates, dh, dc, lengths
        self.functions.backward(*dy.shape, *arrays)
        return steps.gates

    def add_gradients(
        self, x: Tensor, h: Tensor, dz: Tensor, dx: Tensor, dW_ih: Tensor, dW_hh: Tensor, db: Tensor
    ) -> None:
        T, B, H = h.shape
        functions, x, features = self.functions, x.contiguous(), x.shape[2]
        functions.weight_gradients(T * B, H, features, dz, x, dW_ih, db, True)
        functions.weight_gradients(T * B, H, H, dz, h, dW_hh, None, True)
        functions.input_gradients(T * B, H, features, self.ih_backward, dz, dx)


def make_kernel(W_ih: Tensor, W_hh: Tensor, b: Tensor) -> Any:
    """Return the fastest step kernel for these weights here, see ``eager_steps``."""
    is_float32_cpu = b.device.type == "cpu" and b.dtype == torch.float32
    if is_float32_cpu and (functions := cpp_functions()):
        return CppSteps(W_ih, W_hh, b, functions)
    if b.device.type == "cuda" and b.dtype != torch.float64 and find_spec("triton"):
        from lstmbench.variants.kernels.triton_step import TritonSteps  # its import takes a second

        return TritonSteps(W_ih, W_hh, b)
    return EagerSteps(W_ih, W_hh, b)


def code_path() -> str | None:
    """Return a sentence where a GPU's steps are not compiled."""
    if not torch.cuda.is_available() or find_spec("triton"):
        return None
    return f"{NOT_COMPILED} on cuda, PyTorch's operations in its place: Triton is not installed"


@register("torch.fused", framework="torch")
class TorchFused(TwoPass):
    """Products over all steps together, the rest in as few passes over memory as possible."""

    def __init__(
        self,
        params: LSTMParams,
        framework: TorchBackend,
        make_kernel: Callable[[Tensor, Tensor, Tensor], Any] = make_kernel,
    ) -> None:
        self.weights = W_ih, W_hh, b = native_weights(params, framework)
        self.state_dtype = torch.promote_types(b.dtype, torch.float32)
        self.kernel = make_kernel(W_ih, W_hh, b)
        self.chunk_bytes = CUDA_CHUNK_BYTES if b.device.type == "cuda" else CHUNK_BYTES
        self.takes_lengths = isinstance(self.kernel, CppSteps)

    @torch.inference_mode()
    def forward(
        self, x: Tensor, h0: Tensor, c0: Tensor, *lengths: Lengths
    ) -> tuple[Tensor, Tensor, Tensor]:
        T, tensors = len(x), list(map(torch.from_numpy, lengths))
        y, c = x.new_empty(T, *h0.shape), self.state_copy(c0)
        max_bytes = max(self.chunk_bytes, self.weights[0].nbytes)
        self.forward_chunks(x, h0, c, y, steps_within(max_bytes, 4 * c.nbytes, T), *tensors)
        return y, _last(y, *tensors), c.to(x.dtype)

    @torch.no_grad()
    def forward_saving(self, x: Tensor, h0: Tensor, c0: Tensor, *lengths: Lengths) -> Any:
        T, B, _ = x.shape
        H = h0.shape[1]
        hs = x.new_empty(T + 1, B, H)
        hs[0] = h0
        c0 = c0.to(self.state_dtype).contiguous()
        self.kernel.pack()  # in training the weights change after every call
        steps = Steps(c0.new_empty(T, B, 4 * H), hs[1:], c0.new_empty(T, B, H))
        tensors = list(map(torch.from_numpy, lengths))
        self.kernel.inputs(x, steps.gates, *tensors)
        self.kernel.forward(h0, c0, steps, *tensors)
        outputs = steps.h, _last(steps.h, *tensors), steps.c[-1].to(x.dtype, copy=True)
        return outputs, (x, hs, (slice(None), c0, steps, *tensors))

    @torch.no_grad()
    def backward(self, saved: Any, dy: Tensor, dh: Tensor, dc: Tensor) -> Any:
        x, hs, chunk = saved
        return self.backward_chunks(x, hs[:-1], dy, dh, dc, [chunk])

    def state_copy(self, state: Tensor) -> Tensor:
        """Return a contiguous copy in the dtype of carried states."""
        return state.to(self.state_dtype, copy=True, memory_format=torch.contiguous_format)

    def forward_chunks(
        self,
        x: Tensor,
        h: Tensor,
        c: Tensor,
        y: Tensor,
        chunk: int,
        *lengths: Tensor,
        first_cs: Tensor | None = None,
    ) -> None:
        """Compute the steps and keep the gates of one chunk of steps at a time.

        Args:
            x: (T, B, I).
            h, c: the initial state, (B, H); c becomes the last.
            y: gets the outputs, (T, B, H).
            chunk: the steps of a chunk.
            lengths: those of the sequences, (B,), or nothing.
            first_cs: gets c before each chunk, (ceil(T / chunk), B, H).
        """
        gates = c.new_empty(chunk, len(c), 4 * c.shape[1])
        for n, (x_chunk, y_chunk) in enumerate(zip(x.split(chunk), y.split(chunk), strict=True)):
            if first_cs is not None:
                first_cs[n] = c
            z, remaining = gates[: len(x_chunk)], [tensor - n * chunk for tensor in lengths]
            self.kernel.inputs(x_chunk, z, *remaining)
            self.kernel.forward(h, c, Steps(z, y_chunk, c.expand(y_chunk.shape)), *remaining)
            h = y_chunk[-1]

    def backward_chunks(
        self, x: Tensor, hs: Tensor, dy: Tensor, dh: Tensor, dc: Tensor, chunks: Iterable[Any]
    ) -> Any:
        """Return the gradients.

        Args:
            x, dy: (T, B, I) and (T, B, H).
            hs: h before each step, (T, B, H).
            dh, dc: (B, H).
            chunks: the last first, of each its slice of the time, c before it, its ``Steps``, and
                the lengths of the sequences, if there are any.
        """
        dh, dc = self.state_copy(dh), self.state_copy(dc)
        dweights = [torch.zeros_like(weight) for weight in self.weights]
        dx = torch.empty_like(x, memory_format=torch.contiguous_format)
        for part, c, steps, *lengths in chunks:
            dz = self.kernel.backward(c, steps, dy[part], dh, dc, *lengths)
            self.kernel.add_gradients(x[part], hs[part], dz, dx[part], *dweights)
        return *dweights, dx, dh.to(x.dtype), dc.to(x.dtype)


def _last(y: Tensor, *lengths: Tensor) -> Tensor:
    """Return a copy of the output of each sequence's last step."""
    return y[lengths[0] - 1, torch.arange(y.shape[1])] if lengths else y[-1].clone()
