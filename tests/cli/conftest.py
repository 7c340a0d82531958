"""Calls of the command line, and a run that they work on."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import Ended
from tiny import measure_in_process, unpainted, write_suite
from typer.testing import CliRunner

from lstmbench import cli, exit_codes


@pytest.fixture
def call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ended]:
    """Call the command line as its script does."""

    def run(*words: Any) -> Ended:
        monkeypatch.setattr(sys, "argv", ["lstmbench", *map(str, words)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        captured = capsys.readouterr()
        return Ended(int(caught.value.code or 0), captured.out, captured.err)

    monkeypatch.setenv("COLUMNS", "200")
    return run


@pytest.fixture(scope="session")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A suite and the folder that the verb run left, with its tables and figures."""
    folder = tmp_path_factory.mktemp("cli")
    suite = write_suite(
        folder / "tiny.yaml", ["numpy.fused", "numpy.reference"], {"seq_len": [3, 4]}
    )
    with pytest.MonkeyPatch.context() as monkeypatch, unpainted():
        measure_in_process(monkeypatch)
        done = CliRunner().invoke(
            cli.app, ["run", str(suite), "--out", str(folder / "out"), "--no-progress"]
        )
    assert done.exit_code in (exit_codes.OK, exit_codes.CONTROLS_FAILED), done.output
    return suite, folder / "out"
