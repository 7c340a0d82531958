"""The old name of ``lstmbench.results.schema``, until nothing imports it any more."""

from lstmbench.results.schema import (
    CASE_COLUMNS,
    COLUMNS,
    HOST_COLUMNS,
    LEARNING_COLUMNS,
    SAMPLE_COLUMNS,
    STATUSES,
    frame,
    typed,
)

__all__ = [
    "CASE_COLUMNS",
    "COLUMNS",
    "HOST_COLUMNS",
    "LEARNING_COLUMNS",
    "SAMPLE_COLUMNS",
    "STATUSES",
    "frame",
    "typed",
]
