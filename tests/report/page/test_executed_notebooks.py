"""An executed notebook as a page: it needs nothing from elsewhere, and shows formulas without a
script.
"""

import json
import re
from html.parser import HTMLParser

import pytest

pytest.importorskip("nbconvert")
pytest.importorskip("latex2mathml")

from lstmbench.report.page.executed_notebooks import notebook_page

FORMULAS = r"""With $x_t$ and

$$
\begin{aligned}
c_t &= f_t \odot c_{t-1} && \text{cell state} \\
h_t &= o_t \odot \tanh(c_t) && \text{output}
\end{aligned}
$$"""


class Loaded(HTMLParser):
    """What a page would load or run."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag in ("script", "link", "iframe") or (
            tag == "img" and not attributes["src"].startswith("data:")
        ):
            self.found.append(tag)


def notebook(*cells, **metadata):
    content = {"cells": list(cells), "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(content)


def prose(source):
    return {"cell_type": "markdown", "id": "prose", "metadata": {}, "source": source}


def code(source, *outputs):
    return {
        "cell_type": "code", "id": "code", "metadata": {}, "source": source,
        "outputs": list(outputs),
        "execution_count": 1,
    }  # fmt: skip


PICTURE = {
    "output_type": "display_data",
    "metadata": {},
    "data": {"image/png": "iVBORw0KGgo=", "text/plain": "a plot"},
}
PRINTED = {"output_type": "stream", "name": "stdout", "text": "1 < 2 <script>alert(1)</script>\n"}


def test_formulas_are_mathml_line_by_line():
    page = notebook_page(notebook(prose(FORMULAS)), "some")
    assert page.count("<math") == 2 and page.count("<mtr>") == 2
    assert "aligned" not in page and "<mi>&</mi>" not in page


def test_code_prints_and_pictures_are_there_and_nothing_is_loaded_or_run():
    page = notebook_page(notebook(prose("# Title"), code("print(1)", PRINTED, PICTURE)), "some")
    assert "<title>some</title>" in page and "data:image/png;base64,iVBORw0KGgo=" in page
    assert "1 &lt; 2 &lt;script&gt;" in page
    assert Loaded(page).found == []
    assert not re.search(r"@import|url\(['\"]?http", page)


def test_widgets_bring_no_script():
    state = {
        "application/vnd.jupyter.widget-state+json": {
            "state": {},
            "version_major": 2,
            "version_minor": 0,
        }
    }
    assert Loaded(notebook_page(notebook(code("1"), widgets=state), "some")).found == []


def test_what_would_be_loaded_is_seen():
    assert Loaded('<script src="https://x/y.js"></script><img src="https://x/y.png">').found == [
        "script",
        "img",
    ]


def test_the_same_notebook_gives_the_same_page():
    text = notebook(prose(FORMULAS), code("print(1)", PRINTED, PICTURE))
    assert notebook_page(text, "some") == notebook_page(text, "some")


def test_the_title_is_text():
    assert "<title>&lt;b&gt;" in notebook_page(notebook(prose("x")), "<b>")
