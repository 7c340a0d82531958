"""Tables, figures, pages and comparisons: pure functions of the records. Neither torch nor jax is imported here.

What draws is resolved on first use, so that tables and comparisons do without Matplotlib.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lstmbench.show.comparing.compare import compare
from lstmbench.show.comparing.comparison import Comparison
from lstmbench.show.learning import learning_table
from lstmbench.show.table import Table
from lstmbench.show.tables import (
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
    from lstmbench.show.figure import Figure
    from lstmbench.show.gallery import figures, series
    from lstmbench.show.index import latest, write, write_index
    from lstmbench.show.plots import plot

# No module of this package may bear one of these names: once imported, it would hide the function
_HOMES = {
    "Figure": "lstmbench.show.figure",
    "figures": "lstmbench.show.gallery",
    "latest": "lstmbench.show.index",
    "plot": "lstmbench.show.plots",
    "series": "lstmbench.show.gallery",
    "write": "lstmbench.show.index",
    "write_index": "lstmbench.show.index",
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
