"""``torch.graph``: ``torch.fused`` on CUDA, the whole sequence captured as one CUDA graph.

Eager PyTorch starts every kernel from Python, some microseconds each, and a step of few sequences
takes less than that to compute. Captured once, all kernels of a sequence start with one call. A
graph is of one shape, and of one mode; it is captured in the first call of each, on inputs of its
own, into which every call copies what it is given. What it computes is copied as well, for the next
call overwrites it.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from lstmbench.backends.torch_backend import TorchBackend
from lstmbench.core.array_checks import map_nested
from lstmbench.core.parameters import LSTMParams
from lstmbench.core.registry import register
from lstmbench.variants.torch_fused import TorchFused

WARM_UP = 2
"""Calls before the capture: what is compiled, or allocated once, must be there before."""


@register("torch.graph", framework="torch", devices=("cuda",))
class TorchGraph:
    """One graph for each shape and mode."""

    hides_memory: ClassVar[bool] = (
        True  # what a graph computes in was allocated when it was captured
    )

    def __init__(self, params: LSTMParams, framework: TorchBackend) -> None:
        self.fused = TorchFused(params, framework)
        self.captured: dict[Any, Captured] = {}

    def forward(self, x: Tensor, h0: Tensor, c0: Tensor) -> Any:
        return self._replay(self.fused.forward, x, h0, c0)

    def forward_backward(
        self, x: Tensor, h0: Tensor, c0: Tensor, dy: Tensor, dh: Tensor, dc: Tensor
    ) -> Any:
        return self._replay(self.fused.forward_backward, x, h0, c0, dy, dh, dc)

    def _replay(self, method: Callable[..., Any], *inputs: Tensor) -> Any:
        key = len(inputs), inputs[0].shape
        if key not in self.captured:
            self.captured[key] = Captured(method, *inputs)
        return self.captured[key](*inputs)


class Captured:
    """A function of tensors as a CUDA graph, for inputs of the shapes of these."""

    def __init__(self, method: Callable[..., Any], *inputs: Tensor) -> None:
        self.inputs = [each.clone(memory_format=torch.contiguous_format) for each in inputs]
        stream = (
            torch.cuda.Stream()
        )  # a graph is never captured on the stream that is there from the start
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                method(*self.inputs)
        torch.cuda.current_stream().wait_stream(stream)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.outputs = method(*self.inputs)

    @torch.no_grad()
    def __call__(self, *inputs: Tensor) -> Any:
        for held, given in zip(self.inputs, inputs, strict=True):
            held.copy_(given)
        self.graph.replay()
        return map_nested(torch.clone, self.outputs)
