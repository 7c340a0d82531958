"""A format's package is imported when the format is asked for; where it is not installed, a
sentence says so.
"""

import sys
from typing import Any

import pytest
from fresh import fresh

import lstmbench as lb

METHODS = (
    "from_torch",
    "to_torch",
    "from_keras",
    "to_keras",
    "from_flax",
    "to_flax",
    "from_equinox",
    "to_equinox",
)
HEAVY = ("torch", "jax", "flax", "equinox", "keras", "onnx", "onnxruntime", "pandas")


def imported_by(code: str) -> list[str]:
    """Return which packages the code imports in a new interpreter."""
    return fresh(
        f"import lstmbench as lb\n{code}\nout = [name for name in {HEAVY} if name in sys.modules]"
    )


@pytest.mark.parametrize(
    "code",
    [
        "lb.LSTMParams.from_torch, lb.StackParams.to_onnx",
        "import lstmbench.interop",
        "p = lb.LSTMParams.init(3, 5); lb.LSTMParams.from_keras(p.to_keras())",
        "p = lb.LSTMParams.init(3, 5); lb.LSTMParams.from_flax(p.to_flax())",
        "p = lb.LSTMParams.init(3, 5); lb.LSTMParams.from_equinox(dict(weight_ih=p.weight_ih, "
        "weight_hh=p.weight_hh))",
        "p = lb.LSTMParams.init(3, 5); n = dict(weight_ih_l0=p.weight_ih, "
        "weight_hh_l0=p.weight_hh); "
        "lb.LSTMParams.from_torch(n)",
    ],
)
def test_arrays_alone_need_no_framework(code: str) -> None:
    assert imported_by(code) == []


def test_a_file_needs_no_framework(tmp_path: Any) -> None:
    pytest.importorskip("safetensors")
    path = str(tmp_path / "a.safetensors")
    assert (
        imported_by(f"lb.LSTMParams.init(3, 5).save({path!r}); lb.LSTMParams.open({path!r})") == []
    )


def test_a_framework_that_is_imported_would_be_seen() -> None:
    pytest.importorskip("onnx")
    assert imported_by("lb.LSTMParams.init(3, 5).to_onnx()") == ["onnx"]


@pytest.mark.parametrize(
    ("package", "method", "arguments"),
    [
        ("torch", "to_torch", ()),
        ("flax", "to_flax", ("float32", "nnx.LSTMCell")),
        ("jax", "to_equinox", ()),
        ("equinox", "to_equinox", ()),
        ("onnx", "to_onnx", ()),
        ("onnx", "from_onnx", (b"",)),
        ("safetensors", "save", ("a.safetensors",)),
        ("safetensors", "open", (__file__,)),
    ],
)
def test_a_package_that_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, package: str, method: str, arguments: tuple[Any, ...]
) -> None:
    if package == "jax":
        pytest.importorskip("equinox")  # which is asked for first
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.setitem(sys.modules, name, None)  # importing it raises ModuleNotFoundError
    monkeypatch.setitem(sys.modules, package, None)
    params = lb.LSTMParams.init(3, 5)
    options = {"form": arguments[1]} if method == "to_flax" else {}
    with pytest.raises(
        lb.LstmbenchError,
        match=rf"^{method} needs the package {package}[\w.]*, which is not installed\.$",
    ):
        getattr(params, method)(*arguments[: 1 if options else None], **options)


def test_a_package_that_is_broken_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    from lstmbench.interop import weight_checks

    def broken(_: str) -> Any:
        raise OSError("libonnx.so: undefined symbol: foo\nmore")

    monkeypatch.setattr(weight_checks, "import_module", broken)
    with pytest.raises(
        lb.LstmbenchError,
        match=r"^to_onnx needs the package onnx, which cannot be .*symbol: foo\.$",
    ):
        lb.LSTMParams.init(3, 5).to_onnx()


@pytest.mark.parametrize("cls", [lb.LSTMParams, lb.StackParams])
def test_both_classes_have_every_method(cls: Any) -> None:
    for name in (*METHODS, "from_onnx", "to_onnx", "open", "save"):
        assert callable(getattr(cls, name)) and getattr(cls, name).__doc__
