"""Weights to send through formats, and what the oracle computes with them. Only tests use it."""

from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

import lstmbench as lb
from lstmbench.core.stack import stack_oracle

Array = NDArray[Any]
NAMES = ("weight_ih", "weight_hh", "bias", "peephole", "projection")
# Numbers that arithmetic would change: adding 0.0 changes -0.0, and a smallest number is lost where
# denormals are
ODD = (-0.0, 0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45)


def bits(params: lb.LSTMParams | lb.StackParams) -> list[Any]:
    """Return all that the weights are, down to the bits, as something to compare with ``==``."""
    if isinstance(params, lb.StackParams):
        return [[bits(direction) for direction in layer] for layer in params.layers]
    arrays = [getattr(params, name) for name in NAMES]
    return [
        params.has_bias,
        *(None if array is None else (array.shape, array.tobytes()) for array in arrays),
    ]


def spoiled(params: lb.LSTMParams, seed: int, dtype: str) -> lb.LSTMParams:
    """Return the weights with odd numbers among them, all of which the dtype has."""
    random = np.random.default_rng(seed)
    arrays = {}
    for name in NAMES:
        array = getattr(params, name)
        if array is None or (name == "bias" and not params.has_bias):
            arrays[name] = None
            continue
        array = array.astype(dtype).astype(np.float64)
        places = random.random(array.shape) < 0.3
        array[places] = np.array(ODD).astype(dtype)[
            random.integers(len(ODD), size=int(places.sum()))
        ]
        arrays[name] = array
    return lb.LSTMParams(**arrays)


@st.composite
def stacks(
    draw: st.DrawFn,
    dtype: str = "float64",
    several: bool = True,
    projection: bool = False,
    peephole: bool = False,
) -> lb.StackParams:
    """Stacks of weights that the dtype has, with odd numbers among them."""
    hidden, seed = draw(st.integers(2, 4)), draw(st.integers(0, 2**31))
    stack = lb.StackParams.init(
        draw(st.integers(1, 4)),
        hidden,
        num_layers=draw(st.integers(1, 3)) if several else 1,
        bidirectional=several and draw(st.booleans()),
        proj_size=draw(st.integers(0, hidden - 1)) if projection else 0,
        bias=draw(st.booleans()),
        peephole=peephole and draw(st.booleans()),
        seed=seed,
    )
    layers = [
        [spoiled(each, seed + number, dtype) for each in layer]
        for number, layer in enumerate(stack.layers)
    ]
    return lb.StackParams(layers)


def oracle(
    stack: lb.StackParams, x: Array, h0: Any = None, c0: Any = None
) -> tuple[Array, Array, Array]:
    """Return y (T, B, D*P), h (L*D, B, P) and c (L*D, B, H); the initial state is zero where none
    is given.
    """
    x = np.asarray(x, dtype=np.float64)
    shape = (stack.num_layers * stack.num_directions, x.shape[1])
    h0 = np.zeros((*shape, stack.output_size)) if h0 is None else h0
    c0 = np.zeros((*shape, stack.hidden_size)) if c0 is None else c0
    return stack_oracle.forward(stack, x, h0, c0)[0]
