"""Tables, figures, pages and comparisons: pure functions of the records.

Neither torch nor jax is imported here. What draws is resolved on first use, so that tables and
comparisons do without Matplotlib.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lstmbench.report.comparison.compare import compare
from lstmbench.report.comparison.comparison import Comparison
from lstmbench.report.tables.standard_tables import (
    accuracy_table,
    first_call_table,
    growth_table,
    limit_table,
    memory_table,
    ratio_table,
    speed_table,
    standard_tables,
)
from lstmbench.report.tables.table import Table
from lstmbench.report.tables.training_tables import learning_table
from lstmbench.results.runs import latest

if TYPE_CHECKING:
    from lstmbench.report.figures.faceted_plot import plot
    from lstmbench.report.figures.figure import Figure
    from lstmbench.report.figures.standard_figures import series, standard_figures
    from lstmbench.report.page.write_report import write, write_index

# No module or folder of this package may have one of these names: once imported, it would hide the
# function
_HOMES = {
    "Figure": "lstmbench.report.figures.figure",
    "plot": "lstmbench.report.figures.faceted_plot",
    "series": "lstmbench.report.figures.standard_figures",
    "standard_figures": "lstmbench.report.figures.standard_figures",
    "write": "lstmbench.report.page.write_report",
    "write_index": "lstmbench.report.page.write_report",
}

__all__ = [
    "Comparison",
    "Figure",
    "Table",
    "accuracy_table",
    "compare",
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
    "standard_figures",
    "standard_tables",
    "write",
    "write_index",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'lstmbench.report' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
