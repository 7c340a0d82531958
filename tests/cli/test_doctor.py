"""``lstmbench doctor``: as text and as JSON."""

import json
from collections.abc import Callable

import pytest
from command_line import Ended

from lstmbench import doctor as doctor_
from lstmbench.measure.suites.suite_file import suites

pytestmark = pytest.mark.usefixtures("unpainted")


@pytest.fixture
def quick_doctor(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = doctor_.Noise(1e-3, 0.013, 0.0, 0.5, 6e-8)
    monkeypatch.setattr(doctor_, "measure_noise", lambda seconds: noise)


@pytest.mark.usefixtures("quick_doctor")
def test_doctor_says_what_is_here_how_quiet_it_is_and_what_is_skipped(
    call: Callable[..., Ended],
) -> None:
    ended = call("doctor")
    assert ended.code == 0
    for part in (
        "cores",
        "Python 3.",
        "numpy.fused",
        "jupyterlab: ",
        "+-1.3%",
        "quiet enough",
        "suite quick: ",
    ):
        assert part in ended.out


@pytest.mark.usefixtures("quick_doctor")
def test_doctor_as_json_holds_the_same(call: Callable[..., Ended]) -> None:
    ended = json.loads(call("doctor", "--json").out)
    assert ended["noise"]["verdict"] == "quiet enough"
    assert ended["noise"]["spread"] == 0.013
    assert set(ended["skipped"]) == set(suites())
    assert {row["name"] for row in ended["implementations"]} >= {"numpy.fused", "torch.nn"}
