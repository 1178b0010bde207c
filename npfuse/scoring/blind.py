"""Blind comparison: methods' results under letters, in another order on every sheet, and the score of rankings.

A sheet names nothing; the key, a file of its own, says which method each letter was. A judge looks at the sheets and
writes a ranking, a line per sheet, best first: `lake: B D A C`, or `lake: B D=A C` for a tie.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from random import Random
from statistics import fmean
from typing import TypeVar

from npfuse.pictures.atomic import written_in_place

Some = TypeVar("Some")

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
FORMAT = "npfuse blind key"

Key = dict[str, tuple[str, ...]]  # titles by sheet, in the order of the letters
Ranks = dict[str, dict[str, float]]  # rank of each title by sheet, 1 is best


def shuffled(results: Sequence[Some], random: Random) -> list[Some]:
    """Return results in another order; ValueError for more than there are letters, or fewer than two."""
    if not 2 <= len(results) <= len(LETTERS):
        raise ValueError(f"number of results is {len(results)}, expected 2 to {len(LETTERS)}, one per letter")
    order = list(results)
    random.shuffle(order)
    return order


def write_key(path: Path, key: Mapping[str, Sequence[str]], *, overwrite: bool = False) -> None:
    """Write a key as JSON, whole or not at all."""
    sheets = {sheet: dict(zip(LETTERS, titles, strict=False)) for sheet, titles in key.items()}
    with written_in_place(path, overwrite=overwrite) as file:
        file.write((json.dumps({"format": FORMAT, "sheets": sheets}, indent=1, ensure_ascii=False) + "\n").encode())


def read_key(path: Path) -> Key:
    """Read a key.

    Raises
    ------
    ValueError : a file that is no key
    """
    try:
        found = json.loads(path.read_bytes())
        if found["format"] != FORMAT:
            raise ValueError("another format")
        key = {}
        for sheet, titles in found["sheets"].items():
            if list(titles) != list(LETTERS[: len(titles)]) or not all(isinstance(t, str) for t in titles.values()):
                raise ValueError("letters out of order")
            key[str(sheet)] = tuple(titles.values())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError(f"{path}: is no key, expected one that `npfuse compare --blind` wrote") from None
    return key


def read_ranking(path: Path, key: Key) -> Ranks:
    """Read a judge's ranking: a line per sheet, `NAME: B D=A C`, best first; empty lines and those with # are skipped.

    Parameters
    ----------
    path : text file
    key : key of the sheets

    Returns
    -------
    dict : rank of each title by sheet; titles that tie share the mean of their ranks

    Raises
    ------
    ValueError : a line that does not name a sheet of the key and each of its letters once, or no line at all
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except UnicodeDecodeError:
        raise ValueError(f"{path}: is no text, expected lines such as 'lake: B D A C'") from None
    ranks: Ranks = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        sheet, _, order = line.rpartition(":")
        sheet = sheet.strip()
        if sheet not in key or sheet in ranks:
            problem = "twice" if sheet in ranks else "not in the key"
            raise ValueError(f"{path}, line {number}: sheet {sheet!r} is {problem}, expected each of the key's once")
        groups = [group.split("=") for group in order.replace(" =", "=").replace("= ", "=").upper().split()]
        letters = LETTERS[: len(key[sheet])]
        if sorted(letter for group in groups for letter in group) != list(letters):
            raise ValueError(f"{path}, line {number}: order is {order.strip()!r}, expected each of {letters} once")
        ranks[sheet] = {}
        above = 0
        for group in groups:
            for letter in group:
                ranks[sheet][key[sheet][LETTERS.index(letter)]] = above + (len(group) + 1) / 2
            above += len(group)
    if not ranks:
        raise ValueError(f"{path}: holds no rankings, expected lines such as 'lake: B D A C'")
    return ranks


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The score of a method over all judges and sheets.

    Parameters
    ----------
    title : method's title
    rank : mean rank, 1 is best
    by_judge : mean rank of each judge; None for a judge who ranked no sheet with it
    first, last : number of verdicts in which it is best, and worst; ties count for all of them
    verdicts : number of sheets times judges
    """

    title: str
    rank: float
    by_judge: tuple[float | None, ...]
    first: int
    last: int
    verdicts: int


def standings(judges: Sequence[Ranks]) -> list[Standing]:
    """Return the score of every method, best first.

    Parameters
    ----------
    judges : rankings, one per judge

    Examples
    --------
    >>> ranks = {"lake": {"Mertens": 2.0, "ToneFuse": 1.0}, "town": {"Mertens": 1.0, "ToneFuse": 2.0}}
    >>> [(s.title, s.rank, s.first, s.last) for s in standings([ranks, {"lake": ranks["lake"]}])]
    [('ToneFuse', 1.3333333333333333, 2, 1), ('Mertens', 1.6666666666666667, 1, 2)]
    """
    titles = dict.fromkeys(title for ranks in judges for sheet in ranks.values() for title in sheet)
    found = []
    for title in titles:
        sheets = [[sheet for sheet in ranks.values() if title in sheet] for ranks in judges]
        every = [sheet for judged in sheets for sheet in judged]
        found.append(
            Standing(
                title=title,
                rank=fmean(sheet[title] for sheet in every),
                by_judge=tuple(fmean(sheet[title] for sheet in judged) if judged else None for judged in sheets),
                first=sum(sheet[title] == min(sheet.values()) for sheet in every),
                last=sum(sheet[title] == max(sheet.values()) for sheet in every),
                verdicts=len(every),
            )
        )
    return sorted(found, key=lambda standing: standing.rank)


def agreement(judges: Sequence[Ranks]) -> float | None:
    """Return the share of verdicts on two results of a sheet in which two judges agree; None without any.

    A tie agrees with a tie only.
    """
    same = []
    for a, b in combinations(judges, 2):
        for sheet in a.keys() & b.keys():
            for x, y in combinations(a[sheet], 2):
                signs = [(ranks[sheet][x] > ranks[sheet][y]) - (ranks[sheet][x] < ranks[sheet][y]) for ranks in (a, b)]
                same.append(signs[0] == signs[1])
    return fmean(same) if same else None
