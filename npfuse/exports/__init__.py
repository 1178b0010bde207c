"""Exports networks to other programs' files, ONNX, Keras, TensorFlow Lite and C; `export_weights` also checks them."""

from npfuse.exports.files import FORMATS, export_weights

__all__ = ["FORMATS", "export_weights"]
