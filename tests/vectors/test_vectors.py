"""Sets of vectors: files hold what the manifest says, in every format, and what it says is right."""

import hashlib
import json
import re

import numpy as np
import pytest

from npfuse.cli import main
from npfuse.examples import example_pair
from npfuse.integer_pair import integer_network
from npfuse.run import run
from npfuse.strips import network_inputs
from npfuse.vectors import float_vectors, integer_vectors, write_vectors
from npfuse.vectors.array_files import FORMATS
from npfuse.vectors.vector_set import zeros_read
from npfuse.weights.loading import load_weights
from tests.integer.networks import CASES
from tests.networks import random_pair

ARRAYS = [
    np.array([[-128, 0], [127, 1]], np.int8),
    np.array([0, 255], np.uint8),
    np.array([-32768, 32767, -1], np.int16),
    np.array([-(2**31), 2**31 - 1, 5], np.int32),
    np.array([0.1, -1.0, 3e-30, 1e20, 2.0], np.float32),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: array.dtype.name)
def test_every_format_holds_the_numbers(tmp_path, array):
    axes = ["a", "b"][: array.ndim]
    files = {name: write(array, "some.name", axes) for name, write in FORMATS.items()}
    (tmp_path / "x.npy").write_bytes(files["npy"])
    assert np.array_equal(np.load(tmp_path / "x.npy"), array)
    assert np.array_equal(np.frombuffer(files["bin"], array.dtype.newbyteorder("<")), array.ravel())
    bits = np.array([int(line, 16) for line in files["hex"].split()], f"u{array.dtype.itemsize}")
    assert np.array_equal(bits.view(array.dtype), array.ravel())
    body = re.search(rb"\{(.*)\}", files["h"], re.DOTALL).group(1).decode()
    numbers = [eval(n) for n in body.replace("f", "").replace("\n", "").split(", ")]
    assert np.array_equal(np.array(numbers, array.dtype), array.ravel())
    assert (
        f"static const {'float' if array.dtype.kind == 'f' else array.dtype.name + '_t'} some_name"
        in files["h"].decode()
    )


def test_float_vectors_are_what_the_definitions_compute():
    weights = CASES["tonefuse"]
    pair = random_pair((9, 18, 3))
    vectors = float_vectors(*pair, weights)
    graph = weights.graph(32, 40)
    found = run(graph, network_inputs(*pair, weights), weights.arrays, engine="definition", keep=list(graph.shapes))
    assert {entry["name"] for entry in vectors.manifest["values"]} == set(graph.shapes)
    for name, value in found.items():
        assert np.array_equal(vectors.arrays[f"values/{name}"], value[0]), name
    for name, array in weights.arrays.items():
        assert np.array_equal(vectors.arrays[f"weights/{name.replace('/', '.')}"], array)
    assert np.array_equal(vectors.arrays["inputs/under"], pair[0])


def test_the_manifest_is_enough_to_read_the_files(tmp_path):
    weights = CASES["lightfuse"]
    vectors = integer_vectors(*random_pair((9, 10, 3)), weights, integer_network(weights), sums=True)
    paths = write_vectors(tmp_path / "set", vectors, ["bin", "npy"])
    manifest = json.loads((tmp_path / "set" / "manifest.json").read_text())
    assert paths[-1].name == "manifest.json"
    assert (manifest["schema"], manifest["arithmetic"], manifest["rounding"]) == (1, "int16", "single")
    assert manifest["zeros_read"] == ["global1", "global2", "global3_depthwise"]  # these weights have no margin
    entries = [*manifest["values"], *manifest["sums"], *manifest["pictures"]]
    for layer in manifest["layers"]:
        entries += [layer[key] for key in ("kernel", "bias", "levels") if key in layer]
        entries += [by[key] for by in layer.get("rescales", []) for key in ("mult", "shift")]
    assert len(entries) == len(vectors.arrays)
    for entry in entries:
        content = (tmp_path / "set" / f"{entry['file']}.bin").read_bytes()
        assert hashlib.sha256(content).hexdigest() == entry["sha256"]
        assert len(content) == np.dtype(entry["dtype"]).itemsize * np.prod(entry["shape"])
        assert len(entry["axes"]) == len(entry["shape"])
    halving = next(layer for layer in manifest["layers"] if layer["name"] == "global1")
    assert (halving["pads"], halving["stride"], halving["inputs"]) == ([0, 1, 0, 1], [2, 2], ["exposures"])
    assert halving["kernel"]["axes"] == ["kH", "kW", "C"]
    detail = manifest["layers"][0]
    assert detail["nodes"] == ["detail1", "detail1_relu"]
    value = np.fromfile(tmp_path / "set" / "values" / "detail1_relu.bin", "<i2")
    total = np.fromfile(tmp_path / "set" / "sums" / "detail1_relu.bin", "<i4").reshape(-1, 12).astype(np.int64)
    mult, shift = (
        vectors.arrays[f"weights/detail1_relu.rescale.{name}"].astype(np.int64) for name in ("mult", "shift")
    )
    assert np.array_equal(np.maximum((total * mult + (1 << (shift - 1))) >> shift, 0).ravel(), value)


def test_the_layout_of_cmsis_turns_kernels_and_shifts():
    weights = CASES["lightfuse transposed min-max"]
    network = integer_network(weights, "int16-shift")
    own, cmsis = (integer_vectors(*random_pair((8, 8, 3)), weights, network, layout=n) for n in ("npfuse", "cmsis"))
    assert np.array_equal(cmsis.arrays["weights/detail1.kernel"], own.arrays["weights/detail1.kernel"].T)
    assert cmsis.axes["weights/up1.kernel"] == ("Cout", "kH", "kW", "Cin")
    turned = cmsis.arrays["weights/up1.kernel"].transpose(1, 2, 0, 3)
    assert np.array_equal(turned, own.arrays["weights/up1.kernel"])
    for name in own.arrays:
        if name.endswith(".mult"):
            shift = name.replace(".mult", ".shift")
            real = own.arrays[name] / 2.0 ** own.arrays[shift]
            other = cmsis.arrays[name] / 2.0**31 * 2.0 ** cmsis.arrays[shift].astype(float)
            assert np.array_equal(real, other), name


def test_zeros_are_read_only_without_a_margin():
    bundled = load_weights("lightfuse")
    assert zeros_read(bundled.graph(*bundled.padded_size(37, 45)), 37, 45) == []
    assert zeros_read(bundled.graph(40, 48), 37, 45) == ["global1", "global2", "global3_depthwise"]


def test_the_command_writes_a_set_of_an_odd_crop(tmp_path, capsys):
    under, over = map(str, example_pair("city"))
    folder = tmp_path / "set"
    command = ["vectors", under, over, "-o", str(folder), "--weights", "tonefuse"]
    assert main([*command, "--values", "sum,fused", "--format", "bin,h"]) == 0
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["size"]["height"], manifest["size"]["width"], manifest["arithmetic"]) == (37, 45, "float32")
    assert [entry["name"] for entry in manifest["values"]] == ["sum", "fused"]
    assert manifest["about"]["pictures"][0]["name"] == "city_under.jpg"
    assert sorted(path.name for path in (folder / "values").iterdir()) == ["fused.bin", "fused.h", "sum.bin", "sum.h"]
    assert main(command) == 2
    assert "holds vectors already; choose another folder, or --force" in capsys.readouterr().err
    options = ["--arithmetic", "int16", "--accumulators", "--crop", "3,5,9,17", "--force"]
    assert main([*command, *options]) == 0
    assert (folder / "sums" / "detail1_relu.npy").exists()
    assert json.loads((folder / "manifest.json").read_text())["about"]["crop"] == {
        "top": 3,
        "left": 5,
        "height": 9,
        "width": 17,
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--crop", "1,2,3"], "--crop is '1,2,3', expected TOP,LEFT,HEIGHT,WIDTH, or all"),
        (["--crop", "1,2,3,9999"], "--crop is 1,2,3,9999, expected a part of pictures of"),
        (["--accumulators"], "--accumulators and --c are for integers; add --arithmetic int16"),
        (["--values", "detail9"], "tonefuse: value is 'detail9', expected some of exposures, thumbnail"),
        (["--c", "--values", "sum"], "--c compares all values in npfuse's layout"),
        (["--format", "txt"], "vectors: format is 'txt', expected some of npy, bin, h, hex"),
    ],
)
def test_the_command_refuses(tmp_path, capsys, options, message):
    under, over = map(str, example_pair("city"))
    assert main(["vectors", under, over, "-o", str(tmp_path / "set"), *options]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "set").exists()
