"""The program around the verbs: output streams, errors in one sentence, exit codes."""

import codecs
import io
import os
import signal
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, TypeVar

from rich.console import Console
from rich.table import Column, Table
from typer import Option, Typer

from lstmbench import exit_codes
from lstmbench.errors import LstmbenchError

app = Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Measure LSTM implementations in NumPy, PyTorch and JAX: accuracy, speed, memory.",
)
console = Console(soft_wrap=True, markup=False, highlight=False)  # "[x]" in a path is no markup

AsJson = Annotated[bool, Option("--json", help="Print JSON.")]
Progress = Annotated[bool, Option(help="Show a bar with the remaining time.")]
Results = Annotated[
    Path, Option(help="The run with the table, or a folder of runs: its newest run with it.")
]
Format = TypeVar("Format")

ASCII = str.maketrans({"→": "->", "–": "-", "—": "-", "·": "-", "…": "...", "µ": "u", "∞": "inf"})
"""Replacements for characters that a stream's encoding lacks; all others are escaped."""


def main() -> None:
    """Run the command line; the entry point of the script ``lstmbench``."""
    codecs.register_error("lstmbench_ascii", _to_ascii)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="lstmbench_ascii")
    message = ""
    try:
        # As in other programs, a reader that goes away ends this process.
        with handle_broken_pipe(signal.SIG_DFL):
            _check_working_folder()
            try:
                app()  # ends by SystemExit, also after success
            finally:
                _flush_stdout()
    except SystemExit as end:
        code = end.code
        if code == exit_codes.INTERRUPTED:
            message = "interrupted; to continue a run, give the same command again."
    except Exception as error:
        code, message = _explain(error)
    if message:
        with suppress(OSError):  # standard error may be closed or full
            print(f"lstmbench: {message}", file=sys.stderr)
    sys.exit(code)


def _explain(error: Exception) -> tuple[int, str]:
    """Return the exit code for an error, and one sentence for the user."""
    if isinstance(error, LstmbenchError):
        return exit_codes.NOT_POSSIBLE, str(error)
    if os.environ.get("LSTMBENCH_DEBUG"):
        traceback.print_exception(error)
    if isinstance(error, OSError) and error.filename is not None:
        return exit_codes.NOT_POSSIBLE, f"{error.filename} cannot be used: {error.strerror}."
    description = " ".join(f"{type(error).__name__}: {error}".split())[:500]
    hint = "Set LSTMBENCH_DEBUG=1 for a traceback."
    return exit_codes.INTERNAL_ERROR, f"lstmbench failed: {description}. {hint}"


def _check_working_folder() -> None:
    try:
        os.getcwd()
    except OSError as error:
        problem = f"The working folder cannot be used: {error.strerror}"
        raise LstmbenchError(f"{problem}; change to another folder.") from None


def _flush_stdout() -> None:
    try:
        if sys.stdout:
            sys.stdout.flush()
    except OSError:
        # Python flushes again when it ends, which would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


def _to_ascii(error: UnicodeError) -> tuple[str, int]:
    """Replace the characters that a stream's encoding lacks; a handler for ``codecs``."""
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end].translate(ASCII)
    return text.encode("ascii", "backslashreplace").decode(), error.end


@contextmanager
def handle_broken_pipe(handler: signal.Handlers) -> Iterator[None]:
    """Set what happens within the block when this process writes to a pipe without a reader.

    ``SIG_DFL`` ends the process. ``SIG_IGN`` raises BrokenPipeError, which is needed where the
    pipe leads to a worker.
    """
    if not hasattr(signal, "SIGPIPE"):  # Windows
        yield
        return
    before = signal.signal(signal.SIGPIPE, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGPIPE, before)


def choose_format(name: str, formats: Mapping[str, Format]) -> Format:
    """Return what belongs to a value of ``--format``.

    Raises:
        LstmbenchError: if there is no such format.
    """
    if name not in formats:
        known = ", ".join(formats)
        raise LstmbenchError(f"There is no format {name!r}; the formats are {known}.")
    return formats[name]


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table whose first column is never wrapped."""
    first, *others = columns
    table = Table(Column(first, no_wrap=True), *others, title=title, title_justify="left")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def print_implementations(rows: list[dict[str, Any]]) -> None:
    """Print a table of implementations, given as ``registry.implementation_row`` returns them."""
    properties = ("devices", "dtypes", "modes")
    cells = []
    for row in rows:
        name = row["name"] + (" (peer)" if row["peer"] else "")
        here = "yes" if row["available"] else row["reason"]
        cells.append([name, here, *(", ".join(row[key]) for key in properties)])
    print_table("Implementations", ("name", "here", *properties), cells)
