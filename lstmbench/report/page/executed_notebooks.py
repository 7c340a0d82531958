"""An executed notebook as a page: one file that needs neither Jupyter nor a network."""

from jinja2 import DictLoader
from latex2mathml.converter import convert
from nbconvert.exporters import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import reads

_TEMPLATE = """
{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
{%- block jupyter_widgets -%}{%- endblock -%}
{%- block html_head_css -%}
<style>
math[display="block"] { margin: 1em 0; }
mtd[columnalign="left"] { text-align: left; padding-left: 0.2em; }
mtd[columnalign="right"] { text-align: right; padding-right: 0.2em; }
mtd:nth-child(n+3) { padding-left: 1em; }
</style>
{%- endblock -%}
"""
"""JupyterLab's own look without the scripts that it would load.

Formulas are MathML, and widgets are left out.
"""


def notebook_page(text: str, title: str) -> str:
    """Return an executed notebook as HTML; the same notebook gives the same bytes.

    Args:
        text: the notebook, as it stands in its file.
        title: of the page.
    """
    exporter = HTMLExporter(
        extra_loaders=[DictLoader({"executed.html.j2": _TEMPLATE})],
        template_file="executed.html.j2",
        filters={"markdown2html": _markdown},
        exclude_anchor_links=True,
    )
    notebook = reads(text, as_version=4)
    notebook.metadata.pop("widgets", None)  # their state, which without scripts nothing reads
    page, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": title}})
    return str(page)


def _markdown(source: str) -> str:
    """Return Markdown as HTML, its formulas as MathML."""
    return str(MarkdownWithMath(renderer=_WithFormulas(escape=False)).render(source))


class _WithFormulas(IPythonRenderer):
    def inline_math(self, body: str) -> str:
        return str(convert(body))

    def block_math(self, body: str) -> str:
        # Of the two environments, latex2mathml knows this one
        return str(convert(body.replace("{aligned}", "{align*}"), display="block"))
