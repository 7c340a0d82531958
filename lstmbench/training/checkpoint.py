"""Training that was stopped goes on from a file, to the same bits. No pickle: arrays, and notes as
JSON.
"""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmbench.errors import LstmbenchError, error_text
from lstmbench.files import write_atomically

_NOTES = "notes.json"


def write_checkpoint(
    path: Path, arrays: Mapping[str, NDArray[Any]], notes: Mapping[str, Any]
) -> None:
    """Keep arrays and notes in one file; what was there before is there until all is written.

    Raises:
        LstmbenchError: if it cannot be written.
    """
    text = np.frombuffer(json.dumps(notes).encode(), dtype=np.uint8)

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **{_NOTES: text}, **arrays)

    write_atomically(path, write)


def read_checkpoint(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return arrays and notes.

    Raises:
        LstmbenchError: if the file cannot be read, or is none of ``write_checkpoint``'s.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        notes = json.loads(arrays.pop(_NOTES).tobytes())
    except (OSError, ValueError, KeyError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise LstmbenchError(f"The checkpoint {path} cannot be read: {error_text(error)}") from None
    if not isinstance(notes, dict):
        raise LstmbenchError(f"The checkpoint {path} cannot be read: its notes are none.")
    return arrays, notes
