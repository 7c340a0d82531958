"""``lstmbench notebook``: parameters are listed, and reach the notebook."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import Ended

from lstmbench import notebooks

pytestmark = pytest.mark.usefixtures("unpainted")


def test_without_a_place_for_the_copy_the_parameters_are_listed(call: Callable[..., Ended]) -> None:
    ended = call("notebook", "03_speed")
    assert ended.code == 0
    for parameter in notebooks.parameters_of(notebooks.find("03_speed")).values():
        assert f"{parameter.name}: {parameter.kind} = {parameter.default!r}" in ended.out


def test_parameters_reach_the_notebook_with_their_types(
    call: Callable[..., Ended], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ("steps: int = 3  # how many", "name: str = 'a'", "rates: list[float] = [1.0]")
    cell = "\n".join([*lines, "fast: bool = False"])
    cells = [{"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": cell}]
    (tmp_path / "mine.ipynb").write_text(json.dumps({"cells": cells}))
    given: dict[str, Any] = {}
    monkeypatch.setattr(
        notebooks, "execute", lambda name, out, given_, html: given.update(given_, html=html) or out
    )
    words = [
        "--html",
        "-p",
        "steps=7",
        "-p",
        "name=5",
        "--parameter",
        "rates=[1, 2.5]",
        "-p",
        "fast=true",
    ]
    ended = call("notebook", tmp_path / "mine.ipynb", "--out", tmp_path / "done.ipynb", *words)
    assert (ended.code, ended.out.strip()) == (0, str(tmp_path / "done.ipynb"))
    assert given == {"steps": 7, "name": "5", "rates": [1, 2.5], "fast": True, "html": True}
