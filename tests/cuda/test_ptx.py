"""The kernels, compiled for an RTX 2080 Ti and an H100 without either: nothing spills; weights are read by fours."""

import re
from importlib.util import find_spec

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
