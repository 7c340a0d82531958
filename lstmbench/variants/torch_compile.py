"""``torch.compile``: the peer, the plain loop with its time step compiled by TorchInductor.

One step, the same as that of ``torch.loop``, is compiled; the loop over time stays in Python, so
that one compilation serves every sequence length. Compiling the whole loop unrolls it: at T = 25, B
= 16, H = 256 it ran a tenth faster in inference and a fifth in training, but took 37 s to compile
both where the step takes 12, at T = 50 50 s, and that again for every other T. So what repeats is
compiled, as PyTorch's own advice has it.

Timed is the loop, each step one call of a compiled function, and autograd through it. Compilation
happens within the
first call: with a compiler's cache that is empty some ten seconds, with one that is warm about one.
As PyTorch's default has it, the first sizes are compiled as constants, and the next ones as
variables; a process that has seen more kinds of inputs than
``torch._dynamo.config.recompile_limit`` runs the plain loop for those beyond.
"""

import os
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lstmbench.backends.torch_backend import TorchBackend
from lstmbench.core.parameters import LSTMParams
from lstmbench.core.registry import register
from lstmbench.errors import LstmbenchError


def _what_is_missing() -> str:
    """Return what TorchInductor lacks to build its kernels, or "" if nothing; it looks only when it
    compiles.
    """
    compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    if shutil.which(compiler) is None:
        return f"a C++ compiler, and there is no {compiler} on the path"
    headers = Path(sysconfig.get_paths()["include"]) / "Python.h"
    return "" if headers.is_file() else f"Python's C headers, and there is no {headers}"


if _missing := _what_is_missing():
    raise LstmbenchError(f"torch.compile needs {_missing}")


@torch.compile
def _step(
    x_t: Tensor, h: Tensor, c: Tensor, W_ih: Tensor, W_hh: Tensor, b: Tensor
) -> tuple[Tensor, Tensor]:
    z = torch.nn.functional.linear(x_t, W_ih, b) + torch.nn.functional.linear(h, W_hh)
    i, f, g, o = z.chunk(4, dim=1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


@register("torch.compile", framework="torch", peer=True)
class TorchCompile:
    """``torch.loop`` with its step under ``torch.compile``."""

    def __init__(self, params: LSTMParams, framework: TorchBackend) -> None:
        import torch._inductor.compile_fx  # noqa: F401  # takes seconds, and belongs to loading

        self.W_ih = framework.from_numpy(params.weight_ih).requires_grad_()  # (4H, I)
        self.W_hh = framework.from_numpy(params.weight_hh).requires_grad_()  # (4H, H)
        self.b = framework.from_numpy(params.bias).requires_grad_()  # (4H,)

    def _run(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y = []
        for x_t in x.unbind():
            h, c = _step(x_t, h, c, self.W_ih, self.W_hh, self.b)
            y.append(h)
        return torch.stack(y), h, c

    def forward(self, x: Tensor, h0: Tensor, c0: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        with (
            torch.no_grad()
        ):  # under inference_mode the first step's state is of another kind, and compiled apart
            return self._run(x, h0, c0)

    def forward_backward(
        self, x: Tensor, h0: Tensor, c0: Tensor, dy: Tensor, dh: Tensor, dc: Tensor
    ) -> Any:
        x, h0, c0 = (array.detach().requires_grad_() for array in (x, h0, c0))
        outputs = self._run(x, h0, c0)
        return outputs, torch.autograd.grad(
            outputs, (self.W_ih, self.W_hh, self.b, x, h0, c0), (dy, dh, dc)
        )
