"""lstmbench: the same LSTM cell in NumPy, PyTorch and JAX, measured for accuracy, speed and memory.

Public names are resolved on first use, so that ``import lstmbench`` costs next to nothing and imports no framework.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lstmbench.cell.interface import LSTM
    from lstmbench.cell.parameters import Gradients, LSTMParams
    from lstmbench.cell.registry import implementations, register
    from lstmbench.errors import LstmbenchError
    from lstmbench.measure.runner import Run, run
    from lstmbench.results.store import read_results
    from lstmbench.stack.facade import Stack
    from lstmbench.stack.loading import load
    from lstmbench.stack.parameters import StackParams

__version__ = "0.1.0"

_HOMES = {
    "LSTM": "lstmbench.cell.interface",
    "LSTMParams": "lstmbench.cell.parameters",
    "Gradients": "lstmbench.cell.parameters",
    "LstmbenchError": "lstmbench.errors",
    "Run": "lstmbench.measure.runner",
    "Stack": "lstmbench.stack.facade",
    "StackParams": "lstmbench.stack.parameters",
    "implementations": "lstmbench.cell.registry",
    "load": "lstmbench.stack.loading",
    "read_results": "lstmbench.results.store",
    "register": "lstmbench.cell.registry",
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
