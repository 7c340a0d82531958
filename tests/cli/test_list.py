"""``lstmbench list``: implementations, suites, and what is slower here."""

import json
from collections.abc import Callable

import pytest
from command_line import Ended

import lstmbench as lb
from lstmbench.measure.suites.suite_file import suites

pytestmark = pytest.mark.usefixtures("unpainted")


def test_list_shows_implementations_and_suites(call: Callable[..., Ended]) -> None:
    ended = call("list")
    assert ended.code == 0
    for name in ("numpy.reference", "torch.nn (peer)", "jax.scan", *suites()):
        assert name in ended.out


def test_list_as_json_holds_what_the_library_says(call: Callable[..., Ended]) -> None:
    ended = json.loads(call("list", "--json").out)
    expected = json.loads(lb.implementations().to_json(orient="records"))
    assert ended == {"implementations": expected, "suites": list(suites())}


def test_list_names_what_is_slower_here_and_why(
    call: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = {
        "recurrence": "not compiled, and torch.fused is slower: no compiler",
        "numpy.exp": "AVX2",
    }
    monkeypatch.setattr("lstmbench.doctor.code_paths", lambda: paths)
    ended = call("list").out
    assert "\nrecurrence: not compiled, and torch.fused is slower: no compiler\n" in ended
    assert "AVX2" not in ended


def test_a_reason_in_brackets_is_text_and_not_markup(
    call: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"name": "mine.fast", "available": False, "reason": "[/nowhere] [bold]", "peer": False}
    row |= {"devices": (), "dtypes": (), "modes": ()}
    monkeypatch.setattr("lstmbench.core.registry.implementation_row", lambda name: row)
    assert "[/nowhere] [bold]" in call("list").out
