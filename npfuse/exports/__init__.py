"""Networks in other programs' files: ONNX, Keras, TensorFlow Lite and C; `export_weights` writes and checks them."""

from npfuse.exports.files import FORMATS, export_weights

__all__ = ["FORMATS", "export_weights"]
