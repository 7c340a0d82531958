"""``lstmbench cite``: a table in every format."""

from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Ended, refused

pytestmark = pytest.mark.usefixtures("unpainted")

FORMATS = ["bibtex", "latex", "markdown"]


def test_a_table_is_cited_in_the_format_that_is_asked_for(
    measured: tuple[Path, Path], call: Callable[..., Ended]
) -> None:
    _, folder = measured
    whole = call("cite", "tiny-speed", "--results", folder)
    parts = [
        call("cite", "tiny-speed", "--results", folder.parent, "--format", name).out
        for name in FORMATS
    ]
    assert whole.code == 0
    assert all(part in whole.out for part in parts)
    assert [part.partition("{")[0].partition(" ")[0] for part in parts[:2]] == ["@misc", "%"]
    assert "bibtex, latex, markdown" in refused(
        call("cite", "tiny-speed", "--results", folder, "--format", "html")
    )
    assert "tiny-ratio, tiny-speed" in refused(call("cite", "nothing", "--results", folder))
