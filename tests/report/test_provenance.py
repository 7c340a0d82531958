import pandas as pd
import pytest
from made_up import MANIFEST, flat, make, quick_rows

from lstmbench import report


@pytest.mark.parametrize(
    ("kind", "column"),
    [(report.speed_table, "time_low_s"), (report.ratio_table, "ratio"),
     (report.memory_table, "allocated_bytes"),
     (report.accuracy_table, "grad_rel_error"), (report.first_call_table, "compile_s")],
)  # fmt: skip
def test_the_hash_changes_with_any_number_and_with_nothing_else(kind, column, quick):
    changed = quick.copy()
    row = changed.index[changed[column].notna()][5]
    changed.loc[row, column] += 1 if column.endswith("bytes") else 1e-12
    assert kind(changed).content_hash != kind(quick).content_hash
    assert f"sha256 {kind(changed).content_hash}." in kind(changed).footer[0]
    other_machine = make(quick_rows(), started="2027-01-01T00:00:00Z", machine={"cpu": "Other"})
    assert kind(other_machine).content_hash == kind(quick).content_hash


def test_the_footer_says_where_the_numbers_come_from(quick):
    table = report.speed_table(quick)
    footer = "\n".join(table.footer)
    for word in (
        "Table quick-speed", MANIFEST["run_id"], "2026-11-20", "commit 0123456789ab.",
        "Some(R) CPU @ 2.80GHz with AVX-512, 2 cores, 8.0 GiB",
        "Python 3.11.9", "numpy 2.4.6", "torch 2.13.0", "jax 0.10.2", "Threads: 1",
        "3 processes per case", "30 rounds",
        "Exploratory: fewer than 5 processes", "Noise floor: not measured",
        "lstmbench run quick --out results/here",
    ):  # fmt: skip
        assert word in footer
    for line in table.footer:
        assert line.split(":")[0] in table.markdown().replace("\\", "")
    assert "Noise floor: not measured." in table.latex()


def test_enough_processes_are_not_exploratory():
    records = make([row | {"processes": 5} for row in quick_rows()])
    assert "Exploratory" not in "".join(report.speed_table(records).footer)


@pytest.mark.parametrize(
    ("controls", "text"),
    [
        ({"noise_floor": "1 %"}, "1 %"),
        ({"noise_floor": None}, "not measured"),
        ({"failed": False, "floor": 0.5}, "not measured"),
        ({}, "not measured"),
        ("?", "not measured"),
    ],
)
def test_the_noise_floor_is_what_the_controls_showed(controls, text):
    assert (
        f"Noise floor: {text}." in report.speed_table(make(quick_rows(), controls=controls)).footer
    )


def test_uncommitted_changes_and_unfinished_runs_are_said():
    footer = report.speed_table(
        make(quick_rows(), git={"commit": "ab" * 20, "dirty": True}, complete=False)
    ).footer
    assert "with uncommitted changes" in footer[1]
    assert "(not finished)" in footer[1]


@pytest.mark.parametrize(
    "environments",
    [
        {},
        {"e0": {}},
        {"e0": None},
        {"e0": {"frameworks": {"code_paths": 3}}},
        {"e0": {"frameworks": {"code_paths": {"a": 3, "b": [None]}}}},
        [],
    ],
)
def test_where_nothing_says_what_was_slower_nothing_is_said(environments):
    assert (
        "Slower here"
        not in report.speed_table(make(quick_rows(), environments=environments)).markdown()
    )


@pytest.mark.parametrize("bound_cores", [None, 0, 1])
def test_workers_that_were_bound_to_cores_are_named(bound_cores):
    environments = {"e0": {"frameworks": {"bound_cores": bound_cores}}}
    (line,) = (
        line
        for line in report.speed_table(make(quick_rows(), environments=environments)).footer
        if line.startswith("Threads: 1.")
    )
    assert ("bound to as many cores" in line) == (bound_cores == 1)


def test_what_ran_in_a_slower_way_is_named_once_with_its_reason():
    paths = {
        "recurrence": "not compiled, and torch.fused is slower: no compiler",
        "numpy.exp": "AVX2",
    }
    environments = {name: {"frameworks": {"code_paths": paths}} for name in ("e0", "e1")}
    footer = report.speed_table(make(quick_rows(), environments=environments)).footer
    slower = [line for line in footer if "recurrence" in line]
    assert slower == [
        "Slower here: recurrence not compiled, and torch.fused is slower: no compiler."
    ]


def test_an_operating_system_that_is_not_a_text_is_shown_as_one():
    machine = MANIFEST["machine"] | {"os": ["Debian", 13]}
    footer = report.speed_table(make(quick_rows(), machine=machine)).footer
    assert footer[2].endswith("8.0 GiB of memory, ['Debian', 13].")


def test_why_the_commit_is_not_known_is_said():
    git = {"commit": None, "dirty": None, "reason": "git cannot be run: No such file or directory"}
    footer = report.speed_table(make(quick_rows(), git=git)).footer
    assert "commit not recorded (git cannot be run: No such file or directory)." in footer[1]


def test_a_command_that_was_typed_elsewhere_is_not_repeated():
    footer = report.speed_table(
        make(quick_rows(), command="ipykernel_launcher.py -f /home/me/x.json")
    ).footer
    assert footer[-1] == "Made again by: lstmbench run quick --out FOLDER"


def test_without_a_manifest_the_table_says_so(quick):
    bare = pd.DataFrame(quick)
    bare.attrs = {}
    footer = "\n".join(report.speed_table(bare).footer)
    assert "there is no manifest" in footer
    bare.attrs["manifest"] = MANIFEST
    assert report.speed_table(bare).markdown() == report.speed_table(quick).markdown()


def test_several_runs_stay_apart():
    second = [row | {"run_id": "quick-2"} for row in quick_rows()]
    records = make(quick_rows() + second)
    records.attrs["manifest"] = [
        MANIFEST,
        MANIFEST | {"run_id": "quick-2", "started": "2026-12-01T00:00:00Z"},
    ]
    table = report.speed_table(records)
    assert table.id == "quick-speed"
    assert next(line for line in table.footer if line.startswith("Run ")).startswith("Run quick-2,")
    assert flat(table)["workload"].str.contains("run id quick-2,").sum() == len(table.frame) / 2
