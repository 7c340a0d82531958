"""Output layer and losses by autograd, optimisers of ``torch.optim``."""

import torch
from torch import Tensor
from torch.nn import functional

from lstmbench.training.backends.interface import (
    BETAS,
    EPS,
    MOMENTUM,
    LossAndGrads,
    NativeArrays,
    TrainingBackend,
)
from lstmbench.training.task import ArraysByName


class TorchTraining(TrainingBackend):
    """``torch.optim`` keeps the weights that it starts with, and updates them in place."""

    output_layer = staticmethod(functional.linear)

    def start(self, weights: NativeArrays, state: ArraysByName | None = None) -> None:
        tensors = list(weights.values())
        self.optimizer: torch.optim.Optimizer
        if self.recipe.optimizer == "sgd":
            self.optimizer = torch.optim.SGD(tensors, momentum=MOMENTUM)
        else:
            self.optimizer = torch.optim.Adam(tensors, betas=BETAS, eps=EPS)
        restored: dict[int, dict[str, Tensor]] = {}
        for key, array in (state or {}).items():
            index, _, name = key.partition(".")
            restored.setdefault(int(index), {})[name] = torch.from_numpy(array.copy())
        self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": restored})

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
        self, weights: NativeArrays, gradients: NativeArrays, learning_rate: float
    ) -> NativeArrays:
        grads = [gradients[name] for name in weights]
        clip = self.recipe.clip
        if clip is not None:  # unlike here, clip_grad_norm_ adds 1e-6 to the norm
            norm = torch.nn.utils.get_total_norm(grads)
            grads = [grad * torch.clamp(clip / norm, max=1.0) for grad in grads]
        for weight, grad in zip(weights.values(), grads, strict=True):
            weight.grad = grad
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.step()
        return weights

    def state(self) -> ArraysByName:
        return {
            f"{index}.{name}": self.framework.to_numpy(tensor)
            for index, tensors in self.optimizer.state_dict()["state"].items()
            for name, tensor in tensors.items()
        }
