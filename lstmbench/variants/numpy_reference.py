"""``numpy.reference``: the six equations as printed. In float64 it is the oracle."""

from typing import Any

import numpy as np

from lstmbench.backends.numpy_backend import NumpyBackend
from lstmbench.core import oracle
from lstmbench.core.oracle import Array
from lstmbench.core.parameters import LSTMParams
from lstmbench.core.registry import register
from lstmbench.variants._common import TwoPass


@register("numpy.reference", framework="numpy", peephole=True)
class NumpyReference(TwoPass):
    """The equations and their hand-written derivatives, see ``lstmbench.core.oracle``."""

    def __init__(self, params: LSTMParams, framework: NumpyBackend) -> None:
        self.weights = oracle.split_weights(params, framework.dtype)

    def forward(self, x: Array, h0: Array, c0: Array) -> tuple[Array, Array, Array]:
        return self.forward_saving(x, h0, c0)[0]

    def forward_saving(self, x: Array, h0: Array, c0: Array) -> Any:
        steps = oracle.forward(self.weights, x, h0, c0)
        return (np.stack([step.h for step in steps]), steps[-1].h, steps[-1].c), (steps, c0)

    def backward(self, saved: Any, dy: Array, dh: Array, dc: Array) -> Any:
        steps, c0 = saved
        return oracle.backward(self.weights, steps, c0, dy, dh, dc)
