"""Files that are whole or not there."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lstmbench.errors import LstmbenchError


def write_atomically(path: str | os.PathLike[str], write: Callable[[Path], Any]) -> None:
    """Call ``write`` on a temporary path beside ``path``, then put the result in its place in one
    step.

    Raises:
        LstmbenchError: if it cannot be written; what was at ``path`` is there still.
    """
    try:
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        os.close(handle)
        temporary = Path(name)
        try:
            temporary.chmod(0o644)
            write(temporary)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(target)
            _sync(target.parent)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise LstmbenchError(f"{path} cannot be written: {reason}.") from None


def _sync(folder: Path) -> None:
    """Have the disk know by what names the files in a folder go."""
    if hasattr(os, "O_DIRECTORY"):  # elsewhere a folder cannot be opened
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
