"""What is wrong with a run is found and named; what cannot be compared is no false alarm."""

from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fresh import fresh
from made_run import copy, make_run

from lstmbench import report
from lstmbench.errors import LstmbenchError
from lstmbench.report.page.write_report import render
from lstmbench.results.checksums import CHECKSUMS
from lstmbench.results.store import Store, read_manifest
from lstmbench.verify.difference import difference
from lstmbench.verify.finding import Finding, exit_code
from lstmbench.verify.verify import verify

pytestmark = pytest.mark.usefixtures("unpainted")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    return make_run(tmp_path_factory.mktemp("results") / "here")


@pytest.fixture(scope="module")
def drawn(made):
    return render(made)


@pytest.fixture
def run(made, tmp_path) -> Path:
    return copy(made, tmp_path / "results" / "here")


@pytest.fixture
def bare(run) -> Path:
    """A run that was made before there were sums."""
    for path in run.rglob(CHECKSUMS):
        path.unlink()
    manifest = read_manifest(run)
    del manifest["sums"]
    Store(run).write_manifest(manifest)
    return run


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def cell(path: Path, row: int, column: str, value) -> None:
    table = pd.read_parquet(path)
    table.loc[row, column] = value
    table.to_parquet(path, index=False)


def text_of(found: list[Finding]) -> str:
    return "\n".join(map(str, found))


def test_a_run_as_it_was_made_has_nothing_wrong_and_no_byte_of_it_is_touched(run):
    before = {
        path: (path.stat().st_mtime_ns, path.read_bytes())
        for path in run.rglob("*")
        if path.is_file()
    }
    assert verify(run) == []
    assert {
        path: (path.stat().st_mtime_ns, path.read_bytes())
        for path in run.rglob("*")
        if path.is_file()
    } == before


def test_a_run_from_before_there_were_sums_is_verified_with_one_remark(bare, drawn):
    (remark,) = verify(bare, render=lambda _: drawn)
    assert (remark.where, remark.weight) == (CHECKSUMS, "remark")
    assert exit_code([remark]) == 0


def test_a_changed_digit_of_a_table_is_shown_with_its_line(run, drawn):
    line = (run / "tables/quick-ratio.csv").read_text().splitlines()[2]
    change(run / "tables/quick-ratio.csv", line, line[:-1] + "x")
    (found,) = verify(run, render=lambda _: drawn)
    assert found.where == "tables/quick-ratio.csv"
    assert found.what.startswith("line 3 is ")
    assert "but the records give" in found.what


def test_a_changed_number_in_the_records_is_named_by_row_and_column_even_without_sums(bare, drawn):
    cell(bare / "records.parquet", 2, "time_median_s", 0.5)
    text = text_of(verify(bare, render=lambda _: drawn))
    assert "records.csv: row 3 (jax.scan, " in text
    assert "column time_median_s: " in text
    assert "records.parquet: row 3 (jax.scan, " in text
    assert "0.5 does not follow from samples.parquet" in text


@pytest.mark.parametrize("column", ["time_median_s", "time_high_s", "roofline_fraction"])
def test_a_number_that_is_off_by_a_millionth_is_told(bare, drawn, column):
    cell(
        bare / "records.parquet",
        2,
        column,
        pd.read_parquet(bare / "records.parquet")[column][2] * (1 + 1e-6),
    )
    assert (
        f"column {column}: "
        in text_of(verify(bare, render=lambda _: drawn)).partition("records.parquet: ")[2]
    )


@pytest.mark.parametrize(
    ("row", "column"), [(0, "seconds"), (0, "machine_flops_per_s"), (1, "products_s")]
)
def test_a_changed_sample_is_found_by_its_case_even_without_sums(bare, drawn, row, column):
    cell(bare / "samples.parquet", row, column, 0.5)
    remark, found, *others = verify(bare, render=lambda _: drawn)
    assert remark.where == CHECKSUMS
    assert found.where == "records.parquet"
    assert "row 1 (numpy.fused, " in found.what
    assert "samples.parquet" in found.what
    if column != "seconds":  # times also change the intervals of the workload's other cases
        assert others == []
    assert {other.where for other in others} <= {"records.parquet"}


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("ratio_low", 0.9, "column ratio_low"),
        ("samples", 62, "column samples"),
        ("workload", "0" * 12, "column workload"),
        ("formula_bytes", 1, "column formula_bytes"),
        ("roofline_fraction", 0.9, "column roofline_fraction"),
        ("products_high", 0.9, "column products_high"),
        ("machine_bytes_per_s", 1e9, "column machine_bytes_per_s"),
        ("converged", None, "column converged"),
        ("environment_id", "e1", "which the manifest does not have"),
        ("run_id", "other", "'other', and 'quick-"),
    ],
)
def test_a_forger_who_mends_the_csv_and_the_sums_is_told_by_the_samples_and_the_manifest(
    run, drawn, column, value, words
):
    if column == "converged":
        value = not pd.read_parquet(run / "records.parquet")[column][0]
    cell(run / "records.parquet", 0, column, value)
    table = pd.read_parquet(run / "records.parquet")
    table.to_csv(run / "records.csv", index=False)
    Store(run).seal(read_manifest(run))
    found = verify(run, render=lambda _: drawn)
    assert found
    assert {finding.where for finding in found} == {"records.parquet"}
    assert "row 1 (numpy.fused, " in text_of(found)
    assert words in text_of(found)


def test_samples_that_were_left_out_or_belong_to_no_case_are_told(bare, drawn):
    samples = pd.read_parquet(bare / "samples.parquet")
    samples.loc[samples["implementation"] == "jax.scan", "hidden_size"] = 9
    samples.to_parquet(bare / "samples.parquet", index=False)
    text = text_of(verify(bare, render=lambda _: drawn))
    assert "samples.parquet: has no rounds of the records' row 3 (jax.scan, " in text
    assert "63 samples are of a case that has no record (jax.scan, " in text


def test_a_noise_floor_that_the_controls_do_not_lead_to_is_told(bare, drawn):
    manifest = read_manifest(bare)
    controls = manifest["controls"] | {
        "noise_floor": manifest["controls"]["noise_floor"].replace("1.0%", "0.1%")
    }
    Store(bare).write_manifest(manifest | {"controls": controls})
    assert "manifest.json: controls, noise_floor: '0.1%" in text_of(
        verify(bare, render=lambda _: drawn)
    )


@pytest.mark.parametrize(
    "name",
    [
        "manifest.json",
        "records.parquet",
        "records.csv",
        "samples.parquet",
        "notebooks/03_speed.ipynb",
        CHECKSUMS,
    ],
)
def test_a_raw_file_that_is_missing_is_one_sentence(run, drawn, name):
    (run / name).unlink()
    found = [
        finding for finding in verify(run, render=lambda _: drawn) if finding.weight != "remark"
    ]
    assert [str(finding) for finding in found] == [f"{name}: missing."]


@pytest.mark.parametrize("name", ["tables/quick-speed.md", "figures/quick-speed.png", "README.md"])
def test_a_rendered_file_that_is_missing_is_one_sentence(run, drawn, name):
    (run / name).unlink()
    assert [str(finding) for finding in verify(run, render=lambda _: drawn)] == [
        f"{name}: missing."
    ]


@pytest.mark.parametrize("name", ["tables/quick-better.md", "more.txt", "figures/quick-speed.jpg"])
def test_an_extra_file_is_one_sentence(run, drawn, name):
    (run / name).write_text("1")
    (found,) = verify(run, render=lambda _: drawn)
    assert found == Finding(name, "an extra file, which the records do not give.")


def test_an_extra_notebook_is_one_sentence(run, drawn):
    (run / "notebooks" / "99_mine.ipynb").write_text("{}")
    (found,) = verify(run, render=lambda _: drawn)
    assert found.where == "notebooks/99_mine.ipynb"


def test_hidden_files_and_a_comparison_with_another_run_are_no_faults(run, drawn):
    (run / ".DS_Store").write_text("1")
    (run / "comparison.md").write_text("1")
    (found,) = verify(run, render=lambda _: drawn)
    assert (found.where, found.weight) == ("comparison.md", "remark")


@pytest.mark.parametrize("name", ["records.parquet", "samples.parquet", "manifest.json"])
def test_a_file_that_cannot_be_read_is_told_without_a_path_of_this_machine(bare, drawn, name):
    (bare / name).write_bytes(b"garbage")
    found = [
        finding for finding in verify(bare, render=lambda _: drawn) if finding.weight != "remark"
    ]
    assert [(finding.where, finding.weight) for finding in found] == [(name, "unverifiable")]
    assert str(bare) not in text_of(found)
    assert exit_code(found) == 2


def test_sums_that_cannot_be_read_are_told(run, drawn):
    (run / CHECKSUMS).write_text("garbage\n")
    assert text_of(verify(run, render=lambda _: drawn)) == (
        f"{CHECKSUMS}: {CHECKSUMS} cannot be read: "
        "line 1 is not of the form `<sha256>  <file name>`."
    )


def test_a_run_that_is_not_finished_cannot_be_verified(run):
    Store(run).write_manifest(read_manifest(run) | {"complete": False})
    (run / CHECKSUMS).unlink()
    (found,) = verify(run)
    assert "not finished" in found.what
    assert exit_code([found]) == 2


def test_a_run_that_was_never_rendered_is_told_in_one_sentence(run, drawn):
    for path in [*run.glob("tables/*"), *run.glob("figures/*"), run / "README.md"]:
        path.unlink()
    (found,) = verify(run, render=lambda _: drawn)
    assert "'lstmbench table' makes them" in found.what
    assert found.weight == "unverifiable"


def test_figures_of_another_matplotlib_are_no_false_alarm_but_missing_ones_are_told(run, drawn):
    manifest = read_manifest(run)
    Store(run).seal(manifest | {"packages": manifest["packages"] | {"matplotlib": "3.0.0"}})
    drawn = render(run)
    others = {
        name: content + b" " if name.startswith("figures/") else content
        for name, content in drawn.items()
    }
    here = metadata.version("matplotlib")
    (remark,) = verify(run, render=lambda _: others)
    assert (
        str(remark)
        == f"figures: cannot be compared: drawn by matplotlib 3.0.0, here is matplotlib {here}."
    )
    assert remark.weight == "remark"
    (run / "figures/quick-speed.png").unlink()
    assert "figures/quick-speed.png: missing." in text_of(verify(run, render=lambda _: others))


def test_figures_of_this_matplotlib_that_differ_are_told(run, drawn):
    manifest = read_manifest(run)
    others = {
        name: content + b" " if name.startswith("figures/") else content
        for name, content in drawn.items()
    }
    assert "packages" in manifest
    assert (
        sum(
            finding.where.startswith("figures/") for finding in verify(run, render=lambda _: others)
        )
        == 18
    )


def test_records_that_cannot_be_rendered_leave_the_other_checks_standing(run):
    def fails(_):
        raise ValueError("no such unit")

    change(run / "records.csv", "torch.nn", "torch.xx")
    found = verify(run, render=fails)
    assert {finding.where for finding in found} == {"records.csv", "README.md"}
    assert "cannot be verified: ValueError: no such unit" in text_of(found)
    assert exit_code(found) == 1


# A folder of runs


def test_the_index_is_verified_and_findings_say_which_run_they_are_of(run, drawn):
    report.write_index(run.parent)
    assert verify(run.parent, render=lambda _: drawn) == []
    change(run.parent / "README.md", "2026-11-20", "2026-11-21")
    change(run / "records.csv", "torch.nn", "torch.xx")
    (run.parent / "notes.txt").write_text("mine")
    found = verify(run.parent, render=lambda _: drawn)
    assert {finding.where for finding in found} == {"here/records.csv", "README.md", "notes.txt"}
    (page,) = [finding for finding in found if finding.where == "README.md"]
    assert page.what.startswith("line 7 is ")


def test_a_run_without_its_manifest_is_told_among_others(run, drawn):
    report.write_index(run.parent)
    other = copy(run, run.parent / "there")
    (other / "manifest.json").unlink()
    assert "there/manifest.json: missing." in text_of(verify(run.parent, render=lambda _: drawn))


def test_a_folder_without_results_is_refused(tmp_path):
    with pytest.raises(LstmbenchError, match="no results"):
        verify(tmp_path)


# What a difference is called


@pytest.mark.parametrize(
    ("there", "right", "words"),
    [
        (b"a\nb\n", b"a\nc\n", "line 2 is 'b', but the records give 'c'."),
        (b"a\n", b"a\nc\n", "line 2 is '', but the records give 'c', and another line differs."),
        (b"a", b"a\n", "line 2 is not there, but the records give ''."),
        (b"\xffa", b"a", "line 1 is '\\udcffa', but the records give 'a'."),
        (b"\xff", b"\\xff", "line 1 is '\\udcff', but the records give '\\\\xff'."),
        (b"\x89P\0b", b"\x89P\0a", "byte 4 is not"),
        (b"\x89P", b"\x89P\0a", "byte 3 is not"),
    ],
)
def test_a_difference_is_where_it_begins(there, right, words):
    assert words in difference(there, right)


def test_of_a_long_line_the_part_that_differs_is_shown():
    text = difference(b"x" * 1000 + b"1" + b"y" * 1000, b"x" * 1000 + b"2" + b"y" * 1000)
    assert "1yyy" in text
    assert "2yyy" in text
    assert len(text) < 200


def test_the_exit_code_is_that_of_the_worst():
    differs, open_, remark = (
        Finding("a", "b", weight) for weight in ("differs", "unverifiable", "remark")
    )
    assert [exit_code(found) for found in ([], [remark], [open_, remark], [differs, open_])] == [
        0,
        0,
        2,
        1,
    ]


def test_verifying_loads_no_framework(run):
    code = (
        "from tiny import unpainted\nfrom lstmbench.verify.verify import verify\n"
        # nor was it painted when it was made
        f"with unpainted():\n    assert verify({str(run)!r}) == []\n"
        "out = sorted({'torch', 'jax', 'jaxlib'} & set(sys.modules))"
    )
    assert fresh(code) == []


def test_the_numbers_of_training_runs_lead_to_their_epochs():
    from lstmbench.verify.check_samples import check_samples

    training = {
        "implementation": "numpy.fused",
        "task": "adding",
        "cell": "lstm",
        "seed": 0,
        "sizes": "",
        "recipe": "",
    }
    training |= {"dtype": "float32", "device": "cpu", "threads": 1}
    seconds = [0.2, 0.1, 0.4, 0.3, 0.25]
    epochs = [
        training | {"round": k, "seconds": value, "disturbed": k == 2, "updates": 8 * (k + 1)}
        for k, value in enumerate(seconds)
    ]
    right = {
        "status": "ok",
        "rounds": 5,
        "disturbed_rounds": 1,
        "noisy": False,
        "epochs": 5,
        "updates": 40,
    }
    row = training | right | {"epoch_s": float(np.median([0.2, 0.1, 0.3, 0.25]))}
    baseline = training | {
        "implementation": "baseline",
        "cell": "baselines",
        "status": "ok",
        "epochs": None,
    }
    samples = pd.DataFrame(epochs)
    assert list(check_samples([row, baseline], samples, {})) == []
    (found,) = check_samples([row | {"epoch_s": 0.25}, baseline], samples, {})
    assert "column epoch_s: 0.25 does not follow" in found.what
