"""What others read tables with: LaTeX sets them, pandas reads the CSV, Markdown shows them as tables."""

import io
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from made_up import make, quick_rows, trouble
from markdown_it import MarkdownIt

from lstmbench import show
from lstmbench.results.record import COLUMNS
from lstmbench.show.tabulating.table import Table

ROOT = Path(__file__).resolve().parents[3]
HOSTILE = r"a_b%c&d#e\input{/etc/passwd}~f^g{h|i<j>$k$`l`*m*[n](o)!\end{tabular}é日‡→--"
needs_latex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no pdflatex here")


@pytest.fixture(scope="module")
def hostile() -> list[Table]:
    """Every table of a run that is full of trouble, with names and reasons that mean something to each format."""
    rows = []
    for row in trouble(quick_rows()):
        name = HOSTILE if row["implementation"] == "torch.nn" else row["implementation"]
        base = HOSTILE if row.get("ratio_to") else None
        rows.append(row | {"implementation": name, "ratio_to": base, "suite": "a_b & c", "error": HOSTILE})
    return show.tables(make(rows, command=f"lstmbench run {HOSTILE}", machine={"cpu": HOSTILE}))


def set_by_latex(folder: Path, document: str, name: str = "document") -> str:
    """Return what LaTeX says of a document; it must be set without an error."""
    (folder / f"{name}.tex").write_text(document, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", f"{name}.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=300)
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


def document(tables: list[Table], options: str = "10pt,letterpaper") -> str:
    pages = "\n\\clearpage\n".join(table.latex() for table in tables)
    head = f"\\documentclass[{options}]{{article}}\\usepackage{{booktabs,graphicx}}\\begin{{document}}"
    return f"{head}\n{pages}\n\\end{{document}}\n"


@needs_latex
def test_latex_sets_every_table_whatever_the_names(hostile, tmp_path):
    set_by_latex(tmp_path, document(hostile))


@needs_latex
@pytest.mark.parametrize("options", ["10pt,letterpaper", "11pt,a4paper"])
def test_every_table_fits_on_its_pages(quick, tmp_path, options):
    said = set_by_latex(tmp_path, document(show.tables(quick), options))
    assert "Overfull" not in said
    assert "Float too large" not in said


@needs_latex
def test_a_table_that_does_not_fit_would_be_seen(quick, tmp_path):
    text = show.memory_table(quick).latex().replace(r"\ifdim\wd0>\linewidth", r"\iffalse")
    wide = text.replace("implementation", "implementation" * 30)
    said = set_by_latex(tmp_path, document([]).replace("\\end{document}", f"{wide}\\end{{document}}"))
    assert "Overfull" in said


@needs_latex
def test_the_example_of_a_report_is_set(tmp_path):
    folder = ROOT / "examples" / "report"
    text = (folder / "report.tex").read_text(encoding="utf-8").replace("../../results", str(ROOT / "results"))
    set_by_latex(tmp_path, text)
    said = set_by_latex(tmp_path, text)
    for trouble_ in ("Overfull", "Float too large", "undefined"):
        assert trouble_ not in said


def test_pandas_reads_numbers_as_numbers_and_what_is_empty_as_missing(hostile):
    for table in hostile:
        read = pd.read_csv(io.StringIO(table.csv()))
        assert len(read) == len(table.tidy)
        for column in read:
            kind = COLUMNS[column]
            if kind in ("Int64", "Float64"):
                assert pd.api.types.is_numeric_dtype(read[column]), (table.id, column)
            missing = table.tidy[column].isna() | (table.tidy[column].astype(object) == "")
            assert read[column].isna().tolist() == missing.tolist(), (table.id, column)
        for column in ("threads", "seq_len", "hidden_size"):
            assert pd.api.types.is_integer_dtype(read[column])
        assert HOSTILE in set(read["implementation"])


def test_markdown_shows_one_table_with_as_many_cells_in_every_row(hostile):
    for table in hostile:
        tokens = MarkdownIt("commonmark").enable("table").parse(table.markdown())
        assert [token.type for token in tokens].count("table_open") == 1
        rows: list[int] = []
        for token in tokens:
            if token.type == "tr_open":
                rows.append(0)
            elif token.type in ("td_open", "th_open"):
                rows[-1] += 1
        assert set(rows) == {len(table.cells.columns) + 1}
        lines = sum(len(lines) for _, lines in table.cells.panels)
        assert len(rows) == 1 + lines + sum(bool(heading) for heading, _ in table.cells.panels)
        inline = [child for token in tokens for child in token.children or []]
        assert {child.type for child in inline} <= {"text", "strong_open", "strong_close", "html_inline", "softbreak"}
