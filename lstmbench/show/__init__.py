"""Tables, figures and pages: pure functions of the records. Neither torch nor jax is imported here."""

from lstmbench.show.compare import compare
from lstmbench.show.comparison import Comparison
from lstmbench.show.figure import Figure
from lstmbench.show.figures import plot
from lstmbench.show.gallery import figures, series
from lstmbench.show.index import latest, write, write_index
from lstmbench.show.table import Table
from lstmbench.show.tables import accuracy_table, first_call_table, memory_table, ratio_table, speed_table, tables

__all__ = [
    "Comparison",
    "Figure",
    "Table",
    "accuracy_table",
    "compare",
    "figures",
    "first_call_table",
    "latest",
    "memory_table",
    "plot",
    "ratio_table",
    "series",
    "speed_table",
    "tables",
    "write",
    "write_index",
]
