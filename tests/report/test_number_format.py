import csv
import io
import math
import re

import pytest
from made_up import longtable_columns, make, quick_rows, unwell

from lstmbench.report import standard_tables
from lstmbench.report.number_format import (
    fixed,
    interval,
    latex,
    markdown,
    number,
    pick_unit,
    plain,
    plural,
    shorten,
    slug,
)
from lstmbench.results.schema import SECONDS

HOSTILE = r"a_b.50%&co|<script>alert(1)</script>\input{/etc/passwd}$x$`~^#*![l](u)"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0512345, "0.0512"),
        (1, "1.00"),
        (12.345, "12.3"),
        (999.6, "1000"),
        (2345.6, "2350"),
        (0, "0"),
        (9.995e-5, "0.000100"),
    ],
)
def test_numbers_have_three_significant_digits_and_no_exponent(value, text):
    assert number(value) == text


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_what_is_no_number_is_said_to_be_none(value):
    assert number(value) == str(value)


def test_a_noun_is_in_the_plural_but_for_one():
    assert [plural(count, "case") for count in (0, 1, 2)] == ["0 cases", "1 case", "2 cases"]
    assert plural(3, "process") == "3 processes"


def test_an_interval_has_the_decimals_of_its_value():
    assert interval(12.34, 9.876, 101.2) == "12.3 [9.9, 101.2]"
    assert interval(0.5, None, None) == "0.500"
    assert fixed(2345.6, -1) == "2350"


@pytest.mark.parametrize(
    ("values", "unit"),
    [([2, 3], "s"), ([2e-3, 5, 1e-4], "ms"), ([3e-6], "µs"), ([], "s"), ([1e-12], "s")],
)
def test_the_unit_fits_the_middle_value(values, unit):
    assert pick_unit(values, SECONDS) == unit


def test_text_is_one_line_without_control_characters():
    assert plain("a\nb\tc\x1b[31m\u2028d") == "a b c [31m d"
    assert shorten("first line\nsecond") == "first line"
    assert shorten("word " * 100, 20) == "word word word…"
    assert shorten("") == ""


def test_markdown_shows_every_letter_and_obeys_none():
    text = markdown(HOSTILE)
    assert "<" not in text.replace("&lt;", "")
    assert not re.search(r"(?<!\\)\|", text)
    for active in ("$", "`", "~", "*", "\\input", "](", "!["):
        assert active not in text


def test_latex_has_no_command_of_the_text():
    text = latex(HOSTILE)
    assert r"\input" not in text
    assert r"\textbackslash{}input\{/etc/passwd\}" in text
    without = re.sub(r"\\[&%$#_{}]|\\text[a-z]+\{\}", "", text)
    assert not re.search(r"[\\&%$#_~^<>|]", without)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("--out", "-{}-out"),
        ("1–2", "1--2"),
        ("é", "é"),
        ("日", "?"),
        ("µs", r"$\mu$s"),
        ('"a"', "''a''"),
        ("ﬁ", "fi"),
        ("\\\\", r"\textbackslash{}" * 2),
    ],
)
def test_latex_sets_what_pdflatex_can(text, written):
    assert latex(text) == written


@pytest.mark.parametrize(
    ("text", "written"),
    [("My Suite_2!", "my-suite-2"), ("../../etc", "etc"), ("", "records"), ("a" * 99, "a" * 60)],
)
def test_a_name_of_a_file_is_harmless(text, written):
    assert slug(text) == written


@pytest.fixture
def hostile():
    rows = [
        row | {"implementation": HOSTILE, "suite": HOSTILE}
        if row["implementation"] == "torch.nn"
        else row
        for row in quick_rows()
    ]
    rows[0] = unwell(rows[0], "failed", HOSTILE)
    return standard_tables(make(rows))


def test_hostile_names_leave_tables_whole_in_markdown(hostile):
    for table in hostile:
        lines = [line for line in table.markdown().splitlines() if line.startswith("|")]
        assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {
            len(table.frame.columns) + 2
        }
        assert "<script" not in table.markdown()


def test_hostile_names_leave_tables_whole_in_latex(hostile):
    for table in hostile:
        text = table.latex()
        assert r"\input" not in text
        assert text.count(r"\begin{") == text.count(r"\end{")
        bare = re.sub(r"\\[{}]", "", text)
        assert bare.count("{") == bare.count("}")
        assert longtable_columns(text) > 1
        assert re.search(r"\\label\{tab:[a-z0-9-]+\}", text)


def test_hostile_names_come_back_from_csv(hostile):
    for table in hostile:
        names = {row["implementation"] for row in csv.DictReader(io.StringIO(table.csv()))}
        assert HOSTILE in names


def test_a_label_that_begins_with_a_bracket_is_no_argument_of_the_line_before():
    rows = [
        row | {"implementation": "[2cm].x"}
        for row in quick_rows()
        if row["implementation"] == "torch.nn"
    ]
    assert "\n  {}[2cm].x" in standard_tables(make(rows))[0].latex()
