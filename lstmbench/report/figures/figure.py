"""A figure that describes itself in words and whose files always hold the same bytes."""

import io
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import Any
from xml.sax.saxutils import escape

import matplotlib.figure
import matplotlib.style

from lstmbench.report.figures.styles import RC

CREATOR = "lstmbench"
PAGE = 7.0
"""Width in inches of the text of a printed page."""
SINGLE = 4.6
"""Width in inches of a figure of one panel."""
COLUMN = 3.4
"""Width in inches of a column of a two-column paper."""

figure_style = partial(matplotlib.style.context, ["default", RC])
"""Apply Matplotlib's defaults and our settings for a while, whatever the user has set."""


class Figure(matplotlib.figure.Figure):
    """A Matplotlib figure outside pyplot: JupyterLab shows it once, as the value of a cell.

    Attributes:
        id: its stable name, such as ``quick-speed``.
        caption: what it shows, in one sentence.
        alt: the text for readers who do not see it.
        narrow: draws the same figure ``COLUMN`` inches wide; None if the figure has no such form.
    """

    id: str = "figure"
    caption: str = ""
    alt: str = ""
    narrow: "Callable[[], Figure] | None" = None

    def described(self, name: str, caption: str, details: str) -> "Figure":
        """Return this figure with name, caption, and an alt text of caption and details."""
        self.id, self.caption, self.alt = name, caption, f"{caption} {details}"
        return self

    def svg(self) -> str:
        """Return the figure as SVG; its title is ``caption``, its description ``alt``."""
        text = self._saved(
            "svg", {"Date": None, "Creator": CREATOR, "Title": self.caption}
        ).decode()
        text = text.replace("</title>", f"</title>\n <desc>{escape(self.alt)}</desc>", 1)
        return text.replace("<svg ", '<svg role="img" ', 1)

    def png(self, dpi: int = 200) -> bytes:
        """Return the figure as PNG, with ``caption`` and ``alt`` in its metadata."""
        return self._saved(
            "png", {"Software": CREATOR, "Title": self.caption, "Description": self.alt}, dpi=dpi
        )

    def pdf(self) -> bytes:
        """Return the figure as PDF for print, as wide as a column if it has such a form."""
        figure = self.narrow() if self.narrow else self
        metadata = {
            "CreationDate": None,
            "Creator": CREATOR,
            "Producer": CREATOR,
            "Title": self.caption,
        }
        return figure._saved("pdf", metadata)

    def _saved(self, kind: str, metadata: Mapping[str, str | None], **options: Any) -> bytes:
        file = io.BytesIO()
        with figure_style():
            self.savefig(file, format=kind, metadata=metadata, **options)
        return file.getvalue()

    def _ipython_display_(self) -> None:
        """Show the figure in a notebook; otherwise pyplot would draw it with its own settings."""
        width, height = (round(96 * inches) for inches in self.get_size_inches())
        data = {"image/png": self.png(), "text/plain": self.alt or repr(self)}
        metadata = {"image/png": {"width": width, "height": height, "alt": self.alt}}
        import_module("IPython.display").display(data, metadata=metadata, raw=True)
