"""Ratios across machines: which runs stand beside each other, which rows, and that no time is among
them.
"""

from pathlib import Path

import pytest
from made_up import MANIFEST, fill, flat, quick_rows, unwell
from typer.testing import CliRunner

from lstmbench import report
from lstmbench.cli import app
from lstmbench.report.provenance import machine_name
from lstmbench.report.tables.machines import machine_tables
from lstmbench.report.tables.table import Table
from lstmbench.results.runs import newest_first

FAST = MANIFEST["machine"] | {
    "cpu": "Fast_CPU",
    "cores": 64,
    "gpus": [{"name": "H200"}, {"name": "H200"}],
}


def a_run(root: Path, name: str, factor: float = 1.0, rows=None, **manifest) -> Path:
    """A run whose ratios to the reference are all multiplied."""
    cases = []
    for case in quick_rows() if rows is None else rows:
        other = case["implementation"] != "torch.nn" and case.get("ratio") is not None
        scaled = (
            {key: case[key] * factor for key in ("ratio", "ratio_low", "ratio_high")}
            if other
            else {}
        )
        cases.append(case | scaled | {"run_id": name})
    return fill(root / name, cases, run_id=name, **manifest)


def tables(root: Path) -> list[Table]:
    return machine_tables(newest_first(root))


def test_each_row_stands_with_its_ratio_on_every_machine_and_no_time(tmp_path):
    a_run(tmp_path, "here")
    a_run(tmp_path, "there", 10.0, machine=FAST)
    (table,) = tables(tmp_path)
    assert table.id == "quick-machines-ratio"
    machines = [
        "Fast_CPU with AVX-512, 64 cores, 2 x H200",
        "Some(R) CPU @ 2.80GHz with AVX-512, 2 cores",
    ]
    assert flat(table).columns.tolist() == ["workload", "implementation", *machines]
    assert len(table.frame) == 24 * 6
    wide = table.tidy.pivot(
        index=["implementation", "mode", "input", "hidden_size", "seq_len"],
        columns="machine",
        values="ratio",
    )
    assert (wide[machines[0]] / wide[machines[1]]).to_list() == pytest.approx([10.0] * len(wide))
    assert "torch.nn" not in set(table.tidy["implementation"])
    assert not [column for column in table.tidy.columns if column.endswith("_s")]
    for word in ("Run here,", "Run there,", "that of torch.nn", "Fast\\_CPU"):
        assert word in table.markdown()
    cells = flat(table)[machines].to_numpy().ravel()
    assert all("[" in cell for cell in cells)


def test_the_newest_finished_run_of_a_suite_on_a_machine_counts(tmp_path):
    a_run(tmp_path, "old", 5.0, started="2026-01-01")
    a_run(tmp_path, "new", started="2026-01-02")
    a_run(tmp_path, "unfinished", started="2026-01-03", complete=False)
    a_run(tmp_path, "other", machine=FAST, suite={"name": "other"})
    assert tables(tmp_path) == []
    a_run(tmp_path, "there", machine=FAST)
    (table,) = tables(tmp_path)
    assert set(table.tidy["run_id"]) == {"new", "there"}


ZEN_3 = {
    "cpu": "AMD EPYC",
    "cpu_id": "AuthenticAMD family 25 model 1 stepping 1",
    "cpu_flags": ["avx2"],
    "cores": 2,
}


@pytest.mark.parametrize(
    ("other", "name"),
    [
        (
            {"cpu_flags": ["avx2", "avx512f"]},
            "AMD EPYC (family 25, model 1, stepping 1) with AVX-512, 2 cores",
        ),
        (
            {"cpu_id": "AuthenticAMD family 25 model 17 stepping 1"},
            "AMD EPYC (family 25, model 17, stepping 1) with AVX2, 2 cores",
        ),
    ],
)
def test_processors_of_one_name_with_other_vectors_or_numbers_stand_in_two_columns(
    tmp_path, other, name
):
    a_run(tmp_path, "here", machine=ZEN_3)
    a_run(tmp_path, "there", machine=ZEN_3 | other)
    (table,) = tables(tmp_path)
    assert set(table.tidy["machine"]) == {
        "AMD EPYC (family 25, model 1, stepping 1) with AVX2, 2 cores",
        name,
    }


def test_an_earlier_run_that_records_less_of_its_machine_has_no_column_of_its_own(tmp_path):
    a_run(tmp_path, "now", machine=ZEN_3, started="2026-01-03")
    a_run(
        tmp_path,
        "before",
        machine={key: ZEN_3[key] for key in ("cpu", "cpu_flags", "cores")},
        started="2026-01-02",
    )
    a_run(
        tmp_path,
        "long ago",
        machine={key: ZEN_3[key] for key in ("cpu", "cores")},
        started="2026-01-01",
    )
    assert tables(tmp_path) == []
    a_run(
        tmp_path,
        "before",
        machine={"cpu": "AMD EPYC", "cpu_flags": ["avx512f"], "cores": 2},
        started="2026-01-02",
    )
    (table,) = tables(tmp_path)
    assert set(table.tidy["run_id"]) == {"now", "before"}


def test_only_workloads_that_two_machines_measured_are_there(tmp_path):
    a_run(tmp_path, "here", rows=[row for row in quick_rows() if row["seq_len"] >= 256])
    short = [row for row in quick_rows() if row["seq_len"] <= 256]
    skipped = [unwell(row, "skipped", "no room") for row in quick_rows() if row["seq_len"] == 1024]
    a_run(tmp_path, "there", rows=[*short, *skipped], machine=FAST)
    (table,) = tables(tmp_path)
    assert set(table.tidy["seq_len"]) == {256}
    for path in (tmp_path / "there").iterdir():
        path.unlink()
    a_run(
        tmp_path, "there", rows=[row for row in quick_rows() if row["seq_len"] < 256], machine=FAST
    )
    assert tables(tmp_path) == []


def test_what_went_wrong_on_one_machine_says_so(tmp_path):
    a_run(tmp_path, "here")
    bad = {"jax.scan": "wrong_result", "torch.loop": "timeout"}
    rows = [row for row in quick_rows() if row["implementation"] != "numpy.fused"]
    rows = [
        unwell(row, bad[row["implementation"]], "no") if row["implementation"] in bad else row
        for row in rows
    ]
    a_run(tmp_path, "there", rows=rows, machine=FAST)
    (table,) = tables(tmp_path)
    cells = flat(table).groupby("implementation")[machine_name({"machine": FAST})].unique()
    assert cells["jax.scan"].tolist() == ["wrong result (b)"]
    assert cells["torch.loop"].tolist() == ["timeout (a)"]
    assert cells["numpy.fused"].tolist() == ["not run"]


def test_a_run_that_cannot_be_read_or_has_no_machine_does_not_matter(tmp_path):
    a_run(tmp_path, "here")
    a_run(tmp_path, "there", machine=None)
    (a_run(tmp_path, "broken", machine=FAST) / "records.parquet").write_bytes(b"no")
    (table,) = tables(tmp_path)
    assert set(table.tidy["machine"]) == {
        "Some(R) CPU @ 2.80GHz with AVX-512, 2 cores",
        "a CPU that was not recorded",
    }


def test_the_index_shows_it_and_the_command_line_prints_it(tmp_path):
    a_run(tmp_path / "a", "here")
    a_run(tmp_path / "b", "there", machine=FAST)
    out = tmp_path / "out"
    done = CliRunner().invoke(
        app, ["merge", str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(out)]
    )
    assert done.exit_code == 0, done.output
    index = (out / "README.md").read_text(encoding="utf-8")
    assert "## Several machines" in index and "**quick-machines-ratio.**" in index
    assert str(tmp_path) not in index
    command = ["table", str(out), "--id", "quick-machines-ratio", "--format"]
    csv = CliRunner().invoke(app, [*command, "csv"]).output
    assert len(csv.strip().splitlines()) == 2 * 24 * 6 + 1
    assert CliRunner().invoke(app, [*command, "tex"]).output.startswith("% needs")
    report.write_index(out)
    assert (out / "README.md").read_text(encoding="utf-8") == index
    wrong = CliRunner().invoke(app, ["table", str(out), "--id", "quick-ratio"])
    assert "the tables are quick-machines-ratio" in str(wrong.exception)


def test_one_machine_has_no_such_table(tmp_path):
    a_run(tmp_path, "one")
    a_run(tmp_path, "two")
    assert "Several machines" not in report.write_index(tmp_path).read_text(encoding="utf-8")
    wrong = CliRunner().invoke(app, ["table", str(tmp_path), "--id", "quick-machines-ratio"])
    assert "no suite was measured on two machines" in str(wrong.exception)


@pytest.mark.parametrize(
    ("machine", "name"),
    [
        ({"cpu": "A", "cores": 1}, "A, 1 core"),
        ({"cpu": "A", "gpu": "H"}, "A, H"),
        ({"cpu": "A", "cpu_flags": ["sse", "avx"]}, "A with AVX"),
        (
            {"cpu": "A", "cpu_id": "CPU implementer 0x41 part 0xd0c"},
            "A (implementer 0x41, part 0xd0c)",
        ),
        ({"cpu": "A", "cpu_id": 3, "cpu_flags": 3}, "A"),
        ({"cpu": "A", "gpus": [{"name": "H"}, {"name": "B"}, 3]}, "A, H, B"),
        (None, "a CPU that was not recorded"),
        ("x", "a CPU that was not recorded"),
    ],
)
def test_a_machine_has_a_name_whatever_was_recorded(machine, name):
    assert machine_name({"machine": machine}) == name
