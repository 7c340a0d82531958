"""Peepholes: one implementation in each backend has them, the others say so."""

import pytest
from stacks import draw, errors, native_results, oracle_results

import lstmbench as lb

WITH = ["numpy.reference", "torch.loop", "jax.scan"]
WITHOUT = ["numpy.fused", "torch.fused", "torch.nn", "jax.fused"]


@pytest.mark.parametrize("varied", [False, True], ids=["padded", "lengths"])
@pytest.mark.parametrize("proj_size", [0, 2])
@pytest.mark.parametrize("name", WITH)
def test_they_are_computed_as_the_oracle_does(name: str, proj_size: int, varied: bool) -> None:
    pytest.importorskip(name.partition(".")[0])
    params = lb.StackParams.init(
        3, 4, 2, bidirectional=True, proj_size=proj_size, peephole=True, seed=3
    )
    problem = draw(5, 3, params, varied)
    stack = lb.load(name, params, dtype="float64")
    assert max(errors(native_results(stack, problem), oracle_results(problem)).values()) <= 1e-12


def test_they_matter() -> None:
    params = lb.StackParams.init(3, 4, peephole=True, seed=3)
    without = lb.StackParams([[lb.LSTMParams(*list(params.layers[0][0].weights().values())[:3])]])
    problem = draw(5, 3, params, False)
    ys = [lb.load("numpy.reference", each).forward(problem.x)[0] for each in (params, without)]
    assert abs(ys[0] - ys[1]).max() > 1e-3


@pytest.mark.parametrize("name", WITHOUT)
def test_an_implementation_without_them_says_who_has_them(name: str) -> None:
    pytest.importorskip(name.partition(".")[0])
    for params in (
        lb.StackParams.init(3, 4, peephole=True),
        lb.LSTMParams.init(3, 4, peephole=True),
    ):
        with pytest.raises(lb.LstmbenchError) as caught:
            lb.load(name, params)
        expected = (
            f"{name} has no peepholes, and params have; these compute them: jax.scan, "
            "numpy.reference, torch.loop."
        )
        assert str(caught.value) == expected
