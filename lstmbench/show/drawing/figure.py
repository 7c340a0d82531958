"""A figure that describes itself in words, and whose files hold the same bytes whenever it is drawn."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any
from xml.sax.saxutils import escape

import matplotlib.figure
import matplotlib.style

from lstmbench.show.drawing.styles import RC

CREATOR = "lstmbench"
COLUMN = 3.4
"""Inches: how wide a column is in a paper of two."""


@contextmanager
def our_settings() -> Iterator[None]:
    """Draw under Matplotlib's own defaults and ours, whatever the user has set; theirs come back afterwards."""
    with matplotlib.style.context(["default", RC]):
        yield


class Figure(matplotlib.figure.Figure):
    """A Matplotlib figure outside pyplot: JupyterLab shows it as the value of a cell, once.

    Attributes:
        id: its stable name, such as ``quick-speed``.
        caption: what it shows, in one sentence.
        alt: what a reader who does not see it should know.
    """

    id: str = "figure"
    caption: str = ""
    alt: str = ""
    narrow: "Callable[[], Figure] | None" = None
    """Draws the same anew for a column of print, ``COLUMN`` inches wide; None where it is as narrow as it can be."""

    def svg(self) -> str:
        """Return the figure as SVG, with ``caption`` as its title and ``alt`` as its description."""
        out = io.BytesIO()
        with our_settings():
            self.savefig(out, format="svg", metadata={"Date": None, "Creator": CREATOR, "Title": self.caption})
        text = out.getvalue().decode()
        return text.replace("</title>", f"</title>\n <desc>{escape(self.alt)}</desc>", 1).replace(
            "<svg ", '<svg role="img" ', 1
        )

    def png(self, dpi: int = 200) -> bytes:
        """Return the figure as PNG, with ``caption`` and ``alt`` in its metadata."""
        out = io.BytesIO()
        about = {"Software": CREATOR, "Title": self.caption, "Description": self.alt}
        with our_settings():
            self.savefig(out, format="png", dpi=dpi, metadata=about)
        return out.getvalue()

    def pdf(self) -> bytes:
        """Return the figure as PDF for print, in the form for a column where it has one."""
        out = io.BytesIO()
        about = {"CreationDate": None, "Creator": CREATOR, "Producer": CREATOR, "Title": self.caption}
        with our_settings():
            figure = self.narrow() if self.narrow else self
            figure.savefig(out, format="pdf", metadata=about)
        return out.getvalue()

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the figure as a notebook shows it, whether or not pyplot was ever imported there."""
        width, height = (round(96 * inches) for inches in self.get_size_inches())
        about = {"width": width, "height": height, "alt": self.alt}
        return {"image/png": self.png(), "text/plain": self.alt or repr(self)}, {"image/png": about}

    def _ipython_display_(self) -> None:
        """Show the figure; without this, a notebook that uses pyplot too would draw it with pyplot's settings."""
        data, about = self._repr_mimebundle_()
        import_module("IPython.display").display(data, metadata=about, raw=True)
