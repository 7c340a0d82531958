"""Checkpoints, from which interrupted training continues to the same bits.

A file holds arrays and JSON, never a pickle: reading it runs no code.
"""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lstmbench.errors import LstmbenchError, error_text
from lstmbench.files import write_atomically
from lstmbench.training.task import ArraysByName

ArrayGroups = dict[str, ArraysByName]
"""Arrays by group, such as ``weights``, and name."""
_METADATA = "metadata"


def write_checkpoint(path: Path, groups: ArrayGroups, metadata: Mapping[str, Any]) -> None:
    """Write arrays and metadata to one file; an older file stays until the new one is complete.

    Raises:
        LstmbenchError: if the file cannot be written.
    """
    arrays = {
        f"{group}.{name}": array for group, named in groups.items() for name, array in named.items()
    }
    arrays[_METADATA] = np.array(json.dumps(metadata))
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **arrays)
    write_atomically(path, content.getvalue())


def read_checkpoint(path: Path) -> tuple[ArrayGroups, dict[str, Any]]:
    """Return arrays and metadata.

    Raises:
        LstmbenchError: if the file cannot be read, or ``write_checkpoint`` did not write it.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        metadata = json.loads(arrays.pop(_METADATA).item())
        if not isinstance(metadata, dict):
            raise TypeError("its metadata are not a mapping")
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise LstmbenchError(f"The checkpoint {path} cannot be read: {error_text(error)}") from None
    groups: ArrayGroups = {}
    for key, array in arrays.items():
        group, _, name = key.partition(".")
        groups.setdefault(group, {})[name] = array
    return groups, metadata
