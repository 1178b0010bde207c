"""Networks in other programs' files: ONNX, Keras, TensorFlow Lite, C."""
