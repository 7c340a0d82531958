"""Write files in one step."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lstmbench.errors import LstmbenchError, os_error_reason


def write_atomically(
    path: str | os.PathLike[str], content: str | bytes | Callable[[Path], Any]
) -> None:
    """Write a file in one step: readers see the old content or the new one, never a part.

    Args:
        path: of the file; missing folders are made.
        content: text (written as UTF-8), bytes, or a function that writes to the path it is given.

    Raises:
        LstmbenchError: if the file cannot be written; an old file at ``path`` is kept.
    """
    try:
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        os.close(handle)
        temporary = Path(name)
        try:
            temporary.chmod(0o644)
            if callable(content):
                content(temporary)
            else:
                temporary.write_bytes(content.encode() if isinstance(content, str) else content)
            _sync(temporary)
            temporary.replace(target)
            _sync(target.parent)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        reason = os_error_reason(error)
        raise LstmbenchError(f"{path} cannot be written: {reason}.") from None


def _sync(path: Path) -> None:
    """Have a file, or a folder's list of names, written to the disk."""
    if not hasattr(os, "O_DIRECTORY"):  # a system that cannot open folders
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
