"""Blind sheets: letters that say nothing, a key that says all, and rankings scored by hand."""

import json
from random import Random

import numpy as np
import pytest

import npfuse
from npfuse.cli import main
from npfuse.pictures.reading import Picture, read_picture, write_picture
from npfuse.scoring.blind import LETTERS, agreement, read_key, read_ranking, shuffled, standings, write_key
from npfuse.scoring.comparison import lay_out
from tests.networks import random_pair

KEY = {"lake": ("Mertens", "enfuse", "ToneFuse"), "a: b": ("ToneFuse", "Mertens", "enfuse")}


def ranking(tmp_path, text, name="judge.txt"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_every_order_comes_and_none_is_lost():
    orders = {tuple(shuffled("abc", Random(seed))) for seed in range(100)}
    assert len(orders) == 6
    for count in (1, 27):
        with pytest.raises(ValueError, match=f"number of results is {count}, expected 2 to 26"):
            shuffled(range(count), Random(0))


def test_a_key_is_read_as_it_was_written(tmp_path):
    write_key(tmp_path / "key.json", KEY)
    assert read_key(tmp_path / "key.json") == KEY


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", '{"format": "npfuse blind key", "sheets": {"a": {"B": "x"}}}', "\x00"]
)
def test_other_files_are_no_key(tmp_path, text):
    with pytest.raises(ValueError, match=r"other\.json: is no key, expected one that"):
        read_key(ranking(tmp_path, text, "other.json"))


def test_rankings_become_ranks_by_the_key(tmp_path):
    path = ranking(tmp_path, "# a judge\nlake: c A b\n\na: b: A=C B\n")
    assert read_ranking(path, KEY) == {
        "lake": {"ToneFuse": 1, "Mertens": 2, "enfuse": 3},
        "a: b": {"ToneFuse": 1.5, "enfuse": 1.5, "Mertens": 3},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lake: A B", "line 1: order is 'A B', expected each of ABC once"),
        ("lake: A B C D", "line 1: order is 'A B C D', expected each of ABC once"),
        ("sea: A B C", "line 1: sheet 'sea' is not in the key"),
        ("lake: A B C\nlake: A B C", "line 2: sheet 'lake' is twice"),
        ("# nothing", "holds no rankings"),
    ],
)
def test_bad_rankings_are_refused_with_their_line(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read_ranking(ranking(tmp_path, text), KEY)


def test_standings_are_means_and_counts():
    one = {"lake": {"a": 1.0, "b": 2.0, "c": 3.0}, "town": {"a": 2.0, "b": 1.0, "c": 3.0}}
    two = {"lake": {"a": 1.5, "b": 1.5, "c": 3.0}}
    a, b, c = standings([one, two])
    assert (a.title, a.rank, a.by_judge, a.first, a.last, a.verdicts) == ("a", 4.5 / 3, (1.5, 1.5), 2, 0, 3)
    assert (b.title, b.rank, b.first, c.title, c.last) == ("b", 4.5 / 3, 2, "c", 3)
    assert agreement([one, two]) == 2 / 3  # of a and b, a and c, b and c of the lake, the first differs
    assert agreement([one]) is None


def test_a_sheet_with_letters_is_the_sheet_of_the_key(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    under, over = random_pair((60, 80, 3))
    for scene in ("lake", "town"):
        (tmp_path / "scenes" / scene).mkdir(parents=True)
        write_picture(tmp_path / "scenes" / scene / "a.png", Picture(pixels=under))
        write_picture(tmp_path / "scenes" / scene / "b.png", Picture(pixels=over))
        (tmp_path / "other").mkdir(exist_ok=True)
        write_picture(tmp_path / "other" / f"{scene}.png", Picture(pixels=under // 2 + over // 2))
    command = ["compare", "scenes", "-o", "sheets", "--blind", "key.json", "--methods", "mertens"]
    assert main([*command, "--result", "average=other"]) == 0
    key = read_key(tmp_path / "key.json")
    assert {sheet: sorted(titles) for sheet, titles in key.items()} == {
        "lake": ["Mertens 2009", "average"],
        "town": ["Mertens 2009", "average"],
    }
    results = {"average": under // 2 + over // 2, "Mertens 2009": npfuse.fuse(under, over, method="mertens")}
    for sheet, titles in key.items():
        lettered = [(letter, results[title]) for letter, title in zip(LETTERS, titles, strict=False)]
        expected = lay_out([under, over], lettered)
        np.testing.assert_array_equal(read_picture(tmp_path / "sheets" / f"{sheet}.png").pixels, expected)
        assert b"ertens" not in (tmp_path / "sheets" / f"{sheet}.png").read_bytes()
    assert main([*command, "--result", "average=other"]) == 2
    assert "key.json: exists already" in capsys.readouterr().err
    best = {sheet: LETTERS[titles.index("average")] for sheet, titles in key.items()}
    lines = [f"{sheet}: {letter} {'AB'.replace(letter, '')}" for sheet, letter in best.items()]
    (tmp_path / "judge.txt").write_text("\n".join(lines))
    assert main(["rank", "key.json", "judge.txt"]) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].split() == ["method", "mean", "rank", "first", "last", "verdicts"]
    assert table[1].split() == ["average", "1.00", "2", "0", "2"]
    assert table[2].split() == ["Mertens", "2009", "2.00", "0", "2", "2"]
    assert json.loads((tmp_path / "key.json").read_text())["format"] == "npfuse blind key"
