"""Output layer and losses by ``jax.grad``, optimisers of optax."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from lstmbench.training.backends.interface import (
    BETAS,
    EPS,
    MOMENTUM,
    LossAndGrads,
    NativeArrays,
    TrainingBackend,
)
from lstmbench.training.task import ArraysByName, Loss


@jax.jit
def _output_layer(y: Array, weight: Array, bias: Array) -> Array:
    return y @ weight.T + bias


class JaxTraining(TrainingBackend):
    """Two compiled functions: the loss with its gradients, and the update."""

    output_layer = staticmethod(_output_layer)

    def start(self, weights: NativeArrays, state: ArraysByName | None = None) -> None:
        clip = self.recipe.clip
        clipping = optax.identity() if clip is None else optax.clip_by_global_norm(clip)
        if self.recipe.optimizer == "sgd":
            rule = optax.trace(MOMENTUM)
        else:
            rule = optax.scale_by_adam(*BETAS, EPS)
        transformation = optax.chain(clipping, rule)
        self.optimizer_state = transformation.init(weights)
        if state:
            leaves, structure = jax.tree.flatten(self.optimizer_state)
            restored = [jnp.asarray(state[str(k)], leaf.dtype) for k, leaf in enumerate(leaves)]
            self.optimizer_state = jax.tree.unflatten(structure, restored)

        @jax.jit
        def update(weights: Any, gradients: Any, state: Any, learning_rate: Any) -> Any:
            steps, state = transformation.update(gradients, state, weights)
            steps = jax.tree.map(lambda step: -learning_rate * step, steps)
            return optax.apply_updates(weights, steps), state

        self._update = update

    def loss_and_grads(self, y: Array, weight: Array, bias: Array, targets: Array) -> LossAndGrads:
        loss, gradients = _loss_and_grads(y, weight, bias, targets, self.loss)
        return LossAndGrads(loss, *gradients)

    def update(
        self, weights: NativeArrays, gradients: NativeArrays, learning_rate: float
    ) -> NativeArrays:
        updated: NativeArrays
        updated, self.optimizer_state = self._update(
            weights, gradients, self.optimizer_state, learning_rate
        )
        return updated

    def state(self) -> ArraysByName:
        leaves = jax.tree.leaves(self.optimizer_state)
        return {str(index): np.array(leaf) for index, leaf in enumerate(leaves)}


@partial(jax.jit, static_argnums=4)
@partial(jax.value_and_grad, argnums=(0, 1, 2))
def _loss_and_grads(y: Array, weight: Array, bias: Array, targets: Array, loss: Loss) -> Array:
    outputs = _output_layer(y[-len(targets) :], weight, bias)
    if loss == "mse":
        return jnp.mean((outputs - targets) ** 2)
    return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(outputs, targets))
