"""``torch.recompute`` is ``torch.fused`` in another order, and in a fraction of the memory."""

import numpy as np
import pytest
from conformance import draw, relative_error, results

import lstmbench as lb

torch = pytest.importorskip("torch")


def beyond(name: str, T: int, B: int, H: int) -> float:
    """What a training call allocates beyond its gradients, in arrays of (T, B, H)."""
    lstm = lb.load(name, lb.LSTMParams.init(H, H))
    random = np.random.default_rng(0)
    shapes = [(T, B, H), (B, H), (B, H)] * 2
    arrays = [lstm.framework.from_numpy(random.normal(size=shape)) for shape in shapes]
    lstm.implementation.forward_backward(*arrays)
    allocated = lstm.framework.allocated_bytes(lstm.implementation.forward_backward, *arrays)
    assert allocated is not None
    gradients = T * B * H + 2 * B * H + 8 * H * H + 4 * H
    return (allocated / 4 - gradients) / (T * B * H)


def test_training_allocates_little_more_than_the_outputs() -> None:
    assert beyond("torch.fused", 1024, 4, 32) == pytest.approx(6, rel=0.02)  # h, c and four gates
    assert beyond("torch.recompute", 1024, 4, 32) < 1.5


@pytest.mark.parametrize(("T", "B"), [(1, 1), (255, 1), (257, 1), (300, 3), (700, 2)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_chunks_give_the_gradients_of_the_whole(T: int, B: int, dtype: str) -> None:
    problem = draw(T, B, 3, 5)
    wanted = results(lb.load("torch.fused", problem.params, dtype=dtype), problem)
    for name, found in results(
        lb.load("torch.recompute", problem.params, dtype=dtype), problem
    ).items():
        assert relative_error(found, wanted[name]) < {"float32": 3e-6, "float64": 1e-13}[dtype], (
            name
        )
