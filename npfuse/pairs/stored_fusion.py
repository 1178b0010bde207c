"""Fuses pictures that stay in their files, part by part, so that any size fits into memory.

The result is that of the whole pictures, to the byte: each part is read with all pixels that it depends on, and one
pass over the pictures beforehand finds their statistics and thumbnails.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from npfuse.choices import Order, float_engine, thread_count
from npfuse.contract import check_survey
from npfuse.jobs import Progress, run_all
from npfuse.methods import Method
from npfuse.methods.pair_network import fuse_bracket, tone_surveys
from npfuse.padding import GRID
from npfuse.pairs.file_options import CLIP_HINT, FileOptions, Teller
from npfuse.pairs.memory_plan import demand_of, threads_within
from npfuse.pictures.picture import StoredPicture
from npfuse.pictures.reading import read_picture
from npfuse.pictures.stored import is_array, stored_output
from npfuse.pictures.views import clipped
from npfuse.run import Engine
from npfuse.strips import Pixels, thumbnail_size
from npfuse.survey import survey
from npfuse.tone import NEUTRAL, Tone, TonedOutput
from npfuse.weights.weights import Weights

Network = tuple[Method, Weights]

STORED_BYTES = 1 << 28  # of one picture: larger ones are read part by part if their files allow it


def by_parts(
    opened: Sequence[StoredPicture | None], paths: Sequence[Path], output: Path, network: Network, options: FileOptions
) -> bool:
    """Tell whether pictures are fused part by part: arrays always, TIFFs if they are large or memory is short.

    Parameters
    ----------
    opened : pictures; None for a file that must be read whole
    paths : paths of the pictures
    output : path, of a format that can be written part by part
    network : method and its weights
    options : FileOptions
    """
    there = [picture for picture in opened if picture is not None]
    if is_array(output) or any(picture.pixels.dtype == np.float64 for picture in there):
        return True
    if len(there) < len(opened):
        return False
    if any(picture.nbytes > STORED_BYTES for picture in there):
        return True
    if options.max_memory is None:
        return False
    alpha = there[0].alpha is not None
    demand = demand_of(there[0].pixels, paths, output, *network, options, held=len(opened), alpha=alpha)
    return demand.bytes > options.max_memory


def fuse_by_parts(
    pictures: Sequence[StoredPicture],
    paths: Sequence[Path],
    output: Path,
    network: Network,
    options: FileOptions,
    tell: Teller,
) -> None:
    """Fuse two pictures or more into a file, part by part.

    Parameters
    ----------
    pictures : pictures of one shape and dtype, checked; alpha, EXIF and ICC profile of the first go into the output
    paths : paths of the pictures
    output : path, of a format that can be written part by part
    network : method and its weights
    options, tell : as for `npfuse.pairs.file_fusion.fuse_files`

    Raises
    ------
    PictureError : the output cannot be written
    ValueError : values are NaN or outside [0, 1], or more memory is needed than is allowed
    OSError : an input cannot be read to its end
    """
    first = pictures[0]
    pixels = [picture.pixels for picture in pictures]
    if options.clip and np.dtype(first.pixels.dtype).kind == "f":
        pixels = [clipped(picture) for picture in pixels]
    held = sum(isinstance(picture.pixels, np.ndarray) for picture in pictures)
    threads = thread_count(options.threads)
    if options.max_memory is not None:
        demand = demand_of(first.pixels, paths, output, *network, options, held=held)
        threads = threads_within(replace(demand, result_held=False), options.max_memory, tell)
    notes: list[str] = []
    with stored_output(output, first, first.pixels.shape, overwrite=options.overwrite, notes=notes) as out:
        with tell.timed("fused and written, part by part"), tell.progress() as progress:
            ranks = fuse_into(
                pixels,
                out,
                network[1],
                order=options.order,
                engine=float_engine(options.engine),
                threads=threads,
                progress=progress,
                tone=options.tone,
                tone_pair=tone_pair(options),
            )
        if len(pixels) == 2:
            tell.say(f"under-exposed: the {'first' if ranks[0] == 0 else 'second'} picture")
    tell.say(*notes)


def fuse_into(
    pictures: Sequence[Any],
    out: Any,
    weights: Weights,
    *,
    order: Order = "auto",
    engine: Engine = "fast",
    threads: int | None = None,
    progress: Progress | None = None,
    tone: Tone = NEUTRAL,
    tone_pair: tuple[Pixels, Pixels] | None = None,
) -> list[int]:
    """Fuse pictures into another; each may be in memory or in a file.

    Parameters
    ----------
    pictures : two or more pictures (H, W) or (H, W, 3) of one shape and dtype; ndarrays, or objects with `shape`,
        `dtype` and `ndim` whose `picture[rows, columns]` is an ndarray, in any thread
    out : picture of the same shape and dtype; takes `out[rows, columns] = values`, in any thread
    weights : Weights of a network of a pair
    order, engine, threads, progress : as for `npfuse.fuse_stack`
    tone : Tone, applied to the result
    tone_pair : pair that sets the network's tone, like `tone` of `npfuse.fuse`

    Returns
    -------
    list of int : indices of the pictures, darkest first

    Raises
    ------
    ValueError : a float is NaN or outside [0, 1]

    Examples
    --------
    >>> from npfuse import fuse, load_weights
    >>> a, b = np.full((70, 90, 3), 20, np.uint8), np.full((70, 90, 3), 200, np.uint8)
    >>> out = np.empty_like(a)
    >>> fuse_into([b, a], out, load_weights()), bool((out == fuse(a, b)).all())
    ([1, 0], True)
    """
    size = thumbnail_size(weights.graph(GRID, GRID))
    surveys = [survey(picture, *size) for picture in pictures]
    for name, picture, found in zip(_names(len(pictures)), pictures, surveys, strict=True):
        check_survey(name, found, tuple(picture.shape), hint=CLIP_HINT)
    ranks = list(range(len(pictures)))
    if order == "auto":
        ranks.sort(key=lambda k: surveys[k].mean)
    frames, extremes = [pictures[k] for k in ranks], (surveys[ranks[0]], surveys[ranks[-1]])
    if tone_pair is not None:
        extremes = tone_surveys(tone_pair, weights, np.dtype(out.dtype))
    target = out if tone.neutral else TonedOutput(out, tone)
    count = thread_count(threads)
    jobs = list(fuse_bracket(frames, target, weights, engine=engine, threads=count, surveys=extremes))
    for done, _ in enumerate(run_all(jobs, count), 1):
        if progress:
            progress(done, len(jobs))
    return ranks


def _names(count: int) -> list[str]:
    """Return the names of pictures in messages."""
    return ["the first picture", "the second picture", *(f"picture {k}" for k in range(3, count + 1))]


def tone_pair(options: FileOptions) -> tuple[Pixels, Pixels] | None:
    """Return the pictures of `options.tone_from`, or None."""
    if options.tone_from is None:
        return None
    under, over = (read_picture(Path(path), max_bytes=options.max_memory).pixels for path in options.tone_from)
    return under, over
