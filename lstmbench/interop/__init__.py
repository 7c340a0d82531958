"""Weights in and out: torch, Keras, Flax, Equinox, ONNX and safetensors, one file each.

``LSTMParams`` and ``StackParams`` have these as methods (``from_torch``, ``to_torch`` and so on).
In between stand the canonical weights, layer by layer and direction by direction. Only numbers are
read: nothing here loads a pickle.
"""

from lstmbench.interop.onnx_read import OnnxLayer, read_onnx

__all__ = ["OnnxLayer", "read_onnx"]
