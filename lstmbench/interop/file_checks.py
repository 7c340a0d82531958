"""Files of weights: read whole, and never unpickled."""

import os
from pathlib import Path

from lstmbench.errors import LstmbenchError, os_error_reason

_SIGNATURES = {
    b"PK\x03\x04": "a zip archive, as torch.save and numpy.savez write",
    b"\x93NUMPY": "a file of numpy.save",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file",
    **{bytes([0x80, protocol]): "a pickle" for protocol in range(2, 6)},
}
"""The first bytes of files of other kinds."""
_PICKLE_SUFFIXES = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib")


def read_bytes(path: str | os.PathLike[str], expected: str) -> bytes:
    """Return the content of a file.

    Args:
        path: the file.
        expected: what it should be, for example "a safetensors file".

    Raises:
        LstmbenchError: if it cannot be read, or is evidently something else, such as a pickle.
    """
    try:
        content = Path(path).read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        reason = os_error_reason(error)
        raise LstmbenchError(f"{path} cannot be read: {reason}.") from None
    refuse_other_kinds(content, str(path), expected)
    return content


def refuse_other_kinds(content: bytes, name: str, expected: str) -> None:
    """Do nothing unless the content is evidently of another kind.

    Raises:
        LstmbenchError: if it is.
    """
    if content[8:9] == b"{":
        return  # safetensors begins with the header's length, which may look like anything
    kinds = [kind for signature, kind in _SIGNATURES.items() if content.startswith(signature)]
    if not kinds and name.lower().endswith(_PICKLE_SUFFIXES):
        kinds = ["a pickle by its name"]
    if kinds:
        raise LstmbenchError(
            f"{name} is {kinds[0]}, not {expected}: lstmbench loads no pickles, since loading one "
            "runs what is in it."
        )


def refuse_file(source: object, method: str, expected: str) -> None:
    """Do nothing unless a path is given where an object is expected.

    Raises:
        LstmbenchError: if one is.
    """
    if isinstance(source, str | bytes | os.PathLike):
        raise LstmbenchError(
            f"{method} takes {expected}, not a file: lstmbench loads no pickles; load it yourself, "
            "or use open."
        )
