"""Width of the vectors of the processor that functions are compiled for."""

import os

import llvmlite.binding as llvm


def _width_bytes() -> int:
    """Return 64 if the processor that Numba compiles for has AVX-512, else 32."""
    features = os.environ.get("NUMBA_CPU_FEATURES")
    if features is None:
        features = llvm.get_host_cpu_features().flatten()
    return 64 if "+avx512f" in features.split(",") else 32


WIDTH_BYTES = _width_bytes()
VECTOR_NUMBERS = WIDTH_BYTES // 4  # float32 numbers in a register
