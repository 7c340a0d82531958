"""The command line: one verb a module, each a few lines around the library.

Exit codes are in ``lstmbench.exit_codes``. Every exit code from 2 on comes with a reason: a
sentence on standard error, or the statuses of the cases.
"""

# The order of the verbs in the help is the order of these imports.
# isort: off
from lstmbench.cli import list, run, table, merge, compare  # noqa: F401
from lstmbench.cli import reproduce, verify, cite, notebook, doctor  # noqa: F401
# isort: on

from lstmbench.cli.program import app, main

__all__ = ["app", "main"]
