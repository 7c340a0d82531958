"""The registry of implementations: the only state of the package that changes at run time.

An implementation that comes with the package is a file ``variants/<backend>_<variant>.py``, which
registers ``<backend>.<variant>``. So its name is known without importing it, and its framework is
imported when it is first used.
"""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, TypeVar

from lstmbench.core import lookup
from lstmbench.core.interface import MODES, ArrayBackend
from lstmbench.errors import LstmbenchError

if TYPE_CHECKING:
    import pandas as pd

FRAMEWORKS = ("numpy", "torch", "jax")
ENTRY_POINTS = "lstmbench.implementations"
NOT_COMPILED = "not compiled"
"""The beginning of a variant's ``code_path()`` where it is slower than it could be; a reason
follows.
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
    peephole: bool
    stack: type | None
    allowed_devices: tuple[str, ...] | None

    def devices(self) -> tuple[str, ...]:
        """Return the devices that its framework sees here, and on which it runs."""
        return tuple(
            device
            for device in self.framework.devices()
            if self.allowed_devices is None or device in self.allowed_devices
        )

    @property
    def missing_device_reason(self) -> str:
        """Why there is no device for it here, where ``devices`` returns none."""
        devices = " and ".join(self.allowed_devices or ())
        return f"it runs only on {devices}, which is not available here"


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
    """Register the decorated class as the implementation ``name``, in place of an earlier one.

    Args:
        name: ``backend.variant``, for example ``"mine.fast"``.
        framework: whose arrays the class works on: ``numpy``, ``torch`` or ``jax``.
        devices: where it runs, such as ``("cuda",)``; wherever the framework does if None.
        dtypes: what it supports; all of the framework's if None.
        modes: ``("inference", "training")``, or ``("inference",)`` where there is no
            ``forward_backward``.
        peer: True for what users would pick instead of ours.
        peephole: True where the class computes ``params.peephole``, and ``forward_backward``
            returns its gradient, (3, H), as a seventh.
        stack: a class with its own layers, directions and lengths, made from ``StackParams`` and
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
        for kind in (cls, stack) if stack else (cls,):
            missing = [method for method in methods if not callable(getattr(kind, method, None))]
            if missing:
                raise LstmbenchError(
                    f"{name}: class {kind.__name__} has no method "
                    f"{' and no method '.join(missing)}."
                )
        arrays = array_backend_class(framework)
        if dtypes is not None and (not dtypes or set(dtypes) - set(arrays.dtypes)):
            raise LstmbenchError(
                f"{name}: dtypes must be some of {', '.join(arrays.dtypes)}, "
                f"but they are {dtypes!r}."
            )
        supported = dtypes or arrays.dtypes
        _registered[name] = Registration(
            name, cls, arrays, tuple(supported), tuple(modes), peer, peephole, stack, devices
        )
        return cls

    return add


def is_session_only(name: str) -> bool:
    """Return whether the name was registered in this process only, so that workers lack it."""
    return name in _registered and name not in {*_builtin(), *_plugins()}


def array_backend_class(framework: str) -> type[ArrayBackend]:
    """Import ``numpy``, ``torch`` or ``jax``, and return the class of its arrays."""
    module = lookup.module("backends", f"{framework}_backend")
    return getattr(module, f"{framework.capitalize()}Backend")


def names() -> list[str]:
    """Return every known name, sorted, without importing a framework."""
    return sorted({*_builtin(), *_plugins(), *_registered})


def check_name(name: str) -> None:
    """Do nothing if the name is known; nothing is imported.

    Raises:
        LstmbenchError: if it is not; the known names are listed, and the nearest is suggested.
    """
    known = names()
    if name not in known:
        near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise LstmbenchError(
            f"There is no implementation {name!r}; the known ones are {', '.join(known)}.{hint}"
        )


def find(name: str) -> Registration:
    """Return the registration of ``name``; this imports its framework.

    Raises:
        LstmbenchError: if the name is unknown.
        Exception: whatever the import of its framework or plug-in raised.
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


def resolve(name: str, device: str, dtype: str) -> tuple[Registration, ArrayBackend]:
    """Return the registration of ``name``, and its framework's arrays on the device, in the dtype.

    Raises:
        LstmbenchError: if the name is unknown, the framework is not installed, the device is not
            there, or the dtype is not supported.
    """
    try:
        registration = find(name)
    except LstmbenchError:
        raise
    except Exception as error:  # a missing or broken framework; a plug-in may raise anything
        raise LstmbenchError(f"{name} is not available here: {_reason(error)}.") from error
    if not isinstance(dtype, str) or dtype not in registration.dtypes:
        supported = ", ".join(registration.dtypes)
        raise LstmbenchError(f"{name} does not support dtype {dtype!r}; it supports {supported}.")
    devices = registration.devices()
    if device not in devices:
        seen = f"it sees {', '.join(devices)}"
        reason = seen if devices else registration.missing_device_reason
        raise LstmbenchError(f"{name} sees no device {device!r} here; {reason}.")
    if reason := unsupported_reason(dtype, device):
        raise LstmbenchError(f"{name} does not support dtype {dtype!r} on {device}: {reason}.")
    return registration, registration.framework(device, dtype)


def unsupported_reason(dtype: str, device: str) -> str:
    """Return why no implementation has this dtype on this device, or "" if one may."""
    return "that is how a GPU multiplies float32" if dtype == "tf32" and device == "cpu" else ""


def implementation_row(name: str) -> dict[str, Any]:
    """Return one row of ``implementations()``; this imports that implementation's framework."""
    backend, _, variant = name.partition(".")
    row: dict[str, Any] = {"name": name, "backend": backend, "variant": variant}
    try:
        registration = find(name)
        devices = registration.devices()
    except Exception as error:  # a plug-in may raise anything; only its own row says so
        row |= {"available": False, "reason": _reason(error)}
        return row | {"devices": (), "dtypes": (), "modes": (), "peer": False}
    reason = "" if devices else registration.missing_device_reason
    row |= {"available": bool(devices), "reason": reason, "devices": devices}
    return row | {name: getattr(registration, name) for name in ("dtypes", "modes", "peer")}


def peephole_names() -> list[str]:
    """Return the available implementations with peepholes; this imports their frameworks."""
    return [
        name for name in names() if implementation_row(name)["available"] and find(name).peephole
    ]


def implementations() -> "pd.DataFrame":
    """List every implementation, one row each; this imports the installed frameworks.

    Columns: name, backend, variant, available, reason (why not, else ""), devices, dtypes, modes
    (tuples), peer.
    """
    import pandas as pd

    return pd.DataFrame([implementation_row(name) for name in names()])


def _reason(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"the package {error.name} is not installed"
    kind = "" if isinstance(error, LstmbenchError) else f"{type(error).__name__}: "
    return f"{kind}{error}".splitlines()[0].rstrip(". :")


@cache
def _builtin() -> dict[str, str]:
    """Return the names of the package's own implementations, and their modules."""
    return {name.replace("_", ".", 1): name for name in lookup.module_names("variants")}


@cache
def _plugins() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}
