"""Weights and everything that goes into a stack, drawn for tests; and what it gives, by name."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

import lstmbench as lb
from lstmbench.core.array_checks import map_nested
from lstmbench.core.stack import stack_oracle
from lstmbench.core.stack.dropout import draw_masks

Array = NDArray[Any]
CLOSE = 1e-10


@dataclass(frozen=True)
class Problem:
    params: lb.StackParams
    x: Array  # (T, B, I)
    state: tuple[Array, Array]  # (L*D, B, P), (L*D, B, H)
    dy: Array  # (T, B, D*P)
    dstate: tuple[Array, Array]
    lengths: Array | None  # (B,)


def draw(T: int, B: int, params: lb.StackParams, varied: bool, seed: int = 0) -> Problem:
    random = np.random.default_rng([seed, T, B])
    D, P, H = params.num_directions, params.output_size, params.hidden_size
    count = params.num_layers * D
    shapes = (
        (T, B, params.input_size),
        (count, B, P),
        (count, B, H),
        (T, B, D * P),
        (count, B, P),
        (count, B, H),
    )
    x, h0, c0, dy, dh, dc = (random.normal(size=shape) for shape in shapes)
    lengths = random.integers(1, T + 1, B) if varied else None
    return Problem(params, x, (h0, c0), dy, (dh, dc), lengths)


def named(params: lb.StackParams, outputs: Any, gradients: Any) -> dict[str, Array]:
    """Name outputs (y, h, c) and gradients (weights, dx, dh0, dc0)."""
    flat, *rest = gradients
    D = params.num_directions
    names = [f"{k // D}.{k % D}.{name}" for k, each in enumerate(params) for name in each.weights()]
    return dict(
        zip(["y", "h", "c", *names, "dx", "dh0", "dc0"], [*outputs, *flat, *rest], strict=True)
    )


def oracle_results(
    problem: Problem, dropout: float = 0.0, seed: int | None = None
) -> dict[str, Array]:
    """What the oracle gives."""
    T, B, _ = problem.x.shape
    masks = draw_masks(problem.params, T, B, dropout, seed)
    given = (problem.x, *problem.state, problem.dy, *problem.dstate)
    return named(
        problem.params,
        *stack_oracle.forward_backward(problem.params, *given, problem.lengths, masks),
    )


def stack_results(
    stack: lb.Stack, problem: Problem, dropout: float = 0.0, seed: int | None = None
) -> dict[str, Array]:
    """What the stack gives, asked as users ask."""
    y, (h, c) = stack.forward(problem.x, problem.state, problem.lengths, dropout, seed)
    gradients = stack.backward(
        problem.x, problem.dy, problem.state, problem.dstate, problem.lengths, dropout, seed
    )
    layers = zip(gradients.layers, problem.params.layers, strict=True)
    pairs = [pair for layer, params in layers for pair in zip(layer, params, strict=True)]
    flat = [getattr(each, name) for each, params in pairs for name in params.weights()]
    return named(problem.params, (y, h, c), (flat, gradients.x, gradients.h0, gradients.c0))


def errors(actual: dict[str, Array], expected: dict[str, Array]) -> dict[str, float]:
    """The largest difference in each, over the largest entry or 1."""
    assert actual.keys() == expected.keys()
    return {
        name: float(np.abs(array - expected[name]).max() / max(1.0, np.abs(expected[name]).max()))
        if array.shape == expected[name].shape and np.isfinite(array).all()
        else float("inf")
        for name, array in actual.items()
    }


def native_results(stack: lb.Stack, problem: Problem) -> dict[str, Array]:
    """What the stack's native entry point for training gives: one program to compile, where there
    is a compiler.
    """
    framework = stack.framework
    with framework.scope():
        arrays = [
            framework.from_numpy(each)
            for each in (problem.x, *problem.state, problem.dy, *problem.dstate)
        ]
        outputs = stack.implementation.forward_backward(*arrays, problem.lengths)
        return named(problem.params, *map_nested(framework.to_numpy, outputs))


# Against nn.LSTM


def torch_results(problem: Problem) -> dict[str, Any]:
    """nn.LSTM itself, by its own names, with a PackedSequence where there are lengths."""
    import torch

    params = problem.params
    lstm = torch.nn.LSTM(
        params.input_size,
        params.hidden_size,
        params.num_layers,
        bias=params.has_bias,
        bidirectional=params.bidirectional,
        proj_size=params.proj_size,
        dtype=torch.float64,
    )
    weights = []
    for k, each in enumerate(params):
        suffix = f"_l{k // params.num_directions}" + "_reverse" * (k % params.num_directions)
        entries = {"weight_ih": each.weight_ih, "weight_hh": each.weight_hh}
        if each.has_bias:
            entries["bias_ih"] = each.bias
            getattr(lstm, f"bias_hh{suffix}").data.zero_()
        if each.projection is not None:
            entries["weight_hr"] = each.projection
        for name, array in entries.items():
            getattr(lstm, name + suffix).data.copy_(torch.from_numpy(array))
            weights.append(getattr(lstm, name + suffix))
    x, h0, c0 = (torch.from_numpy(array).requires_grad_() for array in (problem.x, *problem.state))
    if problem.lengths is None:
        y, (h, c) = lstm(x, (h0, c0))
    else:
        lengths = torch.from_numpy(problem.lengths)
        packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
        packed, (h, c) = lstm(packed, (h0, c0))
        y, _ = torch.nn.utils.rnn.pad_packed_sequence(packed, total_length=len(x))
    cotangents = tuple(map(torch.from_numpy, (problem.dy, *problem.dstate)))
    gradients = [
        g.numpy() for g in torch.autograd.grad((y, h, c), (*weights, x, h0, c0), cotangents)
    ]
    return named(params, [a.detach().numpy() for a in (y, h, c)], (gradients[:-3], *gradients[-3:]))


sizes = st.fixed_dictionaries(
    {
        "T": st.integers(1, 8),
        "B": st.integers(1, 5),
        "input_size": st.integers(1, 6),
        "hidden_size": st.integers(2, 6),
    }
)
kinds = st.fixed_dictionaries(
    {
        "num_layers": st.integers(1, 3),
        "bidirectional": st.booleans(),
        "proj_size": st.sampled_from([0, 1, -1]),
        "bias": st.booleans(),
    }
)


def problem_of(sizes: dict[str, int], kind: dict[str, Any], varied: bool, seed: int) -> Problem:
    """Draw a problem of these sizes and this kind."""
    H = sizes["hidden_size"]
    proj_size = kind["proj_size"] % H  # -1 is H - 1
    params = lb.StackParams.init(
        sizes["input_size"], H, **kind | {"proj_size": proj_size}, seed=seed
    )
    return draw(sizes["T"], sizes["B"], params, varied, seed)


EVERY = [
    {"num_layers": L, "bidirectional": both, "proj_size": proj_size, "bias": bias}
    for L in (1, 2, 3)
    for both in (False, True)
    for proj_size in (0, 2)
    for bias in (True, False)
]


def check(name: str, problem: Problem) -> None:
    """Hold an implementation, or the oracle, against nn.LSTM in float64."""
    if name == "oracle":
        ours = oracle_results(problem)
    else:
        ours = (native_results if name.startswith("jax") else stack_results)(
            lb.load(name, problem.params, dtype="float64"), problem
        )
    wrong = {
        key: error for key, error in errors(ours, torch_results(problem)).items() if error > CLOSE
    }
    assert wrong == {}
