"""``torch.fused``: the whole sequence at once in PyTorch, with a hand-written backward.

What need not be done step by step is not: the product of all inputs with W_ih before, the gradients of the weights, of
the bias and of the inputs after, are one product each over many steps. What is left is a product with W_hh and
elementwise work for each step. There are two ways to compute all that:

- On a CPU in float32, where there is a C++ compiler: ``_recurrence.cpp``, in which the elementwise work of a step is
  done where its product still lies in registers, and dz is read once for the weights and the bias. The weights are
  laid out anew for it: when they are loaded, for inference, and in every call that trains, since they change after
  each. It runs on one core, whatever ``threads``.
- Elsewhere, PyTorch's own operations, one after the other.

Both keep the gates of every step and c for the backward pass, in which dz takes the place of the gates. With dh and dc
what comes from above and from the step after, and all else of step t:

    do = dh tanh(c) o (1 - o)                   dc <- dc + dh o (1 - tanh(c)^2)
    di = dc g i (1 - i)    df = dc c_{t-1} f (1 - f)    dg = dc i (1 - g^2)
    dh_{t-1} = W_hh^T dz                        dc_{t-1} = dc f

In bfloat16 the products are bfloat16, and all elementwise work and the carried states are float32: c sums over
time, and would lose what it adds.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lstmbench.cell.parameters import LSTMParams
from lstmbench.cell.registry import register
from lstmbench.frameworks.torch_framework import TorchFramework
from lstmbench.variants._recurrence import Recurrence, recurrence

WITHOUT_GAPS = torch.contiguous_format
CHUNK_BYTES = 1 << 19
"""Inference keeps the gates of so many steps only that they are still in the cache when they are used; or of so many as
W_ih is large, for less than that would not be worth bringing W_ih into the cache."""


Lengths = NDArray[np.int64]
"""(B,), without gaps; only the compiled steps take them."""


class Steps(NamedTuple):
    """All that has a value at each step.

    Attributes:
        gates: (T, B, 4H), W_ih x + b before the forward pass, i, f, g, o after it, dz after the backward pass.
        h, c: (T, B, H).
    """

    gates: Tensor
    h: Tensor
    c: Tensor


def _gates(z: Tensor, H: int) -> tuple[Tensor, ...]:
    """Turn pre-activations (N, 4H) into the gates, and return these, i, f, g, o (N, H)."""
    z[:, : 2 * H].sigmoid_()
    z[:, 2 * H : 3 * H].tanh_()
    z[:, 3 * H :].sigmoid_()
    return z.split(H, dim=1)


class Plain:
    """The steps in PyTorch's own operations."""

    def __init__(self, W_ih: Tensor, W_hh: Tensor, b: Tensor) -> None:
        self.W_ih, self.W_hh, self.b = W_ih, W_hh, b
        self.pack()

    def pack(self) -> None:
        """Lay the weights out anew."""
        self.U = self.W_hh.t().contiguous()  # (H, 4H)

    def inputs(self, x: Tensor, gates: Tensor) -> None:
        """Put what x (T, B, I) adds to the pre-activations into ``gates`` (T, B, 4H)."""
        flat = gates.flatten(0, 1)
        if gates.dtype == x.dtype:
            torch.addmm(self.b, x.flatten(0, 1), self.W_ih.t(), out=flat)
        else:
            flat.copy_(torch.addmm(self.b, x.flatten(0, 1), self.W_ih.t()))

    def forward(self, h: Tensor, c: Tensor, steps: Steps) -> None:
        """Fill the gates, h and c of all steps, from those before the first."""
        H = h.shape[1]
        for z, h_next, c_next in zip(*(each.unbind() for each in steps), strict=True):
            if z.dtype == h.dtype:
                z.addmm_(h, self.U)
            else:
                z += h @ self.U
            i, f, g, o = _gates(z, H)
            torch.mul(f, c, out=c_next).addcmul_(i, g)
            h_next.copy_(o * c_next.tanh())
            h, c = h_next, c_next

    def again(self, h: Tensor, c: Tensor, steps: Steps) -> None:
        """Fill the gates and c of all steps where every h is known: h (T, B, H) before each, c before the first."""
        H = h.shape[2]
        flat = steps.gates.flatten(0, 1)
        if flat.dtype == h.dtype:
            flat.addmm_(h.flatten(0, 1), self.U)
        else:
            flat += h.flatten(0, 1) @ self.U
        _gates(flat, H)
        for z, c_next in zip(steps.gates.unbind(), steps.c.unbind(), strict=True):
            i, f, g, _ = z.split(H, dim=1)
            c = torch.mul(f, c, out=c_next).addcmul_(i, g)

    def backward(self, c0: Tensor, steps: Steps, dy: Tensor, dh: Tensor, dc: Tensor) -> None:
        """Turn the gates into dz; dh and dc, of the last step, into dh0 and dc0."""
        H = dh.shape[1]
        for t in range(len(dy) - 1, -1, -1):
            z = steps.gates[t]
            i, f, g, o = z.split(H, dim=1)
            tanh_c = steps.c[t].tanh()
            dh += dy[t]
            dc.addcmul_(dh * o, 1 - tanh_c * tanh_c)
            d_i, d_f, d_g = dc * g, dc * (steps.c[t - 1] if t else c0), dc * i
            dc *= f
            z[:, : 2 * H] *= 1 - z[:, : 2 * H]
            i *= d_i
            f *= d_f
            torch.mul(d_g, 1 - g * g, out=g)
            o *= (1 - o) * dh * tanh_c
            dh.copy_(z.to(self.W_hh.dtype) @ self.W_hh)

    def add_gradients(self, x: Tensor, h: Tensor, dz: Tensor, dx: Tensor, *weights: Tensor) -> None:
        """Fill dx, and add to dW_ih, dW_hh and db, from x and h before each step and dz, all (T, B, ...)."""
        dW_ih, dW_hh, db = weights
        db += dz.sum((0, 1)).to(db.dtype)
        flat = dz.to(x.dtype).flatten(0, 1)  # (TB, 4H)
        dW_ih.addmm_(flat.t(), x.flatten(0, 1))
        dW_hh.addmm_(flat.t(), h.flatten(0, 1))
        torch.mm(flat, self.W_ih, out=dx.flatten(0, 1))


class Compiled:
    """The steps in compiled code, with the same methods; c, dh, dc and what the steps hold must lie without gaps."""

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

    def inputs(self, x: Tensor, gates: Tensor, lengths: Lengths | None = None, start: int = 0) -> None:
        arrays = (self.input_blocks, x.contiguous(), self.b, gates)
        sizes = (*x.shape, self.W_hh.shape[1])
        self.functions.inputs(*sizes, *(array.data_ptr() for array in arrays), _address(lengths), start)

    def forward(self, h: Tensor, c: Tensor, steps: Steps, lengths: Lengths | None = None, start: int = 0) -> None:
        arrays = (self.blocks, h.contiguous(), c, *steps)
        addresses = (array.data_ptr() for array in arrays)
        self.functions.forward(*steps.h.shape, *addresses, steps.c.stride(0), _address(lengths), start)

    def again(self, h: Tensor, c: Tensor, steps: Steps) -> None:
        T, B, H = h.shape
        self.functions.inputs(T, B, H, H, self.blocks.data_ptr(), h.data_ptr(), None, steps.gates.data_ptr(), None, 0)
        self.functions.cells(T, B, H, c.data_ptr(), steps.gates.data_ptr(), steps.c.data_ptr())

    def backward(
        self, c0: Tensor, steps: Steps, dy: Tensor, dh: Tensor, dc: Tensor, lengths: Lengths | None = None
    ) -> None:
        arrays = (self.back_blocks, c0, steps.c, dy.contiguous(), steps.gates, dh, dc)
        self.functions.backward(*dy.shape, *(array.data_ptr() for array in arrays), _address(lengths))

    def add_gradients(self, x: Tensor, h: Tensor, dz: Tensor, dx: Tensor, *weights: Tensor) -> None:
        T, B, H = h.shape
        x, (dW_ih, dW_hh, db) = x.contiguous(), weights
        back, address = self.functions.weights_back, dz.data_ptr()
        back(T * B, H, x.shape[2], address, x.data_ptr(), dW_ih.data_ptr(), db.data_ptr(), True)
        back(T * B, H, H, address, h.data_ptr(), dW_hh.data_ptr(), None, True)
        self.functions.inputs_back(T * B, H, x.shape[2], self.input_back_blocks.data_ptr(), address, dx.data_ptr())


def _address(lengths: Lengths | None) -> int | None:
    return None if lengths is None else lengths.ctypes.data


def way(W_ih: Tensor, W_hh: Tensor, b: Tensor) -> Plain | Compiled:
    """Return what computes the steps with these weights."""
    functions = recurrence() if b.device.type == "cpu" and b.dtype == torch.float32 else None
    return Plain(W_ih, W_hh, b) if functions is None else Compiled(W_ih, W_hh, b, functions)


@register("torch.fused", framework="torch")
class TorchFused:
    """Products over all steps together, the rest in as few passes as there can be."""

    def __init__(self, params: LSTMParams, framework: TorchFramework) -> None:
        self.W_ih = framework.from_numpy(params.weight_ih)  # (4H, I)
        self.W_hh = framework.from_numpy(params.weight_hh)  # (4H, H)
        self.b = framework.from_numpy(params.bias)  # (4H,)
        self.wide = torch.float32 if self.b.dtype == torch.bfloat16 else self.b.dtype
        self.steps = way(self.W_ih, self.W_hh, self.b)
        self.takes_lengths = isinstance(self.steps, Compiled)

    @torch.inference_mode()
    def forward(
        self, x: Tensor, h0: Tensor, c0: Tensor, lengths: Lengths | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        T, B, _ = x.shape
        H = h0.shape[1]
        y = x.new_empty(T, B, H)
        h, c = h0, c0.to(self.wide, copy=True, memory_format=WITHOUT_GAPS)
        longest = max(1, min(T, max(CHUNK_BYTES, self.W_ih.nbytes) // (4 * H * B * c.element_size())))
        room = c.new_empty(longest, B, 4 * H)
        for start, x_some, y_some in zip(range(0, T, longest), x.split(longest), y.split(longest), strict=True):
            gates, within = room[: len(x_some)], _within(lengths, start)
            self.steps.inputs(x_some, gates, *within)
            self.steps.forward(h, c, Steps(gates, y_some, c.expand(len(x_some), B, H)), *within)
            h = y_some[-1]
        return y, _last(y, lengths), c.to(x.dtype)

    @torch.no_grad()
    def forward_saving(self, x: Tensor, h0: Tensor, c0: Tensor, lengths: Lengths | None = None) -> Any:
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
        self.steps.backward(c0, steps, dy, dh, dc, *_within(lengths))
        weights = [torch.zeros_like(weight) for weight in (self.W_ih, self.W_hh, self.b)]
        dx = torch.empty_like(x, memory_format=WITHOUT_GAPS)
        self.steps.add_gradients(x, hs[:-1], steps.gates, dx, *weights)
        return *weights, dx, dh.to(x.dtype), dc.to(x.dtype)

    def forward_backward(self, x: Tensor, h0: Tensor, c0: Tensor, dy: Tensor, dh: Tensor, dc: Tensor) -> Any:
        outputs, saved = self.forward_saving(x, h0, c0)
        return outputs, self.backward(saved, dy, dh, dc)


def _within(lengths: Lengths | None, *start: int) -> tuple[Any, ...]:
    """Return what the compiled steps are told besides, and PyTorch's operations know nothing of."""
    return () if lengths is None else (lengths, *start)


def _last(y: Tensor, lengths: Lengths | None) -> Tensor:
    """Return the output of each sequence's last step, in memory of its own."""
    return y[-1].clone() if lengths is None else y[torch.from_numpy(lengths - 1), torch.arange(y.shape[1])]
