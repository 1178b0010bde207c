"""The table of an evaluation, like the paper's Table II: a row per method, in text, Markdown, CSV or JSON.

Scores of weights on scenes that they were trained on are marked and counted, and the scenes that they were not trained
on have a row of their own; a question mark stands for weights that do not say.
"""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, fields
from statistics import fmean
from typing import Any, Literal, get_args

from npfuse.scoring.evaluation import Candidate, Result, Settings, not_available, printable, trained_on
from npfuse.scoring.published_quality import QUALITY

Format = Literal["text", "markdown", "csv", "json"]
FORMATS: tuple[Format, ...] = get_args(Format)

MISSING, UNKNOWN = "–", "?"
ELSEWHERE = ("elsewhere PSNR dB", "elsewhere SSIM")
HEADER = ("method", "scenes", "trained on", "PSNR dB", "SSIM", "MEF-SSIM", "seconds", *ELSEWHERE)
SCENE_HEADER = ("method", "scene", "trained on", *(field.name for field in fields(Result)))


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of the table: a method on all scenes, or on those that its weights were not trained on.

    `trained_on` is how many of the scenes the weights were trained on, None where they do not say.
    """

    title: str
    scenes: int
    trained_on: int | None
    psnr: float | None
    ssim: float | None
    mef_ssim: float
    seconds: float
    published: tuple[float, float] | None


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The contents of a table.

    Parameters
    ----------
    folder : name of the folder of scenes
    scenes : names of the scenes, in order
    scored : candidates
    results : Result by (index of the candidate, scene)
    failures : message by scene, or by "scene, method"
    settings : Settings
    """

    folder: str
    scenes: Sequence[str]
    scored: Sequence[Candidate]
    results: Mapping[tuple[int, str], Result]
    failures: Mapping[str, str]
    settings: Settings


def table(evaluation: Evaluation, form: Format) -> str:
    """Write an evaluation in a format.

    Parameters
    ----------
    evaluation : Evaluation
    form : "text", "markdown", "csv" or "json"

    Returns
    -------
    str
    """
    if form == "json":
        return json.dumps(_as_json(evaluation), indent=1)
    rows = [HEADER, *cells_of_rows(evaluation)]
    if form == "csv":
        return _csv(["" if cell == MISSING else cell for cell in row] for row in rows)
    told = notes(evaluation)
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    aligned = [
        [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        for row in rows
    ]
    if form == "markdown":
        rule = ["-" * width + (":" if column else "-") for column, width in enumerate(widths)]
        lines = [f"| {' | '.join(aligned[0])} |", f"|{'|'.join('-' + dashes for dashes in rule)}|"]
        lines += [f"| {' | '.join(cells)} |" for cells in aligned[1:]]
        return "\n".join([*lines, "", *(f"- {note}".replace("*", "\\*") for note in told)])
    lines = ["  ".join(cells).rstrip() for cells in aligned]
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join([*lines, "", *told])


def cells_of_rows(evaluation: Evaluation) -> list[tuple[str, ...]]:
    """Return the table's rows as text, a cell for each heading of HEADER."""
    return [_cells(row) for row in _rows(evaluation)]


def scene_table(evaluation: Evaluation) -> str:
    """Write every single result as CSV, a line for each method and scene."""
    lines: list[tuple[object, ...]] = [SCENE_HEADER]
    for index, candidate in enumerate(evaluation.scored):
        seen = trained_on(candidate, evaluation.folder, evaluation.scenes)
        for scene, result in _results_of(evaluation, index).items():
            trained = UNKNOWN if seen is None else "yes" if scene in seen else "no"
            lines.append((candidate.title, scene, trained, *astuple(result)))
    return _csv(lines)


def _csv(lines: Iterable[Sequence[object]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(lines)
    return buffer.getvalue().rstrip("\n")


def _rows(evaluation: Evaluation) -> list[Row]:
    """Return the rows: each method, and once more on the scenes held out of its training, where there are both."""
    rows = []
    for index, candidate in enumerate(evaluation.scored):
        found = _results_of(evaluation, index)
        if not found:
            continue
        seen = trained_on(candidate, evaluation.folder, evaluation.scenes)
        trained = None if seen is None else len(seen & set(found))
        title = candidate.title + (" *" if trained else "")
        rows.append(_row(title, candidate.method.name, trained, list(found.values())))
        held_out = [result for scene, result in found.items() if scene not in (seen or ())]
        if trained and held_out:
            rows.append(_row(f"{candidate.title}, held-out scenes", candidate.method.name, 0, held_out))
    return rows


def _results_of(evaluation: Evaluation, index: int) -> dict[str, Result]:
    """Return a candidate's results by scene, in the order of the scenes."""
    pairs = ((scene, evaluation.results.get((index, scene))) for scene in evaluation.scenes)
    return {scene: result for scene, result in pairs if result is not None}


def _row(title: str, method: str, trained: int | None, results: list[Result]) -> Row:
    labelled = [result for result in results if result.psnr is not None]
    published = next(((q.psnr, q.ssim) for q in QUALITY if q.model == method), None)
    return Row(
        title=title,
        scenes=len(results),
        trained_on=trained,
        psnr=fmean(result.psnr or 0.0 for result in labelled) if labelled else None,
        ssim=fmean(result.ssim or 0.0 for result in labelled) if labelled else None,
        mef_ssim=fmean(result.mef_ssim for result in results),
        seconds=fmean(result.seconds for result in results),
        published=published,
    )


def _cells(row: Row) -> tuple[str, ...]:
    psnr, ssim = row.published or (None, None)
    return (
        row.title,
        str(row.scenes),
        UNKNOWN if row.trained_on is None else str(row.trained_on),
        MISSING if row.psnr is None else f"{row.psnr:.2f}",
        MISSING if row.ssim is None else f"{row.ssim:.4f}",
        f"{row.mef_ssim:.4f}",
        f"{row.seconds:.2f}",
        MISSING if psnr is None else f"{psnr:.2f}",
        MISSING if ssim is None else f"{ssim:.3f}",
    )


def notes(evaluation: Evaluation) -> list[str]:
    """Return the notes below the table: pictures, settings and failures. CSV has no place for them."""
    sizes = {(result.height, result.width) for result in evaluation.results.values()}
    told = ", ".join(f"{height}x{width}" for height, width in sorted(sizes)) or "none"
    lines = [*evaluation.settings.told(), f"pictures (height x width): {told}"]
    unknown: list[str] = []
    alike: dict[str, list[str]] = {}
    for candidate in evaluation.scored:
        seen = trained_on(candidate, evaluation.folder, evaluation.scenes)
        if seen is None:
            unknown.append(candidate.title)
        elif seen:
            names = ", ".join(scene for scene in evaluation.scenes if scene in seen)
            told = f"trained on {len(seen)} of these {len(evaluation.scenes)} scenes: {names}"
            alike.setdefault(told, []).append(candidate.title)
    lines += [f"* no test score: {', '.join(titles)}, {told}" for told, titles in alike.items()]
    if unknown:
        told = f"no word in their source whether they were trained on scenes of the folder {evaluation.folder!r}"
        lines.append(f"? not known whether these are test scores: {', '.join(unknown)}, {told}")
    lines += [
        f"{candidate.title}: each scene by the weights that were not trained on it: "
        + "; ".join(f"{', '.join(names)} by {printable(label)}" for label, names in _by_weights(candidate).items())
        for candidate in evaluation.scored
        if candidate.folds
    ]
    lines += sorted({f"elsewhere: {quality.where}" for quality in QUALITY})
    lines += not_available(evaluation.scored)
    lines += [f"failed: {name}: {reason}" for name, reason in evaluation.failures.items()]
    return lines


def _by_weights(candidate: Candidate) -> dict[str, list[str]]:
    """Return the scenes of each file of a leave-scenes-out."""
    found: dict[str, list[str]] = {}
    for scene, weights in candidate.folds.items():
        found.setdefault(weights.label, []).append(scene)
    return found


def _as_json(evaluation: Evaluation) -> dict[str, Any]:
    methods = []
    for index, candidate in enumerate(evaluation.scored):
        seen = trained_on(candidate, evaluation.folder, evaluation.scenes)
        methods.append(
            {
                "method": candidate.method.name,
                "title": candidate.title,
                "weights": candidate.weights.label if candidate.weights else None,
                "trained_on": None if seen is None else sorted(seen),
                "scenes": {scene: asdict(result) for scene, result in _results_of(evaluation, index).items()},
            }
        )
    return {
        "folder": evaluation.folder,
        "settings": asdict(evaluation.settings),
        "methods": methods,
        "rows": [asdict(row) for row in _rows(evaluation)],
        "notes": notes(evaluation),
        "failures": dict(evaluation.failures),
    }
