"""What is kept of each turn of a case."""

from lstmbench.measure.disturbance import Measurement
from lstmbench.measure.metrics import Evidence
from lstmbench.measure.suites.case import Case, Workload
from lstmbench.measure.workload_session import CaseRun

SMALL = Workload("inference", batch_size=3, seq_len=2, input_size=5, hidden_size=7)


def test_every_sample_is_kept_with_its_process_its_round_and_its_number_of_calls() -> None:
    """Each process finds for itself how many calls make a sample."""
    first = [
        Measurement([1.0, 2.0], 1.0, 1.0, 0, 1e-4, calls=10),
        Measurement([3.0], 1.0, 1.0, 0, 1e-4, calls=10),
    ]
    second = [Measurement([4.0], 1.0, 1.0, 0, 1e-4, calls=7)]
    case_run = CaseRun(
        Case("torch.nn", SMALL),
        Evidence(SMALL, "torch.nn", 0.02, measurements=[first, second]),
        peer=True,
    )
    rows = list(case_run.samples())
    kept = [
        tuple(row[name] for name in ("process", "round", "sample", "calls", "seconds"))
        for row in rows
    ]
    assert kept == [(0, 0, 0, 10, 1.0), (0, 0, 1, 10, 2.0), (0, 1, 0, 10, 3.0), (1, 0, 0, 7, 4.0)]
    assert all(
        row["implementation"] == "torch.nn" and row["peer"] and row["seq_len"] == 2 for row in rows
    )
