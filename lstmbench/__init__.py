"""lstmbench: the same LSTM cell in NumPy, PyTorch and JAX, measured for accuracy, speed and memory.

Public names are resolved on first use, so that ``import lstmbench`` costs next to nothing and
imports no framework.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lstmbench.core import lookup

if TYPE_CHECKING:
    from lstmbench.core.interface import LSTM
    from lstmbench.core.parameters import Gradients, LSTMParams
    from lstmbench.core.registry import implementations, register
    from lstmbench.core.stack.load import load
    from lstmbench.core.stack.stack_parameters import StackParams
    from lstmbench.core.stack.stacked_lstm import Stack
    from lstmbench.errors import LstmbenchError
    from lstmbench.measure.runner import Run, run
    from lstmbench.results.store import read_results

__version__ = "0.2.0"

lookup.packages.update({name: f"lstmbench.{name}" for name in ("backends", "interop", "variants")})

_HOMES = {
    "LSTM": "lstmbench.core.interface",
    "LSTMParams": "lstmbench.core.parameters",
    "Gradients": "lstmbench.core.parameters",
    "LstmbenchError": "lstmbench.errors",
    "Run": "lstmbench.measure.runner",
    "Stack": "lstmbench.core.stack.stacked_lstm",
    "StackParams": "lstmbench.core.stack.stack_parameters",
    "implementations": "lstmbench.core.registry",
    "load": "lstmbench.core.stack.load",
    "read_results": "lstmbench.results.store",
    "register": "lstmbench.core.registry",
    "run": "lstmbench.measure.runner",
}

__all__ = [
    "LSTM",
    "Gradients",
    "LSTMParams",
    "LstmbenchError",
    "Run",
    "Stack",
    "StackParams",
    "__version__",
    "implementations",
    "load",
    "read_results",
    "register",
    "run",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'lstmbench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
