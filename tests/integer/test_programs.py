"""Programs that know nothing of NumPy compute the same numbers from the written files: two in C, one in Verilog.

The generated program (`npfuse.c_program`) and `plain.c`, written apart from it, compare every value of every layer;
`layers.v` compares requantisation, a pointwise layer and a halving one. Where there is no compiler, they are skipped.
"""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from npfuse.c_program import c_files, streamed
from npfuse.integer import requantize
from npfuse.integer.requantize import rescale
from npfuse.integer_pair import integer_network
from npfuse.vectors import integer_vectors, write_vectors
from npfuse.vectors.array_files import hex_bytes
from npfuse.vectors.writing import write_files
from npfuse.weights.loading import load_weights
from tests.integer.networks import ARITHMETICS, CASES, network_of
from tests.networks import random_pair

HERE = Path(__file__).parent
STRICT = ["-std=c99", "-O1", "-Wall", "-Wextra", "-Werror", "-fsanitize=undefined,address"]
SIZES = ((8, 8), (37, 45), (64, 48))

needs_c = pytest.mark.skipif(not (shutil.which("gcc") and shutil.which("make")), reason="needs gcc and make")
needs_verilog = pytest.mark.skipif(shutil.which("iverilog") is None, reason="needs iverilog")
needs_m7 = pytest.mark.skipif(
    not all(shutil.which(name) for name in ("make", "arm-none-eabi-gcc", "qemu-system-arm")),
    reason="needs arm-none-eabi-gcc and qemu-system-arm",
)

# The bundled networks without measured ranges, and small random ones of every kind in every arithmetic.
PROGRAMS = [(name, arithmetic, None) for name in ("lightfuse", "tonefuse") for arithmetic in ("int16", "int16-shift")]
PROGRAMS += [(f"random {case}", arithmetic, None) for case in ("lightfuse", "tonefuse") for arithmetic in ARITHMETICS]
PROGRAMS += [(f"random {case}", "int16", None) for case in CASES if case not in ("lightfuse", "tonefuse")]
PROGRAMS += [("random lightfuse", "int16", 2)]


def weights_of(name):
    return CASES[name.removeprefix("random ")] if name.startswith("random ") else load_weights(name)


def written(folder, weights, network, size, *, passes=None):
    """Write a set of vectors with its program."""
    vectors = integer_vectors(*random_pair((*size, 3), seed=size[0]), weights, network)
    write_vectors(folder, vectors, ["bin"])
    (folder / "c").mkdir()
    write_files(folder / "c", c_files(network, weights, vectors, passes=passes), overwrite=False)
    return vectors


def compiled(folder, *sources, options=()):
    subprocess.run(["gcc", *STRICT, *options, "-o", "program", *sources], cwd=folder, check=True)
    return folder / "program"


def total(output):
    """Return the last line's numbers: compared, of how many, wrong."""
    found = re.search(r"^(\d+) (?:of \d+ )?values compared, (\d+) wrong", output, re.MULTILINE)
    return tuple(map(int, found.groups()))


def count(vectors):
    return sum(array.size for name, array in vectors.arrays.items() if name.startswith("values/"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain")
    return compiled(folder, str(HERE / "plain.c"))


def run_plain(program, folder, vectors):
    return subprocess.run([program, folder], input=plan(vectors), capture_output=True, text=True, check=False)


def plan(vectors):
    """Return the manifest as the words that plain.c reads."""
    manifest = vectors.manifest
    size = manifest["size"]
    values = {entry["name"]: entry for entry in manifest["values"]}
    words = [int(manifest["rounding"] == "double"), size["padded_height"], size["padded_width"]]
    words += [manifest["weights"]["margin"], int("thumbnail" in values), size["height"], size["width"]]
    words += [level for levels in manifest["levels"] for level in levels]
    words.append(len(manifest["layers"]))
    for layer in manifest["layers"]:
        kind = layer["operators"][0]
        if kind == "Resize":
            kind = {"area": "area", "bilinear": "bilinear", "nearest": "repeat"}[layer["attributes"]["method"]]
        kind = "repeat" if kind == "DepthwiseConv2DTranspose" else kind
        form = layer["format"]
        words += [kind, layer["name"], layer["nodes"][0], *layer["output_shape"], form["low"], form["high"]]
        words.append(layer["inputs"][0])
        if kind == "Add":
            words += [len(layer["inputs"]), *layer["inputs"][1:]]
        elif "kernel" in layer:
            added = "added" in layer
            words += [int("bias" in layer), int(added), *([layer["inputs"][1]] if added else [])]
            window = ("kernel_size", "stride", "dilation")
            words += [n for key in window for n in layer.get(key, (1, 1))]
            pads = layer.get("pads", (0, 0, 0, 0))
            words += [pads[0], pads[2]]
    for name in [name for name in ("exposures", "thumbnail") if name in values] + [
        layer["name"] for layer in manifest["layers"]
    ]:
        words += [values[name]["bits"] // 8, int(values[name]["signed"])]
    return " ".join(map(str, words))


@needs_c
@pytest.mark.parametrize(("name", "arithmetic", "passes"), PROGRAMS)
def test_two_programs_in_c_compute_every_value_of_every_layer(tmp_path, plain, name, arithmetic, passes):
    weights = weights_of(name)
    network = network_of(weights, arithmetic)
    most = [f"-DNPFUSE_MAX_HEIGHT={max(h for h, _ in SIZES)}", f"-DNPFUSE_MAX_WIDTH={max(w for _, w in SIZES)}"]
    for size in SIZES:
        folder = tmp_path / f"{size[0]}x{size[1]}"
        vectors = written(folder, weights, network, size, passes=passes)
        program = folder / "c"
        if size == SIZES[0]:
            subprocess.run(
                ["gcc", *STRICT, *most, "-DNPFUSE_CHECK", "-c", "network.c", "-o", tmp_path / "network.o"],
                cwd=program,
                check=True,
            )
            source = (program / "network.c").read_text()
        assert (program / "network.c").read_text() == source, "the program does not depend on the size"
        checking = compiled(program, "check.c", str(tmp_path / "network.o"), options=[*most, "-DNPFUSE_CHECK"])
        found = subprocess.run([checking, ".."], cwd=program, capture_output=True, text=True, check=False)
        assert found.returncode == 0, found.stdout + found.stderr
        assert total(found.stdout) == (count(vectors), 0)
        apart = run_plain(plain, folder, vectors)
        assert apart.returncode == 0, apart.stdout + apart.stderr
        assert total(apart.stdout) == (count(vectors), 0)


@needs_c
def test_make_check_prints_how_many_values_were_compared(tmp_path):
    weights = CASES["tonefuse"]
    vectors = written(tmp_path, weights, integer_network(weights), (9, 10))
    made = subprocess.run(["make", "check"], cwd=tmp_path / "c", capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    assert f"{count(vectors)} of {count(vectors)} values compared, 0 wrong; 9 of 9 rows of the result" in made.stdout
    assert "warning" not in made.stderr


@needs_m7
def test_the_check_runs_on_an_emulated_cortex_m7(tmp_path):
    weights = CASES["tonefuse"]
    vectors = written(tmp_path, weights, integer_network(weights), (9, 10))
    command = ["make", "check-m7"]
    made = subprocess.run(command, cwd=tmp_path / "c", capture_output=True, text=True, check=False, timeout=120)
    assert made.returncode == 0, made.stderr
    assert f"{count(vectors)} of {count(vectors)} values compared, 0 wrong; 9 of 9 rows of the result" in made.stdout


MUTANTS = [
    ("(int64_t)1 << (shift - 1)", "(int64_t)1 << (shift - 2)"),  # half of the rounding constant
    ("least(column, width - 1)", "least(column, width - 2)"),  # another pixel is repeated at the border
    ("row * 2 + i * 1 - 0;", "row * 2 + i * 1 - 1;"),  # padding (1, 1)
    ("sum[c] = global1_bias[c]", "sum[c] = 0"),
    ("fused_levels[level + step - 1] <= x[c]", "fused_levels[level + step - 1] < x[c]"),
    ("row / 2", "row / 3"),
]


@needs_c
@pytest.mark.parametrize(("right", "wrong"), MUTANTS)
def test_a_program_that_is_wrong_in_one_place_is_found(tmp_path, right, wrong):
    weights = CASES["lightfuse"]
    written(tmp_path, weights, integer_network(weights), (24, 18))
    source = (tmp_path / "c" / "network.c").read_text()
    assert right in source
    (tmp_path / "c" / "network.c").write_text(source.replace(right, wrong))
    command = ["gcc", "-std=c99", "-DNPFUSE_CHECK", "-o", "program", "check.c", "network.c"]
    subprocess.run(command, cwd=tmp_path / "c", check=True)
    found = subprocess.run(["./program", ".."], cwd=tmp_path / "c", capture_output=True, text=True, check=False)
    assert found.returncode == 1, found.stdout
    assert total(found.stdout.splitlines()[-1])[1] > 0


@needs_c
def test_a_changed_byte_in_any_file_makes_both_programs_fail(tmp_path, plain):
    weights = CASES["lightfuse"]
    vectors = written(tmp_path, weights, integer_network(weights), (9, 10))
    program = compiled(tmp_path / "c", "check.c", "network.c", options=["-DNPFUSE_CHECK"])
    files = sorted(path for path in tmp_path.rglob("*.bin") if "sums" not in str(path))
    assert len(files) > 30
    for path in files:
        whole = path.read_bytes()
        changed = bytearray(whole)
        changed[len(whole) // 2] ^= 4
        if path.parent.name == "weights":  # one value of a unit that is off would change nothing
            changed = bytearray(byte ^ 20 for byte in whole)
        path.write_bytes(changed)
        # The generated program has its weights inside; the other reads them.
        if path.parent.name != "weights":
            assert subprocess.run([program, tmp_path], capture_output=True, check=False).returncode == 1, path
        assert run_plain(plain, tmp_path, vectors).returncode != 0, path
        path.write_bytes(whole)
    assert subprocess.run([program, tmp_path], capture_output=True, check=False).returncode == 0
    assert run_plain(plain, tmp_path, vectors).returncode == 0


def test_line_buffers_of_lightfuse_equal_the_hand_count():
    """Counted by hand from strides and kernels.

    Output rows 8i to 8i + 7 read input rows up to 8i + 14: 15 rows of six bytes. Three rows of six int16 at half of the
    width, three at a quarter; a row of three int16 at an eighth.
    """
    weights = load_weights("lightfuse")
    stream = streamed(integer_network(weights), weights.graph)
    assert dict(stream.rows) == {"exposures": 15, "global1": 3, "global2": 3, "global3_pointwise": 1}
    assert float(stream.bytes_a_column) == 15 * 6 + 3 * 12 / 2 + 3 * 12 / 4 + 6 / 8
    twice = streamed(integer_network(weights), weights.graph, passes=2)
    assert (dict(twice.rows), twice.planes) == ({"exposures": 3, "global1": 3, "global2": 3}, ("global3_pointwise",))


def test_a_network_with_a_thumbnail_needs_two_passes():
    weights = CASES["tonefuse"]
    with pytest.raises(ValueError, match="c program: passes is 1, expected 2"):
        streamed(integer_network(weights), weights.graph, passes=1)


def simulated(folder, *options):
    subprocess.run(["iverilog", "-g2005-sv", *options, "-o", "layers", str(HERE / "layers.v")], cwd=folder, check=True)
    output = subprocess.run(["vvp", "-n", "layers"], cwd=folder, capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^(\w+): (\d+) values compared, (\d+) wrong$", output, re.MULTILINE)
    return {name: (int(compared), int(wrong)) for name, compared, wrong in found}


@needs_verilog
def test_a_description_of_hardware_computes_the_same_and_a_wrong_one_does_not(tmp_path):
    weights = CASES["lightfuse"]
    vectors = integer_vectors(*random_pair((8, 8, 3)), weights, integer_network(weights))
    rng = np.random.default_rng(1)
    sums = rng.integers(-(2**31) + 1, 2**31, 500)
    by = rescale(np.exp(rng.uniform(-20, -1, 500)).tolist(), only_shifts=False)
    arrays = {
        "sums": sums.astype(np.int32),
        "sum_mult": by.mult.astype(np.int32),
        "sum_shift": by.shift.astype(np.uint8),
        "sum_out": requantize(sums, by).astype(np.int32),
    }
    named = {
        "x": "values/detail1_relu",
        "y": "values/detail2_relu",
        "kernel": "weights/detail2.kernel",
        "bias": "weights/detail2.bias",
        "mult": "weights/detail2_relu.rescale.mult",
        "shift": "weights/detail2_relu.rescale.shift",
        "large": "values/exposures",
        "small": "values/global1",
        "taps": "weights/global1.kernel",
        "half_bias": "weights/global1.bias",
        "half_mult": "weights/global1.rescale.mult",
        "half_shift": "weights/global1.rescale.shift",
    }
    arrays |= {name: vectors.arrays[of] for name, of in named.items()}
    for name, array in arrays.items():
        (tmp_path / f"{name}.hex").write_bytes(hex_bytes(array, name, []))
    height, width, reads = arrays["x"].shape
    features = arrays["y"].shape[2]
    sizes = {"SUMS": 500, "PIXELS": height * width, "CIN": reads, "COUT": features, "ROWS": height, "COLUMNS": width}
    options = [f"-D{name}={value}" for name, value in sizes.items()]
    counts = {"requantise": 500, "pointwise": arrays["y"].size, "halving": arrays["small"].size}
    assert simulated(tmp_path, *options) == {name: (compared, 0) for name, compared in counts.items()}
    mutant = simulated(tmp_path, *options, "-DMUTANT")
    assert {name: compared for name, (compared, _) in mutant.items()} == counts
    assert all(wrong > 0 for _, wrong in mutant.values())
    changed = arrays["y"].copy()
    changed[0, 0, 0] += 1
    (tmp_path / "y.hex").write_bytes(hex_bytes(changed, "y", []))
    assert simulated(tmp_path, *options)["pointwise"] == (counts["pointwise"], 1)
