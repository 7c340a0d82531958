"""Weights in and out, as methods of ``LSTMParams`` and ``StackParams``.

Each method imports the module of its format when it is called: so ``import lstmbench`` imports no
format, and core imports nothing above it.
"""

import os
from collections.abc import Collection, Mapping
from typing import Any, ClassVar, Self

from lstmbench.core import lookup
from lstmbench.errors import LstmbenchError


class WeightIO:
    """Readers check every entry; writers round only where the dtype requires it.

    A source may say what the weights alone cannot hold: another activation, an initial state, a
    single direction in reverse. It is then refused, unless the caller names that in ``ignore``.
    What changes no number at inference (dropout, the order of the axes) is skipped, and so is
    Keras's Masking: pass ``lengths`` instead.
    """

    _is_stack: ClassVar[bool] = False
    """Whether the class holds ``layers``, or is one layer in one direction itself."""

    @classmethod
    def from_torch(cls, source: Any, prefix: str = "") -> Self:
        """Return the weights of an nn.LSTM or nn.LSTMCell, or of a state_dict.

        The two biases are added in float64.

        Args:
            source: the module, or a mapping of names to tensors or arrays.
            prefix: what the names begin with, such as ``"encoder.lstm."``; other entries are
                skipped. What DataParallel, torch.compile and FSDP add to the names (``module.``,
                ``_orig_mod.``) may be left out.

        Raises:
            LstmbenchError: if an entry is missing, unexpected, or of the wrong shape or dtype; it
                is named.
        """
        return cls._read("torch_weights", "from_torch", source, prefix)

    def to_torch(self, dtype: str = "float64", *, module: bool = False) -> Any:
        """Return a state_dict for nn.LSTM, on the CPU; with ``module``, an nn.LSTM that holds it.

        The first bias is ours, the second zero.

        Raises:
            LstmbenchError: if there are peepholes, which nn.LSTM lacks.
        """
        return self._write("torch_weights", dtype, module)

    @classmethod
    def from_keras(cls, source: Any, *, ignore: Collection[str] = ()) -> Self:
        """Return the weights of Keras LSTM layers, RNNs of LSTMCells, or Bidirectionals of these.

        Args:
            source: a layer; a Sequential or a list of layers, in which Input, Masking and dropout
                are skipped; the arrays that get_weights() of a layer or of a model returns; or a
                list of these, one per layer.
            ignore: what may be lost: ``activation``, ``recurrent_activation``, ``go_backwards``,
                ``merge_mode``, ``stateful``.

        Raises:
            LstmbenchError: if it is something else, or computes something else; the obstacle is
                named. Or if the arrays fit both two layers and one layer in both directions.
        """
        return cls._read("keras_weights", "from_keras", source, ignore)

    def to_keras(self, dtype: str = "float64") -> Any:
        """Return what set_weights() of a Keras LSTM takes; for a stack a list of it, per layer."""
        layers = self._write("keras_weights", dtype)
        return layers if self._is_stack else layers[0]

    @classmethod
    def from_flax(cls, source: Any, *, ignore: Collection[str] = ()) -> Self:
        """Return the weights of Flax LSTMCells or OptimizedLSTMCells, RNNs or Bidirectionals.

        Args:
            source: a module of nnx, a bound module of linen, or the parameters of one. For a stack:
                a sequence of them, one for each layer, or pairs for both directions.
            ignore: what may be lost: ``reverse``, ``merge_fn``, ``gate_fn``, ``activation_fn``,
                ``carry_init``.

        Raises:
            LstmbenchError: if an entry is missing, unexpected, or of the wrong shape or dtype, or a
                module computes something else; it is named.
        """
        return cls._read("flax_weights", "from_flax", source, ignore)

    def to_flax(self, dtype: str | None = None, *, form: str = "linen") -> Any:
        """Return the parameters of a Flax cell; for a stack a list of layers of directions.

        Args:
            dtype: if None, float64 for linen's NumPy arrays, and JAX's current default for a
                module.
            form: ``linen``, or the name of a module: ``nnx.LSTMCell``, ``nnx.OptimizedLSTMCell``.
        """
        layers = self._write("flax_weights", dtype, form)
        return layers if self._is_stack else layers[0][0]

    @classmethod
    def from_equinox(cls, source: Any) -> Self:
        """Return the weights of an equinox.nn.LSTMCell, or of a mapping of its arrays.

        For a stack: a sequence of them, one for each layer, or pairs for both directions.

        Raises:
            LstmbenchError: if an array is missing, unexpected, or of the wrong shape or dtype; it
                is named.
        """
        return cls._read("equinox_weights", "from_equinox", source)

    def to_equinox(self, dtype: str | None = None) -> Any:
        """Return an equinox.nn.LSTMCell; for a stack a list of layers of directions.

        ``dtype`` is JAX's current default if None: float32 unless jax_enable_x64 is set.
        """
        layers = self._write("equinox_weights", dtype)
        return layers if self._is_stack else layers[0][0]

    @classmethod
    def from_onnx(
        cls,
        source: Any,
        node: str | int | None = None,
        inputs: Mapping[str, Any] | None = None,
        *,
        ignore: Collection[str] = (),
    ) -> Self:
        """Return the weights of the LSTM nodes of an ONNX model; the model is not run.

        Weights that follow from its constants are computed by ONNX's own evaluator.
        ``lstmbench.interop.read_onnx`` also returns the nodes' initial states, lengths, layout and
        direction.

        Args:
            source: a path, the bytes of a model, or a ModelProto.
            node: a node's name, or its index among the LSTM nodes; all of them, as layers of a
                stack, if None.
            inputs: values of the model's inputs by name, for a model whose weights are inputs.
            ignore: what may be lost: ``direction`` (of a node that reads in reverse only),
                ``initial_h``, ``initial_c``, ``sequence_lens``, ``activations``, or another
                attribute of the nodes, such as ``clip``.

        Raises:
            LstmbenchError: if it is not a model, or its LSTM computes something else; the obstacle
                is named.
        """
        return cls._read("onnx_read", "from_onnx", source, node, inputs, ignore)

    def to_onnx(
        self,
        path: str | os.PathLike[str] | None = None,
        dtype: str = "float32",
        *,
        state: bool = False,
        lengths: bool = False,
    ) -> Any:
        """Return an ONNX model from x to y, h and c, time-major; write it if a path is given.

        Args:
            path: the file to write.
            dtype: of weights, inputs and outputs. onnxruntime computes LSTMs in float32 only.
            state: whether h0 and c0, (L*D, B, H) each, are inputs too; otherwise they are zero.
            lengths: whether the lengths of the sequences, (B,) in int32, are an input too.
        """
        return self._write("onnx_write", path, dtype, state, lengths)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Return the weights of a safetensors file that ``save`` wrote; a pickle is refused.

        Raises:
            LstmbenchError: if it is not such a file, is damaged, or an entry contradicts its
                metadata.
        """
        return cls._read("safetensors_weights", "open", path)

    def save(self, path: str | os.PathLike[str], dtype: str = "float64") -> None:
        """Write the weights to a safetensors file; float64 keeps every bit."""
        self._write("safetensors_weights", path, dtype)

    def _write(self, module: str, *arguments: Any) -> Any:
        layers = self.layers if self._is_stack else ((self,),)  # type: ignore[attr-defined]
        return lookup.module("interop", module).write(layers, *arguments)

    @classmethod
    def _read(cls, module: str, method: str, *arguments: Any) -> Self:
        layers = lookup.module("interop", module).read(*arguments)
        if cls._is_stack:
            return cls(layers)  # type: ignore[call-arg]
        if len(layers) > 1 or len(layers[0]) > 1:
            count = f"{len(layers)} layer{'s' * (len(layers) > 1)}"
            both = " in both directions" * (len(layers[0]) == 2)
            raise LstmbenchError(
                f"LSTMParams is one layer in one direction, but here are {count}{both}: "
                f"use StackParams.{method}."
            )
        params: Self = layers[0][0]
        return params
