"""What implementations of all frameworks share."""

from abc import ABC, abstractmethod
from typing import Any

from lstmbench.core.interface import ArrayBackend
from lstmbench.core.parameters import LSTMParams


def native_weights(params: LSTMParams, framework: ArrayBackend) -> tuple[Any, ...]:
    """Return W_ih (4H, I), W_hh (4H, H), b (4H,), and peepholes (3, H) if there are any."""
    arrays = (params.weight_ih, params.weight_hh, params.bias, params.peephole)
    return tuple(framework.from_numpy(array) for array in arrays if array is not None)


def steps_within(max_bytes: int, step_bytes: int, T: int) -> int:
    """Return how many of T steps fit into ``max_bytes``, at least one."""
    return max(1, min(T, max_bytes // step_bytes))


class TwoPass(ABC):
    """``forward_backward`` as a forward pass that saves, then a backward pass."""

    @abstractmethod
    def forward_saving(self, x: Any, h0: Any, c0: Any) -> Any:
        """Return (y, h, c) and what ``backward`` needs."""

    @abstractmethod
    def backward(self, saved: Any, dy: Any, dh: Any, dc: Any) -> Any:
        """Return the gradients. It may use ``saved`` up: call it once."""

    def forward_backward(self, x: Any, h0: Any, c0: Any, *cotangents: Any) -> Any:
        outputs, saved = self.forward_saving(x, h0, c0)
        return outputs, self.backward(saved, *cotangents)
