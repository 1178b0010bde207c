"""The table of an evaluation, like the paper's Table II: a row a method, in text, Markdown, CSV or JSON."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any, Literal, get_args

from npfuse.evaluation import Candidate, Result, Settings, not_available, printable, trained_on

Format = Literal["text", "markdown", "csv", "json"]
FORMATS: tuple[Format, ...] = get_args(Format)

HEADER = ("method", "scenes", "PSNR dB", "SSIM", "MEF-SSIM", "seconds", "published PSNR dB", "published SSIM")


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of the table: a method on all scenes, or on those that its weights were not trained on."""

    title: str
    scenes: int
    psnr: float | None
    ssim: float | None
    mef_ssim: float
    seconds: float
    published: tuple[float, float] | None


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Everything that a table tells.

    Parameters
    ----------
    folder : name of the folder of scenes
    scenes : names, in order
    scored : the candidates
    results : by (index of the candidate, scene)
    failures : by scene, or "scene, method"
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
    rows = [HEADER, *(_cells(row) for row in _rows(evaluation))]
    if form == "csv":
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="\n").writerows(rows)
        return buffer.getvalue().rstrip("\n")
    notes = _notes(evaluation)
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    aligned = [
        [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        for row in rows
    ]
    if form == "markdown":
        rule = ["-" * width + (":" if column else "-") for column, width in enumerate(widths)]
        lines = [f"| {' | '.join(aligned[0])} |", f"|{'|'.join('-' + dashes for dashes in rule)}|"]
        lines += [f"| {' | '.join(cells)} |" for cells in aligned[1:]]
        return "\n".join([*lines, "", *(f"- {note}" for note in notes)])
    lines = ["  ".join(cells).rstrip() for cells in aligned]
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join([*lines, "", *notes])


def _rows(evaluation: Evaluation) -> list[Row]:
    """Return the rows: each method, and once more on the scenes held out of its training, where there are both."""
    rows = []
    for index, candidate in enumerate(evaluation.scored):
        found = _results_of(evaluation, index)
        if not found:
            continue
        seen = trained_on(candidate, evaluation.folder, evaluation.scenes)
        mark = " *" if seen else ""
        rows.append(_row(candidate.title + mark, candidate.method.name, list(found.values())))
        held_out = [result for scene, result in found.items() if scene not in seen]
        if seen and held_out:
            rows.append(_row(f"{candidate.title}, held-out scenes", candidate.method.name, held_out))
    return rows


def _results_of(evaluation: Evaluation, index: int) -> dict[str, Result]:
    """Return a candidate's results by scene, in the order of the scenes."""
    pairs = ((scene, evaluation.results.get((index, scene))) for scene in evaluation.scenes)
    return {scene: result for scene, result in pairs if result is not None}


def _row(title: str, method: str, results: list[Result]) -> Row:
    from costmodel.published import QUALITY

    labelled = [result for result in results if result.psnr is not None]
    published = next(((q.psnr, q.ssim) for q in QUALITY if q.model == method), None)
    return Row(
        title=title,
        scenes=len(results),
        psnr=fmean(result.psnr or 0.0 for result in labelled) if labelled else None,
        ssim=fmean(result.ssim or 0.0 for result in labelled) if labelled else None,
        mef_ssim=fmean(result.mef_ssim for result in results),
        seconds=fmean(result.seconds for result in results),
        published=published,
    )


def _cells(row: Row) -> tuple[str, ...]:
    missing = "–"
    psnr, ssim = row.published or (None, None)
    return (
        row.title,
        str(row.scenes),
        missing if row.psnr is None else f"{row.psnr:.2f}",
        missing if row.ssim is None else f"{row.ssim:.4f}",
        f"{row.mef_ssim:.4f}",
        f"{row.seconds:.2f}",
        missing if psnr is None else f"{psnr:.2f}",
        missing if ssim is None else f"{ssim:.3f}",
    )


def _notes(evaluation: Evaluation) -> list[str]:
    """Return the lines below the table."""
    from costmodel.published import QUALITY

    sizes = {(result.height, result.width) for result in evaluation.results.values()}
    told = ", ".join(f"{height}x{width}" for height, width in sorted(sizes)) or "none"
    notes = [*evaluation.settings.told(), f"pictures (height x width): {told}"]
    for candidate in evaluation.scored:
        if seen := trained_on(candidate, evaluation.folder, evaluation.scenes):
            count = f"{len(seen)} of these {len(evaluation.scenes)} scenes"
            notes.append(f"* {candidate.title}: trained on {count}, as the weights say: {', '.join(sorted(seen))}")
            source = candidate.weights.source if candidate.weights else ""
            notes += [f"  {printable(line)}" for line in source.splitlines() if line.startswith("Leave-scenes-out")]
    notes += sorted({f"published: {quality.where}" for quality in QUALITY})
    notes += not_available(evaluation.scored)
    notes += [f"failed: {what}: {why}" for what, why in evaluation.failures.items()]
    return notes


def _as_json(evaluation: Evaluation) -> dict[str, Any]:
    methods = []
    for index, candidate in enumerate(evaluation.scored):
        seen = trained_on(candidate, evaluation.folder, evaluation.scenes)
        methods.append(
            {
                "method": candidate.method.name,
                "title": candidate.title,
                "weights": candidate.weights.label if candidate.weights else None,
                "trained_on": sorted(seen),
                "scenes": {scene: asdict(result) for scene, result in _results_of(evaluation, index).items()},
            }
        )
    return {
        "folder": evaluation.folder,
        "settings": asdict(evaluation.settings),
        "methods": methods,
        "rows": [asdict(row) for row in _rows(evaluation)],
        "notes": _notes(evaluation),
        "failures": dict(evaluation.failures),
    }
