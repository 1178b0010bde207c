"""The command: real processes, one small size, and what is written."""

import json

import pytest

from bench.__main__ import main
from npfuse.examples import example_pair


def test_the_json_holds_rows_memory_and_command(tmp_path, capsys):
    out = tmp_path / "bench.json"
    out.write_text("old")
    pair = [str(path) for path in example_pair("city")]
    options = ["--sizes", "0.006", "--noise", "random", "--threads", "1", "--rounds", "2", "--weights", "tonefuse"]
    assert main([*pair, *options, "--peers", "--json", str(out)]) == 0
    found = json.loads(out.read_text())
    assert found["machine"]["cores"] >= 1
    assert {"numpy", "numba"} <= found["machine"]["versions"].keys()
    assert [(row["content"], row["height"], row["width"]) for row in found["rows"]] == [
        ("examples/city", 64, 96),
        ("random bytes", 64, 96),
    ]
    for row in found["rows"]:
        assert row["engine"] == "npfuse"
        assert row["wall_s"]["count"] == len(row["runs"]) == 2
        assert row["apart"]["levels"] <= 1
        assert row["ratio"] is None
        assert row["first_s"] > 0
        # ToneFuse: 6 * 32 + 32 * 16 + 16 * 3, and what is coarse.
        assert 750 * 64 * 96 < row["macs"] < 1000 * 64 * 96
    (memory,) = found["memory"]
    assert 0 <= memory["memory"]["beyond_bytes"] < memory["memory"]["process_bytes"]
    (command,) = found["command"]
    assert command["command_s"]["median"] > 0
    text = capsys.readouterr().out
    assert "tonefuse, 1 thread" in text
    assert "420 x 630: 64 x 96 cropped and reduced" in text
    assert "fusing / decoding both files" in text


def test_the_plot_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    from bench.comparison import Row
    from bench.plot import plot
    from bench.summary import summarized
    from bench.worker import Run

    def row(engine, content, height, seconds, ratio):
        runs = (Run(wall_s=seconds, cpu_s=seconds),)
        times, lead = summarized([seconds]), summarized([ratio]) if ratio else None
        kept = {
            "side": None,
            "macs": 1,
            "first_s": 1.0,
            "runs": runs,
            "wall_s": times,
            "busy": 1.0,
            "ratio": lead,
            "apart": None,
        }
        return Row(network="n", content=content, height=height, width=30, engine=engine, threads=1, **kept)

    rows = [row("npfuse", content, height, 1.0, None) for content in ("a", "b") for height in (20, 40)]
    rows += [row("onnxruntime", "a", 20, 3.0, 3.0), row("onnxruntime", "b", 20, 2.0, 2.0)]
    plot(rows, tmp_path / "bench.png")
    assert (tmp_path / "bench.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["one.jpg"], "number of pictures is 1, expected pairs UNDER OVER"),
        (["--sizes", "0"], r"--sizes is \[0.0\], expected megapixels from 0.0001 to 1000"),
        (["--noise", "300"], "300 is not random and not within 0 to 255 levels"),
        (["--threads", "0"], "0 is not at least 1"),
        (["--peers", "caffe"], "invalid choice: 'caffe'"),
    ],
)
def test_bad_arguments_are_named(arguments, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    import re

    assert re.search(message, capsys.readouterr().err)


def test_weights_that_the_peers_cannot_run_are_refused(tmp_path):
    from npfuse.weights.npz_files import save_weights
    from tests.networks import random_weights

    save_weights(tmp_path / "w.npz", random_weights(normalization="min_max"))
    with pytest.raises(ValueError, match="normalization is min_max, expected full_range"):
        main(["--weights", str(tmp_path / "w.npz"), "--peers"])
