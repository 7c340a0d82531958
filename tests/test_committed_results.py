"""The committed results are what their sums, samples and records give, rendered again: what `nox -s verify` does."""

from pathlib import Path

import pytest

from lstmbench.verifying.finding import exit_code
from lstmbench.verifying.verify import verify

ROOT = Path(__file__).resolve().parents[1]
RUNS = sorted(path.parent.name for path in (ROOT / "results").glob("*/manifest.json"))
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("run", RUNS)
def test_a_committed_run_verifies(run: str) -> None:
    found = verify(ROOT / "results" / run)
    assert exit_code(found) == 0, "\n".join(map(str, found))


def test_the_index_is_that_of_the_committed_runs() -> None:
    def as_it_is(run: Path) -> dict[str, bytes]:
        files = [path for name in ("*.md", "tables/*", "figures/*") for path in run.glob(name)]
        return {str(path.relative_to(run)): path.read_bytes() for path in files}

    found = verify(ROOT / "results", render=as_it_is)
    assert exit_code(found) == 0, "\n".join(map(str, found))
