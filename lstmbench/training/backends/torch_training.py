"""Read-out and losses by autograd, optimisers of ``torch.optim``."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from lstmbench.core.interface import ArrayBackend
from lstmbench.training.backends.interface import Loss, LossAndGrads, TrainingBackend
from lstmbench.training.optimizer import Optimizer


class TorchTraining(TrainingBackend):
    """``torch.optim`` keeps the weights that it is given, and updates them in place."""

    def __init__(
        self,
        framework: ArrayBackend,
        loss: Loss,
        optimizer: Optimizer,
        weights: Mapping[str, Tensor],
    ) -> None:
        self.framework, self.loss, self.clip = framework, loss, optimizer.clip
        rate, given = optimizer.learning_rate, list(weights.values())
        if optimizer.name == "sgd":
            self.optimizer: torch.optim.Optimizer = torch.optim.SGD(
                given, lr=rate, momentum=optimizer.momentum
            )
        else:
            betas = (optimizer.b1, optimizer.b2)
            self.optimizer = torch.optim.Adam(given, lr=rate, betas=betas, eps=optimizer.eps)

    def targets(self, targets: NDArray[Any]) -> Tensor:
        if self.loss == "mse":
            found: Tensor = self.framework.from_numpy(targets)
            return found
        return torch.from_numpy(targets.astype(np.int64)).to(self.framework.device)

    def read_out(self, y: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return functional.linear(y, weight, bias)

    def slopes(self, y: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> LossAndGrads:
        y, weight, bias = (array.detach().requires_grad_() for array in (y, weight, bias))
        outputs = self.read_out(y[-len(targets) :], weight, bias)
        if self.loss == "mse":
            loss = functional.mse_loss(outputs, targets)
        else:
            loss = functional.cross_entropy(outputs.flatten(0, 1), targets.flatten())
        return LossAndGrads(loss.detach(), *torch.autograd.grad(loss, (y, weight, bias)))

    def update(
        self, weights: Mapping[str, Tensor], gradients: Mapping[str, Tensor], rate: float
    ) -> dict[str, Tensor]:
        given = [gradients[name] for name in weights]
        if (
            self.clip is not None
        ):  # clip_grad_norm_ adds 1e-6 to the norm; the other frameworks don't
            norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(given)))
            given = [gradient * torch.clamp(self.clip / norm, max=1.0) for gradient in given]
        for weight, gradient in zip(weights.values(), given, strict=True):
            weight.grad = gradient
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        return dict(weights)

    def put(self, weights: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        for name, value in values.items():  # in place: the optimiser holds on to its tensors
            weights[name].copy_(value)
        return dict(weights)

    def state(self) -> dict[str, NDArray[Any]]:
        kept = self.optimizer.state_dict()["state"]
        return {
            f"{k}.{name}": value.detach().cpu().numpy().copy()
            for k, slots in kept.items()
            for name, value in slots.items()
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        slots: dict[int, dict[str, Tensor]] = {}
        for key, value in state.items():
            k, _, name = key.partition(".")
            slots.setdefault(int(k), {})[name] = torch.from_numpy(np.array(value))
        self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": slots})
