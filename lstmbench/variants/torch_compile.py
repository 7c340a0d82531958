"""``torch.compile``: the peer, the plain loop with its time step compiled by TorchInductor.

The step of ``torch.loop`` is compiled; the loop over time stays in Python, so that one compilation
serves every sequence length. Compiling the whole loop unrolls it: at T = 25, B = 16, H = 256 it ran
a tenth faster in inference and a fifth in training, but took 37 s to compile both where the step
takes 12, at T = 50 50 s, and that again for every other T. So the repeated region is compiled, as
PyTorch recommends.

Timed is the loop, each step one call of a compiled function, and autograd through it. The first
call compiles: about ten seconds with an empty compiler cache, about one with a warm cache. By
PyTorch's default, the first sizes are compiled as constants, and the next ones as variables; a
process that has seen more kinds of inputs than ``torch._dynamo.config.recompile_limit`` runs the
plain loop for the others.
"""

import os
import shutil
import sys
import sysconfig
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import linear

from lstmbench.backends.torch_backend import TorchBackend
from lstmbench.core.parameters import LSTMParams
from lstmbench.core.registry import register
from lstmbench.errors import LstmbenchError
from lstmbench.variants._common import native_weights
from lstmbench.variants._torch_layers import AutogradLayer, Outputs


def _missing_requirement() -> str:
    """Return what TorchInductor lacks, or ""; it would notice only when it compiles."""
    compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    if shutil.which(compiler) is None:
        return f"a C++ compiler, and there is no {compiler} on the path"
    headers = Path(sysconfig.get_paths()["include"]) / "Python.h"
    return "" if headers.is_file() else f"Python's C headers, and there is no {headers}"


if _missing := _missing_requirement():
    raise LstmbenchError(f"torch.compile needs {_missing}")


@torch.compile
def _step(
    x_t: Tensor, h: Tensor, c: Tensor, W_ih: Tensor, W_hh: Tensor, b: Tensor
) -> tuple[Tensor, Tensor]:
    z = linear(x_t, W_ih, b) + linear(h, W_hh)
    i, f, g, o = z.chunk(4, dim=1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


@register("torch.compile", framework="torch", peer=True)
class TorchCompile(AutogradLayer):
    """``torch.loop`` with its step under ``torch.compile``."""

    def __init__(self, params: LSTMParams, framework: TorchBackend) -> None:
        import torch._inductor.compile_fx  # takes seconds, and belongs to loading

        # Under inference_mode the first step's state has another type, and is compiled separately
        super().__init__(native_weights(params, framework), inference_context=torch.no_grad)

    def _run(self, x: Tensor, h0: Tensor, c0: Tensor) -> Outputs:
        y, h, c = [], h0, c0
        for x_t in x.unbind():
            h, c = _step(x_t, h, c, *self.weights)
            y.append(h)
        return torch.stack(y), h, c
