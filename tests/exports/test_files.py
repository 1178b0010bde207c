"""Exported files: run by other programs they are within a level of npfuse, and what does not fit is said."""

import importlib.util
import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from npfuse.cli import main
from npfuse.exports import export_weights, files
from npfuse.fusion import fuse
from npfuse.weights.loading import load_weights
from tests.networks import random_pair, random_weights

MAIN = """
#include <stdio.h>
#include "weights.h"
int main(void) {
    for (int i = 0; i < DETAIL1_KERNEL_CIN * DETAIL1_KERNEL_COUT; i++) printf("%.9g\\n", detail1_kernel[i]);
    return 0;
}
"""


def small(model="tonefuse", **build):
    build = {"coarse": 4, "tones": 3, **build} if model == "tonefuse" else build
    return random_weights(model, **build)


@pytest.mark.parametrize("model", ["lightfuse", "tonefuse", "t_cnn"])
@pytest.mark.parametrize("normalization", ["full_range", "min_max"])
def test_one_onnx_file_fuses_pictures_of_any_size(model, normalization, tmp_path):
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    build = {"coarse": 4, "tones": 3} if model == "tonefuse" else {}
    weights = random_weights(model, normalization=normalization, **build)
    said = export_weights(tmp_path / "out.onnx", weights)
    assert "ONNX Runtime and npfuse differ in" in said
    session = onnxruntime.InferenceSession(tmp_path / "out.onnx", providers=["CPUExecutionProvider"])
    for shape in ((1, 3, 3), (16, 24, 3), (21, 34, 3)):
        under, over = random_pair(shape)
        (actual,) = session.run(None, {"under": under[np.newaxis], "over": over[np.newaxis]})
        expected = fuse(under, over, weights, order="given", engine="definition")
        assert actual[0].shape == expected.shape
        assert np.abs(actual[0].astype(int) - expected).max() <= 1


@pytest.mark.parametrize("arithmetic", ["int16", "int16-shift", "mixed"])
@pytest.mark.parametrize("model", ["lightfuse", "tonefuse"])
def test_integers_as_onnx_are_within_a_level_and_stored_as_integers(model, arithmetic, tmp_path):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    weights = load_weights(model)
    said = export_weights(tmp_path / "out.onnx", weights, arithmetic=arithmetic)  # which checks
    apart, of = (int(number.replace(",", "")) for number in re.findall(r"in ([\d,]+) of ([\d,]+) bytes", said)[0])
    assert apart < 0.02 * of
    stored = onnx.load(tmp_path / "out.onnx").graph.initializer
    kernels = [tensor for tensor in stored if tensor.name.endswith("kernel, whole")]
    assert len(kernels) >= 7
    assert {tensor.data_type for tensor in kernels} == {onnx.TensorProto.INT8}


@pytest.mark.parametrize("model", ["lightfuse", "tonefuse", "t_cnn", "deepfuse", "mefnet"])
def test_the_keras_file_equals_the_definition(model, tmp_path):
    pytest.importorskip("keras")
    pytest.importorskip("tensorflow")
    said = export_weights(tmp_path / "out.keras", small(model))
    assert "Keras and npfuse differ by at most" in said
    assert float(said.split()[-1]) < 1e-4


@pytest.mark.parametrize(
    ("weights", "size"),
    [
        (small(), None),
        (small(), (21, 34)),
        (random_weights("lightfuse", decoder="nearest"), None),
        (random_weights("lightfuse", decoder="transposed", normalization="min_max"), None),
    ],
    ids=["any size", "one size", "nearest", "transposed, own range"],
)
def test_the_tflite_file_is_within_a_level(weights, size, tmp_path):
    pytest.importorskip("tensorflow")
    said = export_weights(tmp_path / "out.tflite", weights, size=size)
    assert "and npfuse differ in" in said


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_the_header_is_c99_without_a_warning(tmp_path):
    weights = small()
    assert "numbers are equal" in export_weights(tmp_path / "weights.h", weights)
    (tmp_path / "main.c").write_text('#include "weights.h"\n' + MAIN)
    command = ["gcc", "-std=c99", "-Wall", "-Wextra", "-Werror", "main.c", "-o", "main"]
    subprocess.run(command, cwd=tmp_path, check=True)
    printed = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True).stdout.split()
    assert np.array_equal(np.array(printed, np.float32), weights.arrays["detail1/kernel"].ravel())


@pytest.mark.parametrize("model", ["deepfuse", "mefnet", "t_cnn", "lightfuse"])
def test_every_network_has_a_header(model, tmp_path):
    assert "are equal" in export_weights(tmp_path / "weights.h", small(model))


def test_a_comment_in_the_header_cannot_be_left(tmp_path):
    weights = small()
    hostile = replace(weights, source="a */ int b; \\\n// c")
    export_weights(tmp_path / "out.h", hostile)
    assert "a * / int b; / // c" in (tmp_path / "out.h").read_text()


def test_what_does_not_fit_is_said_and_nothing_is_written(tmp_path, monkeypatch):
    weights = small()
    with pytest.raises(ValueError, match=r"format is '\.pb', expected one of \.onnx, \.keras, \.tflite, \.h"):
        export_weights(tmp_path / "out.pb", weights)
    with pytest.raises(ValueError, match=r"arithmetic is 'int16', expected one of float32 for \.h"):
        export_weights(tmp_path / "out.h", weights, arithmetic="int16")
    with pytest.raises(ValueError, match=r"size is \(8, 8\), expected none for \.keras"):
        export_weights(tmp_path / "out.keras", weights, size=(8, 8))
    with pytest.raises(ValueError, match=r"network is deepfuse, expected one from two RGB pictures to one"):
        export_weights(tmp_path / "out.tflite", small("deepfuse"))
    monkeypatch.setattr(files, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r'ONNX is written with onnx; pip install "npfuse\[onnx\]"'):
        export_weights(tmp_path / "out.onnx", weights)
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_is_not_equal_is_not_written(tmp_path, monkeypatch):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(files, "fuse", lambda under, *_, **__: 255 - under)
    with pytest.raises(ValueError, match=r"ONNX Runtime is \d+ levels from npfuse .*expected at most 1"):
        export_weights(tmp_path / "out.onnx", small())
    assert list(tmp_path.iterdir()) == []


def test_a_missing_runtime_is_said(tmp_path, monkeypatch):
    pytest.importorskip("onnx")
    there = importlib.util.find_spec
    monkeypatch.setattr(files, "find_spec", lambda name: None if name == "onnxruntime" else there(name))
    assert "not checked: ONNX Runtime is missing" in export_weights(tmp_path / "out.onnx", small())


def test_the_command_exports_and_keeps_what_exists(tmp_path, capsys):
    path = tmp_path / "lightfuse.h"
    assert main(["weights", "export", "lightfuse", str(path)]) == 0
    assert "all 18,630 numbers are equal" in capsys.readouterr().out
    written = path.read_bytes()
    assert main(["weights", "export", "tonefuse", str(path)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert path.read_bytes() == written
    assert main(["weights", "export", "tonefuse", str(path), "--force"]) == 0
    assert main(["weights", "export", "tonefuse", str(tmp_path / "a.onnx"), "--size", "8"]) == 2
    assert "--size is '8', expected HEIGHTxWIDTH" in capsys.readouterr().err
