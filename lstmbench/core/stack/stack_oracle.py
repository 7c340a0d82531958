"""The oracle of stacks: layer by layer, direction by direction, in float64.

It takes a layer's equations from ``lstmbench.core.oracle``, and shares only the parameters with the
composed stack. The sequences of one length are run together, without any padding, and those of
another length apart from them; a reverse direction reads them from their end.
"""

import numpy as np
from numpy.typing import NDArray

from lstmbench.core import oracle
from lstmbench.core.stack.stack_parameters import StackParams

Array = NDArray[np.float64]
Lengths = NDArray[np.integer]
Outputs = tuple[Array, Array, Array]
Group = tuple[Lengths, list[oracle.Step]]
"""The indices in the batch of sequences of one length, (n,), and their steps."""


def forward(
    params: StackParams,
    x: Array,
    h0: Array,
    c0: Array,
    lengths: Lengths | None = None,
    masks: tuple[Array, ...] = (),
) -> tuple[Outputs, list[list[Group]]]:
    """Return (y (T, B, D*P), h (L*D, B, P), c (L*D, B, H)), and all steps of each direction.

    P is H where there is no projection.

    Args:
        params: the weights.
        x: inputs, (T, B, I).
        h0: initial hidden states, (L*D, B, P).
        c0: initial cell states, (L*D, B, H).
        lengths: of each sequence, (B,); T if None.
        masks: dropout masks, which multiply the outputs of each layer but the last, (T, B, D*P)
            each; none if empty.
    """
    T, B, _ = x.shape
    lengths = np.full(B, T) if lengths is None else lengths
    h, c, P = np.empty_like(h0), np.empty_like(c0), params.output_size
    groups: list[list[Group]] = []
    for level, layer in enumerate(params.layers):
        y = np.zeros((T, B, params.num_directions * P))
        for direction, layer_params in enumerate(layer):
            k, order = len(groups), 1 - 2 * direction
            weights = oracle.split_weights(layer_params)
            y_k = y[:, :, direction * P : (direction + 1) * P]
            groups.append([])
            for n in np.unique(lengths):
                rows = np.flatnonzero(lengths == n)
                inputs = x[:n, rows][::order], h0[k, rows], c0[k, rows]
                steps = oracle.forward(weights, *inputs)
                y_k[:n, rows] = [step.h for step in steps[::order]]
                h[k, rows], c[k, rows] = steps[-1].h, steps[-1].c
                groups[k].append((rows, steps))
        x = y * masks[level] if level < len(masks) else y
    return (x, h, c), groups


def forward_backward(
    params: StackParams,
    x: Array,
    h0: Array,
    c0: Array,
    dy: Array,
    dh: Array,
    dc: Array,
    lengths: Lengths | None = None,
    masks: tuple[Array, ...] = (),
) -> tuple[Outputs, tuple[tuple[Array, ...], Array, Array, Array]]:
    """Return (y, h, c), and the gradients of sum(y*dy) + sum(h*dh) + sum(c*dc).

    They are the gradients of all weights (layer by layer, direction by direction, each in the order
    of ``LSTMParams.weights``), of x, h0 and c0.
    """
    outputs, groups = forward(params, x, h0, c0, lengths, masks)
    D, P = params.num_directions, params.output_size
    gradients: tuple[Array, ...] = ()
    dh0, dc0 = np.empty_like(h0), np.empty_like(c0)
    for level in reversed(range(params.num_layers)):
        if level < len(masks):
            dy = dy * masks[level]
        dx = np.zeros((*dy.shape[:2], params.layers[level][0].input_size))
        for direction in reversed(range(D)):
            k, order = level * D + direction, 1 - 2 * direction
            layer_params = params.layers[level][direction]
            weights = oracle.split_weights(layer_params)
            dy_k = dy[:, :, direction * P : (direction + 1) * P]
            parts = []
            for rows, steps in groups[k]:
                n = len(steps)
                cotangents = dy_k[:n, rows][::order], dh[k, rows], dc[k, rows]
                dW_ih, dW_hh, db, dx_rows, dh0[k, rows], dc0[k, rows], *others = oracle.backward(
                    weights, steps, c0[k, rows], *cotangents
                )
                dx[:n, rows] += dx_rows[::order]
                parts.append([dW_ih, dW_hh, *[db] * layer_params.has_bias, *others])
            gradients = (*(np.sum(part, axis=0) for part in zip(*parts, strict=True)), *gradients)
        dy = dx
    return outputs, (gradients, dy, dh0, dc0)
