"""Sorts the files of a folder, as a camera's card has them, into the sets that are brackets of one scene.

Files whose names say their exposure (`lake_under.jpg`, `lake_over.jpg`, `lake_-2ev.jpg`) are sorted by their names. The
others are sorted by what the camera wrote: a bracket is shots of one camera and size that follow each other in time,
each at another exposure; the next bracket begins where an exposure comes again. A folder about which neither tells
anything is one set. A user may instead give a count, or patterns of names. Files in no set are listed.
"""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path

from npfuse.pairs.shots import BRACKET, MANUAL, Shot, read_shot
from npfuse.pictures.formats import PICTURE_SUFFIXES, RAW, WRITTEN_PICTURES, suffixes

GAP_S = 3.0  # from the end of a shot to the beginning of the next of its bracket; EXIF's times are whole seconds
SAME_EV = 0.15  # two exposures that differ by less are the same
# Words by which names tell exposures apart, behind one of these: _ - . space
WORDS = {
    **dict.fromkeys(("under", "dark", "low"), -1),
    **dict.fromkeys(("normal", "mid", "middle", "medium"), 0),
    **dict.fromkeys(("over", "bright", "high"), 1),
}  # and their order, darkest first
BY_WORD = re.compile(
    rf"(?P<name>.+)[-_. ](?P<exposure>{'|'.join(WORDS)})(?P<rest>[-_. ].*)?", re.IGNORECASE | re.DOTALL
)
BY_EV = re.compile(
    r"(?P<name>.+?)[-_. ]+?(?P<exposure>ev[-_ ]?[-+]?\d+(?:\.\d+)?|[-+]?\d+(?:\.\d+)?[-_ ]?ev)",
    re.IGNORECASE | re.DOTALL,
)
MOST_OF_FOLDER = 20  # frames, at most, of a folder that is taken as one set


@dataclass(frozen=True, kw_only=True)
class FrameSet:
    """The files of one scene, and the file that they become.

    Parameters
    ----------
    name : name of the set, unique in a batch
    files : paths of the frames, at least two
    output : path of the result
    reason : how the files were found to belong together: "name", "EXIF", "count", "folder" or "pattern"
    fault : reason why the set cannot be fused; empty if it can
    """

    name: str
    files: tuple[Path, ...] = ()
    output: Path = Path()
    reason: str = ""
    fault: str = ""


@dataclass(frozen=True, kw_only=True)
class Sorted:
    """The sets of a folder, and the files in no set.

    Parameters
    ----------
    sets : FrameSets, sorted by name
    left : files that are in no set, each with the reason
    """

    sets: tuple[FrameSet, ...]
    left: tuple[tuple[Path, str], ...] = field(default=())


def find_sets(
    folder: Path,
    out: Path,
    *,
    patterns: Sequence[str] | None = None,
    count: int | None = None,
    raw: bool = False,
    suffix: str | None = None,
) -> Sorted:
    """Sort the pictures of a folder, and of the folders in it, into sets.

    Parameters
    ----------
    folder : path of a folder of pictures
    out : path of the folder for the outputs; it is not searched
    patterns : two or more patterns of the names of a set's frames, with {name} for what they have in common and * for
        anything, as "{name}_1.*" and "{name}_2.*"; folders in the folder are then not searched
    count : number of frames of each set, in the order of their names
    raw : whether the camera raw is taken of a frame that is there as a JPEG, too
    suffix : extension of the outputs, as ".tif"; None for that of the first frame, or .tif if that cannot be written

    Raises
    ------
    ValueError : the folder is no folder, or a pattern or the count makes no sense
    OSError : the folder cannot be read
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: is no folder, expected one with brackets of pictures; check the name")
    if count is not None and count < 2:
        raise ValueError(f"--count is {count}, expected at least 2")
    expressions = [_expression(pattern) for pattern in patterns] if patterns else None
    if expressions is not None and len(expressions) < 2:
        raise ValueError(f"--pattern is {patterns}, expected two patterns or more")
    sets: list[FrameSet] = []
    left: list[tuple[Path, str]] = []
    for place in [folder] if patterns else _folders(folder, out):
        files = sorted(path for path in place.iterdir() if path.is_file() and _is_picture(path))
        files, doubles = _without_doubles(files, raw)
        left += doubles
        prefix = "_".join(place.relative_to(folder).parts)
        if expressions is not None:
            found, rest = _by_patterns(files, expressions)
        else:
            found, rest = _by_what_is_known(files, prefix, count)
        sets += found
        left += rest
    named = [replace(frames, output=out / (frames.name + _suffix(frames.files[0], suffix))) for frames in sets]
    return Sorted(sets=tuple(sorted(_told_apart(named), key=lambda frames: frames.name)), left=tuple(sorted(left)))


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURE_SUFFIXES and path.name[0] != "."


def _is_raw(path: Path) -> bool:
    return path.suffix.lower() in RAW.suffixes


def _suffix(first: Path, suffix: str | None) -> str:
    own = first.suffix.lower()
    return suffix or (own if own in suffixes(WRITTEN_PICTURES) else ".tif")


def _folders(folder: Path, out: Path) -> Iterator[Path]:
    """Yield a folder and those in it, at any depth, without hidden folders and that of the outputs."""
    for place, below, _ in os.walk(folder):
        below[:] = sorted(name for name in below if name[0] != "." and (Path(place) / name).resolve() != out.resolve())
        yield Path(place)


def _without_doubles(files: Sequence[Path], raw: bool) -> tuple[list[Path], list[tuple[Path, str]]]:
    """Choose one file of each frame that is there both as camera raw and in another format."""
    kept, left = [], []
    by_stem: dict[str, list[Path]] = {}
    for path in files:
        by_stem.setdefault(path.stem.casefold(), []).append(path)
    for path in files:
        others = [other for other in by_stem[path.stem.casefold()] if _is_raw(other) != _is_raw(path)]
        if others and _is_raw(path) != raw:
            left.append((path, f"the same frame as {others[0].name}"))
        else:
            kept.append(path)
    return kept, left


def _by_what_is_known(
    files: Sequence[Path], prefix: str, count: int | None
) -> tuple[list[FrameSet], list[tuple[Path, str]]]:
    """Sort the files of a folder by count, or by names, by what the camera wrote, and by the folder, in this order."""
    if count is not None:
        return _by_count([read_shot(path) for path in files], prefix, count)
    sets, rest = _by_names(files, prefix)
    shots = [read_shot(path) for path in rest]
    found = list(_brackets(shots))
    sets += [_set(_joined(prefix, group[0].path.stem), group, "EXIF") for group in found]
    taken = {shot.path for group in found for shot in group}
    alone = [shot for shot in shots if shot.path not in taken]
    if prefix and not sets and len(alone) >= 2:
        return _whole_folder(alone, prefix)
    return sets, [(shot.path, _why_alone(shot)) for shot in alone]


def _whole_folder(shots: Sequence[Shot], prefix: str) -> tuple[list[FrameSet], list[tuple[Path, str]]]:
    """Take a folder as one set, or as one of each size."""
    if len(shots) > MOST_OF_FOLDER:
        why = f"one of {len(shots)} in a folder, and no EXIF to sort them by; say how many make a set with --count"
        return [], [(shot.path, why) for shot in shots]
    groups = _by_size(shots)
    sets = [
        _set(prefix if len(groups) == 1 else _joined(prefix, group[0].path.stem), group, "folder")
        for group in groups
        if len(group) > 1
    ]
    return sets, [(group[0].path, "of another size than the rest") for group in groups if len(group) == 1]


def _by_count(shots: Sequence[Shot], prefix: str, count: int) -> tuple[list[FrameSet], list[tuple[Path, str]]]:
    """Make sets of `count` files, in the order of their names; a set ends where the size changes."""
    sets: list[FrameSet] = []
    left: list[tuple[Path, str]] = []
    for _, run in groupby(shots, key=lambda shot: shot.size):
        same = list(run)
        whole = len(same) - len(same) % count
        for start in range(0, whole, count):
            group = same[start : start + count]
            sets.append(_set(_joined(prefix, group[0].path.stem), group, "count"))
        left += [(shot.path, f"left over after sets of {count}") for shot in same[whole:]]
    return sets, left


def _by_names(files: Sequence[Path], prefix: str) -> tuple[list[FrameSet], list[Path]]:
    """Make sets of the files whose names differ in their exposure."""
    groups: dict[tuple[str, str], list[tuple[str, Path]]] = {}
    for path in files:
        match = BY_WORD.fullmatch(path.stem) or BY_EV.fullmatch(path.stem)
        if match and match["name"]:
            rest = match.groupdict().get("rest") or ""
            groups.setdefault((match["name"], rest.casefold()), []).append((match["exposure"].casefold(), path))
    sets = []
    for (name, rest), members in groups.items():
        if len({exposure for exposure, _ in members}) < 2:
            continue
        doubled = len({exposure for exposure, _ in members}) < len(members)
        paths = tuple(path for _, path in sorted(members, key=lambda member: (_rank(member[0]), member[1].name)))
        fault = (
            f"its files are {', '.join(path.name for path in paths)}, expected one of each exposure" if doubled else ""
        )
        sets.append(FrameSet(name=_joined(prefix, name + rest), files=paths, reason="name", fault=fault))
    taken = {path for frames in sets for path in frames.files}
    return sets, [path for path in files if path not in taken]


def _rank(exposure: str) -> float:
    """Return a number that is larger for names of brighter exposures."""
    number = re.search(r"[-+]?\d+(\.\d+)?", exposure)
    return float(number[0]) if number else WORDS.get(exposure, 0)


def _brackets(shots: Sequence[Shot]) -> Iterator[list[Shot]]:
    """Yield the runs of shots that are brackets, by what the camera wrote."""
    telling = [shot for shot in shots if shot.step is not None and shot.size is not None]
    for _, of_camera in groupby(sorted(telling, key=_kind), key=_kind):
        run: list[Shot] = []
        for shot in sorted(of_camera, key=lambda shot: (shot.taken_s or 0.0, shot.path.name)):
            if run and not _continues(run, shot):
                yield from _worth(run)
                run = []
            run.append(shot)
        yield from _worth(run)


def _kind(shot: Shot) -> tuple[str, tuple[int, int], bool]:
    """Return what all shots of a bracket have in common."""
    assert shot.size is not None
    return shot.camera, shot.size, shot.mode == BRACKET


def _continues(run: Sequence[Shot], shot: Shot) -> bool:
    """Tell whether a shot belongs to the bracket of those before it."""
    last = run[-1]
    if (last.taken_s is None) != (shot.taken_s is None):
        return False
    if last.taken_s is not None and shot.taken_s is not None:
        gap = shot.taken_s - last.taken_s - (last.exposure_s or 0.0)
        if gap > GAP_S + (shot.exposure_s or 0.0):  # some cameras write the time at which a shot ended
            return False
    if last.aperture is not None and shot.aperture is not None and abs(last.aperture - shot.aperture) > 0.05:
        return False
    if (last.exposure is None) != (shot.exposure is None):
        return False
    if not all(_differ(shot, other) for other in run):
        return False
    # Pictures at automatic exposure differ by themselves: a bracket has a compensation that differs, or is manual.
    return (
        shot.mode == BRACKET
        or MANUAL in (last.mode, shot.mode)
        or last.bias != shot.bias
        or None in (last.bias, shot.bias)
    )


def _differ(one: Shot, other: Shot) -> bool:
    """Tell whether two shots have different exposures, as measured or as compensated."""
    apart = [
        abs(a - b)
        for a, b in ((one.exposure, other.exposure), (one.bias, other.bias))
        if a is not None and b is not None
    ]
    return bool(apart) and max(apart) > SAME_EV


def _worth(run: list[Shot]) -> Iterator[list[Shot]]:
    if len(run) > 1:
        yield run


def _by_patterns(
    files: Sequence[Path], expressions: Sequence[re.Pattern[str]]
) -> tuple[list[FrameSet], list[tuple[Path, str]]]:
    """Make sets of the files that fit patterns with one name."""
    found: dict[str, list[list[Path]]] = {}
    fitting = set()
    for path in files:
        for side, expression in enumerate(expressions):
            match = expression.fullmatch(path.name)
            if match:
                found.setdefault(match["name"], [[] for _ in expressions])[side].append(path)
                fitting.add(path)
    sets = []
    for name, sides in found.items():
        paths = tuple(path for side in sides for path in side)
        whole = all(len(side) == 1 for side in sides)
        fault = f"its files are {', '.join(path.name for path in paths)}, expected one of each pattern"
        sets.append(FrameSet(name=name, files=paths, reason="pattern", fault="" if whole else fault))
    return sets, [(path, "fits no pattern") for path in files if path not in fitting]


def _expression(pattern: str) -> re.Pattern[str]:
    """Turn a pattern into a regular expression; [...] has the same meaning in both."""
    if pattern.count("{name}") != 1:
        raise ValueError(f"--pattern is {pattern!r}, expected {{name}} in it once")
    parts = re.split(r"(\{name\}|\*|\[[^]]*\])", pattern)
    known = {"{name}": "(?P<name>.+)", "*": ".*"}
    text = "".join(known.get(part, part if part.startswith("[") else re.escape(part)) for part in parts)
    try:
        return re.compile(text, re.IGNORECASE | re.DOTALL)
    except re.error as error:
        raise ValueError(f"--pattern is {pattern!r}, expected {{name}}, * and [letters] in it: {error}") from None


def _by_size(shots: Sequence[Shot]) -> list[list[Shot]]:
    groups: dict[tuple[int, int] | None, list[Shot]] = {}
    for shot in shots:
        groups.setdefault(shot.size, []).append(shot)
    return list(groups.values())


def _set(name: str, shots: Iterable[Shot], reason: str) -> FrameSet:
    return FrameSet(name=name, files=tuple(shot.path for shot in shots), reason=reason)


def _joined(prefix: str, name: str) -> str:
    return f"{prefix}_{name}" if prefix else name


def _why_alone(shot: Shot) -> str:
    if shot.step is None:
        return "neither its file nor its name tells an exposure"
    return "no other exposure was taken beside it"


def _told_apart(sets: Sequence[FrameSet]) -> Iterator[FrameSet]:
    """Give sets that would be written to the same file a fault."""
    outputs: dict[str, int] = {}
    for frames in sets:
        key = str(frames.output).casefold()  # some file systems take small and capital letters for the same
        outputs[key] = outputs.get(key, 0) + 1
    for frames in sets:
        shared = not frames.fault and outputs[str(frames.output).casefold()] > 1
        yield replace(frames, fault=f"shares the output {frames.output} with another set") if shared else frames
