"""Which implementations there are, and how to get one. The only global state of the package.

An implementation that comes with the package is a file ``variants/<backend>_<variant>.py`` that
registers ``<backend>.<variant>``; so its name is known without importing it, and its framework is
imported when it is asked for.
"""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, TypeVar

from lstmbench.core import lookup
from lstmbench.core.interface import LSTM, MODES, ArrayBackend
from lstmbench.core.parameters import LSTMParams
from lstmbench.errors import LstmbenchError

if TYPE_CHECKING:
    import pandas as pd

FRAMEWORKS = ("numpy", "torch", "jax")
ENTRY_POINTS = "lstmbench.implementations"
NOT_COMPILED = "not compiled"
"""How the ``code_path()`` of a variant begins where it is slower than it could be; then the reason.
"""
_Class = TypeVar("_Class", bound=type)


@dataclass(frozen=True)
class Registration:
    """What is known of an implementation before it is loaded."""

    name: str
    cls: type
    framework: type[ArrayBackend]
    dtypes: tuple[str, ...]
    modes: tuple[str, ...]
    peer: bool
    peephole: bool = False
    stack: type | None = None
    only_on: tuple[str, ...] | None = None

    @property
    def backend(self) -> str:
        """Return the part of the name before the dot."""
        return self.name.partition(".")[0]

    def devices(self) -> tuple[str, ...]:
        """Return the devices that its framework sees here, as far as it runs on them."""
        return tuple(
            each
            for each in self.framework.devices()
            if self.only_on is None or each in self.only_on
        )


_registered: dict[str, Registration] = {}


def register(
    name: str,
    *,
    framework: str = "numpy",
    devices: tuple[str, ...] | None = None,
    dtypes: tuple[str, ...] | None = None,
    modes: tuple[str, ...] = MODES,
    peer: bool = False,
    peephole: bool = False,
    stack: type | None = None,
) -> Callable[[_Class], _Class]:
    """Register the decorated class as the implementation ``name``; registering a name again
    replaces it.

    Args:
        name: ``backend.variant``, for example ``"mine.fast"``.
        framework: whose arrays the class works on: ``numpy``, ``torch`` or ``jax``.
        devices: where it runs, such as ``("cuda",)``; wherever the framework does if None.
        dtypes: what it supports; all of the framework's if None.
        modes: ``("inference", "training")``, or ``("inference",)`` where there is no
            ``forward_backward``.
        peer: True for something that users would pick instead of ours.
        peephole: True where the class heeds ``params.peephole``, and ``forward_backward`` returns
            its gradient, (3, H), as a seventh.
        stack: a class with layers, directions and lengths of its own, made from ``StackParams`` and
            the framework (see ``lstmbench.core.stack.interface``). Without it, stacks are composed
            of the single layer.

    Raises:
        LstmbenchError: if the name, framework or modes are not of that form, or the class lacks a
            method.
    """
    backend, _, variant = str(name).partition(".")
    if not (backend.isidentifier() and variant.isidentifier()):
        raise LstmbenchError(
            f"An implementation's name must be of the form backend.variant, but it is {name!r}."
        )
    if framework not in FRAMEWORKS:
        raise LstmbenchError(
            f"{name}: framework must be one of {', '.join(FRAMEWORKS)}, but it is {framework!r}."
        )
    if "inference" not in modes or set(modes) - set(MODES):
        raise LstmbenchError(
            f"{name}: modes must be inference, or inference and training, but they are {modes!r}."
        )

    def add(cls: _Class) -> _Class:
        methods = ["forward"] + ["forward_backward"] * ("training" in modes)
        missing = [method for method in methods if not callable(getattr(cls, method, None))]
        if missing:
            raise LstmbenchError(
                f"{name}: class {cls.__name__} has no method {' and no method '.join(missing)}."
            )
        home = array_backend_class(framework)
        if dtypes is not None and (not dtypes or set(dtypes) - set(home.dtypes)):
            raise LstmbenchError(
                f"{name}: dtypes must be some of {', '.join(home.dtypes)}, but they are {dtypes!r}."
            )
        missing = [
            method for method in methods if stack and not callable(getattr(stack, method, None))
        ]
        if stack and missing:
            raise LstmbenchError(
                f"{name}: class {stack.__name__} has no method {' and no method '.join(missing)}."
            )
        _registered[name] = Registration(
            name,
            cls,
            home,
            tuple(dtypes or home.dtypes),
            tuple(modes),
            peer,
            peephole,
            stack,
            devices,
        )
        return cls

    return add


def is_session_only(name: str) -> bool:
    """Return whether other processes, such as workers, do not find this name."""
    return name in _registered and name not in {*_builtin(), *_plugins()}


def array_backend_class(framework: str) -> type[ArrayBackend]:
    """Return the class that holds arrays of ``numpy``, ``torch`` or ``jax``; this imports that
    framework.
    """
    module = lookup.module("backends", f"{framework}_backend")
    return getattr(module, f"{framework.capitalize()}Backend")


def names() -> list[str]:
    """Return every known name, sorted, without importing a framework."""
    return sorted({*_builtin(), *_plugins(), *_registered})


def check_name(name: str) -> None:
    """Do nothing if the name is known; nothing is imported.

    Raises:
        LstmbenchError: if it is not (the known ones are listed, the nearest suggested).
    """
    if name not in names():
        near = difflib.get_close_matches(str(name), names(), n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise LstmbenchError(
            f"There is no implementation {name!r}; the known ones are {', '.join(names())}.{hint}"
        )


def find(name: str) -> Registration:
    """Return the registration of ``name``; this imports its framework.

    Raises:
        LstmbenchError: if the name is not known (the known ones are listed, the nearest suggested).
        Exception: whatever the import of its framework or of its plug-in raised.
    """
    check_name(name)
    if name not in _registered:
        if name in _builtin():
            source = f"{lookup.packages['variants']}.{_builtin()[name]}"
            lookup.module("variants", _builtin()[name])
        else:
            source = f"the plug-in {_plugins()[name].value}"
            _plugins()[name].load()
        if name not in _registered:
            raise LstmbenchError(
                f"There is no {name!r}: {source} was loaded, but it did not register that name."
            )
    return _registered[name]


def load(name: str, params: LSTMParams, device: str = "cpu", dtype: str = "float32") -> LSTM:
    """Return one layer with these weights, computed by this implementation; ``lstmbench.load``
    takes stacks too.

    Args:
        name: one of ``lstmbench.implementations()``, for example ``"torch.fused"``.
        params: the canonical weights, without projection.
        device: ``cpu``, or ``cuda`` where the framework sees one.
        dtype: ``float32``, ``float64``, ``bfloat16``, ``float16``, or on CUDA ``tf32``, as far as
            the implementation supports it.

    Raises:
        LstmbenchError: if the name is unknown, the framework is not installed, the device is not
            there, or the dtype is not supported.
    """
    if not isinstance(params, LSTMParams):
        raise LstmbenchError(
            f"params must be an LSTMParams or a StackParams, but it is a {type(params).__name__}."
        )
    found, framework = resolve(name, device, dtype)
    if params.projection is not None or params.peephole is not None:
        raise LstmbenchError(
            f"{name}: one layer with a projection or peepholes is loaded as a Stack, by lstmbench.load."
        )
    with framework.scope():
        implementation = found.cls(params, framework)
    return LSTM(name, params, framework, implementation, found.modes)


def resolve(name: str, device: str, dtype: str) -> tuple[Registration, ArrayBackend]:
    """Return the registration of ``name``, and its framework's arrays on the device, in the dtype.

    Raises:
        LstmbenchError: as ``load`` does.
    """
    try:
        found = find(name)
    except LstmbenchError:
        raise
    except (
        Exception
    ) as error:  # a framework that is not there or is broken; a plug-in may fail in any way
        raise LstmbenchError(f"{name} is not available here: {_reason(error)}.") from error
    if not isinstance(dtype, str) or dtype not in found.dtypes:
        raise LstmbenchError(
            f"{name} does not support dtype {dtype!r}; it supports {', '.join(found.dtypes)}."
        )
    if device not in found.devices():
        there = f"it sees {', '.join(found.devices())}" if found.devices() else _nowhere(found)
        raise LstmbenchError(f"{name} sees no device {device!r} here; {there}.")
    if reason := unsupported_reason(dtype, device):
        raise LstmbenchError(f"{name} does not support dtype {dtype!r} on {device}: {reason}.")
    return found, found.framework(device, dtype)


def unsupported_reason(dtype: str, device: str) -> str:
    """Return why no implementation has this dtype on this device, or "" if one may."""
    return "that is how a GPU multiplies float32" if dtype == "tf32" and device == "cpu" else ""


def implementation_row(name: str) -> dict[str, Any]:
    """Return one row of ``implementations()``; this imports the framework of that implementation."""
    backend, _, variant = name.partition(".")
    row: dict[str, Any] = {"name": name, "backend": backend, "variant": variant}
    try:
        found = find(name)
        devices = found.devices()
        row |= {
            "available": bool(devices),
            "reason": "" if devices else _nowhere(found),
            "devices": devices,
        }
        row |= {"dtypes": found.dtypes, "modes": found.modes, "peer": found.peer}
    except Exception as error:  # a plug-in may fail in any way; it costs its own row only
        row |= {
            "available": False,
            "reason": _reason(error),
            "devices": (),
            "dtypes": (),
            "modes": (),
            "peer": False,
        }
    return row


def implementations() -> "pd.DataFrame":
    """List every implementation, one row each; this imports the frameworks that are installed.

    Columns: name, backend, variant, available, reason (why not, else ""), devices, dtypes, modes
    (tuples), peer.
    """
    import pandas as pd

    rows = [implementation_row(name) for name in names()]
    return pd.DataFrame(rows)


def _nowhere(found: Registration) -> str:
    return f"it runs on {' and '.join(found.only_on or ())} alone, which is not there"


def _reason(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"the package {error.name} is not installed"
    name = "" if isinstance(error, LstmbenchError) else f"{type(error).__name__}: "
    return f"{name}{error}".splitlines()[0].rstrip(". :")


@cache
def _builtin() -> dict[str, str]:
    return {name.replace("_", ".", 1): name for name in lookup.modules("variants")}


@cache
def _plugins() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}
