"""Two runs side by side: what is compared with what, what is refused and why, and what a reader and
CI get to see.
"""

import json
import math
from typing import Any

import pandas as pd
import pytest
from made_up import MANIFEST, quick_rows, trouble
from simulated import case, failed, folder, run
from typer.testing import CliRunner

from lstmbench.cli import app
from lstmbench.errors import LstmbenchError
from lstmbench.report import compare
from lstmbench.report.comparison.markdown_parts import MAX_TABLE_ROWS
from lstmbench.results.store import Store, read_results

OTHER_MACHINE = {"cpu": "Another CPU", "cores": 2}


def only(base: dict[str, Any], new: dict[str, Any], **options: Any) -> pd.Series:
    """Compare two runs of one case each."""
    (row,) = compare(run(base, run_id="base"), run(new), **options).frame.to_dict("records")
    return row


# What is compared, and by what


def test_ratios_to_the_same_reference_are_compared_and_absolute_times_stand_beside_them():
    row = only(case(ratio=1.5, time_s=1e-3), case(ratio=1.8, time_s=9e-4))
    assert (row["verdict"], row["quantity"]) == ("SLOWER", "ratio")
    assert row["change_percent"] == pytest.approx(20)
    assert 0 < row["low_percent"] < 20 < row["high_percent"]
    assert (row["base_time_s"], row["new_time_s"]) == (1e-3, 9e-4)
    assert (row["base_ratio"], row["new_ratio"]) == (1.5, 1.8)


def test_times_are_compared_where_that_is_asked_for():
    row = only(case(ratio=1.5, time_s=1e-3), case(ratio=1.8, time_s=8e-4), by="time")
    assert (row["verdict"], row["quantity"]) == ("FASTER", "time")
    assert row["change_percent"] == pytest.approx(-20)


def test_the_reference_has_no_ratio_but_to_itself_and_is_compared_by_time():
    own = case(ratio=1.0, width=0.0, implementation="torch.nn")
    times = {"time_median_s": 1e-3, "time_low_s": 0.99e-3, "time_high_s": 1.01e-3}
    slower = {name: 2 * value for name, value in times.items()}
    row = only(own | times, own | slower)
    assert (row["verdict"], row["quantity"], row["is_reference"]) == ("SLOWER", "time", True)
    comparison = compare(run(own | times, case(), run_id="base"), run(own | slower, case()))
    assert "1 of the reference itself by time" in comparison.markdown()
    assert (
        "The reference torch.nn itself changed at 1 workload: so did all ratios to it."
        in comparison.notes
    )


def test_without_a_common_reference_times_are_compared_unless_ratios_were_asked_for():
    base, new = case(ratio_to="numpy.fused"), case()
    assert only(base, new)["quantity"] == "time"
    row = only(base, new, by="ratio")
    assert (row["verdict"], row["reason"]) == (
        "NOT COMPARABLE",
        "ratio to numpy.fused in BASE, to torch.nn in NEW",
    )
    row = only(case(), case() | {"ratio_to": None}, by="ratio")
    assert row["reason"] == "ratio to torch.nn in BASE, to nothing in NEW"


def test_sample_counts_are_nowhere_used():
    few, many = case(samples=10, rounds=5), case(ratio=1.6, samples=10**7, rounds=10**6)
    first = only(few, many)
    second = only(few | {"samples": 10**7, "rounds": 10**6}, many | {"samples": 10, "rounds": 5})
    assert first == second


def test_the_same_case_is_found_wherever_it_stands_and_however_its_numbers_are_kept():
    base = run(*(case(seq_len=T, ratio=T) for T in (16, 64, 256)), run_id="base")
    new = run(*(case(seq_len=T, ratio=T) for T in (256, 16, 64)))
    new["seq_len"], new["implementation"] = (
        new["seq_len"].astype(float),
        new["implementation"].astype(object),
    )
    comparison = compare(base, new)
    assert comparison.counts == {
        "SLOWER": 0,
        "AMBIGUOUS": 0,
        "FASTER": 0,
        "NOT COMPARABLE": 0,
        "SAME": 3,
    }


def test_each_implementation_keeps_its_own_numbers_though_tables_order_names_otherwise():
    ratios = {"jax.scan": 1.5, "numpy.fused": 3.0, "torch.loop": 9.0}
    rows = [case(implementation=name, ratio=ratio) for name, ratio in ratios.items()]
    frame = compare(run(*rows, run_id="base"), run(*reversed(rows))).frame
    for column in ("base_ratio", "new_ratio"):
        assert dict(zip(frame["implementation"], frame[column], strict=True)) == ratios
    assert frame["implementation"].tolist() == ["numpy.fused", "torch.loop", "jax.scan"]


def test_cases_that_differ_in_one_missing_column_alone_are_matched():
    assert only(case(num_layers=None), case(num_layers=None))["verdict"] == "SAME"


def test_among_more_cases_a_change_must_be_clearer():
    base, new = case(ratio=1.0, width=0.06), case(ratio=1.2, width=0.06)
    others = [case(seq_len=T) for T in range(1000, 3000)]
    assert only(base, new)["verdict"] == "SLOWER"
    comparison = compare(run(base, *others, run_id="base"), run(new, *others))
    assert comparison.comparisons == 2001
    assert comparison.counts["SLOWER"] == 0
    assert "significantly among 2001 comparisons, with 5 % false" in comparison.markdown()
    (row,) = comparison.frame[comparison.frame["verdict"] == "AMBIGUOUS"].to_dict("records")
    assert row["reason"] == "not significant among all comparisons" and row["low_percent"] > 0


def test_cases_of_one_process_are_not_comparable_and_do_not_count_as_comparisons():
    comparison = compare(
        run(case(processes=1), case(seq_len=1), run_id="base"), run(case(ratio=9), case(seq_len=1))
    )
    assert comparison.comparisons == 1
    (row,) = comparison.frame[comparison.frame["verdict"] == "NOT COMPARABLE"].to_dict("records")
    assert row["reason"] == "one process alone in BASE: what another would give is not known"
    assert math.isnan(row["low_percent"]) and math.isnan(row["high_percent"])


def test_a_run_against_itself_is_the_same_however_noisy_it_was():
    noisy = [case(width=0.5), case(seq_len=1, width=0.5, processes=1)]
    comparison = compare(run(*noisy, run_id="one"), run(*noisy, run_id="one"))
    assert (comparison.counts["SAME"], comparison.exit_code, comparison.comparisons) == (2, 0, 0)
    assert "2 cases of one and the same measurement: the same for certain." in comparison.notes
    comparison = compare(run(*noisy, run_id="one"), run(*noisy, run_id="two"))
    assert (comparison.counts["AMBIGUOUS"], comparison.counts["NOT COMPARABLE"]) == (1, 1)
    assert comparison.exit_code == 3


# What cannot be compared


@pytest.mark.parametrize(
    ("base", "new", "reasons"),
    [
        (case(), case(seq_len=65), {"only in BASE", "only in NEW"}),
        (case(), case(dtype="float64"), {"only in BASE", "only in NEW"}),
        (case(), case(input="temperatures"), {"only in BASE", "only in NEW"}),
        (case(threads=1), case(threads=2), {"other threads: 1 in BASE, 2 in NEW"}),
        (failed("failed", "No luck.\nTraceback"), case(), {"failed in BASE: No luck."}),
        (case(), failed("out_of_memory", "SIGKILL"), {"out of memory in NEW: SIGKILL"}),
        (case(), failed("wrong_result", "error 0.3"), {"wrong result in NEW: error 0.3"}),
        (
            failed("skipped", None),
            failed("timeout", "60 s"),
            {"skipped in BASE; timeout in NEW: 60 s"},
        ),
        (case(ratio_low=None), case(), {"no interval of the ratio in BASE"}),
        (case(), case(ratio_high=0.1), {"no interval of the ratio in NEW"}),
        (case(width=0), case(), {"no interval of the ratio in BASE"}),
        (case(ratio_to=None), case(time_low_s=None), {"no interval of the time in NEW"}),
    ],
)
def test_what_cannot_be_compared_says_why(base, new, reasons):
    comparison = compare(run(base, run_id="base"), run(new))
    assert set(comparison.frame["verdict"]) == {"NOT COMPARABLE"}
    assert set(comparison.frame["reason"]) == reasons
    assert comparison.frame["change_percent"].isna().all()
    for reason in reasons:
        assert reason in comparison.markdown()


def test_other_threads_are_only_said_of_a_case_that_has_no_partner():
    base, new = run(case(threads=1), case(threads=2), run_id="base"), run(case(threads=1))
    assert sorted(compare(base, new).frame["reason"]) == ["", "only in BASE"]


def test_other_threads_are_those_of_the_same_workload():
    base = run(case(mode="inference"), case(mode="training"), run_id="base")
    new = run(case(mode="inference", threads=4), case(mode="training", threads=2))
    frame = compare(base, new).frame
    reasons = {(row["mode"], row["threads"]): row["reason"] for row in frame.to_dict("records")}
    inference, training = "other threads: 1 in BASE, 4 in NEW", "other threads: 1 in BASE, 2 in NEW"
    assert reasons == {
        ("inference", 1): inference,
        ("inference", 4): inference,
        ("training", 1): training,
        ("training", 2): training,
    }


@pytest.mark.parametrize(
    "machine",
    [OTHER_MACHINE, MANIFEST["machine"] | {"cores": 64}, MANIFEST["machine"] | {"gpu": "H"}],
)
def test_times_are_never_compared_across_machines_and_ratios_only_if_that_is_asked_for(machine):
    base, new = run(case(), run_id="base"), run(case(ratio=2), machine=machine)
    comparison = compare(base, new)
    assert comparison.frame["reason"].tolist() == ["another machine"]
    assert comparison.exit_code == 2
    assert "Ratios are only with --across-machines." in " ".join(comparison.notes)
    assert compare(base, new, across_machines=True).counts["SLOWER"] == 1
    comparison = compare(base, new, by="time", across_machines=True)
    assert comparison.frame["reason"].tolist() == ["another machine"]


ZEN_3 = MANIFEST["machine"] | {
    "cpu_id": "AuthenticAMD family 25 model 1 stepping 1",
    "cpu_flags": ["avx", "avx2"],
}


@pytest.mark.parametrize(
    "other",
    [
        {"cpu_flags": ["avx", "avx2", "avx512f"]},
        {"cpu_id": "AuthenticAMD family 25 model 17 stepping 1"},
        {"cpu_id": "GenuineIntel family 25 model 1 stepping 1"},
    ],
)
def test_processors_of_one_name_with_other_vectors_or_numbers_are_two_machines(other):
    comparison = compare(
        run(case(), run_id="base", machine=ZEN_3), run(case(), machine=ZEN_3 | other)
    )
    assert comparison.frame["reason"].tolist() == ["another machine"]
    assert f"machine, {next(iter(other))}" in [each.what for each in comparison.differences]


@pytest.mark.parametrize("missing", [["cpu_id"], ["cpu_flags"], ["cpu_id", "cpu_flags"]])
def test_what_only_one_run_records_of_its_processor_makes_no_other_machine(missing):
    earlier = {key: value for key, value in ZEN_3.items() if key not in missing}
    for base, new in ((earlier, earlier), (earlier, ZEN_3), (ZEN_3, earlier)):
        comparison = compare(run(case(), run_id="base", machine=base), run(case(), machine=new))
        assert comparison.frame["reason"].tolist() == [""]


def test_a_machine_that_is_not_recorded_is_not_taken_for_the_same():
    comparison = compare(run(case(), run_id="base", machine={}), run(case(), machine={}))
    assert comparison.frame["reason"].tolist() == ["the machine is not recorded"]


def test_other_versions_are_compared_and_listed():
    packages = MANIFEST["packages"] | {"torch": "2.14.0", "brand-new": "1.0"}
    comparison = compare(
        run(case(), run_id="base"),
        run(case(), packages=packages, git={"commit": "f" * 40, "dirty": True}),
    )
    assert comparison.exit_code == 0
    listed = {each.what: (each.base, each.new) for each in comparison.differences}
    assert listed == {
        "commit": ("0123456789ab", "ffffffffffff with uncommitted changes"),
        "torch": ("2.13.0", "2.14.0"),
        "brand-new": ("not installed", "1.0"),
    }
    assert list(listed)[:2] == ["commit", "torch"]
    assert "| torch | 2.13.0 | 2.14.0 |" in comparison.markdown()


@pytest.mark.parametrize(
    ("manifest", "what", "base", "new"),
    [
        ({"python": "3.13.1"}, "Python", "3.11.9", "3.13.1"),
        ({"python": None}, "Python", "3.11.9", "not recorded"),
        (
            {"machine": MANIFEST["machine"] | {"gpus": [{"name": "H"}, {"name": "H"}]}},
            "machine, gpus",
            "not recorded",
            "2 x name=H",
        ),
        ({"machine": MANIFEST["machine"] | {"kernel": "6.9"}}, "machine, kernel", "6.1", "6.9"),
        (
            {"machine": MANIFEST["machine"] | {"cpu_flags": ["avx512f", "amx"]}},
            "machine, cpu_flags",
            "avx2",
            "amx",
        ),
        (
            {"suite": MANIFEST["suite"] | {"budget": {"processes": 9}}},
            "suite, budget",
            "processes=3",
            "processes=9",
        ),
        (
            {"environments": {"e": {"frameworks": {"pools": [{"num_threads": 2}]}}}},
            "workers",
            "none but those of both",
            "num_threads=2",
        ),
    ],
)
def test_what_else_differs_is_said_exactly(manifest, what, base, new):
    (difference,) = compare(run(case(), run_id="base"), run(case(), **manifest)).differences
    assert difference == (what, base, new)


def test_another_number_of_equal_gpus_is_a_difference():
    one, two = (MANIFEST["machine"] | {"gpus": [{"name": "H200"}] * count} for count in (1, 2))
    (difference,) = compare(
        run(case(), run_id="b", machine=one), run(case(), machine=two)
    ).differences
    assert difference == ("machine, gpus", "name=H200", "2 x name=H200")


def test_where_nothing_else_differs_that_is_said():
    assert (
        "Nothing else that is recorded differs"
        in compare(run(case(), run_id="base"), run(case())).markdown()
    )


def test_uncommitted_changes_on_both_sides_are_a_difference():
    git = {"commit": "a" * 40, "dirty": True}
    (difference,) = compare(run(case(), run_id="base", git=git), run(case(), git=git)).differences
    assert difference.what == "commit"


# Exit codes: what CI goes by


@pytest.mark.parametrize(
    ("rows", "code", "summary"),
    [
        ([(case(), case())], 0, "No regression in 1 compared case (1 the same)."),
        ([(case(), case(ratio=1.0))], 0, "No regression in 1 compared case (1 faster)."),
        (
            [(case(), case()), (case(), case(width=0.3))],
            0,
            "No regression in 2 compared cases (1 ambiguous, 1 the same).",
        ),
        (
            [(case(), case(ratio=2)), (case(), case())],
            1,
            "Regression: 1 of 2 compared cases slower (1 slower, 1 the same).",
        ),
        ([(case(), failed("skipped"))], 2, "Nothing could be compared (1 not comparable)."),
        (
            [(case(), failed("timeout")), (case(), case())],
            2,
            "Lost: 1 case measured in the base failed in the new run "
            "(1 not comparable, 1 the same).",
        ),
        (
            [(failed(), failed()), (case(), case())],
            0,
            "No regression in 1 compared case (1 not comparable, 1 the same).",
        ),
        ([(case(), failed("skipped")), (case(), case())], 0, "No regression in 1 compared case"),
        (
            [(case(), case(width=0.3))],
            3,
            "Undecided: of 1 compared case every one is ambiguous (1 ambiguous).",
        ),
        ([(case(), failed("timeout")), (case(), case(width=0.3))], 2, "Lost"),
        ([(case(), failed("timeout")), (case(), case(ratio=2))], 1, "Regression"),
        (
            [(case(), failed("wrong_result")), (case(), case(ratio=2))],
            4,
            "Wrong results: 1 case of the new run did not compute the LSTM "
            "(1 slower, 1 not comparable).",
        ),
        ([(failed("wrong_result"), case()), (case(), case())], 0, "No regression"),
    ],
)
def test_the_exit_code_and_the_first_sentence_say_what_came_out(rows, code, summary):
    base = run(*({**pair[0], "seq_len": k} for k, pair in enumerate(rows)), run_id="base")
    new = run(*({**pair[1], "seq_len": k} for k, pair in enumerate(rows)))
    comparison = compare(base, new)
    assert comparison.exit_code == code
    assert comparison.summary.startswith(summary)
    assert comparison.markdown().startswith(f"**{comparison.summary}**")


# What is shown


def test_regressions_come_first_then_what_is_ambiguous_and_what_is_the_same_is_folded():
    def both(T: int, ratio: float, **new: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return case(seq_len=T), case(seq_len=T, ratio=ratio) | new

    pairs = [
        both(1, 1.5),
        both(2, 2.0),
        both(3, 1.0),
        both(4, 3.0),
        both(5, 1.5, ratio_low=1.0, ratio_high=2.0),
        (case(seq_len=6), failed("timeout", seq_len=6)),
        (case(seq_len=7), failed("wrong_result", seq_len=7)),
        (failed("skipped", seq_len=8), case(seq_len=8)),
        both(9, 0.5),
    ]
    comparison = compare(run(*(a for a, _ in pairs), run_id="base"), run(*(b for _, b in pairs)))
    assert comparison.frame["seq_len"].tolist() == [4, 2, 5, 9, 3, 7, 6, 8, 1]
    page = comparison.markdown()
    titles = [line for line in page.splitlines() if line.startswith(("### ", "<summary>"))]
    assert titles == [
        "### Wrong results",
        "### Slower",
        "### Lost",
        "### Ambiguous",
        "### Faster",
        "### Not comparable",
        "<summary>The same: 1 case</summary>",
        "### Base and new",
    ]
    assert page.count("<details>") == page.count("</details>") == 1
    assert page.index("<details>") < page.index("torch.fused, T = 1 |") < page.index("</details>")
    assert all(page.count(f"T = {T} |") == 1 for T in range(1, 10))


def test_the_order_of_the_records_changes_nothing():
    base = run(*({key: row[key] for key in row} for row in quick_rows()), run_id="base")
    new = run(*trouble(quick_rows()))
    shuffled = [each.sample(frac=1, random_state=1) for each in (base, new)]
    for each, mixed in zip((base, new), shuffled, strict=True):
        mixed.attrs = each.attrs
    assert compare(*shuffled).markdown() == compare(base, new).markdown()
    assert compare(*shuffled).json() == compare(base, new).json()


def test_exchanged_runs_exchange_slower_and_faster():
    base, new = (
        run(*quick_rows(), run_id="base"),
        run(*({**row, "ratio": row["ratio"] and row["ratio"] * 1.01} for row in quick_rows())),
    )
    there, back = compare(base, new).counts, compare(new, base).counts
    assert (there["SLOWER"], there["FASTER"], there["SAME"]) == (
        back["FASTER"],
        back["SLOWER"],
        back["SAME"],
    )


@pytest.mark.parametrize(
    "name", ["a|b", "<script>x</script>", "`x`", "[x](http://y)", "a_b*c*", "</details>", "a\nb"]
)
def test_foreign_text_stays_text(name):
    rows = [case(implementation=name, seq_len=1), case(implementation=name, seq_len=2)]
    base, new = (
        run(*rows, run_id=name),
        run(rows[0], failed(error=name, implementation=name, seq_len=2), run_id=name + "2"),
    )
    page = compare(base, new).markdown()
    assert "<script>" not in page
    assert page.count("</details>") == 1
    assert "](http" not in page
    for line in page.splitlines():
        assert not line.startswith("|") or line.replace("\\|", "").count("|") in (4, 5, 6)
    assert json.loads(compare(base, new).json())["cases"][0]["implementation"] == name


def test_the_name_of_a_reference_in_a_note_stays_text():
    own = case(ratio=1.0, width=0.0, implementation="<b>|x", ratio_to="<b>|x")
    times = {"time_median_s": 1e-3, "time_low_s": 0.99e-3, "time_high_s": 1.01e-3}
    other = case(ratio_to="<b>|x")
    comparison = compare(
        run(own | times, other, run_id="base"),
        run(own | {key: 2 * times[key] for key in times}, other),
    )
    assert "<b>|x itself changed" in " ".join(comparison.notes)
    assert "- The reference &lt;b&gt;\\|x itself changed" in comparison.markdown()


def test_short_times_keep_their_digits_in_json():
    comparison = compare(
        run(case(time_s=1.2345678e-7), run_id="base"), run(case(time_s=9.8765432e-8))
    )
    (row,) = json.loads(comparison.json())["cases"]
    assert (row["base_time_s"], row["new_time_s"]) == pytest.approx(
        (1.2345678e-7, 9.8765432e-8), rel=1e-7
    )


def test_json_is_valid_and_holds_everything():
    base = run(case(), case(seq_len=1, processes=1), failed(seq_len=2), run_id="base")
    new = run(case(ratio=3), case(seq_len=1), case(seq_len=2), packages={"torch": "3"})
    comparison = compare(base, new)
    content = json.loads(
        comparison.json(), parse_constant=lambda word: pytest.fail(f"{word} is not JSON")
    )
    assert content["exit_code"] == 1
    assert content["counts"] == comparison.counts
    assert content["threshold"] == 0.05
    assert content["runs"]["BASE"]["run_id"] == "base"
    assert {"what": "torch", "base": "2.13.0", "new": "3"} in content["differences"]
    slower, alone, missing = content["cases"]
    assert (slower["verdict"], slower["quantity"]) == ("SLOWER", "ratio")
    assert slower["change_percent"] == pytest.approx(100, rel=1e-12)
    assert slower["base_time_s"] == 1e-3
    assert slower["is_reference"] is False
    assert alone["high_percent"] is None
    assert (missing["quantity"], missing["change_percent"], missing["reason"]) == (
        None,
        None,
        "failed in BASE: gone",
    )
    assert list(slower) == list(comparison.frame.columns)


@pytest.mark.parametrize(
    ("base", "new", "flags"),
    [
        (case(), case(), ""),
        (case(processes=4), case(), "exploratory"),
        (case(), case(processes=None), "exploratory"),
        (case(noisy=True), case(converged=False, processes=2), "exploratory, noisy, not converged"),
    ],
)
def test_numbers_that_are_less_certain_than_they_look_are_flagged(base, new, flags):
    comparison = compare(run(base, run_id="base"), run(new))
    assert comparison.frame["flags"].tolist() == [flags]
    assert flags in comparison.markdown()
    assert any("exploratory" in note for note in comparison.notes) == ("exploratory" in flags)


def test_what_readers_should_know_of_the_runs_is_said():
    controls = {"noise_floor": "9 %", "floor": 0.09, "failed": True}
    comparison = compare(run(case(), run_id="base", complete=False), run(case(), controls=controls))
    assert comparison.notes == [
        "BASE is not finished: more of its cases may come.",
        "The controls of NEW failed: its intervals cannot be relied on.",
        "The noise floor of NEW is 9 %, beyond the threshold of 5 %.",
    ]


def test_of_many_cases_the_first_are_shown_and_the_rest_counted():
    lengths = range(1, MAX_TABLE_ROWS + 8)
    comparison = compare(
        run(*(case(seq_len=T) for T in lengths), run_id="base"),
        run(*(case(seq_len=T, ratio=3) for T in lengths)),
    )
    page = comparison.markdown()
    assert page.count("torch.fused, T = ") == MAX_TABLE_ROWS
    assert "And 7 cases more: `--format json` has all of them." in page
    assert len(json.loads(comparison.json())["cases"]) == len(lengths)


def test_the_longest_page_is_not_too_long_for_a_comment():
    many, words = 3 * MAX_TABLE_ROWS, "many words & <signs> | of an error " * 20
    names = [f"some_backend.a_rather_long_variant_{k}" for k in range(many)]
    options = [
        {"mode": mode, "seq_len": T} for mode in ("inference", "training") for T in (16, 1024)
    ]
    base, new = [], []
    for name, option, (mine, theirs) in (
        (name, option, pair)
        for name in names
        for option, pair in zip(
            [*options, options[0] | {"hidden_size": 999}, options[1] | {"hidden_size": 999}],
            [
                (case(), case(ratio=3)),
                (case(processes=2), case(width=0.5, noisy=True, converged=False)),
                (case(), case(ratio=0.5)),
                (case(), failed("timeout", words)),
                (case(), failed("wrong_result", words)),
                (failed("failed", words), failed("skipped", words)),
            ],
            strict=True,
        )
    ):
        base.append(mine | option | {"implementation": name})
        new.append(theirs | option | {"implementation": name})
    packages = {f"some-package-{k}": words for k in range(many)}
    comparison = compare(run(*base, run_id="base"), run(*new, packages=packages))
    assert comparison.exit_code == 4
    assert len(comparison.markdown()) < 65_536


# What goes in


def test_folders_and_their_records_give_the_same(tmp_path):
    base, new = run(*quick_rows(), run_id="base"), run(*trouble(quick_rows()))
    folders = folder(tmp_path / "a", base), folder(tmp_path / "b", new)
    expected = compare(*map(read_results, folders))
    assert compare(*folders).markdown() == expected.markdown()
    assert compare(str(folders[0]), folders[1]).json() == expected.json()
    assert expected.counts == compare(base, new).counts


def test_an_unfinished_run_is_compared_as_far_as_it_is(tmp_path):
    store = Store(tmp_path / "new")
    store.write_manifest(MANIFEST | {"run_id": "new", "complete": False})
    store.append("one", [case()], [])
    store.append("two", [case(seq_len=2), case(seq_len=3)], [])
    comparison = compare(run(case(), case(seq_len=2), run_id="base"), tmp_path / "new")
    assert (comparison.counts["SAME"], comparison.counts["NOT COMPARABLE"]) == (2, 1)
    assert comparison.notes == ["NEW is not finished: more of its cases may come."]


def test_records_of_earlier_versions_lack_columns_and_are_compared_all_the_same():
    base = run(case(), run_id="base").drop(columns=["noisy", "converged", "processes", "error"])
    base.attrs["manifest"] = MANIFEST | {"run_id": "base"}
    assert compare(base, run(case())).counts["SAME"] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 0}, "between 0 and 1"),
        ({"threshold": 5}, "between 0 and 1"),
        ({"threshold": math.nan}, "between 0 and 1"),
        ({"by": "speed"}, "not by 'speed'"),
    ],
)
def test_what_cannot_be_asked_for_is_one_sentence(options, message):
    with pytest.raises(LstmbenchError, match=message):
        compare(run(case(), run_id="base"), run(case()), **options)


def test_what_is_not_one_run_is_refused(tmp_path):
    one = folder(tmp_path / "runs" / "a", run(case()))
    folder(tmp_path / "runs" / "b", run(case()))
    with pytest.raises(LstmbenchError, match=r"runs holds 2 runs. Choose one of them, such as b\."):
        compare(tmp_path / "runs", one)
    with pytest.raises(LstmbenchError, match="BASE must hold one run, but it holds 2 runs"):
        compare(read_results(tmp_path / "runs"), one)
    with pytest.raises(LstmbenchError, match="nowhere is not a run's folder"):
        compare(one, tmp_path / "nowhere")
    (one / "records.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(LstmbenchError, match="cannot be read"):
        compare(one, one)


def test_what_is_no_table_of_records_is_refused():
    good = run(case())
    bad = good.assign(seq_len="many")
    bad.attrs = good.attrs
    for records, message in [
        ([1], "BASE must be a DataFrame of records, but it is a list"),
        (
            pd.DataFrame({"status": ["ok"]}),
            "BASE have no column implementation and no column device",
        ),
        (bad, "BASE have a column of another type"),
        (
            run(case(), case()),
            "Two records of BASE are of the same case: torch.fused, CPU, float32, .*T = 64",
        ),
    ]:
        with pytest.raises(LstmbenchError, match=message):
            compare(records, good)
    with pytest.raises(LstmbenchError, match="neither run has records"):
        compare(run(), run())


def test_the_records_that_were_given_are_left_as_they_were():
    base, new = run(case(), run_id="base"), run(case(ratio=2))
    before = base.copy(), new.copy()
    compare(base, new)
    for given, kept in zip((base, new), before, strict=True):
        pd.testing.assert_frame_equal(given, kept)


# The command line


@pytest.mark.parametrize(
    ("ratio", "width", "code"), [(1.5, 0.01, 0), (3.0, 0.01, 1), (1.5, 0.5, 3)]
)
def test_the_command_prints_the_page_and_ends_with_its_exit_code(tmp_path, ratio, width, code):
    base = folder(tmp_path / "a", run(case(), run_id="base"))
    new = folder(tmp_path / "b", run(case(ratio=ratio, width=width)))
    done = CliRunner().invoke(app, ["compare", str(base), str(new)])
    assert done.exit_code == code
    assert done.stdout == compare(base, new).markdown()


def test_the_command_writes_json_to_a_file_and_prints_one_sentence(tmp_path):
    base = folder(tmp_path / "a", run(case(), run_id="base", machine=OTHER_MACHINE))
    new = folder(tmp_path / "b", run(case(ratio=1.6)))
    options = [
        "--format",
        "json",
        "--out",
        str(tmp_path / "c.json"),
        "--across-machines",
        "--threshold",
        "0.2",
    ]
    done = CliRunner().invoke(app, ["compare", str(base), str(new), *options])
    assert done.exit_code == 0
    assert done.stdout == "No regression in 1 compared case (1 the same).\n"
    assert json.loads((tmp_path / "c.json").read_text())["threshold"] == 0.2


def test_the_command_refuses_an_unknown_format(tmp_path):
    done = CliRunner().invoke(app, ["compare", str(tmp_path), str(tmp_path), "--format", "xml"])
    assert isinstance(done.exception, LstmbenchError)
