"""Memory of parts of pictures and of whole fusions: by hand, by the compiled code's layout, and by processes."""

from pathlib import Path

import numpy as np
import pytest

from costmodel.measured_memory import measured_peak
from npfuse import strip_memory
from npfuse.engine.chains import chain_of
from npfuse.methods import METHODS
from npfuse.models import lightfuse, t_cnn
from npfuse.run import chain_layers
from npfuse.strip_form import match_form
from npfuse.strip_memory import part_values
from npfuse.weights.loading import load_weights

BYTES = np.dtype(np.uint8)


def test_room_of_a_chain_is_what_the_compiled_code_lays_out():
    weights = load_weights("lightfuse")
    graph = weights.graph(64, 64)
    form = match_form(graph)
    laid_out = chain_of(chain_layers(form.chain, {}, weights.arrays, 0)).memory.size
    assert strip_memory._chain_numbers(graph, form) == pytest.approx(laid_out, rel=0.1)


def test_a_strip_holds_a_few_rows_of_each_level_and_the_coarse_picture():
    values = dict(part_values(lightfuse, (896, 1344, 3), BYTES))
    # A row is whole pairs of runs (32), 16 numbers before and 32 behind. Each level that is halved keeps 3 rows of 6
    # channels, the pointwise layer reads 1, and the last level has all rows, an eighth of the picture's 896. Then come
    # zeros for a missing row, and a chunk (32) before and after a layer.
    levels = 3 * 6 * (1392 + 720 + 400) + 1 * 6 * 240 + 112 * 3 * 240 + 6 * 1392 + 2 * 6 * 32
    assert values["levels"] == 4 * levels
    assert values["groups"] == 4 * 64 * 64 * (6 + 3) * 4
    assert "copies of the pictures" not in values


@pytest.mark.parametrize(
    ("shape", "dtype", "copied", "expected"),
    [
        ((896, 1344, 3), BYTES, True, 896 * 1344 * 6),  # from files
        ((896, 1344), np.dtype(np.uint16), False, 896 * 1344 * 6 * 2),  # grey
        (
            (896, 9000, 3),
            BYTES,
            False,
            392 * (8192 + 8) * 6,
        ),  # columns cut; 384 rows: STRIP_PIXELS
    ],
)
def test_parts_of_pictures_are_copied_where_they_are_no_whole_rows_of_rgb_in_memory(shape, dtype, copied, expected):
    assert dict(part_values(lightfuse, shape, dtype, copied=copied))["copies of the pictures"] == expected


def test_a_strip_of_looks_holds_three_rows_of_each_level_and_its_result():
    values = dict(part_values(t_cnn, (896, 1344, 3), BYTES))
    # 512 rows, and 8 below, as windows begin and end on multiples of 8; 512 columns, and 8 at either end.
    rows, along = 520, 16 + 544 + 32
    assert values["levels"] == 4 * (3 * (6 + 256 + 64) * along + rows * 3 * along + 256 * along + 2 * 256 * 32)
    assert values["copies of the pictures"] == rows * 528 * 6


def test_a_tile_holds_its_window_mapped_and_what_the_graph_makes_of_it():
    values = dict(part_values(t_cnn, (896, 1344, 3), BYTES, engine="definition"))
    side = 128 + 2 * 8  # three windows of 3 see 3 beyond a tile, and windows begin on multiples of 8
    assert values["mapped pictures"] == values["exposures"] == side * side * 6 * 4


def test_more_threads_take_more_and_the_largest_pictures_mostly_themselves():
    for name, method in METHODS.items():
        one, two = (method.peak(4000, 6000, threads=threads).bytes for threads in (1, 2))
        assert one < two, name
    pictures = 3 * 4000 * 6000 * 3
    assert METHODS["lightfuse"].peak(4000, 6000).bytes < 1.1 * pictures


MEASURED = (
    ("lightfuse", 2000, 3000, 1),
    ("tonefuse", 2000, 3000, 1),
    ("tonefuse", 2000, 3000, 2),
    ("t_cnn", 384, 512, 1),
    ("deepfuse", 448, 672, 1),
    ("mefnet", 896, 1344, 1),
    ("mertens", 2000, 3000, 1),
    ("mertens", 2000, 3000, 2),
)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process is read from /proc")
@pytest.mark.parametrize(("model", "height", "width", "threads"), MEASURED)
def test_peak_is_within_20_percent_of_what_a_process_takes(model, height, width, threads):
    predicted = METHODS[model].peak(height, width, threads=threads).bytes
    measured = measured_peak(model, height, width, threads=threads)
    print(f"predicted {predicted / 2**20:.1f} MiB, measured {measured / 2**20:.1f} MiB")
    assert predicted == pytest.approx(measured, rel=0.2)
