"""Equinox: ``eqx.nn.LSTMCell``, which has our gates, our order and our one bias."""

from collections.abc import Mapping
from typing import Any

from lstmbench.core.parameters import LSTMParams
from lstmbench.errors import LstmbenchError
from lstmbench.interop.file_checks import refuse_file
from lstmbench.interop.jax_common import jax_array, read_cells
from lstmbench.interop.torch_names import read_layer
from lstmbench.interop.weight_checks import (
    Layers,
    check_entries,
    import_package,
    refuse_unsupported,
)

_ACCEPTED = "an equinox.nn.LSTMCell, a mapping of its arrays, or a sequence of these"
_NAMES = ("weight_ih", "weight_hh", "bias")


def read(source: Any) -> Layers:
    """Return the weights of Equinox cells: one, a sequence of layers, or of pairs.

    Raises:
        LstmbenchError: if something else is given, or an array is missing, unexpected, or of the
            wrong shape or dtype.
    """
    refuse_file(source, "from_equinox", _ACCEPTED)
    return read_cells(source, lambda cell, where, _: (_read_cell(cell, where),))


def _read_cell(source: Any, where: str) -> LSTMParams:
    if isinstance(source, Mapping):
        arrays = dict(source)
    elif all(hasattr(source, name) for name in _NAMES):
        arrays = {name: getattr(source, name) for name in _NAMES}
    else:
        raise LstmbenchError(
            f"from_equinox takes {_ACCEPTED}, but {where} is a {type(source).__name__}."
        )
    has_bias = arrays.get("bias") is not None
    if not has_bias:
        arrays.pop("bias", None)
    check_entries(arrays, _NAMES[: 2 + has_bias], where)
    return read_layer(arrays, prefix=f"{where}: ")


def write(layers: Layers, dtype: str | None = None) -> list[list[Any]]:
    """Return an ``eqx.nn.LSTMCell`` for each layer and direction.

    ``dtype`` is JAX's current default if None.
    """
    refuse_unsupported(layers, "to_equinox", "Equinox's LSTMCell")
    return [[_write_cell(params, dtype) for params in directions] for directions in layers]


def _write_cell(params: LSTMParams, dtype: str | None) -> Any:
    eqx = import_package("equinox", "to_equinox")
    jax = import_package("jax", "to_equinox")
    weights = params.weights()
    arrays = [jax_array(array, dtype, "to_equinox", name) for name, array in weights.items()]
    # A cell without arrays: none is drawn
    cell = eqx.filter_eval_shape(
        eqx.nn.LSTMCell,
        params.input_size,
        params.hidden_size,
        use_bias=params.has_bias,
        key=jax.random.key(0),
    )
    return eqx.tree_at(lambda cell: [getattr(cell, name) for name in weights], cell, arrays)
