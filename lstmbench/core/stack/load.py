"""``lstmbench.load``: one layer or a stack, by the type of its parameters."""

from typing import Any, overload

from lstmbench.core import registry
from lstmbench.core.interface import LSTM
from lstmbench.core.parameters import LSTMParams
from lstmbench.core.stack.stack_parameters import StackParams
from lstmbench.core.stack.stacked_lstm import Stack
from lstmbench.errors import LstmbenchError


@overload
def load(name: str, params: LSTMParams, device: str = "cpu", dtype: str = "float32") -> LSTM: ...
@overload
def load(name: str, params: StackParams, device: str = "cpu", dtype: str = "float32") -> Stack: ...
def load(name: str, params: Any, device: str = "cpu", dtype: str = "float32") -> LSTM | Stack:
    """Return an LSTM with these weights, computed by this implementation.

    Args:
        name: one of ``lstmbench.implementations()``, for example ``"torch.fused"``.
        params: the canonical weights. ``StackParams`` give a ``Stack``; ``LSTMParams`` give an
            ``LSTM``, but with a projection or peepholes a ``Stack`` of one layer.
        device: ``cpu``, or ``cuda`` where the framework sees one.
        dtype: ``float32``, ``float64``, ``bfloat16``, ``float16``, or on CUDA ``tf32``, as far as
            the implementation supports it.

    Raises:
        LstmbenchError: if the name is unknown, the framework is not installed, the device is not
            there, the dtype is not supported, or there are peepholes and the implementation has
            none.
    """
    if isinstance(params, LSTMParams) and (params.proj_size or params.has_peephole):
        params = StackParams([[params]])
    if not isinstance(params, LSTMParams | StackParams):
        kind = type(params).__name__
        raise LstmbenchError(f"params must be an LSTMParams or a StackParams, but it is a {kind}.")
    registration, framework = registry.resolve(name, device, dtype)
    if isinstance(params, LSTMParams):
        with framework.scope():
            implementation = registration.cls(params, framework)
        return LSTM(name, params, framework, implementation, registration.modes)
    if params.has_peephole and not registration.peephole:
        raise LstmbenchError(
            f"{name} has no peepholes, and params have; these compute them: "
            f"{', '.join(registry.peephole_names())}."
        )
    stack = Stack(params, framework, registration)
    stack.implementation  # noqa: B018  # created now, so that what it refuses is refused here
    return stack
