"""A graph of ONNX: its constants, and what ONNX's own evaluator computes from them."""

from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from lstmbench.core.array_checks import Array
from lstmbench.errors import LstmbenchError, error_text
from lstmbench.interop.weight_checks import import_package, list_names

_REARRANGING = {
    "Cast",
    "Gather",
    "Identity",
    "Reshape",
    "Slice",
    "Split",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
}
MIN_FREE_SIZE = 17
"""The first size chosen for those that a model leaves free; constants seldom have it."""
MAX_EXAMPLE_SIZE = 2**26
"""Maximum number of elements of an example array: half a gigabyte in float64."""


class UnknownValueError(Exception):
    """An array is not known before the model runs; the message ends a sentence about it."""


class OnnxGraph:
    """The nodes of a model, and the arrays that are known before it runs.

    Attributes:
        nodes: all nodes, each after those that it takes its inputs from.
        inputs: names of what is given when the model runs.
        known: arrays by name.
    """

    def __init__(self, model: Any, inputs: Mapping[str, Any]) -> None:
        """Collect the constants of a ModelProto, which is changed; ``inputs`` are values by name.

        Raises:
            LstmbenchError: if the model has no input of that name.
        """
        self._onnx = onnx = import_package("onnx", "from_onnx")
        self._evaluator = import_package("onnx.reference", "from_onnx").ReferenceEvaluator
        self._model = model
        for item in (*model.graph.node, *model.opset_import):
            if item.domain == "ai.onnx":  # another name of the domain ""
                item.domain = ""
        self.nodes = list(model.graph.node)
        self._producers = {
            name: index for index, node in enumerate(self.nodes) for name in node.output if name
        }
        constants = {tensor.name: tensor for tensor in model.graph.initializer}
        # Old models list their initializers among the inputs too
        self.inputs = [value.name for value in model.graph.input if value.name not in constants]
        self.known: dict[str, Array] = {}
        self._unreadable: dict[str, str] = {}
        for name, tensor in constants.items():
            if onnx.external_data_helper.uses_external_data(tensor):
                self._unreadable[name] = "it is kept in another file"
                continue
            try:
                self.known[name] = onnx.numpy_helper.to_array(tensor)
            except Exception as error:  # a type that NumPy lacks, inconsistent sizes, missing bytes
                self._unreadable[name] = error_text(error).rstrip(".")
        for name, value in inputs.items():
            if name not in {*self.inputs, *constants}:
                raise LstmbenchError(
                    f"The model has no input {name!r}; its inputs are {list_names(self.inputs)}."
                )
            self.known[name] = np.asarray(value)

    def attributes(self, node: Any) -> dict[str, Any]:
        """Return the attributes of a node; texts as str."""

        def decode(value: Any) -> Any:
            if isinstance(value, list):
                return [decode(item) for item in value]
            return value.decode(errors="replace") if isinstance(value, bytes) else value

        get_value = self._onnx.helper.get_attribute_value
        return {attribute.name: decode(get_value(attribute)) for attribute in node.attribute}

    def value(self, name: str, fed: Mapping[str, Array] = {}) -> Array:
        """Return the array of that name, from constants and what is ``fed`` alone.

        Raises:
            UnknownValueError: if it depends on something else, or cannot be computed.
        """
        if not name:
            raise UnknownValueError("is missing")
        known = {**self.known, **fed}
        needed: set[int] = set()  # indices of the nodes to compute
        names = [name]
        for source in names:  # grows by the inputs of the nodes that are found
            if source in known or not source:
                continue
            if source in self._unreadable:
                reason = self._unreadable[source]
                raise UnknownValueError(f"depends on {source!r}, which cannot be read: {reason}")
            if source in self.inputs:
                raise UnknownValueError(
                    f"depends on the model's input {source!r}: give its value as "
                    f"inputs={{{source!r}: ...}}"
                )
            if source not in self._producers:
                raise UnknownValueError(f"depends on {source!r}, which the model does not have")
            index = self._producers[source]
            if index not in needed:
                needed.add(index)
                names.extend(self.nodes[index].input)
        if not needed:
            return known[name]
        array = self._compute([self.nodes[index] for index in sorted(needed)], name, known)
        if not fed:
            self.known[name] = array
        return array

    def _compute(self, nodes: list[Any], name: str, known: dict[str, Array]) -> Array:
        graph = self._onnx.helper.make_graph(nodes, "part", [], [])
        versions = {opset.domain: opset.version for opset in self._model.opset_import}
        try:
            with np.errstate(all="ignore"):
                (array,) = self._evaluator(graph, opsets=versions).run([name], known)
            return np.asarray(array)
        except Exception as error:  # unknown operators, inconsistent sizes
            raise UnknownValueError(
                f"cannot be computed: {error_text(error).rstrip('.')}"
            ) from None

    def is_input(self, name: str) -> bool:
        """Return whether it is an input of the model, or a part of one, rearranged."""
        for _ in self.nodes:  # a damaged graph may have cycles
            index = self._producers.get(name)
            if index is None or self.nodes[index].op_type not in _REARRANGING:
                break
            name = next(iter(self.nodes[index].input), "")
        return name in self.inputs

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of arrays, as far as the model tells them; free sizes are chosen."""
        model = self._model
        sizes: dict[Any, int] = {}
        for value in model.graph.input:
            for axis, dim in enumerate(value.type.tensor_type.shape.dim):
                if dim.dim_value < 1:
                    key = dim.dim_param or (value.name, axis)
                    dim.dim_value = sizes.setdefault(key, MIN_FREE_SIZE + len(sizes))
        with suppress(Exception):  # a damaged model: only the shapes that it states are known
            model = self._onnx.shape_inference.infer_shapes(model, data_prop=True)
        shapes = {}
        for value in (*model.graph.value_info, *model.graph.output, *model.graph.input):
            shape = tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
            if value.type.tensor_type.HasField("shape") and min(shape, default=1) > 0:
                shapes[value.name] = shape
        return shapes

    @cached_property
    def example(self) -> dict[str, Array]:
        """Inputs, and outputs of LSTM nodes, to try the model on: from -1 to 1, integers 0."""
        helper = self._onnx.helper
        generator = np.random.default_rng(0)
        kinds = {
            name: self._onnx.TensorProto.FLOAT
            for node in self.nodes
            if node.op_type == "LSTM"
            for name in node.output
        }
        kinds |= {value.name: value.type.tensor_type.elem_type for value in self._model.graph.input}
        return {
            name: generator.uniform(-1, 1, self.shapes[name]).astype(
                helper.tensor_dtype_to_np_dtype(kind)
            )
            for name, kind in kinds.items()
            if name in self.shapes
            and name not in self.known
            and prod(self.shapes[name]) <= MAX_EXAMPLE_SIZE
            and kind in helper.get_all_tensor_dtypes()
        }
