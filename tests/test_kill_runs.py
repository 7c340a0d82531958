"""A run that is killed goes on; and what looks on while it is killed sees what is wrong."""

import os
import random
from pathlib import Path

import pandas as pd
import pytest
from scripts import load_script

kill_runs = load_script("validation/kill_runs.py")

ROWS = pd.DataFrame(
    [
        {
            "workload": "a",
            "implementation": name,
            "status": "ok",
            "error": None,
            "time_median_s": 0.1,
        }
        | {"output_rel_error": 1e-8, "grad_rel_error": 1e-8}
        for name in ("numpy.fused", "numpy.reference")
    ]
)

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs Linux's processes")


@pytest.mark.slow
@pytest.mark.process
def test_runs_that_are_killed_go_on_and_lose_nothing(tmp_path: Path) -> None:
    assert list(kill_runs.kill_runs(kill_runs.Runs(tmp_path), 3, random.Random(3))) == []


@pytest.mark.slow
@pytest.mark.process
def test_a_run_whose_processes_are_killed_comes_to_its_end(tmp_path: Path) -> None:
    assert list(kill_runs.kill_workers(kill_runs.Runs(tmp_path), 2, random.Random(3))) == []


@pytest.mark.parametrize(
    ("after", "fault"),
    [
        (ROWS, None),
        (ROWS[:1], "rows have gone or changed"),
        (ROWS.assign(time_median_s=0.2), "rows have gone or changed"),
        (pd.concat([ROWS, ROWS]), "rows are there twice"),
        (ROWS.assign(output_rel_error=2e-8), "the rows are not those of an undisturbed run"),
    ],
)
def test_what_is_lost_changed_or_there_twice_is_seen(
    after: pd.DataFrame, fault: str | None
) -> None:
    found = kill_runs.faults(ROWS, after, ROWS)
    assert fault in found if fault else found == []
