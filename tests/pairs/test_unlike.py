"""Pairs unlike the training pairs are named, each with a remedy; ordinary ones are not."""

import numpy as np
import pytest

from npfuse.cli import main
from npfuse.pairs.unlike import unlike_training
from npfuse.pictures.reading import Picture, write_picture


@pytest.mark.parametrize(
    ("stops", "means", "words"),
    [
        (4.0, (0.1, 0.7), []),
        (-2.0, (0.6, 0.3), []),
        (None, (0.01, 0.99), ["no pixel is exposed in both pictures"]),
        (9.0, (0.05, 0.9), ["9.0 stops apart, the networks were trained on up to 8.3"]),
        (
            2.0,
            (0.03, 0.1),
            ["both pictures are dark: the brighter one's mean is 10% of white, in training at least 27%"],
        ),
        (
            2.0,
            (0.97, 0.8),
            ["both pictures are bright: the darker one's mean is 80% of white, in training at most 68%"],
        ),
    ],
)
def test_what_is_unlike_is_named_with_a_remedy(stops, means, words):
    told = unlike_training(stops, means)
    assert len(told) == len(words)
    for line, word in zip(told, words, strict=True):
        assert word in line
        assert "--method mertens" in line


def test_check_says_that_a_pair_is_unlike_the_training(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    scene = np.random.default_rng(0).random((60, 80, 3))
    write_picture("a.png", Picture(pixels=(6 + scene * 10).astype(np.uint8)))
    write_picture("b.png", Picture(pixels=(20 + scene * 30).astype(np.uint8)))
    assert main(["check", "a.png", "b.png"]) == 1
    assert "warning: both pictures are dark: the brighter one's mean is 14% of white" in capsys.readouterr().out
