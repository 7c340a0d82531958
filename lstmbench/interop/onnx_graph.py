"""What a graph of ONNX holds: its constants, and what ONNX's own evaluator computes from them."""

from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from math import inf, prod
from typing import Any

import numpy as np

from lstmbench.errors import LstmbenchError, error_text
from lstmbench.interop.weight_checks import Array, listed, needed

_REARRANGING = (
    "Cast",
    "Gather",
    "Identity",
    "Reshape",
    "Slice",
    "Split",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
)
# The sizes that a model leaves free get this one and the next: its constants hardly have them
MIN_FREE_SIZE = 17
# Numbers in an array that a model is tried on: half a gigabyte in float64
MAX_EXAMPLE_SIZE = 2**26


class UnknownError(Exception):
    """An array is not known before the model runs; the message is the end of a sentence on it."""


class Graph:
    """The nodes of a model, and the arrays that are known before it runs.

    Attributes:
        nodes: all nodes, each after those that it takes its inputs from.
        inputs: names of what is given when the model runs.
        known: arrays by name.
    """

    def __init__(self, model: Any, given: Mapping[str, Any]) -> None:
        """Collect the constants of a ModelProto; ``given`` are the values of inputs.

        Raises:
            LstmbenchError: if one of ``given`` is no input.
        """
        self._onnx = onnx = needed("onnx", "from_onnx")
        self._evaluator = needed("onnx.reference", "from_onnx").ReferenceEvaluator
        self._model = model
        self.nodes = list(model.graph.node)
        self._makers = {
            name: place for place, node in enumerate(self.nodes) for name in node.output if name
        }
        constants = {tensor.name: tensor for tensor in model.graph.initializer}
        # Old models list their initializers among the inputs too
        self.inputs = [each.name for each in model.graph.input if each.name not in constants]
        self.known: dict[str, Array] = {}
        self._broken: dict[str, str] = {}
        for name, tensor in constants.items():
            try:
                if onnx.external_data_helper.uses_external_data(tensor):
                    raise ValueError("it is kept in another file")
                self.known[name] = onnx.numpy_helper.to_array(tensor)
            except (
                Exception
            ) as error:  # a type that NumPy has not, sizes that do not fit, half of the bytes
                self._broken[name] = error_text(error).rstrip(".")
        for name, value in given.items():
            if name not in {*self.inputs, *constants}:
                raise LstmbenchError(
                    f"The model has no input {name!r}; its inputs are {listed(self.inputs)}."
                )
            self.known[name] = np.asarray(value)

    def attributes(self, node: Any) -> dict[str, Any]:
        """Return the attributes of a node; texts as str."""
        found = {}
        for attribute in node.attribute:
            value = self._onnx.helper.get_attribute_value(attribute)
            texts = isinstance(value, list) and all(isinstance(item, bytes) for item in value)
            if texts:
                value = [item.decode(errors="replace") for item in value]
            found[attribute.name] = (
                value.decode(errors="replace") if isinstance(value, bytes) else value
            )
        return found

    def value(self, name: str, fed: dict[str, Array] | None = None) -> Array:
        """Return the array of that name, which may depend on constants and on what is ``fed``
        alone.

        Raises:
            UnknownError: if it depends on something else, or cannot be computed.
        """
        if not name:
            raise UnknownError("is missing")
        known = self.known | (fed or {})
        places: set[int] = set()
        names = [name]
        for each in names:  # grows by the inputs of the nodes that are found
            if each in known or not each:
                continue
            if each in self._broken:
                raise UnknownError(
                    f"depends on {each!r}, which cannot be read: {self._broken[each]}"
                )
            if each in self.inputs:
                raise UnknownError(
                    f"depends on the model's input {each!r}: give its value as inputs={{{each!r}: ...}}"
                )
            if each not in self._makers:
                raise UnknownError(f"depends on {each!r}, which the model does not have")
            if self._makers[each] not in places:
                places.add(self._makers[each])
                names.extend(self.nodes[self._makers[each]].input)
        if places:
            known[name] = self._computed(
                [self.nodes[place] for place in sorted(places)], name, known
            )
            if not fed:
                self.known[name] = known[name]
        return known[name]

    def _computed(self, nodes: list[Any], name: str, known: Mapping[str, Array]) -> Array:
        graph = self._onnx.helper.make_graph(nodes, "part", [], [])
        versions = {each.domain: each.version for each in self._model.opset_import}
        if "ai.onnx" in versions:  # another name of the domain ""
            versions[""] = versions["ai.onnx"]
        for node in graph.node:
            node.domain = "" if node.domain == "ai.onnx" else node.domain
        try:
            with np.errstate(all="ignore"):
                return np.asarray(
                    self._evaluator(graph, opsets=versions).run([name], dict(known))[0]
                )
        except Exception as error:  # operators that it does not know, sizes that do not fit
            raise UnknownError(f"cannot be computed: {error_text(error).rstrip('.')}") from None

    def is_given(self, name: str) -> bool:
        """Return whether it is an input of the model, or a part of one, rearranged."""
        for _ in self.nodes:  # a damaged graph may run in circles
            place = self._makers.get(name)
            if place is None or self.nodes[place].op_type not in _REARRANGING:
                break
            name = next(iter(self.nodes[place].input), "")
        return name in self.inputs

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of arrays, as far as the model tells them; sizes left free are chosen."""
        model = type(self._model).FromString(self._model.SerializeToString())
        free: dict[Any, int] = {}
        for value in model.graph.input:
            for axis, dim in enumerate(value.type.tensor_type.shape.dim):
                if dim.dim_value < 1:
                    dim.dim_value = free.setdefault(
                        dim.dim_param or (value.name, axis), MIN_FREE_SIZE + len(free)
                    )
        with suppress(Exception):  # of a damaged model no more is known than its inputs tell
            model = self._onnx.shape_inference.infer_shapes(model, data_prop=True)
        shapes = {}
        for value in (*model.graph.value_info, *model.graph.output, *model.graph.input):
            sizes = tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
            if value.type.tensor_type.HasField("shape") and min(sizes, default=1) > 0:
                shapes[value.name] = sizes
        return shapes

    @cached_property
    def example(self) -> dict[str, Array]:
        """Arrays to try the model on: inputs and outputs of LSTM nodes, from -1 to 1, or 0 if
        whole.
        """
        helper = self._onnx.helper
        generator = np.random.default_rng(0)
        types = {
            name: self._onnx.TensorProto.FLOAT
            for node in self.nodes
            if node.op_type == "LSTM"
            for name in node.output
        }
        types |= {each.name: each.type.tensor_type.elem_type for each in self._model.graph.input}
        return {
            name: generator.uniform(-1, 1, self.shapes[name]).astype(
                helper.tensor_dtype_to_np_dtype(kind)
            )
            for name, kind in types.items()
            if prod(self.shapes.get(name, (inf,))) <= MAX_EXAMPLE_SIZE
            and kind in helper.get_all_tensor_dtypes()
            and name not in self.known
        }
