"""Tables, figures, pages and comparisons: pure functions of the records. Neither torch nor jax is imported here.

What draws is resolved on first use, so that tables and comparisons do without Matplotlib.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lstmbench.show.comparing.compare import compare
from lstmbench.show.comparing.comparison import Comparison
from lstmbench.show.tabulating.learning import learning_table
from lstmbench.show.tabulating.table import Table
from lstmbench.show.tabulating.tables import (
    accuracy_table,
    first_call_table,
    growth_table,
    limit_table,
    memory_table,
    ratio_table,
    speed_table,
    tables,
)

if TYPE_CHECKING:
    from lstmbench.show.drawing.figure import Figure
    from lstmbench.show.drawing.plots import plot
    from lstmbench.show.drawing.standard_figures import figures, series
    from lstmbench.show.paging.index import latest, write, write_index

# No module of this package may bear one of these names: once imported, it would hide the function
_HOMES = {
    "Figure": "lstmbench.show.drawing.figure",
    "figures": "lstmbench.show.drawing.standard_figures",
    "latest": "lstmbench.show.paging.index",
    "plot": "lstmbench.show.drawing.plots",
    "series": "lstmbench.show.drawing.standard_figures",
    "write": "lstmbench.show.paging.index",
    "write_index": "lstmbench.show.paging.index",
}

__all__ = [
    "Comparison",
    "Figure",
    "Table",
    "accuracy_table",
    "compare",
    "figures",
    "first_call_table",
    "growth_table",
    "latest",
    "learning_table",
    "limit_table",
    "memory_table",
    "plot",
    "ratio_table",
    "series",
    "speed_table",
    "tables",
    "write",
    "write_index",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'lstmbench.show' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
