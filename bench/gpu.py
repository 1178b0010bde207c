"""`python -m bench.gpu`: npfuse on a graphics card, beside the libraries that people would otherwise use there.

Every engine gets the same weights and two 8-bit pictures, and makes one. For npfuse, each kernel and all of them
together are timed by the card's own clock, with the pictures on the card; `npfuse.fuse`, from arrays in the computer's
memory and back, is timed by the wall clock. The others are timed by the wall clock, with pictures on the card, and with
copies there and back. PyTorch runs eagerly, compiled, channels last, and in half precision; CuPy and JAX run if they
are installed. Results are compared with npfuse's on the processor. Times are medians and quartiles of 20 runs, after
three that are not timed.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from bench.array_walk import walk_of as array_walk_of
from bench.machine import commit, processor
from bench.peers.pytorch import walk_of as torch_walk_of
from bench.pictures import size_of
from bench.runtime import thumbnails
from bench.summary import Difference, Summary, difference, summarized
from costmodel.cards import MEASUREMENTS, CardMeasurement
from costmodel.counts import count
from npfuse import fuse
from npfuse.choices import method_and_weights
from npfuse.pictures.atomic import written_in_place
from npfuse.weights.weights import Weights

Run = Callable[[], Any]
RUNS, WARM_RUNS = 20, 3
LANES = {(7, 5): 64, (8, 0): 64}  # single-precision multiply-adds per cycle and multiprocessor; 128 from (8, 6) on
TORCH_WAYS = {
    "PyTorch, eager": {},
    "PyTorch, compiled": {"compiled": True},
    "PyTorch, channels last": {"planes": False},
    "PyTorch, half precision": {"half": True},
    "PyTorch, half, channels last, compiled": {"half": True, "planes": False, "compiled": True},
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """The time of one engine for one pair.

    Parameters
    ----------
    network, height, width, engine : the network, the size of the pictures, and the engine
    on_card_s : seconds with the pictures and the result on the card
    with_transfers_s : seconds with the transfers there and back
    peak_share : multiply-adds of the network per second of `on_card_s`, over the peak of the card
    apart : Difference from npfuse's result on the processor
    """

    network: str
    height: int
    width: int
    engine: str
    on_card_s: Summary
    with_transfers_s: Summary | None
    peak_share: float
    apart: Difference | None


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, and write the files that are asked for."""
    from npfuse.cuda.card import card_name, require_card

    options = _parsed(arguments)
    require_card()
    about = _about()
    print("; ".join(f"{key}: {value}" for key, value in about.items()))
    rows: list[Row] = []
    records: list[CardMeasurement] = []
    for name in options.weights:
        _, weights = method_and_weights(None, name)
        assert weights is not None
        for megapixels in options.sizes:
            height, width = size_of(megapixels)
            print(f"\n{name}, {width}x{height}: ms on the card, with transfers, share of the peak, bytes apart")
            for row in _measured(name, weights, height, width, about["peak_gmacs"]):
                rows.append(row)
                print(_line(row), flush=True)
            ours = {row.engine: row for row in rows if (row.network, row.height) == (name, height)}
            records.append(
                CardMeasurement(
                    card=card_name(),
                    date=datetime.now(UTC).date().isoformat(),
                    commit=about["commit"] or "unknown",
                    command="python -m bench.gpu --record",
                    model=name,
                    height=height,
                    width=width,
                    kernels_s=ours["npfuse, all kernels"].on_card_s.median,
                    fuse_s=ours["npfuse.fuse"].with_transfers_s.median,
                )
            )
    everything = {"card": about, "rows": [asdict(row) for row in rows], "records": [asdict(r) for r in records]}
    if options.json:
        with written_in_place(options.json, overwrite=True) as file:
            file.write((json.dumps(everything, indent=2) + "\n").encode())
    if options.record:
        known = json.loads(MEASUREMENTS.read_text(encoding="utf-8"))
        known["measurements"] += [asdict(record) for record in records]
        Path(str(MEASUREMENTS)).write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
    return 0


def _parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", description="Time npfuse on a graphics card.")
    parser.add_argument("--sizes", nargs="+", type=float, default=[1.2, 12.0, 24.0], metavar="MP", help="megapixels")
    parser.add_argument("--weights", nargs="+", default=["lightfuse", "tonefuse"], metavar="W", help="bundled names")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything, replacing an existing file")
    parser.add_argument("--record", action="store_true", help="add the figures to costmodel/cards.json, for Table III")
    return parser.parse_args(arguments)


def _about() -> dict[str, Any]:
    """Describe the card; its peak is that of all multiprocessors at the highest clock that it has."""
    from numba import cuda

    from npfuse.cuda.card import card_name

    device = cuda.get_current_device()
    clock_ghz = device.CLOCK_RATE / 1e6  # of kHz
    lanes = LANES.get(tuple(device.compute_capability), 128)
    driver = subprocess.run(
        ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    return {
        "card": card_name(),
        "compute capability": ".".join(map(str, device.compute_capability)),
        "multiprocessors": device.MULTIPROCESSOR_COUNT,
        "clock_ghz": clock_ghz,
        "peak_gmacs": device.MULTIPROCESSOR_COUNT * lanes * clock_ghz,
        "driver": driver,
        "processor": processor(),
        "commit": commit(),
        "versions": {
            name: __import__(name).__version__ for name in ("numba", "torch", "cupy", "jax") if find_spec(name)
        },
    }


def _measured(name: str, weights: Weights, height: int, width: int, peak_gmacs: float) -> Iterator[Row]:
    rng = np.random.default_rng(0)
    # What a picture shows makes no difference to a card; smooth ones, so that results are not all 0 and 255.
    scene = np.repeat(np.repeat(rng.uniform(0.1, 1, (height // 8 + 1, width // 8 + 1, 3)), 8, 0), 8, 1)[:height, :width]
    under, over = ((scene * gain).astype(np.uint8) for gain in (90, 254))
    expected = fuse(under, over, weights, order="given")
    macs = count(weights.graph(*weights.padded_size(height, width))).work.macs

    def row(engine: str, on_card: Summary, with_transfers: Summary | None, result: Any) -> Row:
        return Row(
            network=name,
            height=height,
            width=width,
            engine=engine,
            on_card_s=on_card,
            with_transfers_s=with_transfers,
            peak_share=macs / on_card.median / 1e9 / peak_gmacs,
            apart=None if result is None else difference(result, expected),
        )

    for engine, on_card, with_transfers, result in _ours(under, over, weights):
        yield row(engine, on_card, with_transfers, result)
    others = [np.ascontiguousarray(value) for value in thumbnails(under, over, weights).values()]
    if find_spec("torch"):
        import torch

        if torch.cuda.is_available():
            for engine, way in TORCH_WAYS.items():
                yield from _tried(engine, lambda way=way: _torch(torch, under, over, others, weights, **way), row)
    for library in ("cupy", "jax"):
        if find_spec(library):
            yield from _tried(library, lambda library=library: _arrays(library, under, over, others, weights), row)


def _tried(engine: str, measure: Callable[[], Any], row: Callable[..., Row]) -> Iterator[Row]:
    """Yield a peer's row, or print why there is none: a 24-megapixel picture needs 24 GB at 256 channels."""
    try:
        yield row(engine, *measure())
    except Exception as error:  # whatever the library raises, most often that memory is short
        print(f"{engine}: left out, {type(error).__name__}: {' '.join(str(error).split())[:160]}")


def _ours(under: Any, over: Any, weights: Weights) -> Iterator[tuple[str, Summary, Summary | None, Any]]:
    """Time npfuse: each kernel and all of them by the card's clock, then the whole by the wall clock."""
    from numba import cuda

    from npfuse import card_run
    from npfuse.card_fusion import card_survey
    from npfuse.cuda.card import as_picture, empty, wait
    from npfuse.cuda.halving_kernel import halve_on_card
    from npfuse.strips import pair_of, thumbnail_size

    a, b, out = as_picture(under), as_picture(over), empty(under.shape, under.dtype)
    graph = weights.graph(*weights.padded_size(*under.shape[:2]))
    surveys = tuple(card_survey(picture, *thumbnail_size(graph)) for picture in (a, b))
    pair = pair_of(a, b, out, weights, graph, (surveys[0], surveys[1]))
    network = card_run.prepare(graph, pair.others, pair.arrays(), pair.scales, pair.half)
    height, width, _ = graph.inputs[0][1]
    if network.kernels is not None:
        kernels = network.kernels
        coarse_shape = (height // kernels.cells[0], width // kernels.cells[0], 3)
        coarse = empty(coarse_shape, np.float32)
        for engine, run in {
            "npfuse, first kernel": lambda: halve_on_card(a, b, network.levels, height, width, kernels.halving),
            "npfuse, second kernel": lambda: card_run.fuse_on_card(
                a, b, network.levels, (0, 0), kernels.chain, coarse, kernels.cells, out
            ),
        }.items():
            yield engine, _by_card(cuda, run), None, None
    whole = _by_card(cuda, lambda: card_run.fuse_window(graph, network, (a, b), (0, 0), out))
    yield "npfuse, all kernels", whole, None, out.copy_to_host()
    on_card = _by_wall(lambda: fuse(a, b, weights, order="given", engine="cuda"), wait)
    with_transfers = _by_wall(lambda: fuse(under, over, weights, order="given", engine="cuda"), wait)
    yield "npfuse.fuse", on_card, with_transfers, fuse(under, over, weights, order="given", engine="cuda")


def _torch(
    torch: Any, under: Any, over: Any, others: list[Any], weights: Weights, *, planes: bool = True, half: bool = False,
    compiled: bool = False,
) -> tuple[Summary, Summary, Any]:  # fmt: skip
    graph = weights.graph(*weights.padded_size(*under.shape[:2]))
    module = torch_walk_of(torch, weights, graph, planes=planes).cuda()
    module = module.half() if half else module
    if not planes:
        module = module.to(memory_format=torch.channels_last)
    run = torch.compile(module) if compiled else module
    inputs = [torch.from_numpy(x) for x in (*(_padded(p, graph) for p in (under, over)), *others)]
    on_card = [x.cuda() for x in inputs]
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    with torch.inference_mode():
        first = _by_wall(lambda: run(*on_card), torch.cuda.synchronize)
        second = _by_wall(lambda: run(*(x.cuda() for x in inputs)).cpu(), torch.cuda.synchronize)
        result = run(*on_card)[0].cpu().numpy()
    return first, second, result[: under.shape[0], : under.shape[1]]


def _arrays(library: str, under: Any, over: Any, others: list[Any], weights: Weights) -> tuple[Summary, Summary, Any]:
    graph = weights.graph(*weights.padded_size(*under.shape[:2]))
    inputs = [*(_padded(p, graph) for p in (under, over)), *others]
    if library == "cupy":
        import cupy as xp

        run = array_walk_of(xp, graph, {key: xp.asarray(array) for key, array in weights.arrays.items()})
        done, brought = xp.cuda.Device().synchronize, xp.asnumpy
    else:
        import jax
        import jax.numpy as xp

        run = jax.jit(array_walk_of(xp, graph, {key: xp.asarray(array) for key, array in weights.arrays.items()}))
        done, brought = (lambda: None), np.asarray
    on_card = [xp.asarray(x) for x in inputs]
    ready = (lambda x: x.block_until_ready()) if library == "jax" else (lambda x: x)
    first = _by_wall(lambda: ready(run(*on_card)), done)
    second = _by_wall(lambda: brought(run(*(xp.asarray(x) for x in inputs))), done)
    return first, second, brought(run(*on_card))[0, : under.shape[0], : under.shape[1]]


def _padded(picture: Any, graph: Any) -> Any:
    """Return a picture as a batch of one, its last row and column repeated as the network wants it."""
    height, width, _ = graph.inputs[0][1]
    missing = (height - picture.shape[0], width - picture.shape[1])
    return np.pad(picture, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")[np.newaxis]


def _by_card(cuda: Any, run: Run) -> Summary:
    """Time what is sent to the card, by events that the card records."""
    from npfuse.cuda.card import stream, wait

    for _ in range(WARM_RUNS):
        run()
    wait()
    seconds = []
    for _ in range(RUNS):
        start, end = cuda.event(), cuda.event()
        start.record(stream())
        run()
        end.record(stream())
        end.synchronize()
        seconds.append(start.elapsed_time(end) / 1000)
    return summarized(seconds)


def _by_wall(run: Run, done: Callable[[], None]) -> Summary:
    """Time a run to its end by the wall clock."""
    for _ in range(WARM_RUNS):
        run()
    done()
    seconds = []
    for _ in range(RUNS):
        start = time.perf_counter()
        run()
        done()
        seconds.append(time.perf_counter() - start)
    return summarized(seconds)


def _line(row: Row) -> str:
    moved = "" if row.with_transfers_s is None else f"{1e3 * row.with_transfers_s.median:9.3f}"
    apart = "" if row.apart is None else f"{100 * row.apart.share:.4f} %, at most {row.apart.levels} level(s)"
    return f"{row.engine:40} {1e3 * row.on_card_s.median:9.3f} {moved:>9} {100 * row.peak_share:6.1f} %  {apart}"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (ValueError, OSError, RuntimeError) as error:
        print(f"bench.gpu: {error}", file=sys.stderr)
        sys.exit(2)
