"""``torch.fused``: the whole sequence at once in PyTorch, with a hand-written backward.

What need not be done step by step is not: the product of all inputs with W_ih before, the gradients
of the weights, of the bias and of the inputs after, are one product each over many steps. What is
left is a product with W_hh and elementwise work for each step. There are three ways to compute all
that:

- On a CPU in float32, where there is a C++ compiler: ``recurrence.cpp``, in which the elementwise
  work of a step is done where its product still lies in registers, and dz is read once for the
  weights and the bias. The weights are
  laid out anew for it: when they are loaded, for inference, and in every call that trains, since
  they change after each. It runs on one core, whatever ``threads``.
- On CUDA, but for float64: the product by cuBLAS, and one Triton kernel for all that is elementwise
  in a step.
- Elsewhere, PyTorch's own operations, one after the other.

All keep the gates of every step and c for the backward pass, in which dz takes the place of the
gates. With dh and dc what comes from above and from the step after, and all else of step t:

    do = dh tanh(c) o (1 - o)                   dc <- dc + dh o (1 - tanh(c)^2)
    di = dc g i (1 - i)    df = dc c_{t-1} f (1 - f)    dg = dc i (1 - g^2)
    dh_{t-1} = W_hh^T dz                        dc_{t-1} = dc f

In bfloat16 and float16 the products are of that dtype, and all elementwise work and the carried
states are float32: c sums over time, and would lose what it adds.
"""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lstmbench.backends.torch_backend import TorchBackend
from lstmbench.core.parameters import LSTMParams
from lstmbench.core.registry import NOT_COMPILED, register
from lstmbench.variants.kernels.recurrence import Recurrence, recurrence
from lstmbench.variants.kernels.torch_steps import EagerSteps, Steps

WITHOUT_GAPS = torch.contiguous_format
CHUNK_BYTES, CUDA_CHUNK_BYTES = 1 << 19, 1 << 25
"""Inference keeps the gates of so many steps only that they are still in the cache when they are
used; or of so many as W_ih is large, for less than that would not be worth bringing W_ih into the
cache. A GPU's cache is
larger."""


Lengths = NDArray[np.int64]
"""(B,), without gaps; only the compiled steps take them."""


class CompiledSteps:
    """The steps in compiled code, with the same methods; c, dh, dc and what the steps hold must lie
    without gaps.
    """

    def __init__(self, W_ih: Tensor, W_hh: Tensor, b: Tensor, functions: Recurrence) -> None:
        self.W_ih, self.W_hh, self.b, self.functions = W_ih, W_hh, b, functions
        (_, features), H = W_ih.shape, W_hh.shape[1]
        sizes = (H, features), (features, H), (H, H), (H, H)
        rooms = (b.new_empty(functions.packed_size(*size)) for size in sizes)
        self.input_blocks, self.input_back_blocks, self.blocks, self.back_blocks = rooms
        self.pack()

    def pack(self) -> None:
        H = self.W_hh.shape[1]
        for W, ahead, back in (
            (self.W_ih, self.input_blocks, self.input_back_blocks),
            (self.W_hh, self.blocks, self.back_blocks),
        ):
            self.functions.pack_forward(W.data_ptr(), ahead.data_ptr(), H, W.shape[1])
            self.functions.pack_backward(W.data_ptr(), back.data_ptr(), 4 * H, W.shape[1])

    def inputs(
        self, x: Tensor, gates: Tensor, lengths: Lengths | None = None, start: int = 0
    ) -> None:
        arrays = (self.input_blocks, x.contiguous(), self.b, gates)
        sizes = (*x.shape, self.W_hh.shape[1])
        self.functions.inputs(
            *sizes, *(array.data_ptr() for array in arrays), _address(lengths), start
        )

    def forward(
        self, h: Tensor, c: Tensor, steps: Steps, lengths: Lengths | None = None, start: int = 0
    ) -> None:
        arrays = (self.blocks, h.contiguous(), c, *steps)
        addresses = (array.data_ptr() for array in arrays)
        self.functions.forward(
            *steps.h.shape, *addresses, steps.c.stride(0), _address(lengths), start
        )

    def again(self, h: Tensor, c: Tensor, steps: Steps) -> None:
        T, B, H = h.shape
        self.functions.inputs(
            T, B, H, H, self.blocks.data_ptr(), h.data_ptr(), None, steps.gates.data_ptr(), None, 0
        )
        self.functions.cells(T, B, H, c.data_ptr(), steps.gates.data_ptr(), steps.c.data_ptr())

    def backward(
        self,
        c0: Tensor,
        steps: Steps,
        dy: Tensor,
        dh: Tensor,
        dc: Tensor,
        lengths: Lengths | None = None,
    ) -> Tensor:
        arrays = (self.back_blocks, c0, steps.c, dy.contiguous(), steps.gates, dh, dc)
        self.functions.backward(
            *dy.shape, *(array.data_ptr() for array in arrays), _address(lengths)
        )
        return steps.gates

    def add_gradients(self, x: Tensor, h: Tensor, dz: Tensor, dx: Tensor, *weights: Tensor) -> None:
        T, B, H = h.shape
        x, (dW_ih, dW_hh, db) = x.contiguous(), weights
        back, address = self.functions.weights_back, dz.data_ptr()
        back(T * B, H, x.shape[2], address, x.data_ptr(), dW_ih.data_ptr(), db.data_ptr(), True)
        back(T * B, H, H, address, h.data_ptr(), dW_hh.data_ptr(), None, True)
        self.functions.inputs_back(
            T * B, H, x.shape[2], self.input_back_blocks.data_ptr(), address, dx.data_ptr()
        )


def _address(lengths: Lengths | None) -> int | None:
    return None if lengths is None else lengths.ctypes.data


Way = Callable[[Tensor, Tensor, Tensor], Any]
"""From W_ih, W_hh and b to what computes the steps with these weights: ``CompiledSteps``, or one
with its methods.
"""


def way(W_ih: Tensor, W_hh: Tensor, b: Tensor) -> Any:
    """Return the fastest there is here."""
    if (
        b.device.type == "cpu"
        and b.dtype == torch.float32
        and (functions := recurrence()) is not None
    ):
        return CompiledSteps(W_ih, W_hh, b, functions)
    if b.device.type == "cuda" and b.dtype != torch.float64 and find_spec("triton"):
        from lstmbench.variants.kernels.triton_step import Stepped  # its import takes a second

        return Stepped(W_ih, W_hh, b)
    return EagerSteps(W_ih, W_hh, b)


def code_path() -> str | None:
    """Say where a GPU's steps are not compiled."""
    if not torch.cuda.is_available() or find_spec("triton"):
        return None
    return f"{NOT_COMPILED} on cuda, PyTorch's operations in its place: Triton is not installed"


@register("torch.fused", framework="torch")
class TorchFused:
    """Products over all steps together, the rest in as few passes as there can be."""

    def __init__(self, params: LSTMParams, framework: TorchBackend, way: Way = way) -> None:
        self.W_ih = framework.from_numpy(params.weight_ih)  # (4H, I)
        self.W_hh = framework.from_numpy(params.weight_hh)  # (4H, H)
        self.b = framework.from_numpy(params.bias)  # (4H,)
        self.wide = torch.float32 if self.b.itemsize == 2 else self.b.dtype
        self.steps = way(self.W_ih, self.W_hh, self.b)
        self.chunk_bytes = CUDA_CHUNK_BYTES if self.b.device.type == "cuda" else CHUNK_BYTES
        self.takes_lengths = isinstance(self.steps, CompiledSteps)

    @torch.inference_mode()
    def forward(
        self, x: Tensor, h0: Tensor, c0: Tensor, lengths: Lengths | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        T, B, _ = x.shape
        H = h0.shape[1]
        y = x.new_empty(T, B, H)
        h, c = h0, c0.to(self.wide, copy=True, memory_format=WITHOUT_GAPS)
        longest = max(
            1, min(T, max(self.chunk_bytes, self.W_ih.nbytes) // (4 * H * B * c.element_size()))
        )
        room = c.new_empty(longest, B, 4 * H)
        for start, x_some, y_some in zip(
            range(0, T, longest), x.split(longest), y.split(longest), strict=True
        ):
            gates, within = room[: len(x_some)], _within(lengths, start)
            self.steps.inputs(x_some, gates, *within)
            self.steps.forward(h, c, Steps(gates, y_some, c.expand(len(x_some), B, H)), *within)
            h = y_some[-1]
        return y, _last(y, lengths), c.to(x.dtype)

    @torch.no_grad()
    def forward_saving(
        self, x: Tensor, h0: Tensor, c0: Tensor, lengths: Lengths | None = None
    ) -> Any:
        """Return (y, h, c) and what ``backward`` uses up: it may be called once."""
        T, B, _ = x.shape
        H = h0.shape[1]
        hs = x.new_empty(T + 1, B, H)
        hs[0] = h0
        c0 = c0.to(self.wide).contiguous()
        self.steps.pack()  # in training the weights change after every call
        steps = Steps(c0.new_empty(T, B, 4 * H), hs[1:], c0.new_empty(T, B, H))
        within = _within(lengths, 0)
        self.steps.inputs(x, steps.gates, *within)
        self.steps.forward(h0, c0, steps, *within)
        outputs = steps.h, _last(steps.h, lengths), steps.c[-1].to(x.dtype, copy=True)
        return outputs, (x, hs, c0, steps, lengths)

    @torch.no_grad()
    def backward(self, saved: Any, dy: Tensor, dh: Tensor, dc: Tensor) -> Any:
        x, hs, c0, steps, lengths = saved
        dh, dc = (each.to(self.wide, copy=True, memory_format=WITHOUT_GAPS) for each in (dh, dc))
        dz = self.steps.backward(c0, steps, dy, dh, dc, *_within(lengths))
        weights = [torch.zeros_like(weight) for weight in (self.W_ih, self.W_hh, self.b)]
        dx = torch.empty_like(x, memory_format=WITHOUT_GAPS)
        self.steps.add_gradients(x, hs[:-1], dz, dx, *weights)
        return *weights, dx, dh.to(x.dtype), dc.to(x.dtype)

    def forward_backward(
        self, x: Tensor, h0: Tensor, c0: Tensor, dy: Tensor, dh: Tensor, dc: Tensor
    ) -> Any:
        outputs, saved = self.forward_saving(x, h0, c0)
        return outputs, self.backward(saved, dy, dh, dc)


def _within(lengths: Lengths | None, *start: int) -> tuple[Any, ...]:
    """Return what the compiled steps are told besides, and PyTorch's operations know nothing of."""
    return () if lengths is None else (lengths, *start)


def _last(y: Tensor, lengths: Lengths | None) -> Tensor:
    """Return the output of each sequence's last step, in memory of its own."""
    return (
        y[-1].clone()
        if lengths is None
        else y[torch.from_numpy(lengths - 1), torch.arange(y.shape[1])]
    )
