"""``numpy.reference``: the six equations as printed. In float64 it is the oracle; it never gets fast."""

from typing import Any

import numpy as np

from lstmbench.cell import reference
from lstmbench.cell.parameters import LSTMParams
from lstmbench.cell.reference import Array
from lstmbench.cell.registry import register
from lstmbench.frameworks.numpy_framework import NumpyFramework


@register("numpy.reference", framework="numpy")
class NumpyReference:
    """The equations and their hand-written derivatives, see ``lstmbench.cell.reference``."""

    def __init__(self, params: LSTMParams, framework: NumpyFramework) -> None:
        self.W, self.b = reference.split_gates(params, framework.dtype)

    def forward(self, x: Array, h0: Array, c0: Array) -> tuple[Array, Array, Array]:
        steps = reference.forward(self.W, self.b, x, h0, c0)
        return np.stack([step.h for step in steps]), steps[-1].h, steps[-1].c

    def forward_backward(self, x: Array, h0: Array, c0: Array, dy: Array, dh: Array, dc: Array) -> Any:
        steps = reference.forward(self.W, self.b, x, h0, c0)
        gradients = reference.backward(self.W, steps, c0, dy, dh, dc)
        return (np.stack([step.h for step in steps]), steps[-1].h, steps[-1].c), tuple(gradients)
