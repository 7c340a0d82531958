"""Each kind of process is measured, and what cannot be timed is refused in a sentence."""

import pytest

from lstmbench.errors import LstmbenchError
from lstmbench.measure.framework_interference import SEPARATE, SHARED, measure_interference
from lstmbench.measure.suites.case import Workload

SMALL = Workload("inference", batch_size=2, seq_len=3, input_size=4, hidden_size=5)


def test_every_call_is_there_alone_and_in_one_process() -> None:
    found = measure_interference(("numpy.fused", "numpy.reference"), SMALL, calls=3, repeats=2)
    counted = found.groupby(["implementation", "processes"]).size()
    assert counted.to_dict() == {
        (n, kind): 6 for n in ("numpy.fused", "numpy.reference") for kind in (SEPARATE, SHARED)
    }
    assert (found["seconds"] > 0).all()


def test_an_implementation_that_is_missing_is_named() -> None:
    with pytest.raises(
        LstmbenchError, match=r"numpy\.none could not be timed: .*There is no implementation"
    ):
        measure_interference(("numpy.none", "numpy.fused"), SMALL, calls=1, repeats=1)


def test_what_hangs_is_ended() -> None:
    with pytest.raises(LstmbenchError, match=r"numpy\.fused could not be timed: no answer"):
        measure_interference(
            ("numpy.fused", "numpy.reference"), SMALL, calls=1, repeats=1, timeout_s=0.01
        )
