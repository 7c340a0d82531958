"""Weights in and out, as methods of ``LSTMParams`` and of ``StackParams``.

The methods find the module of their format when they are called: this layer imports nothing that
comes after it, and ``import lstmbench`` no format.
"""

import os
from collections.abc import Collection, Mapping
from typing import Any, ClassVar, Self

from lstmbench.core import lookup
from lstmbench.errors import LstmbenchError


class WeightFormats:
    """What goes in is checked, entry by entry; what goes out is rounded only where the dtype asks
    for it.

    What a source says and the weights alone cannot hold (another activation, an initial state, a
    single direction in reverse) is refused in a sentence, unless the caller names it in ``ignore``.
    What changes no number at inference (dropout, the order of the axes) is passed over; so is
    Keras's Masking, whose place ``lengths`` takes here.
    """

    _several: ClassVar[bool] = False
    """Whether the class holds ``layers``, or is one layer in one direction itself."""

    @classmethod
    def from_torch(cls, source: Any, prefix: str = "") -> Self:
        """Return the weights of an nn.LSTM or nn.LSTMCell, or of a state_dict; two biases are
        added.

        The sum is made in float64.

        Args:
            source: the module, or a mapping of names to tensors or arrays.
            prefix: what stands before the names, such as ``"encoder.lstm."``; entries without it
                are passed over. What DataParallel, torch.compile and FSDP put into the names
                (``module.``, ``_orig_mod.``) may be left out.

        Raises:
            LstmbenchError: if an entry is missing, too many, or of the wrong shape or dtype; it is
                named.
        """
        return cls._of(lookup.module("interop", "torch_weights").read(source, prefix), "from_torch")

    def to_torch(self, dtype: str = "float64", *, module: bool = False) -> Any:
        """Return a state_dict for nn.LSTM, on the CPU; or, with ``module``, an nn.LSTM that holds
        it.

        The first bias is ours, the second zero. With peepholes, which nn.LSTM has not, an
        LstmbenchError is raised.
        """
        return lookup.module("interop", "torch_weights").write(self._layers(), dtype, module)

    @classmethod
    def from_keras(cls, source: Any, *, ignore: Collection[str] = ()) -> Self:
        """Return the weights of Keras: of LSTM layers, RNNs of LSTMCells, or Bidirectionals of
        these.

        Args:
            source: a layer; a Sequential or a list of layers, in which Input, Masking and dropout
                are passed over; the arrays that get_weights() of a layer or of a model returns; or
                a list of these, one a layer.
            ignore: what may be lost: ``activation``, ``recurrent_activation``, ``go_backwards``,
                ``merge_mode``, ``stateful``.

        Raises:
            LstmbenchError: if it is something else, or computes something else; what is in the way
                is named. Or if the arrays alone do not tell two layers from one in both directions.
        """
        return cls._of(lookup.module("interop", "keras_weights").read(source, ignore), "from_keras")

    def to_keras(self, dtype: str = "float64") -> Any:
        """Return what set_weights() of a Keras LSTM takes; for a stack a list of that, one for each
        layer.
        """
        layers = lookup.module("interop", "keras_weights").write(self._layers(), dtype)
        return layers if self._several else layers[0]

    @classmethod
    def from_flax(cls, source: Any, *, ignore: Collection[str] = ()) -> Self:
        """Return the weights of Flax: of an LSTMCell or OptimizedLSTMCell, an RNN or a
        Bidirectional of these.

        Args:
            source: a module of nnx, a bound module of linen, or the parameters of one. For a stack:
                a sequence of them, one for each layer, or pairs for both directions.
            ignore: what may be lost: ``reverse``, ``merge_fn``, ``gate_fn``, ``activation_fn``,
                ``carry_init``.

        Raises:
            LstmbenchError: if an entry is missing, too many, or of the wrong shape or dtype, or a
                module computes something else; it is named.
        """
        return cls._of(lookup.module("interop", "flax_weights").read(source, ignore), "from_flax")

    def to_flax(self, dtype: str | None = None, *, form: str = "linen") -> Any:
        """Return the parameters of a Flax cell; for a stack a list of layers, each a list of
        directions.

        Args:
            dtype: if None, float64 for linen's arrays of NumPy, and for a module what JAX gives to
                numbers now.
            form: ``linen``, or the name of a module: ``nnx.LSTMCell``, ``nnx.OptimizedLSTMCell``.
        """
        layers = lookup.module("interop", "flax_weights").write(self._layers(), dtype, form)
        return layers if self._several else layers[0][0]

    @classmethod
    def from_equinox(cls, source: Any) -> Self:
        """Return the weights of an equinox.nn.LSTMCell, or of a mapping of its arrays.

        For a stack: a sequence of them, one for each layer, or pairs for both directions.

        Raises:
            LstmbenchError: if an array is missing, too many, or of the wrong shape or dtype; it is
                named.
        """
        return cls._of(lookup.module("interop", "equinox_weights").read(source), "from_equinox")

    def to_equinox(self, dtype: str | None = None) -> Any:
        """Return an equinox.nn.LSTMCell; for a stack a list of layers, each a list of directions.

        ``dtype`` is what JAX gives to numbers now if None: float32 unless jax_enable_x64 is set.
        """
        layers = lookup.module("interop", "equinox_weights").write(self._layers(), dtype)
        return layers if self._several else layers[0][0]

    @classmethod
    def from_onnx(
        cls,
        source: Any,
        node: str | int | None = None,
        inputs: Mapping[str, Any] | None = None,
        *,
        ignore: Collection[str] = (),
    ) -> Self:
        """Return the weights of the LSTM nodes of an ONNX model, which is not run.

        Where weights follow from its constants, ONNX's own evaluator computes them.

        ``lstmbench.interop.read_onnx`` tells what else the nodes hold: initial states, lengths,
        layout, direction.

        Args:
            source: a path, the bytes of a model, or a ModelProto.
            node: a node's name, or its place among the LSTM nodes; all of them, as layers of a
                stack, if None.
            inputs: values of the model's inputs by name, for a model whose weights are inputs.
            ignore: what may be lost: ``direction`` (of a node that reads in reverse only),
                ``initial_h``, ``initial_c``, ``sequence_lens``, ``activations``, or another
                attribute of the nodes, such as ``clip``.

        Raises:
            LstmbenchError: if it is no model, or its LSTM is none of ours; what is in the way is
                named.
        """
        return cls._of(
            lookup.module("interop", "onnx_read").read(source, node, inputs, ignore), "from_onnx"
        )

    def to_onnx(
        self,
        path: str | os.PathLike[str] | None = None,
        dtype: str = "float32",
        *,
        state: bool = False,
        lengths: bool = False,
    ) -> Any:
        """Return an ONNX model, and write it to a file if a path is given: x to y, h and c,
        time-major.

        Args:
            path: where to write the file.
            dtype: of weights, inputs and outputs. onnxruntime computes LSTMs in float32 only.
            state: whether h0 and c0, (L*D, B, H) each, are inputs too; otherwise they are zero.
            lengths: whether the lengths of the sequences, (B,) in int32, are an input too.
        """
        return lookup.module("interop", "onnx_write").write(
            self._layers(), path, dtype, state, lengths
        )

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Return the weights of a safetensors file that ``save`` wrote; a pickle is refused.

        Raises:
            LstmbenchError: if it is no such file, is damaged, or an entry is not as its metadata
                say.
        """
        return cls._of(lookup.module("interop", "safetensors_weights").read(path), "open")

    def save(self, path: str | os.PathLike[str], dtype: str = "float64") -> None:
        """Write the weights to a safetensors file; float64 keeps every bit."""
        lookup.module("interop", "safetensors_weights").write(self._layers(), path, dtype)

    def _layers(self) -> tuple[tuple[Any, ...], ...]:
        layers: tuple[tuple[Any, ...], ...] = self.layers if self._several else ((self,),)  # type: ignore[attr-defined]
        return layers

    @classmethod
    def _of(cls, layers: tuple[tuple[Any, ...], ...], method: str) -> Self:
        if cls._several:
            return cls(layers)  # type: ignore[call-arg]
        if len(layers) > 1 or len(layers[0]) > 1:
            found = f"{len(layers)} layer{'s' * (len(layers) > 1)}{' in both directions' * (len(layers[0]) == 2)}"
            raise LstmbenchError(
                f"LSTMParams is one layer in one direction, but here are {found}: use StackParams.{method}."
            )
        params: Self = layers[0][0]
        return params
