"""What others read tables with: LaTeX sets them, pandas reads the CSV, Markdown shows them as
tables.
"""

import io
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from made_up import longtable_columns, make, quick_rows, trouble
from markdown_it import MarkdownIt

from lstmbench import report
from lstmbench.report.tables.render import to_markdown
from lstmbench.report.tables.table import Table
from lstmbench.results.schema import COLUMNS

ROOT = Path(__file__).resolve().parents[3]
HOSTILE = r"a_b%c&d#e\input{/etc/passwd}~f^g{h|i<j>$k$`l`*m*[n](o)!\end{tabular}é日‡→--"
needs_latex = pytest.mark.skipif(
    shutil.which("pdflatex") is None, reason="there is no pdflatex here"
)


@pytest.fixture(scope="module")
def hostile() -> list[Table]:
    """Every table of a run that is full of trouble, with names and reasons that mean something to
    each format.
    """
    rows = []
    for row in trouble(quick_rows()):
        name = HOSTILE if row["implementation"] == "torch.nn" else row["implementation"]
        base = HOSTILE if row.get("ratio_to") else None
        rows.append(
            row | {"implementation": name, "ratio_to": base, "suite": "a_b & c", "error": HOSTILE}
        )
    return report.standard_tables(
        make(rows, command=f"lstmbench run {HOSTILE}", machine={"cpu": HOSTILE})
    )


def set_by_latex(folder: Path, document: str, name: str = "document") -> str:
    """Return what LaTeX says of a document; it must be set without an error."""
    (folder / f"{name}.tex").write_text(document, encoding="utf-8")
    command = [
        "pdflatex",
        "-interaction=nonstopmode",
        "-halt-on-error",
        "-no-shell-escape",
        f"{name}.tex",
    ]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=300
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


def document(tables: list[Table], options: str = "10pt,letterpaper") -> str:
    pages = "\n\\clearpage\n".join(table.latex() for table in tables)
    head = f"\\documentclass[{options}]{{article}}"
    head += "\\usepackage{booktabs,longtable,lscape}\\begin{document}"
    return f"{head}\n{pages}\n\\end{{document}}\n"


def shown(cells: list[list[str]], labels: list[str] | None = None, quantities: int = 1) -> Table:
    """A table of these cells, with heads such as ``T = 0``."""
    heads = [f"T = {k}" for k in range(len(cells[0]) // quantities)]
    columns = pd.MultiIndex.from_product([[f"quantity {k}" for k in range(quantities)], heads])
    labels = labels or [f"a.v{k}" for k in range(len(cells))]
    index = pd.MultiIndex.from_tuples(
        [("", label) for label in labels], names=["panel", "implementation"]
    )
    return Table(
        "quick-speed",
        "What it is. And more.",
        pd.DataFrame(cells, index, columns),
        pd.DataFrame(),
        [],
        ["id."],
    )


def test_latex_is_one_longtable_with_whole_rows_whatever_the_names(hostile):
    for table in hostile:
        assert longtable_columns(table.latex()) > 1


def test_a_longtable_that_is_broken_would_be_seen(quick):
    text = report.speed_table(quick).latex()
    assert longtable_columns(text) == 5
    for part, broken in (
        (r"\endhead", ""),
        ("numpy.fused &", "numpy.fused"),
        (r"\midrule", "\n\n"),
        ("{}l", "{}ll"),
    ):
        with pytest.raises((AssertionError, ValueError)):
            longtable_columns(text.replace(part, broken, 1))


def test_the_head_and_a_shorter_caption_come_again_on_each_page(quick):
    text = report.speed_table(quick).latex()
    assert text.count("implementation & T = 16 &") == 2
    assert r"\caption[]{Time of one call in ms: median [95 \% interval] (continued).}" in text
    assert text.count(r"\label{") == text.count(r"\begin{longtable}") == 1


def test_intervals_stand_beside_their_values_while_they_fit_else_beneath():
    few = shown([["1.00 [0.90, 1.10] †‡"]]).latex()
    mark = r"\rlap{\textsuperscript{$\dagger$$\ddagger$}}"
    assert rf"  a.v0 & 1.00 {{\scriptsize[0.90, 1.10]}}{mark} \\" in few
    assert r"\footnotesize\setlength" in few
    many = shown(
        [["1.00 [0.90, 1.10] †‡", "failed (a)", "1 (2.00 ms)", "2.00 [1.00, 3.00]"]]
    ).latex()
    assert rf"  a.v0 & 1.00{mark} & failed (a) & 1 (2.00 ms) & 2.00 \\*[-2pt]" in many
    assert r"   & [0.90, 1.10] &  &  & [1.00, 3.00] \\" in many
    assert r"\footnotesize\setlength" not in many and "landscape" not in many.partition("\n")[2]
    assert longtable_columns(few) == 2
    assert longtable_columns(many) == 5


def test_a_wide_table_is_set_in_landscape_and_a_wider_one_quantity_by_quantity():
    cells = [["1.00 [0.90, 1.10]"] * 8]
    landscape = shown(cells, quantities=2).latex()
    assert r"\begin{landscape}" in landscape and r"\multicolumn{4}{c}{quantity 0}" in landscape
    assert longtable_columns(landscape) == 9
    apart = shown([cells[0] * 2], quantities=2).latex()
    assert r"\begin{landscape}" in apart
    assert r"\multicolumn{9}{@{}l}{\emph{quantity 0}} \\*" in apart
    assert r"\multicolumn{9}{@{}l}{\emph{quantity 1}} \\*" in apart
    assert apart.count("  a.v0 &") == 2
    assert longtable_columns(apart) == 9


def test_long_heads_and_labels_are_wrapped():
    table = shown([["1.00"]], ["logistic regression on all pixels at once (baseline)"])
    table.frame.columns = pd.MultiIndex.from_tuples([("ratio", "AMD EPYC with AVX-512, 2 cores")])
    text = table.latex()
    assert r"\shortstack[l]{logistic regression on all \\ pixels at once (baseline)}" in text
    assert r"\shortstack[r]{AMD EPYC \\ with \\ AVX-512, 2 \\ cores}" in text


def test_latex_has_the_numbers_of_markdown(quick):
    for table in report.standard_tables(quick):
        text = re.sub(r"\\rlap\{.*?\}\}|\\scriptsize|[{}*]", " ", table.latex())
        for cell in table.frame.to_numpy().ravel():
            value, _, interval = cell.replace("–", "--").rstrip(" †").partition(" [")
            assert re.search(rf"(?<![\d.]){re.escape(value)}(?![\d.])", text), cell
            assert not interval or f"[{interval}" in text, cell


def test_cells_alone_are_a_table_in_markdown():
    table = shown([["1.00", "2.00"]]).frame
    assert (
        to_markdown(table)
        == "| implementation | T = 0 | T = 1 |\n| :-- | --: | --: |\n| a.v0 | 1.00 | 2.00 |\n"
    )


@needs_latex
def test_latex_sets_every_table_whatever_the_names(hostile, tmp_path):
    set_by_latex(tmp_path, document(hostile))


@needs_latex
@pytest.mark.parametrize("options", ["10pt,letterpaper", "11pt,a4paper"])
def test_every_table_fits_on_its_pages(quick, tmp_path, options):
    log = set_by_latex(tmp_path, document(report.standard_tables(quick), options))
    assert "Overfull" not in log


@needs_latex
def test_a_table_that_does_not_fit_would_be_seen(quick, tmp_path):
    wide = (
        report.memory_table(quick)
        .latex()
        .replace("  implementation &", f"  {'implementation' * 30} &")
    )
    log = set_by_latex(
        tmp_path, document([]).replace("\\end{document}", f"{wide}\\end{{document}}")
    )
    assert "Overfull" in log


@needs_latex
def test_the_example_of_a_report_is_set(tmp_path):
    folder = ROOT / "examples" / "report"
    text = (
        (folder / "report.tex")
        .read_text(encoding="utf-8")
        .replace("../../results", str(ROOT / "results"))
    )
    set_by_latex(tmp_path, text)
    log = set_by_latex(tmp_path, text)
    for trouble_ in ("Overfull", "undefined"):
        assert trouble_ not in log


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
        assert set(rows) == {len(table.frame.columns) + 1}
        headings = [heading for heading in table.frame.index.unique(0) if heading]
        assert len(rows) == 1 + len(table.frame) + len(headings)
        inline = [child for token in tokens for child in token.children or []]
        assert {child.type for child in inline} <= {
            "text",
            "strong_open",
            "strong_close",
            "html_inline",
            "softbreak",
        }
