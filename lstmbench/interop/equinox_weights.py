"""Equinox: ``eqx.nn.LSTMCell``, which has our gates, our order and our one bias."""

from collections.abc import Mapping
from typing import Any

from lstmbench.core.parameters import LSTMParams
from lstmbench.errors import LstmbenchError
from lstmbench.interop.jax_arrays import jax_array
from lstmbench.interop.model_files import no_file
from lstmbench.interop.nested import read_nested
from lstmbench.interop.weight_checks import Layers, needed, plain, same_names, shaped

_TAKES = "an equinox.nn.LSTMCell, a mapping of its arrays, or a sequence of these"
_NAMES = ("weight_ih", "weight_hh", "bias")


def read(source: Any) -> Layers:
    """Return the weights of Equinox cells: one, a sequence of layers, or of pairs forward and
    reverse.

    Raises:
        LstmbenchError: if something else is given, or an array is missing, too many, or of the
            wrong shape or dtype.
    """
    no_file(source, "from_equinox", _TAKES)
    return read_nested(source, lambda cell, where, _: (_cell(cell, where),))


def _cell(source: Any, where: str) -> LSTMParams:
    if isinstance(source, Mapping):
        arrays = dict(source)
    elif all(hasattr(source, name) for name in _NAMES):
        arrays = {name: getattr(source, name) for name in _NAMES}
    else:
        raise LstmbenchError(
            f"from_equinox takes {_TAKES}, but {where} is a {type(source).__name__}."
        )
    if "bias" in arrays and arrays["bias"] is None:
        del arrays["bias"]  # use_bias=False
    same_names(arrays, [name for name in _NAMES if name != "bias" or "bias" in arrays], where)
    H = shaped(arrays["weight_hh"], f"{where}: weight_hh", "4H", "H").shape[1]
    weight_hh = shaped(arrays["weight_hh"], f"{where}: weight_hh", 4 * H, H)
    bias = shaped(arrays["bias"], f"{where}: bias", 4 * H) if "bias" in arrays else None
    return LSTMParams(
        shaped(arrays["weight_ih"], f"{where}: weight_ih", 4 * H, "I"), weight_hh, bias
    )


def write(layers: Layers, dtype: str | None = None) -> list[list[Any]]:
    """Return an ``eqx.nn.LSTMCell`` for each layer and direction, in a dtype, or in JAX's own of
    now if None.
    """
    plain(layers, "to_equinox", "Equinox's LSTMCell")
    return [[_made(params, dtype) for params in directions] for directions in layers]


def _made(params: LSTMParams, dtype: str | None) -> Any:
    eqx = needed("equinox", "to_equinox")
    jax = needed("jax", "to_equinox")
    names = _NAMES if params.has_bias else _NAMES[:2]
    arrays = [jax_array(getattr(params, name), dtype, "to_equinox", name) for name in names]
    # The shape of a cell, whose arrays were never drawn
    cell = eqx.filter_eval_shape(
        eqx.nn.LSTMCell,
        params.input_size,
        params.hidden_size,
        use_bias=params.has_bias,
        key=jax.random.key(0),
    )
    return eqx.tree_at(lambda cell: [getattr(cell, name) for name in names], cell, arrays)
