"""How an implementation is named, found, loaded and listed, and what happens when it cannot be."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from plain import Plain

import lstmbench as lb
from lstmbench.core import registry

PARAMS = lb.LSTMParams.init(2, 3)
COLUMNS = [
    "name",
    "backend",
    "variant",
    "available",
    "reason",
    "devices",
    "dtypes",
    "modes",
    "peer",
]


pytestmark = pytest.mark.usefixtures("own_registrations")


def _refused(call: Any, *arguments: Any, **named: Any) -> str:
    with pytest.raises(lb.LstmbenchError) as caught:
        call(*arguments, **named)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# loading


def test_it_is_known_by_name_and_float32_on_the_cpu_unless_told() -> None:
    lstm = lb.load("numpy.fused", PARAMS)
    assert (lstm.name, lstm.framework.device, lstm.framework.dtype) == (
        "numpy.fused",
        "cpu",
        "float32",
    )
    assert lstm.params is PARAMS


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("torch.fuse", "torch.fused"),
        ("torch.Fused", "torch.fused"),
        ("jax.scam", "jax.scan"),
        ("numpy_fused", "numpy.fused"),
        ("numpy.refrence", "numpy.reference"),
    ],
)
def test_an_unknown_name_is_answered_with_the_known_ones_and_the_nearest(
    asked: str, meant: str
) -> None:
    sentence = _refused(lb.load, asked, PARAMS)
    assert sentence.startswith(f"There is no implementation {asked!r}; the known ones are ")
    assert all(name in sentence for name in registry.names())
    assert sentence.endswith(f"Did you mean {meant!r}?")


@pytest.mark.parametrize("asked", ["zzz", "", "xgboost", 3, None, ["numpy.fused"]], ids=repr)
def test_nothing_is_suggested_where_nothing_is_near(asked: Any) -> None:
    sentence = _refused(lb.load, asked, PARAMS)
    assert sentence.startswith("There is no implementation")
    assert "Did you mean" not in sentence or asked == ["numpy.fused"]


@pytest.mark.parametrize("device", ["tpu", "cuda:7", "", "CPU", 0, None], ids=repr)
def test_an_unknown_device_is_answered_with_those_there(device: Any) -> None:
    sentence = _refused(lb.load, "numpy.fused", PARAMS, device=device)
    assert sentence == f"numpy.fused sees no device {device!r} here; it sees cpu."


def test_cuda_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "sees no device 'cuda'" in _refused(lb.load, "numpy.fused", PARAMS, device="cuda")
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    expected = "torch.fused sees no device 'cuda' here; it sees cpu."
    assert _refused(lb.load, "torch.fused", PARAMS, device="cuda") == expected


@pytest.mark.parametrize(
    "dtype", ["float16", "bfloat16", "float", "", np.float32, np.dtype("float32"), None], ids=repr
)
def test_an_unsupported_dtype_is_answered_with_the_supported_ones(dtype: Any) -> None:
    sentence = _refused(lb.load, "numpy.fused", PARAMS, dtype=dtype)
    assert (
        sentence == f"numpy.fused does not support dtype {dtype!r}; it supports float32, float64."
    )


def test_tf32_is_supported_on_no_cpu() -> None:
    rows = [row for row in lb.implementations().itertuples() if "cpu" in row.devices]
    assert any("tf32" in row.dtypes for row in rows) or not find_spec("torch")
    for row in rows:
        sentence = _refused(lb.load, row.name, PARAMS, dtype="tf32")
        on_cpu = (
            f"{row.name} does not support dtype 'tf32' on cpu: that is how a GPU multiplies "
            "float32."
        )
        assert sentence == on_cpu or "tf32" not in row.dtypes


@pytest.mark.parametrize("params", [None, {}, (1, 2, 3), np.ones(3)], ids=type)
def test_parameters_of_another_type_are_refused(params: Any) -> None:
    expected = (
        f"params must be an LSTMParams or a StackParams, but it is a {type(params).__name__}."
    )
    assert _refused(lb.load, "numpy.fused", params) == expected


# registering


def test_a_registered_class_is_listed_and_loaded() -> None:
    assert lb.register("mine.fast", dtypes=("float64",), peer=True)(Plain) is Plain
    row = lb.implementations().set_index("name").loc["mine.fast"]
    assert row.to_dict() == {
        "backend": "mine",
        "variant": "fast",
        "available": True,
        "reason": "",
        "devices": ("cpu",),
        "dtypes": ("float64",),
        "modes": ("inference", "training"),
        "peer": True,
    }
    assert isinstance(lb.load("mine.fast", PARAMS, dtype="float64").implementation, Plain)
    assert "it supports float64." in _refused(lb.load, "mine.fast", PARAMS)


def test_one_that_runs_on_a_device_that_is_not_there_is_a_row_that_says_so() -> None:
    lb.register("mine.fast", devices=("quantum",))(Plain)
    assert registry.is_session_only("mine.fast") and not registry.is_session_only("numpy.fused")
    row = registry.implementation_row("mine.fast")
    assert (row["available"], row["devices"]) == (False, ())
    assert row["reason"] == "it runs only on quantum, which is not available here"
    expected = (
        "mine.fast sees no device 'cpu' here; it runs only on quantum, which is not available here."
    )
    assert _refused(lb.load, "mine.fast", PARAMS) == expected


def test_a_framework_is_asked_for_its_devices_once_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    lb.register("mine.fast", devices=("quantum",))(Plain)
    calls: list[str] = []
    framework = registry.find("mine.fast").framework
    monkeypatch.setattr(framework, "devices", lambda: calls.append("devices") or ("cpu",))
    registry.implementation_row("mine.fast")
    assert calls == ["devices"]
    _refused(lb.load, "mine.fast", PARAMS)
    assert calls == ["devices"] * 2


def test_registering_again_replaces() -> None:
    class Other(Plain):
        pass

    lb.register("mine.fast")(Plain)
    lb.register("mine.fast")(Other)
    assert registry.names().count("mine.fast") == 1
    assert type(lb.load("mine.fast", PARAMS).implementation) is Other


@pytest.mark.parametrize(
    "name",
    [
        "fast",
        "",
        ".",
        "mine.",
        ".fast",
        "mine.very.fast",
        "mine.fast!",
        "my own.fast",
        "1.2",
        3,
        None,
    ],
    ids=repr,
)
def test_a_name_has_a_backend_and_a_variant(name: Any) -> None:
    expected = f"An implementation's name must be of the form backend.variant, but it is {name!r}."
    assert _refused(lb.register, name) == expected


@pytest.mark.parametrize("framework", ["tensorflow", "", None, "NumPy"], ids=repr)
def test_a_framework_is_one_of_three(framework: Any) -> None:
    expected = f"mine.fast: framework must be one of numpy, torch, jax, but it is {framework!r}."
    assert _refused(lb.register, "mine.fast", framework=framework) == expected


@pytest.mark.parametrize(
    "modes", [(), ("training",), ("inference", "training", "dreaming"), "inference"], ids=repr
)
def test_modes_are_inference_or_both(modes: Any) -> None:
    expected = (
        f"mine.fast: modes must be inference, or inference and training, but they are {modes!r}."
    )
    assert _refused(lb.register, "mine.fast", modes=modes) == expected


@pytest.mark.parametrize("dtypes", [(), ("float16",), ("float32", "bfloat16"), "float32"], ids=repr)
def test_dtypes_are_those_of_the_framework(dtypes: Any) -> None:
    expected = f"mine.fast: dtypes must be some of float32, float64, but they are {dtypes!r}."
    assert _refused(lb.register("mine.fast", dtypes=dtypes), Plain) == expected


def test_a_class_has_the_methods_of_its_modes() -> None:
    class Nothing:
        pass

    class ForwardOnly:
        def forward(self) -> None: ...

    both = "mine.fast: class Nothing has no method forward and no method forward_backward."
    assert _refused(lb.register("mine.fast"), Nothing) == both
    one = "mine.fast: class ForwardOnly has no method forward_backward."
    assert _refused(lb.register("mine.fast"), ForwardOnly) == one
    assert lb.register("mine.fast", modes=("inference",))(ForwardOnly) is ForwardOnly


def test_what_is_refused_is_not_registered() -> None:
    for call in (
        lambda: lb.register("mine.fast", framework="tensorflow")(Plain),
        lambda: lb.register("mine.fast", dtypes=("float16",))(Plain),
        lambda: lb.register("mine.fast")(object),
    ):
        _refused(call)
    assert "mine.fast" not in registry.names()


# listing


def test_the_list_has_a_row_for_each_name_sorted() -> None:
    table = lb.implementations()
    assert list(table.columns) == COLUMNS
    assert list(table.name) == registry.names() == sorted(table.name)
    assert (table.name == table.backend + "." + table.variant).all()
    peers = set(table.name[table.peer.astype(bool)])
    assert not peers & {
        "numpy.reference",
        "numpy.fused",
        "torch.loop",
        "torch.fused",
        "jax.scan",
        "jax.fused",
    }
    assert "torch.nn" in peers or not table.set_index("name").available["torch.nn"]


def test_every_file_in_variants_registers_the_name_that_it_bears() -> None:
    table = lb.implementations().set_index("name")
    for name in registry._builtin():
        row = table.loc[name]
        if row.available:
            assert (
                registry.find(name).cls.__module__
                == f"lstmbench.variants.{name.replace('.', '_', 1)}"
            )


def test_numpy_needs_nothing_more() -> None:
    table = lb.implementations()
    assert table.available[table.backend == "numpy"].all()


# plug-ins


@dataclass
class Point:
    """Stands in for an entry point: loading it does what ``action`` does."""

    name: str
    action: Callable[[], Any]
    value: str = "their.module"

    def load(self) -> Any:
        return self.action()


def _raise(error: BaseException) -> Callable[[], Any]:
    def action() -> None:
        raise error

    return action


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def install(*points: Point) -> None:
        monkeypatch.setattr(registry, "_plugins", lambda: {point.name: point for point in points})

    return install


def test_a_plug_in_is_listed_and_loaded(install: Callable[..., None]) -> None:
    install(Point("theirs.fast", lambda: lb.register("theirs.fast")(Plain)))
    assert "theirs.fast" in _refused(lb.load, "nothing.near", PARAMS)
    assert isinstance(lb.load("theirs.fast", PARAMS).implementation, Plain)
    assert lb.implementations().set_index("name").available["theirs.fast"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            ModuleNotFoundError("No module named 'fastlib'", name="fastlib"),
            "the package fastlib is not installed",
        ),
        (ModuleNotFoundError("somehow"), "ModuleNotFoundError: somehow"),
        (ImportError("cannot import name 'x'\nand more"), "ImportError: cannot import name 'x'"),
        (
            OSError("libfast.so: cannot open shared object file"),
            "OSError: libfast.so: cannot open shared object file",
        ),
        (ZeroDivisionError("division by zero."), "ZeroDivisionError: division by zero"),
        (RuntimeError(), "RuntimeError"),
        (SyntaxError("invalid syntax"), "SyntaxError: invalid syntax"),
        (
            AttributeError("module has no attribute 'fast'"),
            "AttributeError: module has no attribute 'fast'",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_a_plug_in_that_fails_costs_its_own_row_only(
    install: Callable[..., None], error: Exception, reason: str
) -> None:
    healthy = lb.implementations()
    install(Point("theirs.broken", _raise(error)))
    table = lb.implementations().set_index("name")
    row = table.loc["theirs.broken"].to_dict()
    nothing = {"devices": (), "dtypes": (), "modes": (), "peer": False}
    assert (
        row
        == {"backend": "theirs", "variant": "broken", "available": False, "reason": reason}
        | nothing
    )
    assert table.drop("theirs.broken").reset_index().equals(healthy)
    assert (
        _refused(lb.load, "theirs.broken", PARAMS)
        == f"theirs.broken is not available here: {reason}."
    )


def test_a_plug_in_that_does_not_register_its_name_is_told_apart(
    install: Callable[..., None],
) -> None:
    install(Point("theirs.fast", lambda: lb.register("theirs.other")(Plain)))
    expected = (
        "There is no 'theirs.fast': the plug-in their.module was loaded, but it did not register "
        "that name."
    )
    assert _refused(lb.load, "theirs.fast", PARAMS) == expected
    row = lb.implementations().set_index("name").loc["theirs.fast"]
    assert (row.available, row.reason) == (False, expected.removesuffix("."))


def test_a_plug_in_that_registers_wrongly_says_so_itself(install: Callable[..., None]) -> None:
    install(Point("theirs.fast", lambda: lb.register("theirs.fast", framework="tensorflow")(Plain)))
    expected = "theirs.fast: framework must be one of numpy, torch, jax, but it is 'tensorflow'."
    assert _refused(lb.load, "theirs.fast", PARAMS) == expected


def test_a_plug_in_cannot_shadow_what_comes_with_the_package(install: Callable[..., None]) -> None:
    install(Point("numpy.fused", _raise(RuntimeError("loaded"))))
    assert lb.load("numpy.fused", PARAMS).name == "numpy.fused"


def test_a_file_that_does_not_register_its_name_is_told_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registry, "_builtin", lambda: {"numpy.forgotten": "numpy_fused"})
    expected = (
        "There is no 'numpy.forgotten': lstmbench.variants.numpy_fused was loaded, but it did not "
        "register that name."
    )
    assert _refused(lb.load, "numpy.forgotten", PARAMS) == expected


def test_entry_points_of_installed_packages_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def entry_points(group: str) -> list[Point]:
        asked.append(group)
        return [Point("theirs.fast", lambda: lb.register("theirs.fast")(Plain))]

    monkeypatch.setattr(registry, "entry_points", entry_points)
    registry._plugins.cache_clear()
    try:
        assert isinstance(lb.load("theirs.fast", PARAMS).implementation, Plain)
    finally:
        registry._plugins.cache_clear()
    assert asked == ["lstmbench.implementations"]
