"""A table held against another run: the truth is known here, and the report has to find it."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made_up import MANIFEST
from simulated import case, failed, folder, measured, run

from lstmbench.errors import LstmbenchError
from lstmbench.report.comparison.reproduction import THE_REFERENCE, Reproduction, reproduction

pytestmark = pytest.mark.usefixtures("unpainted")

OTHER_MACHINE = {"cpu": "Another CPU", "cores": 2}
NAMES = ("numpy.fused", "torch.loop", "torch.fused", "torch.nn", "jax.scan", "jax.fused")
TRUTH = dict(zip(NAMES, (2.0, 9.0, 7.0, 1.0, 1.6, 1.2), strict=True))


def rows(
    seed: int,
    noise: float = 0.03,
    lengths: int = 20,
    names: tuple[str, ...] = NAMES,
    **slowed: float,
) -> list[dict[str, Any]]:
    """Every implementation at so many lengths; ``torch_nn=1.2`` makes it 20 % slower."""
    generator = np.random.default_rng(seed)
    factors = {name: slowed.get(name.replace(".", "_"), 1.0) for name in names}
    cases = []
    for name in names:
        side = measured(
            TRUTH[name] * factors[name] / factors["torch.nn"], lengths, noise, 5, generator
        )
        for k, (ratio, low, high, _) in enumerate(side.itertuples(index=False)):
            own = {"implementation": name, "seq_len": 16 + k, "processes": 5}
            if name == "torch.nn":
                own |= {"ratio": 1.0, "ratio_low": 1.0, "ratio_high": 1.0}
            else:
                own |= {"ratio": ratio, "ratio_low": low, "ratio_high": high}
            cases.append(case(**(own | {"suite": "quick"})))
    return cases


def reproduced(
    tmp_path: Path, base: pd.DataFrame, new: pd.DataFrame, table: str = "quick-ratio"
) -> Reproduction:
    return reproduction(table, folder(tmp_path / "base", base), folder(tmp_path / "new", new))


def outcome(tmp_path: Path, **slowed: float) -> Reproduction:
    """What becomes of the table on another machine, where some implementations are slower."""
    base, new = run(*rows(1), run_id="base"), run(*rows(2, **slowed), machine=OTHER_MACHINE)
    return reproduced(tmp_path, base, new)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("noise", [0.01, 0.1])
def test_the_same_with_noise_agrees_and_no_one_is_named(tmp_path, seed, noise):
    base, new = (run(*rows(10 * seed + k, noise), run_id=f"r{k}") for k in range(2))
    result = reproduced(tmp_path, base, new)
    assert result.counts["agrees"] >= 0.95 * 100
    assert result.counts["not compared"] == 20  # the reference itself
    assert result.exit_code == 0
    assert result.outlier_implementations == {}
    assert result.summary.startswith("Reproduced: ")


@pytest.mark.parametrize("name", [name for name in NAMES if name != "torch.nn"])
def test_the_one_that_is_slower_is_named_and_no_other(tmp_path, name):
    result = outcome(tmp_path, **{name.replace(".", "_"): 1.2})
    assert list(result.outlier_implementations) == [name]
    assert np.exp(result.outlier_implementations[name]) == pytest.approx(1.2, abs=0.03)
    sentence = result.summary
    assert sentence.startswith(f"Not reproduced: {name} alone is ")
    assert [other for other in NAMES if other in sentence] == [name]
    assert sentence in result.markdown().split("\n\n")[1]
    assert result.exit_code == 1


def test_a_reference_that_is_slower_is_named_though_all_other_ratios_moved(tmp_path):
    result = outcome(tmp_path, torch_nn=1.2)
    assert result.counts["differs"] > 50
    assert list(result.outlier_implementations) == ["torch.nn"]
    assert result.outlier_implementations["torch.nn"] > 0
    sentence = result.summary
    assert "torch.nn, the reference of all ratios, is itself " in sentence
    assert [name for name in NAMES if name in sentence] == ["torch.nn"]


def test_one_that_is_faster_and_several_that_moved_are_told_apart(tmp_path):
    assert "jax.scan alone is 2" in outcome(tmp_path / "a", jax_scan=0.75).summary
    sentence = outcome(tmp_path / "b", jax_scan=0.75, torch_loop=1.35).summary
    assert "several implementations stand out: torch.loop (3" in sentence
    assert "jax.scan (2" in sentence


def test_one_slower_among_very_many_is_named_though_the_table_is_reproduced(tmp_path):
    """Whether 95 % agree does not decide whether one is named."""
    base = [row for k in range(6) for row in renamed(rows(k), k)]
    new = [
        row
        for k in range(6)
        for row in renamed(rows(k + 10, **({"jax_scan": 1.2} if k == 0 else {})), k)
    ]
    result = reproduced(tmp_path, run(*base, run_id="base"), run(*new))
    assert result.exit_code == 0
    assert list(result.outlier_implementations) == ["jax.scan"]


def renamed(several: list[dict[str, Any]], k: int) -> list[dict[str, Any]]:
    """The rows under other names, but for the reference."""
    if k == 0:
        return several
    others = [row for row in several if row["implementation"] != "torch.nn"]
    return [row | {"implementation": f"{row['implementation']}{k}"} for row in others]


def test_of_two_that_moved_against_each_other_neither_is_named(tmp_path):
    pair = ("torch.nn", "jax.scan")
    result = reproduced(
        tmp_path, run(*rows(1, names=pair), run_id="base"), run(*rows(2, names=pair, jax_scan=1.3))
    )
    assert result.exit_code == 1
    assert result.outlier_implementations == {}


def test_times_are_shown_and_not_judged(tmp_path):
    base = run(*rows(1, lengths=2), run_id="base")
    new = run(
        *(
            row | {"time_median_s": 1e-2, "time_low_s": 0.99e-2, "time_high_s": 1.01e-2}
            for row in rows(2, lengths=2)
        )
    )
    result = reproduced(tmp_path, base, new)
    assert result.exit_code == 0
    times = result.markdown().split("## Times")[1]
    assert times.count("1.00 → 10.0 ms | 10.0 |") == len(base)


def test_what_cannot_be_compared_says_why_and_does_not_count(tmp_path):
    base, new = rows(1, lengths=4), rows(2, lengths=4)
    new[0] = failed(
        "timeout", "gone <b>", **{key: new[0][key] for key in ("implementation", "seq_len")}
    )
    new = [
        row | ({"processes": 1} if row["implementation"] == "torch.loop" else {})
        for row in new[:-1]
    ]
    result = reproduced(tmp_path, run(*base, run_id="base"), run(*new, machine=OTHER_MACHINE))
    reasons = result.frame[result.frame["judgement"] == "not compared"]["reason"].value_counts()
    assert reasons["timeout in NEW: gone <b>"] == 1
    assert reasons["only in BASE"] == 1
    assert reasons["one process alone in NEW: what another would give is not known"] == 4
    assert reasons[THE_REFERENCE] == 4
    assert result.exit_code == 0
    assert "gone &lt;b&gt;" in result.markdown()


def test_rows_that_the_table_has_not_are_left_out(tmp_path):
    new = [*rows(2, lengths=2), case(implementation="jax.new", seq_len=16)]
    result = reproduced(tmp_path, run(*rows(1, lengths=2), run_id="base"), run(*new))
    assert "jax.new" not in set(result.frame["implementation"])


def test_a_wrong_result_is_no_reproduction_whatever_the_others_say(tmp_path):
    new = rows(2)
    new[0] = failed(
        "wrong_result",
        "0.3 is beyond 1e-05",
        **{k: new[0][k] for k in ("implementation", "seq_len")},
    )
    result = reproduced(tmp_path, run(*rows(1), run_id="base"), run(*new))
    assert result.exit_code == 1
    assert result.summary.startswith("Not reproduced: numpy.fused did not compute the LSTM in NEW")


def test_where_nothing_can_be_compared_the_sentence_says_why(tmp_path):
    new = [
        failed("failed", "no luck", **{k: row[k] for k in ("implementation", "seq_len")})
        for row in rows(2)
    ]
    new = [
        row if row["implementation"] != "torch.nn" else old
        for row, old in zip(new, rows(2), strict=True)
    ]
    result = reproduced(
        tmp_path, run(*rows(1), run_id="base"), run(*(row | {"suite": "quick"} for row in new))
    )
    assert result.exit_code == 2
    assert result.summary == "Nothing of quick-ratio could be compared: failed in NEW: no luck."
    alone = reproduced(
        tmp_path / "alone", *(run(*rows(k, names=("torch.nn",)), run_id=f"r{k}") for k in range(2))
    )
    assert alone.summary.endswith("all its rows are of the reference.")


def test_the_report_can_be_cited_and_is_the_same_again(tmp_path):
    base, new = (
        run(*rows(1, lengths=2), run_id="base"),
        run(*rows(2, lengths=2), machine=OTHER_MACHINE),
    )
    result = reproduced(tmp_path, base, new)
    text = result.markdown()
    for word in (
        "Run base,",
        "Run new,",
        result.base.content_hash,
        result.new.content_hash,
        "Some(R) CPU",
        "Another CPU",
    ):
        assert word in text
    assert text.count("commit 0123456789ab") == 2
    assert str(tmp_path) not in text
    assert reproduction("quick-ratio", tmp_path / "base", tmp_path / "new").markdown() == text
    assert result.csv().count("\n") == len(base) + 1


def test_a_run_does_not_confirm_itself_and_other_tables_are_refused(tmp_path):
    base = folder(tmp_path / "base", run(*rows(1, lengths=1), run_id="base"))
    for table, message in (
        ("quick-ratio", "a run cannot confirm itself"),
        ("other-ratio", "the tables are quick-ratio"),
        ("quick-memory", "Only tables of ratios can be compared"),
    ):
        with pytest.raises(LstmbenchError, match=message):
            reproduction(table, base, base)
    assert MANIFEST["suite"]["name"] == "quick"
