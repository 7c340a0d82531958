"""A citation leads back to the table, and holds for foreign names."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from made_up import MANIFEST, fill, quick_rows

from lstmbench import report
from lstmbench.errors import LstmbenchError
from lstmbench.report import cite as module
from lstmbench.report.cite import cite
from lstmbench.report.tables.shown_records import run_tables

FOREIGN = {"cpu": '50% {of} a_CPU & \\more $1 #2 ~^ "x"'}
FEW = [row for row in quick_rows() if row["seq_len"] == 64]


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("cite") / "results"
    fill(root / "old", FEW, run_id="r-old", started="2026-10-01T00:00:00Z")
    fill(root / "new", FEW, run_id="r-new", machine=MANIFEST["machine"] | FOREIGN)
    fill(root / "newest", FEW, run_id="r-going", started="2026-12-01T00:00:00Z", complete=False)
    return root


def fields(entry: str) -> dict[str, str]:
    return dict(re.findall(r"^  (\w+) = (.*),$", entry, flags=re.MULTILINE))


def test_the_entry_of_a_table_tells_its_data_run_date_and_commit(results):
    software, table = cite("quick-ratio", results)["bibtex"].split("\n\n")
    digest = next(
        made for made in run_tables(results / "new") if made.id == "quick-ratio"
    ).content_hash
    assert table.startswith(f"@misc{{quick-ratio-{digest},")
    said = fields(table)
    assert said["year"] == "{2026}"
    assert said["month"] == "nov"
    assert "Table quick-ratio: Time of one call relative to that of torch.nn" in said["title"]
    for word in (
        f"Data sha256 {digest}.",
        "Run r-new, 2026-11-20, commit 0123456789ab.",
        "numpy 2.4.6",
    ):
        assert word in said["note"]
    assert software.startswith("@misc{lstmbench,")


def test_the_software_is_cited_as_citation_cff_says_in_the_version_that_measured(
    results, monkeypatch
):
    about = yaml.safe_load(
        Path(module.__file__).parents[2].joinpath("CITATION.cff").read_text(encoding="utf-8")
    )
    software = fields(cite("quick-ratio", results)["bibtex"].split("\n\n")[0])
    assert software["author"] == "{{The lstmbench developers}}"
    assert software["title"] == f"{{{{{about['title']}}}}}"
    assert software["version"] == f"{{{about['version']}}}"
    assert "doi" not in software
    assert "url" not in software
    more = {
        "doi": "10.1/x",
        "repository-code": "https://example.org",
        "date-released": "2027-01-02",
    }
    more["authors"] = [{"family-names": "Ä_b", "given-names": "C."}, {"name": "D & E"}]
    monkeypatch.setattr(module, "_software", lambda: about | more)
    software = fields(cite("quick-ratio", results)["bibtex"].split("\n\n")[0])
    assert software["doi"] == "{10.1/x}"
    assert software["url"] == "{https://example.org}"
    assert software["year"] == "{2027}"
    assert software["author"] == r"{Ä\_b, C. and {D \& E}}"


def test_the_version_is_the_one_that_is_recorded(tmp_path):
    fill(tmp_path / "run", FEW, packages={"lstmbench": "0.0.9"})
    assert fields(cite("quick-speed", tmp_path)["bibtex"].split("\n\n")[0])["version"] == "{0.0.9}"


def test_foreign_names_are_escaped_and_braces_stay_balanced(results):
    note = fields(cite("quick-ratio", results)["bibtex"].split("\n\n")[1])["note"]
    assert (
        r"50\% \textbraceleft{}of\textbraceright{} a\_CPU \& \textbackslash{}more \$1 \#2" in note
    )
    assert note.count("{") == note.count("}")
    markdown = cite("quick-ratio", results)["markdown"]
    assert "a\\_CPU &amp; &#92;more" in markdown


def test_latex_names_file_and_label_that_the_rendered_table_has(results):
    report.write(results / "new")
    latex = cite("quick-ratio", results)["latex"]
    assert "\\input{quick-ratio}" in latex
    (label,) = re.findall(r"\\ref\{(.*?)\}", latex)
    path = Path(re.findall(r"beside the document: (.*)", latex)[0])
    assert f"\\label{{{label}}}" in path.read_text(encoding="utf-8")


def test_markdown_is_the_table_with_its_footer(results):
    markdown = cite("quick-ratio", results)["markdown"]
    assert "Made again by: lstmbench run quick" in markdown
    assert "Table quick-ratio, data sha256" in markdown


def test_the_newest_finished_run_counts_and_a_runs_folder_is_taken_as_it_is(results):
    assert "Run r-new, " in cite("quick-ratio", results)["bibtex"]
    assert "Run r-old, " in cite("quick-ratio", results / "old")["bibtex"]


def test_a_run_that_lacks_the_table_or_cannot_be_read_is_passed_by(results, tmp_path):
    root = shutil.copytree(results, tmp_path / "results")
    fill(
        root / "other",
        [row | {"suite": "smoke"} for row in FEW],
        run_id="r-smoke",
        started="2027-01-01T00:00:00Z",
    )
    (fill(root / "broken", FEW, started="2027-02-01T00:00:00Z") / "records.parquet").write_bytes(
        b"no"
    )
    assert "Run r-new, " in cite("quick-ratio", root)["bibtex"]
    assert "Run r-smoke, " in cite("smoke-ratio", root)["bibtex"]


def test_an_unknown_table_is_refused_and_those_there_are_listed(results, tmp_path):
    with pytest.raises(
        LstmbenchError, match=r"no table 'quick-rat' in .*; the tables are quick-ratio, quick-speed"
    ):
        cite("quick-rat", results)
    with pytest.raises(LstmbenchError, match="There is no run in"):
        cite("quick-ratio", tmp_path)


def test_a_date_that_was_not_recorded_is_left_out(tmp_path):
    fill(tmp_path / "run", FEW, started=None)
    said = fields(cite("quick-ratio", tmp_path)["bibtex"].split("\n\n")[1])
    assert "year" not in said
    assert "month" not in said


@pytest.mark.skipif(
    not (shutil.which("pdflatex") and shutil.which("bibtex")), reason="LaTeX is not installed"
)
def test_latex_and_bibtex_set_what_is_printed(results, tmp_path):
    report.write(results / "new")
    found = cite("quick-ratio", results)
    shutil.copy(results / "new" / "tables" / "quick-ratio.tex", tmp_path)
    (tmp_path / "a.bib").write_text(found["bibtex"], encoding="utf-8")
    (tmp_path / "a.tex").write_text(
        "\\documentclass{article}\\usepackage[T1]{fontenc}\\usepackage{booktabs,longtable,lscape}\\begin{document}\n"
        f"{found['latex']}\\bibliographystyle{{plain}}\\bibliography{{a}}\\end{{document}}\n",
        encoding="utf-8",
    )
    said = ""
    for command in ("pdflatex", "bibtex", "pdflatex", "pdflatex"):
        words = [
            command,
            *(["-halt-on-error", "-interaction=nonstopmode"] if command == "pdflatex" else []),
            "a",
        ]
        done = subprocess.run(
            words, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=120
        )
        assert done.returncode == 0, done.stdout
        said = done.stdout
    assert "undefined" not in said
