"""Layers, directions and lengths, written once over the layers of any implementation; all arrays
are native.

Sequences of different lengths cost what the padded run costs, and a few copies: no loop over
sequences, no sorting. Where the implementation takes lengths itself, it is told them, and need not
compute what is over.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from numpy.typing import NDArray

from lstmbench.core.interface import ArrayBackend
from lstmbench.core.parameters import LSTMParams
from lstmbench.core.stack.layer import Layer, MaskedLayer, Weights, make_layer
from lstmbench.core.stack.stack_parameters import StackParams


class Padding(NamedTuple):
    """What follows from the lengths, as native arrays."""

    layers: Sequence[Layer]  # what computes with padding
    lengths: tuple[Any, ...]  # what these are told of it: nothing, or the lengths (B,)
    inside: Any  # (T, B), true inside each sequence
    features: list[
        Any
    ]  # of each layer, (T, B, n) for the n features added, 0 inside and 1 outside; None for none
    # (T, B), the row t*B + b that stands there when it is read backwards; None where nothing is
    turned: Any
    last: Any  # (B,), the row of the last step


class ComposedStack:
    """Several layers in one or both directions, from an implementation of the plain LSTM."""

    def __init__(
        self,
        params: StackParams,
        framework: ArrayBackend,
        make: Callable[[LSTMParams], Any],
        lanes: int = 1,
    ) -> None:
        self.params, self.framework, self.make, self.lanes = params, framework, make, lanes
        self.layers: list[Layer] = [make_layer(each, make, framework) for each in params]
        self.takes_lengths = all(getattr(layer, "takes_lengths", False) for layer in self.layers)
        self.held: dict[
            int, list[MaskedLayer]
        ] = {}  # by the lanes; made when lengths are first given
        self._forward = framework.compile(self._run)
        self._forward_backward = framework.compile(self._run_and_differentiate)

    def forward(
        self,
        x: Any,
        h0: Any,
        c0: Any,
        lengths: NDArray[Any] | None = None,
        masks: tuple[Any, ...] = (),
    ) -> tuple[Any, Any, Any]:
        """Return y (T, B, D*P or D*H), h (L*D, B, P or H), c (L*D, B, H); see
        ``lstmbench.core.stack.interface``.
        """
        return self._forward(x, h0, c0, self._native(x, lengths, 1), masks)

    def forward_backward(
        self,
        x: Any,
        h0: Any,
        c0: Any,
        dy: Any,
        dh: Any,
        dc: Any,
        lengths: NDArray[Any] | None = None,
        masks: tuple[Any, ...] = (),
    ) -> tuple[tuple[Any, Any, Any], tuple[tuple[Any, ...], Any, Any, Any]]:
        """Return (y, h, c), and the gradients of all weights, one after the other, of x, h0 and c0."""
        return self._forward_backward(
            x, h0, c0, dy, dh, dc, self._native(x, lengths, self.lanes), masks
        )

    def _native(self, x: Any, lengths: NDArray[Any] | None, lanes: int) -> Any:
        if lengths is None or lengths.min() == len(x):
            return None
        if lanes not in self.held and not self.takes_lengths:
            self.held[lanes] = [
                MaskedLayer(each, self.make, self.framework, lanes) for each in self.params
            ]
        return self.framework.to_int_array(lengths)

    def _padding(self, x: Any, lengths: Any, lanes: int) -> Padding | None:
        if lengths is None:
            return None
        framework = self.framework
        T, B, _ = x.shape
        times, columns = framework.arange(T)[:, None], framework.arange(B)
        inside = times < lengths  # (T, B)
        last, turned = framework.to_device((lengths - 1) * B + columns), None
        if self.params.num_directions > 1:
            turned = framework.to_device((times + inside * (lengths - 1 - 2 * times)) * B + columns)
        if self.takes_lengths:
            return Padding(
                self.layers,
                (lengths,),
                framework.to_device(inside),
                [None] * len(self.layers),
                turned,
                last,
            )
        held, outside = self.held[lanes], framework.to_device(~inside)[:, :, None]
        features = {
            n: framework.zeros((T, B, n)) + outside for n in {layer.extra for layer in held}
        }
        each = [features[layer.extra] for layer in held]
        return Padding(held, (), framework.to_device(inside), each, turned, last)

    def _turn(self, x: Any, pad: Padding | None) -> Any:
        return self.framework.flip(x) if pad is None else self.framework.take_rows(x, pad.turned)

    def _run(self, x: Any, h0: Any, c0: Any, lengths: Any, masks: tuple[Any, ...]) -> Any:
        pad = self._padding(x, lengths, 1)
        outputs = self._up(x, h0, c0, pad, masks, lambda layer, *arrays: layer.forward(*arrays))
        return self._clear(outputs, pad)

    def _run_and_differentiate(
        self,
        x: Any,
        h0: Any,
        c0: Any,
        dy: Any,
        dh: Any,
        dc: Any,
        lengths: Any,
        masks: tuple[Any, ...],
    ) -> Any:
        pad = self._padding(x, lengths, self.lanes)
        tape: list[Any] = []

        def run(layer: Layer, *arrays: Any) -> Any:
            outputs, saved = layer.forward_saving(*arrays)
            tape.append(saved)
            return outputs

        outputs = self._up(x, h0, c0, pad, masks, run)
        gradients = self._down(tape, dy, dh, dc, pad, masks)
        return self._clear(outputs, pad), gradients

    def _up(
        self, x: Any, h0: Any, c0: Any, pad: Padding | None, masks: tuple[Any, ...], run: Any
    ) -> Any:
        """Go through the layers from the lowest to the highest; ``run`` computes one, in one
        direction.
        """
        framework, D = self.framework, self.params.num_directions
        layers, told = (self.layers, ()) if pad is None else (pad.layers, pad.lengths)
        parts = [
            x if pad is None else framework.where_valid(x, pad.inside)
        ]  # side by side they are the layer's input
        hs, cs = [], []
        for level in range(self.params.num_layers):
            if level > 0 and masks:
                parts = [self._join(parts) * masks[level - 1]]
            more = None if pad is None else pad.features[level * D]
            below = self._join(parts if more is None else [*parts, more])
            parts = []
            for direction in range(D):
                k = level * D + direction
                y, h, c = run(
                    layers[k], self._turn(below, pad) if direction else below, h0[k], c0[k], *told
                )
                hs.append(h if pad is None or told else framework.take_rows(y, pad.last))
                cs.append(c)
                parts.append(self._turn(y, pad) if direction else y)
        return self._join(parts), framework.stack(hs), framework.stack(cs)

    def _clear(self, outputs: Any, pad: Padding | None) -> Any:
        """Make the outputs at padding 0; only now, since what was saved for going down may share
        their memory.
        """
        y, h, c = outputs
        return (
            (y if pad is None or pad.lengths else self.framework.zero_padding(y, pad.inside)),
            h,
            c,
        )

    def _join(self, parts: list[Any]) -> Any:
        return parts[0] if len(parts) == 1 else self.framework.concatenate(parts, axis=2)

    def _down(
        self,
        tape: list[Any],
        dy: Any,
        dh: Any,
        dc: Any,
        pad: Padding | None,
        masks: tuple[Any, ...],
    ) -> Any:
        """Go through the layers from the highest to the lowest, with what they saved."""
        framework, D, P = self.framework, self.params.num_directions, self.params.output_size
        layers: Sequence[Layer] = self.layers if pad is None else pad.layers
        held = (
            None if pad is None or pad.lengths else pad
        )  # what takes lengths itself needs nothing of this
        if held is not None:
            dy = framework.where_valid(dy, held.inside)
        weights, dh0, dc0 = [], [], []  # from the last to the first
        for level in reversed(range(self.params.num_layers)):
            below = None
            for direction in reversed(range(D)):
                k = level * D + direction
                part = dy[:, :, direction * P : (direction + 1) * P] if D == 2 else dy
                part, dh_k = self._turn(part, pad) if direction else part, dh[k]
                if held is not None:  # h was taken from the outputs, and so its gradient goes there
                    part, dh_k = (
                        framework.add_rows(part, held.last, dh_k),
                        framework.zeros(dh_k.shape),
                    )
                dweights, dx, dh_k, dc_k = layers[k].backward(tape.pop(), part, dh_k, dc[k])
                dx = self._turn(dx, pad) if direction else dx
                below = dx if below is None else below + dx
                weights.append(self._in_order(dweights))
                dh0.append(dh_k)
                dc0.append(dc_k)
            dy = below * masks[level - 1] if level > 0 and masks else below
        flat = tuple(gradient for each in reversed(weights) for gradient in each)
        return flat, dy, framework.stack(dh0[::-1]), framework.stack(dc0[::-1])

    def _in_order(self, weights: Weights) -> list[Any]:
        return [weights[name] for name in self.params.layers[0][0].weights()]
