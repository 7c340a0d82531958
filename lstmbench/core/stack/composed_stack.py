"""Layers, directions and lengths over the single layers of any implementation; arrays are native.

Sequences of different lengths cost as much as the padded batch, plus a few copies: there is no loop
over sequences, and no sorting. An implementation that takes lengths itself is given them, and can
skip the padding.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lstmbench.core.array_checks import Array
from lstmbench.core.interface import ArrayBackend
from lstmbench.core.stack.layer import MaskedLayer, NativeLayer, Padding, make_layer
from lstmbench.core.stack.stack_parameters import StackParams


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
        return self._call(x, h0, c0, None, lengths, masks)[0]

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
        return self._call(x, h0, c0, (dy, dh, dc), lengths, masks)

    def _call(
        self, x: Any, h0: Any, c0: Any, cotangents: Any, lengths: Array | None, masks: Any
    ) -> Any:
        if lengths is not None:  # compiled kernels read int64
            full = lengths.min() == len(x)
            lengths = None if full else lengths.astype(np.int64)
        self._choose_layers(cotangents, lengths)  # here: a function that JAX traces keeps no arrays
        return self._compiled(x, h0, c0, cotangents, lengths, masks)

    def _choose_layers(self, cotangents: Any, lengths: Any) -> Sequence[NativeLayer]:
        """Return layers that take these lengths, and create them if they are masked."""
        if lengths is None or self.takes_lengths:
            return self.layers
        training = cotangents is not None
        multiple = getattr(self.implementation, "feature_multiple", 1) if training else 1
        if multiple not in self.masked_layers:
            self.masked_layers[multiple] = [
                MaskedLayer(layer, self.implementation, self.framework, multiple)
                for layer in self.params
            ]
        return self.masked_layers[multiple]

    def _run(
        self, x: Any, h0: Any, c0: Any, cotangents: Any, lengths: Any, masks: tuple[Any, ...]
    ) -> tuple[Any, Any]:
        """Return the outputs, and the gradients for the cotangents (dy, dh, dc), if given."""
        layers, where_valid = self._choose_layers(cotangents, lengths), self.framework.where_valid
        padding = None if lengths is None else self._padding(x, lengths)
        training = cotangents is not None
        (y, h, c), tape = self._run_layers(layers, x, h0, c0, padding, masks, save=training)
        gradients = None
        if training:
            dy, dh, dc = cotangents
            if padding and not self.takes_lengths:
                dy = where_valid(dy, padding.valid)
            gradients = self._differentiate_layers(layers, tape, dy, dh, dc, padding, masks)
        if padding and not self.takes_lengths:
            y = where_valid(y, padding.valid)
        return (y, h, c), gradients

    def _padding(self, x: Any, lengths: Any) -> Padding:
        to_device = self.framework.to_device
        T, B, _ = x.shape
        times, columns = np.arange(T)[:, None], np.arange(B)
        valid = times < lengths  # (T, B)
        reversed_rows = None
        if self.params.bidirectional:
            reversed_rows = to_device((times + valid * (lengths - 1 - 2 * times)) * B + columns)
        last_rows = to_device((lengths - 1) * B + columns)
        return Padding(lengths, to_device(valid), reversed_rows, last_rows)

    def _run_layers(
        self,
        layers: Sequence[NativeLayer],
        x: Any,
        h0: Any,
        c0: Any,
        padding: Padding | None,
        masks: tuple[Any, ...],
        save: bool,
    ) -> tuple[Any, list[Any]]:
        """Return (y, h, c), and what each layer saved, from the lowest to the highest."""
        concatenate, D = self.framework.concatenate, self.params.num_directions
        if padding:
            x = self.framework.where_valid(x, padding.valid)
        hs, cs, tape = [], [], []
        for level in range(self.params.num_layers):
            ys = []
            for k in range(level * D, (level + 1) * D):
                # The reversed x gets no name, which would keep the copy alive
                (y, h, c), saved = layers[k].forward(
                    self._reorder(x, k, padding), h0[k], c0[k], padding, save=save
                )
                ys.append(self._reorder(y, k, padding))
                hs.append(h[None])
                cs.append(c[None])
                tape.append(saved)
            x = ys[0] if D == 1 else concatenate(ys, axis=2)
            if level < len(masks):
                x = x * masks[level]
        return (x, concatenate(hs, axis=0), concatenate(cs, axis=0)), tape

    def _reorder(self, x: Any, k: int, padding: Padding | None) -> Any:
        """Return x in the order in which layer and direction k reads it; doing it twice gives x."""
        if k % self.params.num_directions == 0:
            return x
        if padding is None:
            return self.framework.flip(x)
        return self.framework.take_rows(x, padding.reversed_rows)

    def _differentiate_layers(
        self,
        layers: Sequence[NativeLayer],
        tape: list[Any],
        dy: Any,
        dh: Any,
        dc: Any,
        padding: Padding | None,
        masks: tuple[Any, ...],
    ) -> Any:
        """Return all gradients, from what each layer saved; ``tape`` is emptied."""
        D, P = self.params.num_directions, self.params.output_size
        weights, dh0, dc0 = [], [], []  # from the last to the first
        for level in reversed(range(self.params.num_layers)):
            if level < len(masks):
                dy = dy * masks[level]
            dx = None
            for k in reversed(range(level * D, (level + 1) * D)):
                dy_k = self._reorder(dy[:, :, k % D * P : (k % D + 1) * P], k, padding)
                dweights, dx_k, dh_k, dc_k = layers[k].backward(tape.pop(), dy_k, dh[k], dc[k])
                dx_k = self._reorder(dx_k, k, padding)
                dx = dx_k if dx is None else dx + dx_k
                weights.append(dweights)
                dh0.append(dh_k[None])
                dc0.append(dc_k[None])
            dy = dx
        names = self.params.layers[0][0].weights()
        flat = tuple(gradients[name] for gradients in reversed(weights) for name in names)
        concatenate = self.framework.concatenate
        return flat, dy, *(concatenate(arrays[::-1], axis=0) for arrays in (dh0, dc0))
