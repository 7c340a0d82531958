"""Keras 3 for the two implementations that use it: a process can have one of its backends only.

Keras reads its backend once, when it is imported. So the import waits until an implementation is
loaded; from then on, an implementation that needs the other backend is refused.
"""

import os
from importlib.util import find_spec
from typing import Any

from lstmbench.core.parameters import LSTMParams
from lstmbench.errors import LstmbenchError

if find_spec("keras") is None:
    raise ModuleNotFoundError("No module named 'keras'", name="keras")


def import_keras(backend: str, name: str) -> Any:
    """Return Keras with this backend, for the implementation of this name.

    Raises:
        LstmbenchError: if Keras is already imported with another backend.
    """
    before = os.environ.get("KERAS_BACKEND")
    os.environ["KERAS_BACKEND"] = backend
    try:
        import keras
    finally:  # processes that are started later choose for themselves
        del os.environ["KERAS_BACKEND"]
        if before is not None:
            os.environ["KERAS_BACKEND"] = before
    imported = keras.backend.backend()
    if imported != backend:
        raise LstmbenchError(
            f"{name} needs Keras on the backend {backend}, but this process has imported it on "
            f"{imported}, and a process can have one only; load it in another process."
        )
    return keras


def lstm_layer(keras: Any, input_size: int, hidden_size: int, dtype: str, **options: Any) -> Any:
    """Return Keras' LSTM layer, batch-major, built but without our weights.

    Its weights are those of ``keras_weights``.
    """
    layer = keras.layers.LSTM(
        hidden_size,
        return_sequences=True,
        return_state=True,
        recurrent_initializer="zeros",  # the default, orthogonal, has no bfloat16
        dtype=dtype,
        **options,
    )
    layer.build((None, None, input_size))
    return layer


def keras_weights(params: LSTMParams) -> list[Any]:
    """Return kernel (I, 4H), recurrent kernel (H, 4H) and bias (4H,), with our order of gates."""
    return [params.weight_ih.T, params.weight_hh.T, params.bias]
