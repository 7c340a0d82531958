"""What implementations share whose derivatives are autograd's."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

Outputs = tuple[Tensor, Tensor, Tensor]
"""y (T, B, H), h and c (B, H)."""


class AutogradLayer(ABC):
    """``forward`` and ``forward_backward`` of a sequence that autograd differentiates.

    Args:
        weights: W_ih, W_hh, b, then those whose gradients are returned last.
        to_gradients: turns autograd's gradients into ours.
        inference_context: the mode of ``forward``, without a graph.
    """

    def __init__(
        self,
        weights: Sequence[Tensor],
        to_gradients: Callable[[Any], Any] = tuple,
        inference_context: Callable[[], Any] = torch.inference_mode,
    ) -> None:
        self.weights = [weight.requires_grad_() for weight in weights]
        self.to_gradients, self.inference_context = to_gradients, inference_context

    @abstractmethod
    def _run(self, x: Tensor, h0: Tensor, c0: Tensor) -> Outputs:
        """Compute the sequence."""

    def forward(self, x: Tensor, h0: Tensor, c0: Tensor) -> Outputs:
        with self.inference_context():
            return self._run(x, h0, c0)

    def _graph(self, x: Tensor, h0: Tensor, c0: Tensor) -> tuple[Outputs, Sequence[Tensor]]:
        """Return the outputs, and the tensors to differentiate them with respect to."""
        x, h0, c0 = (array.detach().requires_grad_() for array in (x, h0, c0))
        outputs = self._run(x, h0, c0)
        return outputs, (*self.weights[:3], x, h0, c0, *self.weights[3:])

    def _gradients(self, graph: Any, *cotangents: Tensor) -> Any:
        return self.to_gradients(torch.autograd.grad(*graph, cotangents))

    def forward_backward(self, x: Tensor, h0: Tensor, c0: Tensor, *cotangents: Tensor) -> Any:
        graph = self._graph(x, h0, c0)
        return graph[0], self._gradients(graph, *cotangents)


class TwoPassAutogradLayer(AutogradLayer):
    """An ``AutogradLayer`` whose forward and backward passes can be called one after the other."""

    def forward_saving(self, x: Tensor, h0: Tensor, c0: Tensor) -> Any:
        graph = self._graph(x, h0, c0)
        return tuple(output.detach() for output in graph[0]), graph

    def backward(self, saved: Any, *cotangents: Tensor) -> Any:
        return self._gradients(saved, *cotangents)
