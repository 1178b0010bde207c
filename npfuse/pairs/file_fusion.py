"""Fuses picture files: reads two or more, checks them, fuses them and writes the result.

The commands `fuse` and `batch` call it, and so does a worker on another machine.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from npfuse.choices import float_engine, method_and_weights, require_engine, thread_count
from npfuse.contract import check_range
from npfuse.fusion import Look, fused_in_order
from npfuse.methods import Method, named
from npfuse.padding import GRID
from npfuse.pairs.checking import checked, faults
from npfuse.pairs.cropping import cropped_alike
from npfuse.pairs.file_options import CLIP_HINT, FileOptions, Teller
from npfuse.pairs.memory_plan import demand_of, give_back_freed, threads_within
from npfuse.pairs.stored_fusion import Network, by_parts, fuse_by_parts, tone_pair
from npfuse.pairs.transparency import filled
from npfuse.pairs.white_level import with_full_white
from npfuse.pictures.decoder_noise import unheard
from npfuse.pictures.formats import WRITTEN_BY_PARTS, format_of_suffix
from npfuse.pictures.metadata.profiles import same_colours, with_profile_of
from npfuse.pictures.picture import Picture, StoredPicture, shown
from npfuse.pictures.reading import read_picture
from npfuse.pictures.stored import check_output, is_array, opened
from npfuse.pictures.writing import write_picture
from npfuse.strips import evaluation
from npfuse.tone import Tone
from npfuse.weights.weights import Weights

__all__ = ["FileOptions", "Teller", "check_alike", "fuse_files", "read_pair"]

Some = TypeVar("Some", Picture, StoredPicture)
OTHER_COLOURS = "its ICC profile means other colours than that of"


def fuse_files(
    a: Path, b: Path, output: Path, options: FileOptions, tell: Teller | None = None, *, more: Sequence[Path] = ()
) -> None:
    """Fuse two or more picture files into another file, which gets its name only when it is whole.

    Parameters
    ----------
    a, b : paths of the exposures; alpha, EXIF and ICC profile of the first go into the output
    output : path of the result; its extension chooses the format
    options : FileOptions
    tell : Teller
    more : paths of further exposures; of these, only alignment is checked

    Raises
    ------
    PictureError : a file cannot be read or written
    ValueError, TypeError : the pictures or the weights do not fit; the message names the file
    """
    tell = tell or Teller()
    if options.max_memory is not None:
        give_back_freed()
    check_output(output, overwrite=options.overwrite)
    if options.weights_map is not None:
        from npfuse.pairs.shares_map import check_map

        check_map(Path(options.weights_map), overwrite=options.overwrite)
    method, weights = method_and_weights(options.method, options.weights)
    require_engine(options.engine, method)
    tell.say(_chosen(method, weights))
    paths = a, b, *more
    if more:
        tell.say(_used(method, options, len(paths)))
    floats = options.engine == "fast" or options.engine == "definition"
    if method.parts and weights is not None:
        how = evaluation(weights.graph(GRID, GRID), float_engine(options.engine)) if floats else options.engine
        tell.say(f"evaluated: {how}")
    stays = method.parts and floats and not (more and options.pair)  # whether the pictures may stay in their files
    if options.max_memory is not None and not floats:
        raise ValueError(
            f"--max-memory is given with the engine {options.engine}, expected fast or definition; leave it out"
        )
    in_parts = format_of_suffix(output.suffix, WRITTEN_BY_PARTS)
    if stays and in_parts and weights is not None and _fuse_stored(paths, output, (method, weights), options, tell):
        return
    if is_array(output):
        fitting = named(lambda method: method.parts)
        raise ValueError(f"{output}: arrays are written with {fitting} only, and without --pair; choose another format")
    fused = _fuse_whole(paths, output, method, weights, options, tell)
    with tell.timed(f"wrote {output}"):
        notes = write_picture(output, fused, overwrite=options.overwrite, quality=options.quality)
    tell.say(*notes)


def _chosen(method: Method, weights: Weights | None) -> str:
    """Return the line that says which method and weights fuse."""
    if weights is None:
        return f"method {method.title}"
    return f"weights {weights.label}: {method.title}, {weights.parameter_count:,} parameters"


def _used(method: Method, options: FileOptions, count: int) -> str:
    """Return the line that says which of more than two exposures are used, and how."""
    if options.pair or method.most_exposures == 2:
        return f"of {count} exposures, {method.title} takes the darkest and the brightest"
    if method.parts:
        return (
            f"all {count} exposures are used: {method.title} fuses the darkest and the brightest, each averaged with "
            "the others, mapped to its exposure; --pair leaves those out"
        )
    return f"{method.title} takes all {count} exposures"


def _fuse_stored(paths: Sequence[Path], output: Path, network: Network, options: FileOptions, tell: Teller) -> bool:
    """Fuse pictures part by part if that pays, and tell whether it did."""
    with ExitStack() as files:
        stored = [files.enter_context(opened(path)) for path in paths]
        if not by_parts(stored, paths, output, network, options):
            return False
        if options.weights_map is not None:
            raise ValueError("--weights-map needs pictures in memory, these are fused part by part; leave it out")
        turn = next((picture.orientation for picture in stored[:1] if picture), None)
        pictures = [
            picture or _as_stored(_read(path, options, tell, turn)) for picture, path in zip(stored, paths, strict=True)
        ]
        if options.crop:
            pictures = cropped_alike(pictures, tell)
        for path, picture in zip(paths[1:], pictures[1:], strict=True):
            check_alike(path, paths[0], picture, pictures[0], options)
            if not same_colours(pictures[0], picture):
                raise ValueError(f"{path}: {OTHER_COLOURS} {paths[0]}, expected the same; convert it elsewhere")
        pictures = with_full_white(pictures, options, tell)
        fuse_by_parts(filled(checked(pictures, options, tell)), paths, output, network, options, tell)
        return True


def _fuse_whole(
    paths: Sequence[Path], output: Path, method: Method, weights: Weights | None, options: FileOptions, tell: Teller
) -> Picture:
    """Read pictures whole and fuse them in memory."""
    threads = options.threads

    def plan(first: Picture) -> None:
        nonlocal threads
        if options.max_memory is not None:
            alpha = first.alpha is not None
            demand = demand_of(first.pixels, paths, output, method, weights, options, held=len(paths), alpha=alpha)
            threads = threads_within(demand, options.max_memory, tell)

    read = _made_alike(_read_all(paths, options, tell, plan), options, tell)
    # A check that only warns, and changes nothing, goes on beside the fusion.
    beside = options.check and options.align is None and not options.deghost and _works_beside(options)
    pictures = filled(list(read) if beside else checked(read, options, tell))
    pixels = [picture.pixels for picture in pictures]
    tone = Tone(brightness=options.brightness, contrast=options.contrast, saturation=options.saturation)
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(faults, read, options) if beside else None
        with tell.timed("fused"), tell.progress() as progress:
            fused, places = fused_in_order(
                {f"exposure {k}": x for k, x in enumerate(pixels, 1)},
                weights,
                Look(tone=tone, of=tone_pair(options)),
                method=method.name,
                order=options.order,
                threads=threads,
                engine=options.engine,
                progress=progress,
                pair=options.pair,
            )
        tell.say(*_under_exposed(paths, places[0], options))
        if found is not None:
            with tell.timed("waited for the check of the pictures"):
                for fault in found.result():
                    tell.warn(fault)
    if options.weights_map is not None:
        from npfuse.pairs.shares_map import write_shares_map

        with tell.timed("found which exposure each place comes from"):
            told = write_shares_map(
                Path(options.weights_map),
                [pixels[place] for place in places],
                weights,
                method=method.name,
                order="given",
                pair=options.pair,
                overwrite=options.overwrite,
            )
        tell.say(told)
    return replace(pictures[0], pixels=fused, notes=())


def _under_exposed(paths: Sequence[Path], darkest: int, options: FileOptions) -> list[str]:
    """Return the line that says which picture of a pair is under-exposed, and why; none for more pictures."""
    if len(paths) > 2:
        return []
    return [f"under-exposed: {paths[darkest]} ({'as given' if options.order == 'given' else 'the lower mean'})"]


def read_pair(a: Path, b: Path, options: FileOptions, tell: Teller) -> tuple[Picture, Picture]:
    """Read two files and make them fit; raise ValueError if they cannot be fused in the allowed memory, or at all."""

    def plan(first: Picture) -> None:
        if options.max_memory is not None:
            threads_within(demand_of(first.pixels, (a, b), None, None, None, options, held=2), options.max_memory, tell)

    if options.max_memory is not None:
        give_back_freed()
    first, second = _made_alike(_read_all([a, b], options, tell, plan), options, tell)
    return first, second


def _works_beside(options: FileOptions) -> bool:
    """Tell whether one step may run beside another: there are two threads, and no limit of memory is given."""
    return options.max_memory is None and thread_count(options.threads) > 1


def _read_all(
    paths: Sequence[Path], options: FileOptions, tell: Teller, seen: Callable[[Picture], None] = lambda first: None
) -> list[Picture]:
    """Read files whole, two at a time, and make the others fit the first; a function sees the first one before."""
    a, *others = paths
    if not _works_beside(options) or options.orientation == "first":
        first = _ranged(_read(a, options, tell), a, options)
        seen(first)
        return [first, *(_read_alike(path, a, first, options, tell) for path in others)]
    with ThreadPoolExecutor(1) as pool:
        begun = {path: pool.submit(_decoded, path, options) for path in others}
        try:
            first = _ranged(_read(a, options, tell), a, options)
            seen(first)
            return [first, *(_read_alike(path, a, first, options, tell, begun[path]) for path in others)]
        finally:
            pool.shutdown(cancel_futures=True)


def _made_alike(pictures: list[Picture], options: FileOptions, tell: Teller) -> list[Picture]:
    """Crop and scale pictures as the options ask."""
    return with_full_white(cropped_alike(pictures, tell) if options.crop else pictures, options, tell)


def _decoded(path: Path, options: FileOptions, first: int | None = None) -> Picture:
    """Read a file whole, turned by its own orientation or that of the first picture, as the options ask."""
    turn = {"first": first, "ignore": 1}.get(options.orientation or "own")
    if is_array(path):
        with opened(path) as stored:
            assert stored is not None
            pixels = stored.pixels[:, :]
        return Picture(pixels=pixels.astype(np.float32) if pixels.dtype == np.float64 else pixels)
    with unheard():
        return read_picture(path, max_bytes=options.max_memory, orientation=turn, reduction=options.reduction)


def _read(
    path: Path, options: FileOptions, tell: Teller, first: int | None = None, begun: Future[Picture] | None = None
) -> Picture:
    """Read a file, or wait for the reading that has begun, and tell what the file is."""
    with tell.timed(f"read {path}"):
        picture = _decoded(path, options, first) if begun is None else begun.result()
    height, width = picture.pixels.shape[:2]
    tell.say(f"  {height}x{width} (height x width), {_kind(picture)}, {picture.pixels.dtype}", *picture.notes)
    return picture


def _read_alike(
    path: Path, a: Path, first: Picture, options: FileOptions, tell: Teller, begun: Future[Picture] | None = None
) -> Picture:
    """Read a further file, and make it fit the first, of path `a`."""
    picture = _read(path, options, tell, first.orientation, begun)
    check_alike(path, a, picture, first, options)
    if not same_colours(first, picture):
        if not options.convert_profiles:
            raise ValueError(f"{path}: {OTHER_COLOURS} {a}, expected the same; convert it with --convert-profiles")
        with tell.timed(f"converted {path} to the profile of {a}"):
            picture = with_profile_of(picture, first, str(path))
    return _ranged(picture, path, options)


def check_alike(path: Path, a: Path, picture: Some, first: Some, options: FileOptions) -> None:
    """Raise ValueError if a picture differs from the first in orientation, size, kind or sample type."""
    size, first_size = picture.pixels.shape[:2], first.pixels.shape[:2]
    turned = {picture.orientation, first.orientation} & {5, 6, 7, 8}
    # A picture that is turned here and one that a program has turned before fit each other if their sizes do.
    fit = size == first_size and len(turned) == 1 and size[0] != size[1]
    if picture.orientation != first.orientation and options.orientation is None and not fit:
        raise ValueError(
            f"{path}: EXIF orientation is {picture.orientation}, expected {first.orientation} as in {a}; say whose"
            " orientation is right with --orientation first, ignore or own"
        )
    for thing, actual, expected, remedy in (
        ("size (height, width)", size, first_size, "crop or resize one of them, or use --crop for small differences"),
        ("kind", _kind(picture), _kind(first), "convert one of them"),
        ("sample type", picture.pixels.dtype, first.pixels.dtype, "export both alike"),
    ):
        if actual != expected and not (options.crop and actual == size):
            raise ValueError(f"{path}: {thing} is {actual}, expected {expected} as in {a}; {remedy}")


def _ranged(picture: Picture, path: Path, options: FileOptions) -> Picture:
    """Return a picture with float values clipped, if that is asked for; raise ValueError for NaN, or outside [0, 1]."""
    if picture.pixels.dtype != np.float32:
        return picture
    if options.clip:
        picture = replace(picture, pixels=np.clip(picture.pixels, 0, 1))
    check_range(shown(path), picture.pixels, hint=CLIP_HINT)
    return picture


def _as_stored(picture: Picture) -> StoredPicture:
    """Return a picture that is in memory as one that might be in a file."""
    return StoredPicture(**vars(picture))


def _kind(picture: Picture | StoredPicture) -> str:
    return "grey" if picture.pixels.ndim == 2 else "RGB"
