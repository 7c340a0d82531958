"""``torch.graph``: ``torch.fused`` on CUDA, the whole sequence captured as one CUDA graph.

Eager PyTorch starts every kernel from Python, which takes some microseconds each, more than a step
of few sequences takes to compute. Captured once, all kernels of a sequence start with one call. A
graph is of one shape and one mode; the first call of each captures it on its own inputs, into which
every call copies its arguments. The outputs are copied too, since the next call overwrites them.
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

WARM_UP_CALLS = 2
"""Calls before the capture: they compile kernels and allocate what must exist before it."""


@register("torch.graph", framework="torch", devices=("cuda",))
class TorchGraph:
    """One graph for each shape and mode."""

    hides_memory: ClassVar[bool] = True  # a graph's memory was allocated when it was captured

    def __init__(self, params: LSTMParams, framework: TorchBackend) -> None:
        self.fused = TorchFused(params, framework)
        self.captured: dict[Any, CapturedGraph] = {}

    def forward(self, *inputs: Tensor) -> Any:
        return self._replay(self.fused.forward, *inputs)

    def forward_backward(self, *inputs: Tensor) -> Any:
        return self._replay(self.fused.forward_backward, *inputs)

    def _replay(self, method: Callable[..., Any], *inputs: Tensor) -> Any:
        key = len(inputs), inputs[0].shape
        if key not in self.captured:
            self.captured[key] = CapturedGraph(method, *inputs)
        return self.captured[key](*inputs)


class CapturedGraph:
    """A function of tensors as a CUDA graph, for inputs of the shapes of these."""

    def __init__(self, method: Callable[..., Any], *inputs: Tensor) -> None:
        self.inputs = [tensor.clone(memory_format=torch.contiguous_format) for tensor in inputs]
        stream = torch.cuda.Stream()  # a graph cannot be captured on the default stream
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP_CALLS):
                method(*self.inputs)
        torch.cuda.current_stream().wait_stream(stream)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.outputs = method(*self.inputs)

    @torch.no_grad()
    def __call__(self, *inputs: Tensor) -> Any:
        for own, argument in zip(self.inputs, inputs, strict=True):
            own.copy_(argument)
        self.graph.replay()
        return map_nested(torch.clone, self.outputs)
