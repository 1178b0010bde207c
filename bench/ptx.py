"""`python -m bench.ptx`: the kernels of `npfuse.cuda`, compiled for cards that need not be here.

Numba makes PTX with NVVM. From that, ptxas, NVIDIA's assembler, makes machine code for one architecture. It prints how
many registers a thread takes, how many bytes do not fit into registers and are spilled to memory, and how much shared
memory a block takes. pip installs both (extra `cuda`, and nvidia-cuda-nvcc for ptxas).
"""

import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ARCHITECTURES = {"sm_75": (7, 5), "sm_90": (9, 0)}  # of an RTX 2080 Ti, and of an H100
REGISTERS = 65_536  # per multiprocessor, on both
DTYPES = ("uint8", "uint16", "float32")


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The resources of a kernel on an architecture.

    Parameters
    ----------
    kernel, dtype, architecture : names of the kernel, of the pictures' dtype, and of the architecture
    registers : number of registers per thread
    spilled_bytes : bytes that a thread spills, written and read
    shared_bytes : bytes of shared memory per block
    threads : number of threads per block
    """

    kernel: str
    dtype: str
    architecture: str
    registers: int
    spilled_bytes: int
    shared_bytes: int
    threads: int

    @property
    def warps(self) -> int:
        """Return how many warps the registers of a multiprocessor hold at once; registers are given out in eights."""
        each = -(-self.registers // 8) * 8 * 32
        return REGISTERS // each // (self.threads // 32) * (self.threads // 32)


def compiled(architecture: str, dtype: str) -> dict[str, str]:
    """Return the PTX of both kernels of pixels by name; needs NVVM, and no card.

    Parameters
    ----------
    architecture : key of ARCHITECTURES
    dtype : dtype of the pictures
    """
    from numba import cuda, from_dtype, types

    from npfuse.cuda.fusing_kernel import fuse_pixels
    from npfuse.cuda.halving_kernel import halve_pixels

    def floats(ndim: int) -> Any:
        return types.Array(types.float32, ndim, "C")

    whole, picture = types.int64, types.Array(from_dtype(_dtype(dtype)), 3, "C")
    window = (picture, picture, floats(1))
    signatures = {
        fuse_pixels: (
            *window, whole, whole, whole, whole, floats(1), whole, whole, floats(3), whole,
            types.Array(types.int64, 1, "C"), floats(2), types.boolean, picture,
        ),
        halve_pixels: (*window, whole, whole, floats(3), floats(3)),
    }  # fmt: skip
    made = {}
    for kernel, signature in signatures.items():
        text, _ = cuda.compile_ptx(kernel.py_func, signature, cc=ARCHITECTURES[architecture])
        made[kernel.py_func.__name__] = text
    return made


def _dtype(name: str) -> Any:
    import numpy as np

    return np.dtype(name)


def assembler() -> Path | None:
    """Return the path of ptxas, or None."""
    spec = find_spec("nvidia")
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()] if spec else []
    found = [path for folder in folders for path in folder.glob("*/bin/ptxas*")]
    named = shutil.which("ptxas")
    return found[0] if found else Path(named) if named else None


def figures(text: str, kernel: str, dtype: str, architecture: str, ptxas: Path) -> Figures:
    """Assemble PTX, and return the resources of its kernel."""
    from npfuse.cuda import fusing_kernel, halving_kernel

    threads = {"fuse_pixels": fusing_kernel.BLOCK, "halve_pixels": halving_kernel.THREADS}[kernel]
    with tempfile.TemporaryDirectory(prefix="npfuse-ptx-") as folder:
        source = Path(folder) / "kernel.ptx"
        source.write_text(text)
        command = [str(ptxas), f"-arch={architecture}", "-v", str(source), "-o", str(source.with_suffix(".cubin"))]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    return Figures(
        kernel=kernel,
        dtype=dtype,
        architecture=architecture,
        registers=_number(r"Used (\d+) registers", told),
        spilled_bytes=_number(r"(\d+) bytes spill stores", told) + _number(r"(\d+) bytes spill loads", told),
        shared_bytes=_number(r"(\d+) bytes smem", told),
        threads=threads,
    )


def _number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    return int(found[1]) if found else 0


def all_figures() -> list[Figures]:
    """Return the resources of every kernel, architecture and dtype; raise RuntimeError if a tool is missing."""
    ptxas = assembler()
    if ptxas is None:
        raise RuntimeError("ptxas is missing; install nvidia-cuda-nvcc, or a CUDA toolkit")
    return [
        figures(text, kernel, dtype, architecture, ptxas)
        for architecture in ARCHITECTURES
        for dtype in DTYPES
        for kernel, text in compiled(architecture, dtype).items()
    ]


def main() -> int:
    """Print a line per kernel."""
    print("kernel        dtype    architecture  registers  spilled bytes  shared bytes  threads  warps at once")
    for found in all_figures():
        print(
            f"{found.kernel:13} {found.dtype:8} {found.architecture:12} {found.registers:10} {found.spilled_bytes:14}"
            f" {found.shared_bytes:13} {found.threads:8} {found.warps:14}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
