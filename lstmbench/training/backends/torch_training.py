"""Output layer and losses by autograd, optimisers of ``torch.optim``."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from lstmbench.training.backends.interface import LossAndGrads, TrainingBackend
from lstmbench.training.task import Array


class TorchTraining(TrainingBackend):
    """``torch.optim`` keeps the weights that it starts with, and updates them in place."""

    def start(self, weights: Mapping[str, Tensor]) -> None:
        o, tensors = self.optimizer, list(weights.values())
        self.torch_optimizer: torch.optim.Optimizer
        if o.name == "sgd":
            self.torch_optimizer = torch.optim.SGD(tensors, o.learning_rate, o.momentum)
        else:
            self.torch_optimizer = torch.optim.Adam(tensors, o.learning_rate, (o.b1, o.b2), o.eps)

    def output_layer(self, y: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return functional.linear(y, weight, bias)

    def loss_and_grads(
        self, y: Tensor, weight: Tensor, bias: Tensor, targets: Tensor
    ) -> LossAndGrads:
        y, weight, bias = (tensor.detach().requires_grad_() for tensor in (y, weight, bias))
        outputs = self.output_layer(y[-len(targets) :], weight, bias)
        if self.loss == "mse":
            loss = functional.mse_loss(outputs, targets)
        else:
            loss = functional.cross_entropy(outputs.flatten(0, 1), targets.flatten())
        return LossAndGrads(loss.detach(), *torch.autograd.grad(loss, (y, weight, bias)))

    def update(
        self, weights: Mapping[str, Tensor], gradients: Mapping[str, Tensor], learning_rate: float
    ) -> dict[str, Tensor]:
        grads = [gradients[name] for name in weights]
        clip = self.optimizer.clip
        if clip is not None:  # unlike here, clip_grad_norm_ adds 1e-6 to the norm
            norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads)))
            grads = [grad * torch.clamp(clip / norm, max=1.0) for grad in grads]
        for weight, grad in zip(weights.values(), grads, strict=True):
            weight.grad = grad
        for group in self.torch_optimizer.param_groups:
            group["lr"] = learning_rate
        self.torch_optimizer.step()
        return dict(weights)

    def state(self) -> dict[str, Array]:
        return {
            f"{index}.{name}": self.arrays.to_numpy(tensor)
            for index, tensors in self.torch_optimizer.state_dict()["state"].items()
            for name, tensor in tensors.items()
        }

    def restore(self, state: Mapping[str, Array]) -> None:
        tensors: dict[int, dict[str, Tensor]] = {}
        for key, array in state.items():
            index, _, name = key.partition(".")
            tensors.setdefault(int(index), {})[name] = torch.from_numpy(array.copy())
        self.torch_optimizer.load_state_dict(self.torch_optimizer.state_dict() | {"state": tensors})
