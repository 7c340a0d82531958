"""The program around the verbs: output streams, errors in one sentence, exit codes."""

import codecs
import io
import os
import signal
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from lstmbench import exit_codes
from lstmbench.errors import LstmbenchError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Measure LSTM implementations in NumPy, PyTorch and JAX: accuracy, speed, memory.",
)
console = Console(soft_wrap=True, markup=False, highlight=False)  # "[x]" in a path is no markup

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Progress = Annotated[bool, typer.Option(help="Show a bar with the remaining time.")]

ASCII = {"→": "->", "–": "-", "—": "-", "·": "-", "…": "...", "µ": "u", "∞": "inf"}
"""Replacements for characters that a stream's encoding lacks; all others are escaped."""


def main() -> None:
    """Run the command line; the entry point of the script ``lstmbench``."""
    codecs.register_error("lstmbench_ascii", _to_ascii)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="lstmbench_ascii")
    code, message = _run_verb()
    if message:
        with suppress(OSError):  # standard error may be closed or full
            print(f"lstmbench: {message}", file=sys.stderr)
    sys.exit(code)


def _run_verb() -> tuple[Any, str]:
    """Run the verb of the command line; return the exit code and the message for the user."""
    try:
        # As in other programs, a reader that goes away ends this process.
        with handle_broken_pipe(signal.SIG_DFL):
            _check_working_folder()
            try:
                app()
            finally:
                _flush_stdout()
    except SystemExit as end:
        is_interrupted = end.code == exit_codes.INTERRUPTED
        hint = "interrupted; to continue a run, give the same command again."
        return end.code, hint if is_interrupted else ""
    except LstmbenchError as error:
        return exit_codes.NOT_POSSIBLE, str(error)
    except Exception as error:
        if os.environ.get("LSTMBENCH_DEBUG"):
            traceback.print_exc()
        if isinstance(error, OSError) and error.filename is not None:
            return exit_codes.NOT_POSSIBLE, f"{error.filename} cannot be used: {error.strerror}."
        description = " ".join(f"{type(error).__name__}: {error}".split())[:500]
        hint = "Set LSTMBENCH_DEBUG=1 for a traceback."
        return exit_codes.INTERNAL_ERROR, f"lstmbench failed: {description}. {hint}"
    return exit_codes.OK, ""


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
    text = "".join(ASCII.get(letter, letter) for letter in error.object[error.start : error.end])
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


def unknown_format(name: str, formats: Iterable[str]) -> LstmbenchError:
    """Return the error for a value of ``--format`` that a verb does not know."""
    return LstmbenchError(f"There is no format {name!r}; the formats are {', '.join(formats)}.")


def print_implementations(rows: list[dict[str, Any]]) -> None:
    """Print a table of implementations, given as ``registry.implementation_row`` returns them."""
    table = Table(title="Implementations", title_justify="left")
    for column in ("name", "here", "devices", "dtypes", "modes"):
        table.add_column(column, no_wrap=column == "name")
    for row in rows:
        name = row["name"] + (" (peer)" if row["peer"] else "")
        here = "yes" if row["available"] else row["reason"]
        table.add_row(name, here, *(", ".join(row[key]) for key in ("devices", "dtypes", "modes")))
    console.print(table)
