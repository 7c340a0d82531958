"""Output layer and losses by ``jax.grad``, optimisers of optax."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from lstmbench.training.backends.interface import LossAndGrads, TrainingBackend
from lstmbench.training.task import Array, Loss


class JaxTraining(TrainingBackend):
    """Two compiled functions: the loss with its gradients, and the update."""

    def start(self, weights: Mapping[str, jax.Array]) -> None:
        o = self.optimizer
        clip = optax.identity() if o.clip is None else optax.clip_by_global_norm(o.clip)
        if o.name == "sgd":
            rule = optax.trace(o.momentum)
        else:
            rule = optax.scale_by_adam(o.b1, o.b2, o.eps)
        transformation = optax.chain(clip, rule)
        self.optimizer_state = transformation.init(dict(weights))
        self._update = jax.jit(partial(_update, transformation))

    def output_layer(self, y: jax.Array, weight: jax.Array, bias: jax.Array) -> jax.Array:
        return _output_layer(y, weight, bias)

    def loss_and_grads(
        self, y: jax.Array, weight: jax.Array, bias: jax.Array, targets: jax.Array
    ) -> LossAndGrads:
        loss, gradients = _loss_and_grads(y, weight, bias, targets, self.loss)
        return LossAndGrads(loss, *gradients)

    def update(
        self,
        weights: Mapping[str, jax.Array],
        gradients: Mapping[str, jax.Array],
        learning_rate: float,
    ) -> dict[str, jax.Array]:
        ordered = {name: gradients[name] for name in weights}
        updated, self.optimizer_state = self._update(
            dict(weights), ordered, self.optimizer_state, learning_rate
        )
        return updated

    def state(self) -> dict[str, Array]:
        leaves = jax.tree.leaves(self.optimizer_state)
        return {str(index): np.array(leaf) for index, leaf in enumerate(leaves)}

    def restore(self, state: Mapping[str, Array]) -> None:
        leaves, structure = jax.tree.flatten(self.optimizer_state)
        restored = [jnp.asarray(state[str(k)], leaf.dtype) for k, leaf in enumerate(leaves)]
        self.optimizer_state = jax.tree.unflatten(structure, restored)


@jax.jit
def _output_layer(y: jax.Array, weight: jax.Array, bias: jax.Array) -> jax.Array:
    return y @ weight.T + bias


@partial(jax.jit, static_argnums=4)
@partial(jax.value_and_grad, argnums=(0, 1, 2))
def _loss_and_grads(
    y: jax.Array, weight: jax.Array, bias: jax.Array, targets: jax.Array, loss: Loss
) -> jax.Array:
    outputs = _output_layer(y[-len(targets) :], weight, bias)
    if loss == "mse":
        return jnp.mean((outputs - targets) ** 2)
    return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(outputs, targets))


def _update(
    transformation: Any, weights: Any, gradients: Any, state: Any, learning_rate: Any
) -> Any:
    steps, state = transformation.update(gradients, state, weights)
    updated = {
        name: weight - (learning_rate * steps[name]).astype(weight.dtype)
        for name, weight in weights.items()
    }
    return updated, state
