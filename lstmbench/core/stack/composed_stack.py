"""Layers, directions and lengths over the single layers of any implementation; arrays are native.

Sequences of different lengths cost as much as the padded batch, plus a few copies: there is no loop
over sequences, and no sorting. An implementation that takes lengths itself is given them, and can
skip the padding.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from lstmbench.core.array_checks import Array
from lstmbench.core.interface import ArrayBackend
from lstmbench.core.stack.layer import MaskedLayer, NativeLayer, make_layer
from lstmbench.core.stack.stack_parameters import StackParams


class Padding(NamedTuple):
    """What follows from the lengths, as native arrays."""

    layers: Sequence[NativeLayer]  # layers that ignore padding
    lengths: tuple[
        Any, ...
    ]  # their further arguments: the lengths (B,), or none if they are masked
    valid: Any  # (T, B), true within each sequence
    mask_features: dict[int, Any]  # (T, B, n) for each n of the layers, 0 within sequences, else 1
    reversed_rows: Any  # (T, B), the row t*B + b to read in reverse order; None in one direction
    last_rows: Any  # (B,), the row of each sequence's last step


class ComposedStack:
    """Several layers in one or both directions, from an implementation of the plain LSTM.

    Attributes:
        takes_lengths: whether all layers take lengths, so that no mask is needed.
        masked_layers: by the multiple of their features; created when lengths are first given.
    """

    def __init__(self, params: StackParams, framework: ArrayBackend, implementation: type) -> None:
        self.params, self.framework, self.implementation = params, framework, implementation
        self.layers = [make_layer(layer, implementation, framework) for layer in params]
        self.takes_lengths = all(getattr(layer, "takes_lengths", False) for layer in self.layers)
        self.masked_layers: dict[int, list[MaskedLayer]] = {}
        self._compiled = framework.compile(self._run)
        self._training_multiple = getattr(implementation, "feature_multiple", 1)

    def forward(
        self,
        x: Any,
        h0: Any,
        c0: Any,
        lengths: Array | None = None,
        masks: tuple[Any, ...] = (),
    ) -> tuple[Any, Any, Any]:
        """Return y (T, B, D*P), h (L*D, B, P), c (L*D, B, H), see ``StackImplementation``.

        ``masks`` are dropout masks, (T, B, D*P), for each layer but the last, or none.
        """
        outputs, _ = self._compiled(x, h0, c0, None, self._prepare_lengths(x, lengths, 1), masks)
        return outputs

    def forward_backward(
        self,
        x: Any,
        h0: Any,
        c0: Any,
        dy: Any,
        dh: Any,
        dc: Any,
        lengths: Array | None = None,
        masks: tuple[Any, ...] = (),
    ) -> tuple[tuple[Any, Any, Any], tuple[tuple[Any, ...], Any, Any, Any]]:
        """Return (y, h, c), and the gradients of all weights in turn, of x, h0 and c0."""
        lengths = self._prepare_lengths(x, lengths, self._training_multiple)
        return self._compiled(x, h0, c0, (dy, dh, dc), lengths, masks)

    def _run(
        self, x: Any, h0: Any, c0: Any, cotangents: Any, lengths: Any, masks: tuple[Any, ...]
    ) -> tuple[Any, Any]:
        """Return the outputs, and the gradients for the cotangents (dy, dh, dc), if given."""
        training = cotangents is not None
        padding = self._padding(x, lengths, self._training_multiple if training else 1)
        (y, h, c), tape = self._run_layers(x, h0, c0, padding, masks, save=training)
        gradients = None
        if training:
            gradients = self._differentiate_layers(tape, cotangents, padding, masks)
        if padding is not None and not padding.lengths:
            # Only now: what the backward pass reads may share memory with y
            y = self.framework.zero_padding(y, padding.valid)
        return (y, h, c), gradients

    def _prepare_lengths(self, x: Any, lengths: Array | None, multiple: int) -> Any:
        """Return native lengths, or None where all sequences are full; create masked layers."""
        if lengths is None or lengths.min() == len(x):
            return None
        if multiple not in self.masked_layers and not self.takes_lengths:
            self.masked_layers[multiple] = [
                MaskedLayer(layer, self.implementation, self.framework, multiple)
                for layer in self.params
            ]
        return self.framework.to_int_array(lengths)

    def _padding(self, x: Any, lengths: Any, multiple: int) -> Padding | None:
        if lengths is None:
            return None
        framework, to_device = self.framework, self.framework.to_device
        T, B, _ = x.shape
        times, columns = np.arange(T)[:, None], np.arange(B)
        valid = times < lengths  # (T, B)
        reversed_rows = None
        if self.params.bidirectional:
            reversed_rows = to_device((times + valid * (lengths - 1 - 2 * times)) * B + columns)
        last_rows = to_device((lengths - 1) * B + columns)
        if self.takes_lengths:
            return Padding(self.layers, (lengths,), to_device(valid), {}, reversed_rows, last_rows)
        layers, outside = self.masked_layers[multiple], to_device(~valid)[:, :, None]
        mask_features = {
            count: framework.zeros((T, B, count)) + outside
            for count in {layer.mask_features for layer in layers}
        }
        return Padding(layers, (), to_device(valid), mask_features, reversed_rows, last_rows)

    def _reverse(self, x: Any, padding: Padding | None) -> Any:
        if padding is None:
            return self.framework.flip(x)
        return self.framework.take_rows(x, padding.reversed_rows)

    def _run_layers(
        self,
        x: Any,
        h0: Any,
        c0: Any,
        padding: Padding | None,
        masks: tuple[Any, ...],
        save: bool,
    ) -> tuple[Any, list[Any]]:
        """Return (y, h, c), and what each layer saved, from the lowest to the highest."""
        framework, D = self.framework, self.params.num_directions
        layers, lengths = (self.layers, ()) if padding is None else padding[:2]
        if padding is not None:
            x = framework.where_valid(x, padding.valid)
        features = [x]  # the input of the next layer, side by side
        hs, cs, tape = [], [], []
        for level in range(self.params.num_layers):
            if level > 0 and masks:
                features = [self._join(features) * masks[level - 1]]
            layer = layers[level * D]
            if padding is not None and isinstance(layer, MaskedLayer):
                features.append(padding.mask_features[layer.mask_features])
            x, features = self._join(features), []
            for k in range(level * D, (level + 1) * D):
                reverse = k % D
                x_k = self._reverse(x, padding) if reverse else x
                (y, h, c), saved = layers[k].forward(x_k, h0[k], c0[k], *lengths, save=save)
                if padding is not None and not lengths:
                    h = framework.take_rows(y, padding.last_rows)
                hs.append(h[None])
                cs.append(c[None])
                tape.append(saved)
                features.append(self._reverse(y, padding) if reverse else y)
        h, c = (framework.concatenate(arrays, axis=0) for arrays in (hs, cs))
        return (self._join(features), h, c), tape

    def _join(self, features: list[Any]) -> Any:
        return features[0] if len(features) == 1 else self.framework.concatenate(features, axis=2)

    def _differentiate_layers(
        self,
        tape: list[Any],
        cotangents: tuple[Any, Any, Any],
        padding: Padding | None,
        masks: tuple[Any, ...],
    ) -> Any:
        """Return all gradients, from what each layer saved; ``tape`` is emptied."""
        dy, dh, dc = cotangents
        framework, D, P = self.framework, self.params.num_directions, self.params.output_size
        layers = self.layers if padding is None else padding.layers
        masked = None if padding is None or padding.lengths else padding
        if masked:
            dy = framework.where_valid(dy, masked.valid)
        weights, dh0, dc0 = [], [], []  # from the last to the first
        for level in reversed(range(self.params.num_layers)):
            dx = None
            for k in reversed(range(level * D, (level + 1) * D)):
                direction = k % D
                dy_k = dy[:, :, direction * P : (direction + 1) * P] if D > 1 else dy
                dy_k, dh_k = self._reverse(dy_k, padding) if direction else dy_k, dh[k]
                if masked:  # h was taken from y, so its gradient is added there
                    dy_k = framework.add_rows(dy_k, masked.last_rows, dh_k)
                    dh_k = framework.zeros(dh_k.shape)
                dweights, dx_k, dh_k, dc_k = layers[k].backward(tape.pop(), dy_k, dh_k, dc[k])
                dx_k = self._reverse(dx_k, padding) if direction else dx_k
                dx = dx_k if dx is None else dx + dx_k
                weights.append(dweights)
                dh0.append(dh_k[None])
                dc0.append(dc_k[None])
            dy = dx * masks[level - 1] if level > 0 and masks else dx
        names = self.params.layers[0][0].weights()
        flat = tuple(gradients[name] for gradients in reversed(weights) for name in names)
        return flat, dy, *(framework.concatenate(arrays[::-1], axis=0) for arrays in (dh0, dc0))
