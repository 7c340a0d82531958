"""The Pallas kernels compute the LSTM: without a GPU, as JAX interprets them; and they can be
compiled for one.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
from conformance import draw, expected_results, relative_error, results

from lstmbench.core.interface import LSTM
from lstmbench.core.tolerance import TOLERANCE

jax = pytest.importorskip("jax")
jax_pallas = pytest.importorskip("lstmbench.variants.jax_pallas", reason="needs JAX")

# T, B, I, H: one of each; neither the units nor the sequences fill a block; several blocks of each
SHAPES = [(1, 1, 1, 1), (3, 2, 5, 7), (4, 18, 3, 33), (2, 66, 4, 70)]


def load(problem: Any, dtype: str) -> LSTM:
    framework = jax_pallas.JaxBackend("cpu", dtype)
    return LSTM(
        "jax.pallas", problem.params, framework, jax_pallas.JaxPallas(problem.params, framework)
    )


@pytest.mark.parametrize(
    "shape", [SHAPES[0], *(pytest.param(s, marks=pytest.mark.slow) for s in SHAPES[1:])], ids=str
)
def test_it_agrees_with_the_oracle(shape: tuple[int, int, int, int]) -> None:
    problem = draw(*shape)
    wanted = expected_results(problem)
    for name, found in results(load(problem, "float32"), problem).items():
        assert relative_error(found, wanted[name]) <= TOLERANCE["float32"], name


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_it_agrees_with_the_oracle_in_two_bytes(dtype: str) -> None:
    problem = draw(5, 4, 6, 8)
    wanted = expected_results(problem)
    for name, found in results(load(problem, dtype), problem).items():
        assert relative_error(found, wanted[name]) <= TOLERANCE[dtype], name


def a_gpu() -> AbstractContextManager[Any]:
    """JAX 0.11 lowers for a GPU that it is told of; JAX 0.10 asks for none."""
    if jax.__version_info__ < (0, 11):
        return nullcontext()
    gpu = jax.sharding.AbstractDevice("NVIDIA H100 80GB HBM3", 132, "cuda")
    return jax.sharding.use_abstract_mesh(jax.sharding.AbstractMesh((), (), abstract_device=gpu))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_it_can_be_lowered_for_cuda_without_a_gpu(dtype: str) -> None:
    framework = jax_pallas.JaxBackend("cpu", dtype)
    problem = draw(3, 18, 5, 70)
    x, h0, c0, *_ = arrays = [framework.from_numpy(array) for array in problem.all_inputs]
    weights = tuple(
        framework.from_numpy(each)
        for each in (problem.params.weight_ih, problem.params.weight_hh, problem.params.bias)
    )
    run = jax_pallas.sequence(jax_pallas.PallasSteps(interpret=False))

    def train(weights: Any, *arrays: Any) -> Any:
        outputs, pullback = jax.vjp(run, weights, *arrays[:3])
        return outputs, pullback(arrays[3:])

    for function, given, kernels in ((run, (x, h0, c0), 1), (train, arrays, 2)):
        try:
            with a_gpu():
                lowered = (
                    jax.jit(function).trace(weights, *given).lower(lowering_platforms=("cuda",))
                )
        except (
            ImportError,
            NotImplementedError,
        ) as error:  # later versions compile here, and need what CUDA's has
            pytest.skip(f"JAX cannot lower for CUDA here: {error}")
        assert lowered.as_text().count("triton") >= kernels


def test_padding_is_minimal() -> None:
    sizes = jax_pallas.Sizes
    assert sizes.of(1, 1) == (16, 64, 16)
    assert sizes.of(16, 768) == (16, 768, 16)
    assert sizes.of(18, 100) == (32, 128, 32)
    assert sizes.of(200, 64) == (256, 64, 64)
