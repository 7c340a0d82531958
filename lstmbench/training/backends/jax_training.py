"""Read-out and losses by ``jax.grad``, optimisers of optax."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import NDArray

from lstmbench.core.interface import ArrayBackend
from lstmbench.training.backends.interface import Loss, LossAndGrads, TrainingBackend
from lstmbench.training.optimizer import Optimizer


class JaxTraining(TrainingBackend):
    """Two compiled functions: the loss with its gradients, and the update."""

    def __init__(
        self,
        framework: ArrayBackend,
        loss: Loss,
        optimizer: Optimizer,
        weights: Mapping[str, jax.Array],
    ) -> None:
        self.framework, self.loss = framework, loss
        clip = (
            optax.identity()
            if optimizer.clip is None
            else optax.clip_by_global_norm(optimizer.clip)
        )
        if optimizer.name == "sgd":
            rule = optax.trace(optimizer.momentum)
        else:
            rule = optax.scale_by_adam(optimizer.b1, optimizer.b2, optimizer.eps)
        optimize = optax.chain(clip, rule)
        self.slots = optimize.init(dict(weights))
        self._update = jax.jit(partial(_update, optimize))

    def targets(self, targets: NDArray[Any]) -> jax.Array:
        if self.loss == "mse":
            found: jax.Array = self.framework.from_numpy(targets)
            return found
        return jax.device_put(targets.astype(np.int32), jax.devices(self.framework.device)[0])

    def read_out(self, y: jax.Array, weight: jax.Array, bias: jax.Array) -> jax.Array:
        return _read_out(y, weight, bias)

    def slopes(
        self, y: jax.Array, weight: jax.Array, bias: jax.Array, targets: jax.Array
    ) -> LossAndGrads:
        loss, gradients = _slopes(y, weight, bias, targets, self.loss)
        return LossAndGrads(loss, *gradients)

    def update(
        self, weights: Mapping[str, jax.Array], gradients: Mapping[str, jax.Array], rate: float
    ) -> dict[str, jax.Array]:
        given = {name: gradients[name] for name in weights}
        updated, self.slots = self._update(dict(weights), given, self.slots, rate)
        return updated

    def put(
        self, weights: Mapping[str, jax.Array], values: Mapping[str, jax.Array]
    ) -> dict[str, jax.Array]:
        return {**weights, **values}

    def state(self) -> dict[str, NDArray[Any]]:
        return {str(k): np.array(leaf) for k, leaf in enumerate(jax.tree.leaves(self.slots))}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        leaves, structure = jax.tree.flatten(self.slots)
        kept = [jnp.asarray(state[str(k)], dtype=leaf.dtype) for k, leaf in enumerate(leaves)]
        self.slots = jax.tree.unflatten(structure, kept)


@jax.jit
def _read_out(y: jax.Array, weight: jax.Array, bias: jax.Array) -> jax.Array:
    return y @ weight.T + bias


@partial(jax.jit, static_argnums=4)
@partial(jax.value_and_grad, argnums=(0, 1, 2))
def _slopes(
    y: jax.Array, weight: jax.Array, bias: jax.Array, targets: jax.Array, loss: Loss
) -> jax.Array:
    outputs = _read_out(y[-len(targets) :], weight, bias)
    if loss == "mse":
        return jnp.mean((outputs - targets) ** 2)
    return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(outputs, targets))


def _update(optimize: Any, weights: Any, gradients: Any, slots: Any, rate: Any) -> Any:
    steps, slots = optimize.update(gradients, slots, weights)
    return {
        name: weight - (rate * steps[name]).astype(weight.dtype) for name, weight in weights.items()
    }, slots
