"""The committed results are what their sums, samples and records give, rendered again: what `nox -s
verify` does.
"""

from pathlib import Path

import pytest

from lstmbench.verify.finding import exit_code
from lstmbench.verify.verify import verify, verify_index

ROOT = Path(__file__).resolve().parents[1]
RUNS = sorted(path.parent.name for path in (ROOT / "results").glob("*/manifest.json"))
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("run", RUNS)
def test_a_committed_run_verifies(run: str) -> None:
    found = verify(ROOT / "results" / run)
    assert exit_code(found) == 0, "\n".join(map(str, found))


def test_the_index_is_that_of_the_committed_runs() -> None:
    found = list(verify_index(ROOT / "results"))
    assert exit_code(found) == 0, "\n".join(map(str, found))
