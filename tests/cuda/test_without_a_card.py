"""Without a card, whoever asks for one is told so in one line, and nothing falls back silently."""

import numpy as np
import pytest

from npfuse import fuse
from npfuse.cli import main
from npfuse.cuda.card import CardError, card_errors, require_card
from npfuse.examples import example_pair
from npfuse.pairs.stored_fusion import fuse_into
from npfuse.weights.loading import load_weights

SAID = r"^engine cuda: (no NVIDIA card can be used here: .+; use|numba-cuda is missing; install .+ or use) the engine"


@pytest.fixture(autouse=True)
def _no_card():
    try:
        require_card()
    except CardError:
        return
    pytest.skip("there is a card")


def test_fuse_says_that_there_is_no_card():
    a, b = np.zeros((2, 8, 9, 3), np.uint8)
    with pytest.raises(OSError, match=SAID):
        fuse(a, b, engine="cuda")


def test_windows_say_that_there_is_no_card():
    a, b, out = np.zeros((3, 8, 9, 3), np.uint8)
    with pytest.raises(OSError, match=SAID):
        fuse_into([a, b], out, load_weights(), engine="cuda")


@pytest.mark.parametrize("command", [["fuse"], ["fuse", "--max-memory", "2G"]])
def test_the_command_ends_with_status_2_and_one_line(command, tmp_path, capsys):
    under, over = example_pair("forest")
    out = tmp_path / "fused.png"
    name, *options = command
    assert main([name, str(under), str(over), "-o", str(out), "--engine", "cuda", *options]) == 2
    said = capsys.readouterr().err
    assert said.startswith("npfuse: engine cuda: ")
    assert said.count("\n") == 1
    assert not out.exists()


def test_batch_ends_before_any_pair(tmp_path, capsys):
    assert main(["batch", str(tmp_path), "-o", str(tmp_path / "out"), "--engine", "cuda"]) == 2
    assert capsys.readouterr().err.startswith("npfuse: engine cuda: ")
    assert not (tmp_path / "out").exists()


def test_methods_that_no_card_runs_are_named():
    a, b = np.zeros((2, 8, 9, 3), np.uint8)
    with pytest.raises(ValueError, match="the engine cuda has no MEF-Net, expected tonefuse, lightfuse or t_cnn"):
        fuse(a, b, method="mefnet", engine="cuda")


def test_only_errors_of_the_driver_become_errors_of_the_card():
    with pytest.raises(ZeroDivisionError), card_errors():
        _ = 1 / 0
