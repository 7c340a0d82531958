"""``torch.nn``: the peer, ``torch.nn.LSTM`` itself (oneDNN on the CPU where it applies, cuDNN on
CUDA).
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from lstmbench.backends.torch_backend import TorchBackend
from lstmbench.core.parameters import LSTMParams
from lstmbench.core.registry import register
from lstmbench.core.stack.stack_parameters import StackParams
from lstmbench.errors import LstmbenchError


class TorchNNStack:
    """nn.LSTM with its own layers, directions and projections; sequences of different lengths as a
    PackedSequence.
    """

    def __init__(self, params: StackParams, framework: TorchBackend) -> None:
        if params.proj_size >= params.hidden_size:
            raise LstmbenchError(
                f"torch.nn: proj_size must be smaller than hidden_size, {params.hidden_size}, "
                f"but it is {params.proj_size}."
            )
        self.lstm = torch.nn.LSTM(
            params.input_size,
            params.hidden_size,
            params.num_layers,
            bias=params.has_bias,
            bidirectional=params.bidirectional,
            proj_size=params.proj_size,
            device=framework.device,
            dtype=getattr(torch, framework.storage_dtype),
        )
        self.weights: list[Tensor] = []  # in the order in which their gradients are returned
        self.second_biases: list[Tensor] = []
        with torch.no_grad():
            for index, layer in enumerate(params):
                level, reverse = divmod(index, params.num_directions)
                self._take(layer, framework, f"_l{level}" + "_reverse" * reverse)

    def _take(self, layer: LSTMParams, framework: TorchBackend, suffix: str) -> None:
        arrays = {"weight_ih": layer.weight_ih, "weight_hh": layer.weight_hh}
        if layer.has_bias:
            arrays["bias_ih"] = layer.bias
            second = getattr(self.lstm, f"bias_hh{suffix}")
            second.zero_()
            self.second_biases.append(second)
        if layer.projection is not None:
            arrays["weight_hr"] = layer.projection
        for name, array in arrays.items():
            weight = getattr(self.lstm, name + suffix)
            weight.copy_(framework.from_numpy(array))
            self.weights.append(weight)

    def _run(
        self, x: Tensor, h0: Tensor, c0: Tensor, lengths: NDArray[Any] | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        if lengths is None:
            y, (h, c) = self.lstm(x, (h0, c0))
            return y, h, c
        host = torch.from_numpy(np.array(lengths, dtype=np.int64, order="C"))
        packed = pack_padded_sequence(x, host, enforce_sorted=False)
        out, (h, c) = self.lstm(packed, (h0, c0))
        y, _ = pad_packed_sequence(out, total_length=len(x))
        return y, h, c

    def forward(
        self, x: Tensor, h0: Tensor, c0: Tensor, lengths: NDArray[Any] | None = None
    ) -> Any:
        with torch.inference_mode():
            return self._run(x, h0, c0, lengths)

    def forward_backward(
        self,
        x: Tensor,
        h0: Tensor,
        c0: Tensor,
        dy: Tensor,
        dh: Tensor,
        dc: Tensor,
        lengths: NDArray[Any] | None = None,
    ) -> Any:
        x, h0, c0 = (array.detach().requires_grad_() for array in (x, h0, c0))
        outputs = self._run(x, h0, c0, lengths)
        # Both biases are asked for, as an optimiser would; they are equal, and the first is
        # reported
        inputs = (*self.weights, x, h0, c0, *self.second_biases)
        gradients = torch.autograd.grad(outputs, inputs, (dy, dh, dc))
        n = len(self.weights)
        outputs = tuple(output.detach() for output in outputs)
        return outputs, (gradients[:n], *gradients[n : n + 3])


@register("torch.nn", framework="torch", peer=True, stack=TorchNNStack)
class TorchNN:
    """nn.LSTM keeps two biases that are added: the first holds ours, the second zeros."""

    def __init__(self, params: LSTMParams, framework: TorchBackend) -> None:
        dtype = getattr(torch, framework.storage_dtype)
        self.lstm = torch.nn.LSTM(
            params.input_size, params.hidden_size, device=framework.device, dtype=dtype
        )
        with torch.no_grad():
            self.lstm.weight_ih_l0.copy_(framework.from_numpy(params.weight_ih))
            self.lstm.weight_hh_l0.copy_(framework.from_numpy(params.weight_hh))
            self.lstm.bias_ih_l0.copy_(framework.from_numpy(params.bias))
            self.lstm.bias_hh_l0.zero_()

    def _run(self, x: Tensor, h0: Tensor, c0: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y, (h, c) = self.lstm(x, (h0[None], c0[None]))
        return y, h[0], c[0]

    def forward(self, x: Tensor, h0: Tensor, c0: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        with torch.inference_mode():
            return self._run(x, h0, c0)

    def _graph(self, x: Tensor, h0: Tensor, c0: Tensor) -> Any:
        x, h0, c0 = (array.detach().requires_grad_() for array in (x, h0, c0))
        outputs = self._run(x, h0, c0)
        lstm = self.lstm
        # Both biases are asked for, as an optimiser would; they are equal, and the first is
        # reported
        inputs = (lstm.weight_ih_l0, lstm.weight_hh_l0, lstm.bias_ih_l0, lstm.bias_hh_l0, x, h0, c0)
        return outputs, inputs

    def forward_saving(self, x: Tensor, h0: Tensor, c0: Tensor) -> Any:
        outputs, inputs = self._graph(x, h0, c0)
        return tuple(output.detach() for output in outputs), (outputs, inputs)

    def backward(self, saved: Any, dy: Tensor, dh: Tensor, dc: Tensor) -> Any:
        dW_ih, dW_hh, db, _, *rest = torch.autograd.grad(*saved, (dy, dh, dc))
        return (dW_ih, dW_hh, db, *rest)

    def forward_backward(
        self, x: Tensor, h0: Tensor, c0: Tensor, dy: Tensor, dh: Tensor, dc: Tensor
    ) -> Any:
        saved = self._graph(x, h0, c0)
        return saved[0], self.backward(saved, dy, dh, dc)
