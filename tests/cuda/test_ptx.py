"""The kernels, compiled for an RTX 2080 Ti and an H100 without either: nothing spills; weights are read by fours."""

import re
from functools import partial
from importlib.util import find_spec

import numpy as np
import pytest

from bench import ptx


@pytest.fixture(scope="module")
def texts():
    """PTX by architecture and kernel, of 8-bit pictures."""
    if find_spec("numba_cuda") is None:
        pytest.skip('numba-cuda is not installed; the extra "cuda" brings it')
    from numba.cuda.cudadrv.nvvm import NvvmSupportError

    try:
        return {architecture: ptx.compiled(architecture, "uint8") for architecture in ptx.ARCHITECTURES}
    except (NvvmSupportError, RuntimeError) as error:
        pytest.skip(f'NVVM is not installed; the extra "cuda" brings it: {error}')


@pytest.mark.parametrize("architecture", ptx.ARCHITECTURES)
def test_kernels_compile_for_the_architecture(texts, architecture):
    assert set(texts[architecture]) == {"fuse_pixels", "halve_pixels"}
    for text in texts[architecture].values():
        assert f".target {architecture}" in text


@pytest.mark.parametrize("architecture", ptx.ARCHITECTURES)
def test_weights_are_read_four_at_a_time_and_sums_stay_in_registers(texts, architecture):
    text = texts[architecture]["fuse_pixels"]
    # A unit's 8 + 32 numbers.
    assert len(re.findall(r"ld\.shared\.v4\.f32", text)) >= 10
    assert not re.findall(r"(?:ld|st)\.local", text)


@pytest.mark.parametrize("architecture", ptx.ARCHITECTURES)
def test_nothing_spills_and_two_blocks_fit(texts, architecture):
    ptxas = ptx.assembler()
    if ptxas is None:
        pytest.skip("ptxas is not installed; nvidia-cuda-nvcc brings it")
    for kernel, text in texts[architecture].items():
        found = ptx.figures(text, kernel, "uint8", architecture, ptxas)
        assert found.spilled_bytes == 0
        assert 0 < found.registers <= 255
        assert found.warps >= 8
        assert found.shared_bytes < 48 << 10


def test_every_other_kernel_compiles(texts):
    from numba import cuda, from_dtype, types

    from npfuse.cuda import area_kernels, operators, pixel_kernels

    def array(dtype, ndim):
        return types.Array(from_dtype(np.dtype(dtype)), ndim, "C")

    floats, pair, yes = partial(array, np.float32), types.UniTuple(types.int64, 2), types.boolean
    window = (floats(4), floats(3), floats(1), yes, pair, pair, pair, floats(4))
    dense = (floats(4), floats(4), *window[2:])
    taps = (array(np.int64, 2), floats(2))
    kernels = [
        (operators._relu, (floats(1), floats(1))),
        (operators._tanh, (floats(1), floats(1))),
        (operators._add, (floats(1), floats(1), floats(1))),
        (operators._pointwise_conv2d, (floats(2), floats(2), floats(1), yes, floats(2))),
        (operators._depthwise_conv2d, window),
        (operators._depthwise_conv2d_transpose, window),
        (operators._conv2d_transpose, dense),
        (operators._resize, (floats(4), *taps, *taps, floats(4))),
    ]
    for dtype, sums in ((np.uint8, np.int64), (np.uint16, np.int64), (np.float32, np.float64)):
        picture, cells, units = array(dtype, 3), array(sums, 3), (array(np.int64, 2), array(sums, 2))
        levels = (picture, picture)
        kernels += [
            (area_kernels._add_rows, (picture, *units, cells, *levels)),
            (area_kernels._add_columns, (cells, *levels, *units, cells, *levels)),
            (pixel_kernels._map_pixels, (picture, picture, floats(1), floats(4))),
            (pixel_kernels._store_levels, (floats(4), floats(1), types.int64, types.int64, yes, picture)),
        ]
    for kernel, signature in kernels:
        text, _ = cuda.compile_ptx(kernel.py_func, signature, cc=(7, 5))
        assert ".visible .entry" in text
