"""The command: its tables, its forms, and its errors."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from costmodel.__main__ import main
from costmodel.conventions import CONVENTIONS, Work
from costmodel.execution import steps
from costmodel.machine import MACHINES
from costmodel.report import model_subject
from costmodel.tables import FORMATS
from npfuse import __version__
from npfuse.methods import METHODS
from npfuse.pictures.reading import Picture, write_picture
from tests.costmodel.test_measure import CALIBRATION, MACHINE


def tables(capsys, *arguments):
    """Run the command; return its tables by name, from JSON."""
    assert main(["report", "--format", "json", *arguments]) == 0
    return {table["name"]: table for table in json.loads(capsys.readouterr().out)["tables"]}


def rows(table, key="method"):
    return {row[key]: row for row in table["rows"]}


# Published beside counted: the whole of Table III, as printed.
TABLE_3 = """\
                       FLOPs/pixel        parameters          x LightFuse
method               printed  counted  printed  counted  printed  FLOPs  params
-------------------------------------------------------------------------------
LightFuse             36,260   36,260   18,630   18,630        —   1.00    1.00
LightFuse 6-32-32-3        —    2,660        —    1,574        —   0.07    0.08
DeepFuse             736,928  736,928  369,921  369,921       20  20.32   19.86
MEF-Net               52,320   52,320   26,305   26,305      1.4   1.44    1.41
T_CNN                      —   42,092        —   21,369        —   1.16    1.15
Mertens09                  —        0        —        0        —   0.00    0.00
"""


def test_default_report_prints_table_3_published_beside_counted(capsys):
    assert main(["report"]) == 0
    out = capsys.readouterr().out
    assert TABLE_3 in out
    assert CONVENTIONS["paper"].sentence in " ".join(out.split())


@pytest.mark.parametrize("size", ["8x8", "896x1344", "13x1007"])
def test_table_3_does_not_depend_on_the_size(capsys, size):
    for row in tables(capsys, "--size", size)["table_3"]["rows"]:
        if row["flops_published"]:
            assert row["amount_counted"] == row["flops_published"]
            assert row["parameters_counted"] == row["parameters_published"]


def test_what_really_runs_differs_from_table_3_where_the_paper_counts_another_network(capsys):
    running = rows(tables(capsys, "--size", "896x1344")["running"])
    assert {name: row["parameters"] for name, row in running.items()} == {
        "LightFuse": 18_630,
        "DeepFuse": 316_976,
        "MEF-Net": 26_461,
        "T_CNN": 21_369,
        "Mertens09": 0,
        "ToneFuse": 5_380,
    }
    # Two exposures, each on a copy of 192x128: 2 * 52,320 * 192 * 128 / (1344 * 896) = 2135.51.
    assert running["MEF-Net"]["grid"] == "2 x 128x192"
    assert running["MEF-Net"]["amount_per_pixel"] == pytest.approx(2135.51, abs=0.01)


def test_lightfuse_runs_at_a_multiple_of_8_and_is_paid_for_by_the_pixel_asked_for(capsys):
    row = tables(capsys, "--model", "lightfuse", "--size", "17x9")["running"]["rows"][0]
    assert row["grid"] == "24x16"
    assert row["amount_per_pixel"] == pytest.approx(36_260 * 16 * 24 / (9 * 17))


def test_mefnet_runs_on_a_copy_whose_short_side_is_128(capsys):
    assert METHODS["mefnet"].grid(1000, 2000) == (128, 256)
    assert METHODS["mefnet"].grid(1599, 100) == (2046, 128)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_totals_of_the_layers_add_up(capsys, convention):
    for method in METHODS.values():
        arguments = ("--model", method.name, "--convention", convention, "--size", "48x64", "--machine", "pi4")
        layers = tables(capsys, *arguments, "--layers")["layers"]
        for key in ("parameters", "macs", "additions", "other", "read_bytes", "written_bytes", "amount"):
            assert sum(row[key] for row in layers["rows"]) == layers["total"][key], key
        assert sum(row["share"] for row in layers["rows"]) == pytest.approx(1 if layers["total"]["amount"] else 0)
        assert sum(row["time_ms"] for row in layers["rows"]) == pytest.approx(layers["total"]["time_ms"])
        running = tables(capsys, *arguments)["running"]["rows"][0]
        assert method.runs * layers["total"]["amount"] == running["amount"]
        assert layers["total"]["parameters"] == running["parameters"]


def test_layers_of_lightfuse_equal_the_hand_count(capsys):
    layers = rows(tables(capsys, "--layers", "--size", "48x64")["layers"], "layer")
    second = layers["detail2"]
    assert second == {
        "layer": "detail2",
        "operator": "PointwiseConv2D",
        "inputs": "detail1_relu",
        "output": "48x64x64",
        "kernel": "1x1",
        "stride": "1x1",
        "pads": None,
        "kernel_layout": "Cin,Cout",
        "receptive_field": "1x1",
        "parameters": 256 * 64 + 64,
        "macs": 48 * 64 * 256 * 64,
        "additions": 48 * 64 * 64,
        "other": 0,
        "read_bytes": 4 * (48 * 64 * 256 + 256 * 64 + 64),
        "written_bytes": 4 * 48 * 64 * 64,
        "intensity": pytest.approx(48 * 64 * 64 * 257 / (4 * (48 * 64 * 320 + 256 * 64 + 64))),
        "amount": 2 * 48 * 64 * 256 * 64,
        "share": pytest.approx(2 * 256 * 64 / 36_260),
    }
    assert layers["global2"]["receptive_field"] == "7x7"
    assert (layers["global2"]["pads"], layers["global2"]["kernel_layout"]) == ("0 1 0 1", "kH,kW,C")
    assert (layers["sum"]["inputs"], layers["sum"]["pads"]) == ("detail3_relu up3", None)
    assert layers["up3"]["amount"] == 0  # a fixed kernel: `paper` counts learned ones


def test_layers_of_a_shared_branch_name_the_layer_that_has_the_parameters(capsys):
    layers = rows(tables(capsys, "--layers", "--model", "deepfuse", "--size", "8x16")["layers"], "layer")
    assert layers["over_conv1"]["operator"] == "Conv2D (of conv1)"
    assert layers["over_conv1"]["parameters"] == 0
    assert layers["over_conv1_act"]["operator"] == "LeakyReLU"


def test_work_by_kind_is_what_the_conventions_weigh(capsys):
    work = tables(capsys, "--model", "mefnet")["work"]
    for name, convention in CONVENTIONS.items():
        by_kind = [row["count"] * weight for row, weight in zip(work["rows"], _weights(convention), strict=True)]
        assert [row[name] for row in work["rows"]] == by_kind
        assert work["total"][name] == sum(by_kind)


def _weights(convention):
    return [convention.weights.get(field.name, 0) for field in fields(Work)]


def test_fused_execution_moves_less_and_of_lightfuse_needs_little_but_the_pictures(capsys):
    resources = rows(tables(capsys)["resources"])
    for row in resources.values():
        assert row["moved_bytes_fused"] <= row["moved_bytes"]
    lightfuse, pictures = resources["LightFuse"], 3 * 1344 * 896 * 3
    assert pictures < lightfuse["peak_bytes_fused"] < 2 * pictures
    assert lightfuse["peak_bytes_fused"] < lightfuse["peak_bytes"] / 100
    # Two pictures read twice, one written; weights and coarse pictures are small.
    assert lightfuse["moved_bytes_fused"] == pytest.approx(5 * pictures / 3, rel=0.05)


@pytest.mark.parametrize("machine", MACHINES)
def test_predicted_time_is_at_least_that_of_the_multiply_adds(capsys, machine):
    found = tables(capsys, "--machine", machine)
    running, resources = rows(found["running"]), rows(found["resources"])
    for name, row in resources.items():
        least_ms = running[name]["macs"] / MACHINES[machine].peak_gmacs / 1e6
        assert least_ms <= row["time_ms_fused"] <= row["time_ms"]


def test_machine_here_is_measured(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("costmodel.this_machine.measured_alone", lambda: (10.0, 5.0))
    assert main(["report", "--machine", "here", "--model", "t_cnn", "--format", "json"]) == 0
    out, err = capsys.readouterr()
    found = {table["name"]: table for table in json.loads(out)["tables"]}["resources"]
    assert any(note.startswith("here: 10.0 GMAC/s, 5.0 GB/s; one core of") for note in found["notes"])
    assert "expected_ms" not in found["rows"][0]
    assert err == "no rates of this machine are kept; `costmodel calibrate` measures them\n"


def test_kept_rates_predict_layers_and_methods_of_this_machine(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("costmodel.report_command.this_machine", lambda: MACHINE)
    monkeypatch.setattr("costmodel.calibration.calibration.kept", lambda: CALIBRATION)
    layers = tables(capsys, "--machine", "here", "--layers", "--size", "48x64")["layers"]
    times = {row["layer"]: row["expected_ms"] for row in layers["rows"]}
    assert times["detail2"] is None  # within a chain, whose time goes by its last layer
    assert times["detail3_relu"] >= 1
    assert layers["total"]["expected_ms"] == pytest.approx(sum(time or 0 for time in times.values()))
    (row,) = tables(capsys, "--machine", "here", "--model", "lightfuse", "--size", "48x64")["resources"]["rows"]
    assert row["expected_ms"] == pytest.approx(layers["total"]["expected_ms"])
    assert row["expected_fuse_ms"] > 0
    assert row["expected_error_bar"] == pytest.approx(0.1)


def test_a_method_without_rates_has_no_expected_time_and_says_so(capsys, monkeypatch):
    monkeypatch.setattr("costmodel.report_command.this_machine", lambda: MACHINE)
    known = {kind: rates for kind, rates in CALIBRATION.rates.items() if kind != "Tanh"}
    monkeypatch.setattr("costmodel.calibration.calibration.kept", lambda: replace(CALIBRATION, rates=known))
    resources = tables(capsys, "--machine", "here", "--model", "t_cnn", "--size", "8x16")["resources"]
    assert resources["rows"][0]["expected_ms"] is None
    assert "T_CNN: kinds without rates are Tanh, so no time is expected." in resources["notes"]


def test_a_pair_has_its_own_size_and_counts(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("costmodel.report_command.this_machine", lambda: MACHINE)
    monkeypatch.setattr("costmodel.calibration.calibration.kept", lambda: CALIBRATION)
    paths = [tmp_path / "over.png", tmp_path / "under.png"]
    for path, level in zip(paths, (200, 30), strict=True):
        write_picture(path, Picture(pixels=np.full((24, 40, 3), level, np.uint8)))
    pair = ["--pair", *map(str, paths)]
    resources = tables(capsys, "--machine", "here", "--model", "lightfuse", *pair)["resources"]
    assert resources["rows"][0]["expected_ms"] > 0
    assert any("for the pair given" in note for note in resources["notes"])
    for arguments, message in (
        (["--size", "8x8", "--machine", "here"], "--size is given with --pair, expected one of them"),
        (["--machine", "pi4"], "--pair is given, expected it with --machine here or --measure"),
    ):
        assert main(["report", *pair, *arguments]) == 2
        assert message in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["--layers"], ["--model", "mefnet", "--machine", "pi4"]])
@pytest.mark.parametrize("form", FORMATS)
def test_every_form_holds_every_row(capsys, tmp_path, form, arguments):
    arguments = [*arguments, "--size", "48x64"]
    expected = tables(capsys, *arguments)
    if form == "csv":
        assert main(["report", "--format", "csv", "--out", str(tmp_path), *arguments]) == 0
        out = "\n".join(Path(path).read_text() for path in capsys.readouterr().out.split())
    else:
        assert main(["report", "--format", form, *arguments]) == 0
        out = capsys.readouterr().out
    for table in expected.values():
        first = table["columns"][0]["key"]
        for row in table["rows"]:
            name = row[first].replace("_", r"\_") if form == "latex" else row[first]
            assert name in out


@pytest.mark.parametrize("width", [60, 80, 200])
def test_text_is_no_wider_than_asked_for(capsys, width):
    for arguments in ([], ["--layers", "--machine", "pi4"], ["--model", "t_cnn", "lightfuse", "--machine", "pi4"]):
        assert main(["report", *arguments, "--size", "48x64", "--width", str(width)]) == 0
        assert max(map(len, capsys.readouterr().out.splitlines())) <= width


def test_models_stand_side_by_side(capsys):
    found = tables(capsys, "--model", "mefnet", "lightfuse", "--size", "48x64")
    assert found.keys() == {"running", "resources"}
    assert [row["method"] for row in found["running"]["rows"]] == ["MEF-Net", "LightFuse"]
    assert found["running"]["rows"][0]["ratio"] == 1


def test_json_says_what_it_is_of(capsys):
    assert main(["report", "--format", "json", "--size", "48x64", "--machine", "pi4", "--convention", "macs"]) == 0
    document = json.loads(capsys.readouterr().out)
    named = {key: document[key] for key in ("schema", "size", "convention", "machine", "version")}
    expected = {"schema": 2, "size": "48x64", "convention": "macs", "machine": "pi4", "version": __version__}
    assert named == expected


def test_printed_times_of_other_methods_are_their_ratios_times_ours(capsys):
    times = rows(tables(capsys, "--size", "48x64")["table_3_times"], "row")
    assert times["Ours (CPU)"]["published_s"] == 0.1425
    assert times["Ours (GPU)"]["published_s"] == 0.0646
    assert times["DeepFuse"]["published_s"] == pytest.approx(1418 * 0.1425)
    assert times["MEF-Net"]["published_s"] == pytest.approx(4.8 * 0.1425)
    assert times["LightFuse 6-32-32-3"]["laptop_ratio"] < 1


def test_csv_of_the_layers_is_read_back(capsys):
    expected = tables(capsys, "--layers", "--size", "8x16")["layers"]
    assert main(["report", "--format", "csv", "--layers", "--size", "8x16"]) == 0
    found = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [int(row["macs"]) for row in found[:-1]] == [row["macs"] for row in expected["rows"]]
    assert int(found[-1]["macs"]) == expected["total"]["macs"]


def test_latex_rows_have_as_many_cells_as_columns(capsys):
    assert main(["report", "--format", "latex"]) == 0
    out = capsys.readouterr().out
    assert out.isascii()
    for block in out.split(r"\begin{tabular}")[1:]:
        body = block.split(r"\end{tabular}")[0]
        columns = len(body.split("}")[0]) - 1
        lines = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert len(lines) >= 4  # two of heads
        assert {_latex_cells(line) for line in lines} == {columns}
    assert out.count(r"\begin{") == out.count(r"\end{")
    assert out.count("{") == out.count("}")


def _latex_cells(line):
    """Count the columns that a row fills: a cell's own, or as many as it spans."""
    spans = [re.match(r"\s*\\multicolumn{(\d+)}", cell) for cell in line.split(" & ")]
    return sum(int(span[1]) if span else 1 for span in spans)


def test_columns_say_what_they_mean(capsys):
    for arguments in ([], ["--layers", "--machine", "pi4"], ["--model", "t_cnn", "--machine", "pi4"]):
        for table in tables(capsys, *arguments).values():
            keys = [column["key"] for column in table["columns"]]
            assert len(set(keys)) == len(keys)
            assert all(column["meaning"] for column in table["columns"])
            assert all(list(row) == keys for row in table["rows"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "vgg"], "model is 'vgg', expected one of tonefuse, lightfuse, t_cnn"),
        (
            ["--size", "0x8"],
            "size is '0x8', expected HxW, height and width, whole numbers from 1 to 999999, such as 896x1344",
        ),
        (["--size", ""], "size is '', expected HxW"),
        (["--size", "8x-8"], "size is '8x-8', expected HxW"),
        (["--size", "8"], "size is '8', expected HxW"),
        (["--size", "8x9999999"], "size is '8x9999999', expected HxW"),
        (["--convention", "flops"], "convention is 'flops', expected one of paper, macs, flops-all"),
        (["--format", "xml"], "format is 'xml', expected one of text, markdown, csv, json, latex"),
        (["--machine", "pi9"], "machine is 'pi9', expected one of here, "),
        (["--keras", "missing.keras"], "missing.keras: No such file or directory"),
        (["--network", __file__], f"{__file__}: ending is '.py', expected one of .keras, .h5, .hdf5, .onnx"),
        (["--format", "csv"], "csv is of 5 tables (table_3, table_3_times, cards, running, resources), expected --out"),
        (["--out", "x"], "--out is given with --format text, expected csv"),
        (["--width", "9"], "width is 9, expected at least 40"),
        (["--model", "t_cnn", "tonefuse", "--layers"], "number of models is 2, expected 1 with --layers"),
        (["--fold"], "--fold is given, expected it with --network only"),
        (["--network", "x.onnx", "--input-size", "8x8"], "input size is '8x8', expected NAME=HxW"),
    ],
)
def test_wrong_input_is_one_line_on_stderr_and_status_2(capsys, arguments, message):
    assert main(["report", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"costmodel: {message}")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "costmodel: the following arguments are required: COMMAND\n"),
        (["report", "--bogus"], "costmodel: unrecognized arguments: --bogus\n"),
        (
            ["report", "--model", "t_cnn", "--keras", "x"],
            "costmodel report: argument --network/--keras: not allowed with argument --model\n",
        ),
    ],
)
def test_wrong_arguments_are_one_line_on_stderr_and_status_2(capsys, arguments, message):
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert capsys.readouterr().err == message


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_plot_draws_roofline_and_cost_by_layer(capsys, tmp_path, suffix):
    pytest.importorskip("matplotlib")
    path = tmp_path / f"plot.{suffix}"
    assert main(["report", "--model", "t_cnn", "--machine", "pi4", "--plot", str(path)]) == 0
    begins = {"png": b"\x89PNG", "svg": b"<?xml"}[suffix]
    assert path.read_bytes().startswith(begins)
    if suffix == "svg":
        assert "conv2_pointwise" in path.read_text()


def test_plot_rejects_a_form_it_cannot_write(capsys, tmp_path):
    pytest.importorskip("matplotlib")
    assert main(["report", "--plot", str(tmp_path / "plot.doc")]) == 2
    assert "plot.doc is '.doc', expected one of " in capsys.readouterr().err


def test_plot_into_a_folder_that_is_not_there_names_the_file(capsys, tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "nowhere" / "plot.png"
    assert main(["report", "--model", "t_cnn", "--size", "8x16", "--plot", str(path)]) == 2
    assert capsys.readouterr().err == f"costmodel: {path}: No such file or directory\n"


def test_plot_of_many_layers_shows_the_costliest_and_of_no_cost_says_so(tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "plot.svg"
    arguments = ["report", "--model", "mertens", "--size", "256x256", "--plot", str(path)]
    texts = []
    for convention in ("paper", "flops-all"):
        assert main([*arguments, "--convention", convention]) == 0
        texts.append(path.read_text())
    assert "the convention paper counts nothing here" in texts[0]
    assert re.search(r">\d+ others<", texts[1])


@pytest.mark.parametrize(("fit", "inches"), [("page", 13), ("column", 3.5)])
def test_plot_is_as_wide_as_what_it_is_for(tmp_path, fit, inches):
    pytest.importorskip("matplotlib")
    path = tmp_path / "plot.svg"
    arguments = ["--model", "t_cnn", "--size", "48x64", "--plot", str(path), "--plot-for", fit]
    assert main(["report", *arguments]) == 0
    assert re.search(rf'width="{72 * inches:g}pt"', path.read_text())


def test_plot_shows_what_is_achieved_where_rates_are_kept(tmp_path):
    pytest.importorskip("matplotlib")
    from costmodel.plot import plot

    subject, path = model_subject("t_cnn", 48, 64), tmp_path / "plot.svg"
    count = len(steps(subject.graph, subject.cost, merge=True))
    plot(subject, CONVENTIONS["paper"], MACHINES["pi4"], path, achieved=[0.001] * count)
    assert ">achieved<" in path.read_text()


def test_plot_for_another_fit_is_refused(capsys, tmp_path):
    pytest.importorskip("matplotlib")
    assert main(["report", "--size", "8x16", "--plot", str(tmp_path / "a.png"), "--plot-for", "poster"]) == 2
    assert "plot: fit is 'poster', expected one of page, column" in capsys.readouterr().err


def test_plot_without_matplotlib_names_the_extra(capsys, tmp_path, monkeypatch):
    for module in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, module, None)
    assert main(["report", "--plot", str(tmp_path / "plot.png")]) == 2
    assert "costmodel: plot: Matplotlib is missing, expected the extra" in capsys.readouterr().err


def test_costmodel_imports_neither_numba_nor_keras():
    script = """
import contextlib, io, sys
from costmodel.__main__ import main
with contextlib.redirect_stdout(io.StringIO()):
    for arguments in ([], ["--layers"], ["--model", "deepfuse", "--machine", "pi4"]):
        assert main(["report", *arguments]) == 0
heavy = {"numba", "keras", "tensorflow", "h5py", "onnx", "matplotlib"} & {name.split(".")[0] for name in sys.modules}
print(sorted(heavy))
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_a_reader_that_goes_away_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "costmodel", "report"]
    result = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize(("text", "told"), [("1 / 0", "ZeroDivisionError: division"), ("def", "SyntaxError: invalid")])
def test_what_rules_raise_is_one_line(tmp_path, capsys, text, told):
    (tmp_path / "rules.py").write_text(text)
    assert main(["report", "--network", "net.onnx", "--rules", str(tmp_path / "rules.py")]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"costmodel: --rules {tmp_path / 'rules.py'}: {told}")
