"""Damaged bytes: whatever is changed in a file, it is read, or refused in one sentence; nothing
else happens.
"""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lstmbench as lb
from examples import examples

PLACES = st.floats(0, 1)
PIECES = st.tuples(PLACES, st.integers(0, 12), st.binary(max_size=12))
# One byte for another leaves the lengths right that stand in the file: such damage gets furthest
BYTES = st.tuples(PLACES, st.just(1), st.binary(min_size=1, max_size=1))
DAMAGE = st.lists(BYTES, min_size=1, max_size=4) | st.lists(PIECES, min_size=1, max_size=4)


def damaged(data: bytes, pieces: list[tuple[float, int, bytes]]) -> bytes:
    """Return the bytes, in which at some places a few are replaced by others: more, fewer, or as
    many.
    """
    for where, taken, put in pieces:
        place = int(where * len(data))
        data = data[:place] + put + data[place + taken :]
    return data


def read(method: str, source: Any) -> str:
    """Return what reading says: nothing, or the sentence of the refusal."""
    said = ""
    try:
        getattr(lb.StackParams, method)(source)
    except lb.LstmbenchError as error:
        said = str(error)
    assert "\n" not in said, said
    return said


@cache
def onnx_model() -> bytes:
    model = lb.StackParams.init(1, 2, 2, bidirectional=True, peephole=True).to_onnx(state=True)
    return bytes(model.SerializeToString())


@cache
def safetensors_file() -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        lb.StackParams.init(1, 2, 2, peephole=True).save(Path(folder) / "a")
        return (Path(folder) / "a").read_bytes()


@examples(400)
@given(DAMAGE)
def test_onnx(pieces: list[tuple[float, int, bytes]]) -> None:
    pytest.importorskip("onnx")
    read("from_onnx", damaged(onnx_model(), pieces))


@examples(400)
@given(DAMAGE)
def test_safetensors(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[tuple[float, int, bytes]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(damaged(safetensors_file(), pieces))
    read("open", path)


@examples(400)
@given(DAMAGE)
def test_the_header_of_safetensors(tmp_path_factory: pytest.TempPathFactory, pieces: Any) -> None:
    """The same within the header, whose length is told right: so the damage gets further."""
    data = safetensors_file()
    end = 8 + int.from_bytes(data[:8], "little")
    header = damaged(data[8:end], pieces)
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(len(header).to_bytes(8, "little") + header + data[end:])
    read("open", path)


@pytest.mark.parametrize("method", ["from_onnx", "open"])
def test_every_beginning_of_a_file_is_refused(tmp_path: Path, method: str) -> None:
    if method == "from_onnx":
        pytest.importorskip("onnx")
    whole = onnx_model() if method == "from_onnx" else safetensors_file()
    for length in range(0, len(whole), 13):
        (tmp_path / "cut").write_bytes(whole[:length])
        assert read(method, tmp_path / "cut"), length
    (tmp_path / "cut").write_bytes(whole)
    assert read(method, tmp_path / "cut") == ""


@given(st.binary(max_size=200))
def test_random_bytes_are_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "random"
    path.write_bytes(data)
    assert read("open", path)
    pytest.importorskip("onnx")
    assert read("from_onnx", path)
    assert read("from_onnx", data)
