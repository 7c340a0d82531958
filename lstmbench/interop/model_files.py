"""Files of weights: read whole, and never unpickled."""

import os
from pathlib import Path

from lstmbench.errors import LstmbenchError

_BEGINNINGS = {
    b"PK\x03\x04": "a zip archive, as torch.save and numpy.savez write",
    b"\x93NUMPY": "a file of numpy.save",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file",
    **{bytes([0x80, protocol]): "a pickle" for protocol in range(2, 6)},
}
_ENDINGS = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib")


def read_bytes(path: str | os.PathLike[str], wanted: str) -> bytes:
    """Return the content of a file that should be ``wanted``, for example "a safetensors file".

    Raises:
        LstmbenchError: if it cannot be read, or is evidently something else: a pickle above all.
    """
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise LstmbenchError(f"{path} cannot be read: {reason}.") from None
    refuse_others(data, str(path), wanted)
    return data


def refuse_others(data: bytes, name: str, wanted: str) -> None:
    """Do nothing unless the content is evidently of another kind.

    Raises:
        LstmbenchError: if it is.
    """
    if data[8:9] == b"{":
        return  # safetensors: the header's length comes first, and may look like anything
    kinds = [kind for beginning, kind in _BEGINNINGS.items() if data.startswith(beginning)]
    if not kinds and name.lower().endswith(_ENDINGS):
        kinds = ["a pickle by its name"]
    if kinds:
        raise LstmbenchError(
            f"{name} is {kinds[0]}, not {wanted}: lstmbench loads no pickles, since loading one runs what is in it."
        )


def no_file(source: object, method: str, instead: str) -> None:
    """Do nothing unless a path was given where an object is expected.

    Raises:
        LstmbenchError: if one was.
    """
    if isinstance(source, str | bytes | os.PathLike):
        raise LstmbenchError(
            f"{method} takes {instead}, not a file: lstmbench loads no pickles; load it yourself, or use open."
        )
