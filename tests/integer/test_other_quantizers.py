"""Integers of others: TensorFlow Lite's reference kernels, and the quantisation and integer operators of ONNX Runtime.

TensorFlow Lite's models have one operator each, written by its own converter and run without optimised kernels
(BUILTIN_REF). Convolutions and products of int8 are requantised by the rule that is "double" here, a matrix product by
"single". With int16 values the multiplier of convolutions is cut to 15 bits first, and the rule is "single".
"""

import contextlib
import os
import warnings

import numpy as np
import pytest

from npfuse.integer.kernels import rounded_kernel
from npfuse.integer.ops import INTEGER
from npfuse.integer.requantize import Rescale, multiplier, requantize
from npfuse.ops import DepthwiseConv2D, PointwiseConv2D

RNG = np.random.default_rng(0)
KERNEL, BIAS = RNG.normal(size=(6, 5)).astype(np.float32), RNG.normal(size=5).astype(np.float32)
TAPS, TAPS_BIAS = RNG.normal(size=(3, 3, 6)).astype(np.float32), RNG.normal(size=6).astype(np.float32)
SHAPE = (1, 33, 34, 6)


@pytest.fixture(scope="module")
def tf():
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    return pytest.importorskip("tensorflow")


def functions(tf):
    """Return the float function, the inputs' shapes, and the integers before requantisation, by operator."""

    def depthwise(x):
        return tf.nn.depthwise_conv2d(x, TAPS[..., np.newaxis], (1, 2, 2, 1), "SAME") + TAPS_BIAS

    return {
        "CONV_2D": (lambda x: tf.nn.conv2d(x, KERNEL[np.newaxis, np.newaxis], 1, "VALID") + BIAS, [SHAPE]),
        "DEPTHWISE_CONV_2D": (depthwise, [SHAPE]),
        "FULLY_CONNECTED": (lambda x: tf.matmul(x, KERNEL) + BIAS, [(800, 6)]),
        "MUL": (lambda x, y: x * y, [SHAPE, SHAPE]),
    }


def sums_of(name, xs, kernel, bias):
    """Return npfuse's sums for whole inputs less their zeros."""
    if name == "MUL":
        return xs[0] * xs[1]
    if name == "DEPTHWISE_CONV_2D":
        return INTEGER[DepthwiseConv2D](xs[0], kernel[0], bias, stride=(2, 2))
    kernel = kernel.reshape(kernel.shape[0], -1).T
    return INTEGER[PointwiseConv2D](xs[0].reshape(1, 1, -1, 6), kernel, bias).reshape(*xs[0].shape[:-1], 5)


def converted(tf, function, shapes, bits):
    """Return TensorFlow Lite's own quantisation of a function."""
    module = tf.Module()
    module.call = tf.function(function, input_signature=[tf.TensorSpec(shape, tf.float32) for shape in shapes])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([module.call.get_concrete_function()], module)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    rng = np.random.default_rng(1)
    samples = [[rng.uniform(-1, 1, shape).astype(np.float32) for shape in shapes] for _ in range(4)]
    converter.representative_dataset = lambda: iter(samples)
    sets = tf.lite.OpsSet
    wide = sets.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
    converter.target_spec.supported_ops = [wide if bits == 16 else sets.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int16 if bits == 16 else tf.int8
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return converter.convert()


def interpreter_of(tf, content):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow announces that its interpreter moves to LiteRT
        reference = tf.lite.experimental.OpResolverType.BUILTIN_REF
        interpreter = tf.lite.Interpreter(model_content=content, experimental_op_resolver_type=reference)
    interpreter.allocate_tensors()
    return interpreter


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("name", ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "MUL"])
def test_sums_and_requantisation_equal_those_of_tensorflow_lite(tf, name, bits):
    function, shapes = functions(tf)[name]
    interpreter = interpreter_of(tf, converted(tf, function, shapes, bits))
    inputs, (output,) = interpreter.get_input_details(), interpreter.get_output_details()
    own = {detail["index"] for detail in (*inputs, output)}
    end = 2 ** (bits - 1)
    rng = np.random.default_rng(2)
    xs = [rng.integers(-end, end, detail["shape"]).astype(detail["dtype"]) for detail in inputs]
    for detail, x in zip(inputs, xs, strict=True):
        interpreter.set_tensor(detail["index"], x)
    interpreter.invoke()
    found = interpreter.get_tensor(output["index"])

    weights = [detail for detail in interpreter.get_tensor_details() if detail["index"] not in own]
    arrays = {detail["dtype"]: interpreter.get_tensor(detail["index"]).astype(np.int64) for detail in weights}
    scales = {detail["dtype"]: detail["quantization_parameters"]["scales"].astype(np.float64) for detail in weights}
    wide = np.int64 if bits == 16 else np.int32
    less_zero = [x.astype(np.int64) - detail["quantization"][1] for detail, x in zip(inputs, xs, strict=True)]
    sums = sums_of(name, less_zero, arrays.get(np.int8), arrays.get(wide))
    if name == "MUL":
        factors = [float(np.float32(inputs[0]["quantization"][0]) * np.float32(inputs[1]["quantization"][0]))]
        factors = [float(np.float32(factors[0]) / np.float32(output["quantization"][0]))]
    else:
        factors = inputs[0]["quantization"][0] * scales[np.int8] / output["quantization"][0]
    mult, shift = np.array([multiplier(float(factor)) for factor in factors], np.int64).T
    if bits == 16 and "CONV" in name:
        mult, shift = np.minimum((mult + (1 << 15)) >> 16, 0x7FFF), shift - 16
    rule = "single" if name == "FULLY_CONNECTED" or (bits == 16 and "CONV" in name) else "double"
    whole = requantize(sums, Rescale(mult=mult, shift=shift), rule) + output["quantization"][1]
    assert len(np.unique(found)) > 100
    assert np.array_equal(found, np.clip(whole, -end, end - 1))


def test_kernels_without_samples_are_those_of_onnx_runtime_s_quantiser():
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from onnxruntime.quantization.quant_utils import quantize_data

    for channel in range(KERNEL.shape[1]):
        found = quantize_data(KERNEL[:, channel], onnx.TensorProto.INT8, symmetric=True)
        zero, scale, whole = found[-3:]
        most = np.abs(KERNEL[:, channel]).max()
        kernel, *_ = rounded_kernel(
            KERNEL[:, [channel]].astype(np.float64), np.array([most / 127], np.float64), None, fixed_scale=True
        )
        assert zero == 0
        assert scale == pytest.approx(most / 127, rel=1e-6)
        assert np.array_equal(kernel.ravel(), whole)


def test_sums_equal_onnx_runtime_s_integer_operators():
    onnx = pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    from onnx import TensorProto, helper

    rng = np.random.default_rng(3)
    x = rng.integers(0, 256, (1, 9, 14, 6)).astype(np.uint8)
    cases = {
        "pointwise": (rng.integers(-127, 128, (5, 6, 1, 1)).astype(np.int8), {}),
        "depthwise": (
            rng.integers(-127, 128, (6, 1, 3, 3)).astype(np.int8),
            {"group": 6, "strides": [2, 2], "pads": [1, 0, 1, 1]},  # "same": 9 rows (1, 1), 14 columns (0, 1)
        ),
    }
    for name, (kernel, attributes) in cases.items():
        graph = helper.make_graph(
            [helper.make_node("ConvInteger", ["x", "w"], ["y"], **attributes)],
            name,
            [helper.make_tensor_value_info("x", TensorProto.UINT8, (1, 6, 9, 14))],
            [helper.make_tensor_value_info("y", TensorProto.INT32, None)],
            [onnx.numpy_helper.from_array(kernel, "w")],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        (found,) = session.run(None, {"x": np.ascontiguousarray(x.transpose(0, 3, 1, 2))})
        wide = x.astype(np.int64)
        if name == "pointwise":
            expected = INTEGER[PointwiseConv2D](wide, kernel[:, :, 0, 0].T.astype(np.int64))
        else:
            taps = kernel[:, 0].transpose(1, 2, 0).astype(np.int64)
            expected = INTEGER[DepthwiseConv2D](wide, taps, None, stride=(2, 2))
        assert np.array_equal(found.transpose(0, 2, 3, 1), expected), name
