"""What a graph of ONNX holds without being run: its constants, and what only rearranges them."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from lstmbench.errors import LstmbenchError
from lstmbench.formats.arrays import Array, listed, needed, said


class Graph:
    """The nodes of a model, and the arrays that are known before it runs.

    Attributes:
        nodes: all nodes, each after those that it takes its inputs from.
        inputs: names of what is given when the model runs.
        known: arrays by name.
        broken: by name, why an array of the file cannot be read.
    """

    def __init__(self, model: Any, given: Mapping[str, Any]) -> None:
        """Collect the constants of a ModelProto; ``given`` are the values of inputs.

        Raises:
            LstmbenchError: if one of ``given`` is no input.
        """
        onnx = needed("onnx", "from_onnx")
        self._attribute = onnx.helper.get_attribute_value
        self._to_array = onnx.numpy_helper.to_array
        self._is_elsewhere = onnx.external_data_helper.uses_external_data
        self.nodes = list(model.graph.node)
        constants = [tensor.name for tensor in model.graph.initializer]
        # Old models list their initializers among the inputs too
        self.inputs = [each.name for each in model.graph.input if each.name not in set(constants)]
        self.known: dict[str, Array] = {}
        self.broken: dict[str, str] = {}
        for tensor in model.graph.initializer:
            self._keep(tensor.name, tensor)
        for name, value in given.items():
            if name not in {*self.inputs, *constants}:
                raise LstmbenchError(f"The model has no input {name!r}; its inputs are {listed(self.inputs)}.")
            self.known[name] = np.asarray(value)
        self.known = self.rearranged(self.known)

    def attributes(self, node: Any) -> dict[str, Any]:
        """Return the attributes of a node; texts as str."""
        found = {}
        for attribute in node.attribute:
            value = self._attribute(attribute)
            texts = isinstance(value, list) and all(isinstance(item, bytes) for item in value)
            if texts:
                value = [item.decode(errors="replace") for item in value]
            found[attribute.name] = value.decode(errors="replace") if isinstance(value, bytes) else value
        return found

    def rearranged(self, known: Mapping[str, Array], after: int = 0) -> dict[str, Array]:
        """Return the arrays, and those that nodes from number ``after`` on make of them by mere rearranging."""
        found = dict(known)
        for node in self.nodes[after:]:
            if node.domain not in ("", "ai.onnx") or not node.output:
                continue
            if node.op_type == "Constant":
                for attribute in node.attribute:
                    if attribute.name == "value":
                        self._keep(node.output[0], attribute.t)
                        found |= {name: self.known[name] for name in node.output[:1] if name in self.known}
            elif node.op_type in _OPERATORS and node.input and all(name in found for name in node.input if name):
                try:
                    arrays = [found[name] for name in node.input if name]
                    found[node.output[0]] = _OPERATORS[node.op_type](self.attributes(node), *arrays)
                except Exception:  # sizes that do not fit: what the node makes stays unknown
                    continue
        return found

    def _keep(self, name: str, tensor: Any) -> None:
        if self._is_elsewhere(tensor):
            self.broken[name] = "it is kept in another file"
            return
        try:
            self.known[name] = self._to_array(tensor)
        except Exception as error:  # a type that NumPy has not, sizes that do not fit, half of the bytes
            self.broken[name] = said(error).rstrip(".")


def _identity(_: dict[str, Any], x: Array, *rest: Array) -> Array:
    if rest:
        raise ValueError  # Dropout with inputs that may turn it on
    return x


def _transpose(attributes: dict[str, Any], x: Array) -> Array:
    return np.transpose(x, attributes.get("perm"))


def _reshape(attributes: dict[str, Any], x: Array, shape: Array) -> Array:
    sizes = [int(size) for size in shape]
    if not attributes.get("allowzero", 0):
        sizes = [x.shape[axis] if size == 0 else size for axis, size in enumerate(sizes)]
    return x.reshape(sizes)


def _axes(attributes: dict[str, Any], axes: tuple[Array, ...]) -> tuple[int, ...] | None:
    """Return the axes, which are an attribute before opset 13, and an input since."""
    given = axes[0] if axes else attributes.get("axes")
    return None if given is None else tuple(int(axis) for axis in given)


def _squeeze(attributes: dict[str, Any], x: Array, *axes: Array) -> Array:
    return np.squeeze(x, _axes(attributes, axes))


def _unsqueeze(attributes: dict[str, Any], x: Array, *axes: Array) -> Array:
    return np.expand_dims(x, _axes(attributes, axes) or ())


_OPERATORS: dict[str, Callable[..., Array]] = {
    "Dropout": _identity,
    "Identity": _identity,
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
