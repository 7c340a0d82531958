"""Forward and backward apart are forward and backward at once."""

import numpy as np
import pytest
from conformance import CORE_NAMES, cases, draw

import lstmbench as lb
from lstmbench.core.tolerance import TOLERANCE, relative_error


@pytest.mark.parametrize("name", CORE_NAMES)
def test_ours_offer_both(name: str) -> None:
    pytest.importorskip(name.partition(".")[0])
    implementation = lb.load(name, draw(1, 1, 1, 1).params).implementation
    assert hasattr(implementation, "forward_saving")
    assert hasattr(implementation, "backward")


@pytest.mark.parametrize(("name", "dtype", "device"), cases("float64"))
def test_they_give_the_same(name: str, dtype: str, device: str) -> None:
    problem = draw(6, 4, 5, 3)
    lstm = lb.load(name, problem.params, device=device, dtype=dtype)
    framework, implementation = lstm.framework, lstm.implementation
    if not hasattr(implementation, "forward_saving"):
        pytest.skip("offers them at once only")
    with framework.scope():
        arrays = [framework.from_numpy(array) for array in problem.all_inputs]
        first, saved = implementation.forward_saving(*arrays[:3])
        other, saved_too = implementation.forward_saving(*(2 * array for array in arrays[:3]))
        gradients = implementation.backward(saved, *arrays[3:])
        implementation.backward(saved_too, *arrays[3:])
        outputs, wanted = implementation.forward_backward(*arrays)
        for pair in zip((*first, *gradients), (*outputs, *wanted), strict=True):
            found, expected = map(framework.to_numpy, pair)
            assert relative_error(found, expected) <= TOLERANCE[dtype]
        assert not np.array_equal(framework.to_numpy(other[0]), framework.to_numpy(first[0]))
