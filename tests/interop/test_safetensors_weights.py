"""Files of weights: their content, the errors for wrong files, and that no pickle is loaded."""

import json
import pickle
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from weights import bits

import lstmbench as lb

safetensors = pytest.importorskip("safetensors.numpy")
WANTED = {
    "input_size": "3",
    "hidden_size": "5",
    "num_layers": "2",
    "num_directions": "2",
    "proj_size": "2",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    lb.StackParams.init(3, 5, 2, bidirectional=True, proj_size=2, peephole=True).save(
        tmp_path / "a.safetensors"
    )
    return tmp_path / "a.safetensors"


def content(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    data = path.read_bytes()
    header = json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]])
    return safetensors.load(data), header["__metadata__"]


def test_a_file_says_what_is_in_it(path: Path) -> None:
    arrays, metadata = content(path)
    fixed = {"format": "lstmbench", "format_version": "1", "gates": "i f g o", "peepholes": "i f o"}
    assert metadata == fixed | WANTED | {"bias": "true", "peephole": "true"}
    kinds = {name.partition("_l")[0] for name in arrays}
    assert kinds == {"weight_ih", "weight_hh", "weight_hr", "bias", "peephole"}
    assert {name for name in arrays if name.startswith("bias_l1")} == {"bias_l1", "bias_l1_reverse"}
    assert {array.dtype.name for array in arrays.values()} == {"float64"}


def test_the_same_weights_make_the_same_file(path: Path) -> None:
    again = path.with_name("b.safetensors")
    lb.StackParams.open(path).save(again)
    assert again.read_bytes() == path.read_bytes()


def test_a_single_layer_is_a_stack_of_one(tmp_path: Path) -> None:
    params = lb.LSTMParams.init(3, 5)
    params.save(str(tmp_path / "a"))
    assert bits(lb.StackParams.open(str(tmp_path / "a"))) == [[bits(params)]]


def test_several_layers_are_no_single_one(path: Path) -> None:
    with pytest.raises(
        lb.LstmbenchError, match=r"here are 2 layers in both directions: use StackParams\.open\."
    ):
        lb.LSTMParams.open(path)


def test_float32_is_half_the_size_and_rounds(path: Path) -> None:
    small = path.with_name("small.safetensors")
    lb.StackParams.open(path).save(small, "float32")
    assert {array.dtype.name for array in content(small)[0].values()} == {"float32"}
    assert bits(lb.StackParams.open(small)) != bits(lb.StackParams.open(path))


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (
            lambda a, m: a.pop("bias_l1"),
            "a.safetensors has no entry 'bias_l1'; its entries are bias_l0, ",
        ),
        (lambda a, m: a.update(more=np.zeros(1)), "a.safetensors has an entry 'more' too many"),
        (
            lambda a, m: a.update(bias_l0=np.zeros(5)),
            r"bias_l0 must have shape \(20,\), but it has shape \(5,\)",
        ),
        (
            lambda a, m: a.update(bias_l0=np.zeros(20, np.int8)),
            "bias_l0 must hold .* float64, float32, .*, but its dtype is int8",
        ),
        (
            lambda a, m: a.update(peephole_l0=np.zeros((5, 3))),
            r"peephole_l0 must have shape \(3, 5\), but .*\(5, 3\)",
        ),
        (
            lambda a, m: a.update(weight_hr_l0=np.zeros((3, 5))),
            r"weight_hh_l0 must have shape \(20, 3\), but it has shape \(20, 2\)",
        ),
        (
            lambda a, m: m.clear(),
            "has no metadata of lstmbench; if it holds the state_dict of an nn.LSTM, load it with",
        ),
        (lambda a, m: m.pop("hidden_size"), "hidden_size must be 5 in its metadata, but it is ''"),
        (
            lambda a, m: m.update(hidden_size="0"),
            "hidden_size must be 5 in its metadata, but it is '0'",
        ),
        (
            lambda a, m: m.update(hidden_size="5.0"),
            "hidden_size must be 5 in its metadata, but it is '5.0'",
        ),
        (
            lambda a, m: m.update(hidden_size="²"),
            "hidden_size must be 5 in its metadata, but it is '²'",
        ),
        (
            lambda a, m: m.update(hidden_size="9" * 5000),
            "hidden_size must be 5 in its metadata, but it is '9999",
        ),
        (
            lambda a, m: m.update(hidden_size="6"),
            "hidden_size must be 5 in its metadata, but it is '6'",
        ),
        (
            lambda a, m: m.update(num_layers="1"),
            "num_layers must be 2 in its metadata, but it is '1'",
        ),
        (
            lambda a, m: m.update(num_layers="99999999999999"),
            "num_layers must be 2 in its metadata, but it is '99999999999999'",
        ),
        (
            lambda a, m: m.update(num_directions="3"),
            "num_directions must be 2 in its metadata, but it is '3'",
        ),
        (
            lambda a, m: m.update(num_directions="1"),
            "num_directions must be 2 in its metadata, but it is '1'",
        ),
        (lambda a, m: m.update(bias="yes"), "bias must be true in its metadata, but it is 'yes'"),
        (
            lambda a, m: m.update(bias="false"),
            "bias must be true in its metadata, but it is 'false'",
        ),
        (
            lambda a, m: m.update(gates="i f c o"),
            "gates must be i f g o in its metadata, but it is 'i f c o'",
        ),
        (
            lambda a, m: m.update(format_version="2"),
            "format_version must be 1 in its metadata, but it is '2'",
        ),
    ],
)
def test_what_is_wrong_is_named(
    path: Path, spoil: Callable[[Any, Any], Any], sentence: str
) -> None:
    arrays, metadata = content(path)
    spoil(arrays, metadata)
    path.write_bytes(safetensors.save(arrays, metadata))
    with pytest.raises(lb.LstmbenchError, match=sentence) as caught:
        lb.StackParams.open(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kept", [0, 7, 8, 100, -1])
def test_a_file_that_was_cut_is_damaged(path: Path, kept: int) -> None:
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(
        lb.LstmbenchError, match=r"a\.safetensors is no safetensors file, or is damaged: "
    ):
        lb.StackParams.open(path)


class Bomb:
    """Its pickle writes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def unpickled(tmp_path: Path, name: str, data: bytes) -> str:
    """Offer a file to all that reads files; return what they say of it."""
    (tmp_path / name).write_bytes(data)
    readers: list[Callable[[Any], Any]] = [lb.LSTMParams.open]
    if "onnx" in sys.modules:
        readers.append(lb.LSTMParams.from_onnx)
    texts = []
    for read in readers:
        with pytest.raises(lb.LstmbenchError) as caught:
            read(tmp_path / name)
        texts.append(str(caught.value))
    return " ".join(texts)


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("name", ["lstm.pkl", "lstm.safetensors"])
def test_a_pickle_is_refused(tmp_path: Path, protocol: int, name: str) -> None:
    pytest.importorskip("onnx")
    said = unpickled(tmp_path, name, pickle.dumps(Bomb(tmp_path / "run"), protocol))
    assert said.count(f"{name} is a pickle, not a") == 2
    assert "lstmbench loads no pickles, since loading one runs what is in it." in said
    assert not (tmp_path / "run").exists()
    pickle.loads((tmp_path / name).read_bytes())
    assert (tmp_path / "run").exists()  # loading it would have been seen


@pytest.mark.parametrize("protocol", [0, 1])
def test_an_old_pickle_is_refused_too(tmp_path: Path, protocol: int) -> None:
    data = pickle.dumps(Bomb(tmp_path / "run"), protocol)
    assert "is a pickle by its name" in unpickled(tmp_path, "lstm.pt", data)
    assert "is no safetensors file, or is damaged" in unpickled(tmp_path, "lstm.safetensors", data)
    assert not (tmp_path / "run").exists()


def test_what_torch_and_numpy_save_is_refused(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save(torch.nn.LSTM(3, 5).state_dict(), tmp_path / "lstm.pt")
    assert "a zip archive, as torch.save and" in unpickled(
        tmp_path, "lstm.pt", (tmp_path / "lstm.pt").read_bytes()
    )
    np.save(tmp_path / "lstm.npy", np.array([Bomb(tmp_path / "run")]), allow_pickle=True)
    assert "a file of numpy.save" in unpickled(
        tmp_path, "lstm.npy", (tmp_path / "lstm.npy").read_bytes()
    )
    assert not (tmp_path / "run").exists()


def test_a_header_whose_length_looks_like_a_pickle_is_none(tmp_path: Path) -> None:
    params = lb.LSTMParams.init(3, 5)
    params.save(tmp_path / "a")
    arrays, metadata = content(tmp_path / "a")
    longer = (
        safetensors.save(arrays, metadata | {"padding": "x" * padding})
        for padding in range(0, 1000, 8)
    )
    data = next(data for data in longer if data[0] == 0x80 and data[1] in range(2, 6))
    (tmp_path / "b").write_bytes(data)
    assert bits(lb.LSTMParams.open(tmp_path / "b")) == bits(params)


@pytest.mark.parametrize("where", ["missing", ".", "a\0b"])
def test_a_path_that_cannot_be_read_is_named(tmp_path: Path, where: str) -> None:
    with pytest.raises(lb.LstmbenchError, match="cannot be read: "):
        lb.LSTMParams.open(f"{tmp_path}/{where}")


@pytest.mark.parametrize("where", [".", "a\0b"])
def test_a_path_that_cannot_be_written_is_named(tmp_path: Path, where: str) -> None:
    with pytest.raises(lb.LstmbenchError, match="cannot be written: "):
        lb.LSTMParams.init(3, 5).save(f"{tmp_path}/{where}")
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_leaves_what_was_there(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = path.read_bytes()

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(
        lb.LstmbenchError, match=r"a\.safetensors cannot be written: No space left on device\."
    ):
        lb.LSTMParams.init(3, 5).save(path)
    assert [path.read_bytes() for path in path.parent.iterdir()] == [before]
