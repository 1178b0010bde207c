"""Vector instructions for compiled functions: small kernels, written as the instructions they should become.

The compiler vectorises simple loops by itself. It does not vectorise reductions, loops whose results should stay in
registers, and loops over pixels of three bytes. Those are written as functions that emit LLVM's instructions. Here is
one of them, from its meaning to its instructions (`npfuse.engine.region_bounds.rectified_row` is of this kind):

1. In NumPy, the ReLU of `count` numbers is

    out[:count] = np.maximum(x[:count], 0)

2. As a vector function, the same goes vector by vector; `count` must be a multiple of the vector's width:

    @vector_function
    def rectify(v, x, out, count):
        with v.loop(count // v.width) as chunk:
            i = chunk * v.width
            v.store(v.maximum(v.load(x + i), v.number(0)), out + i)

   The body is run once, when the caller is compiled. `v` emits instructions (`npfuse.engine.emission`). Arrays are
   pointers to their first element (C order is assumed); `x + i` moves a pointer. Whole numbers and floats are values
   of the compiled program, here `count`; `chunk` is the loop's counter, and `i` the emitted product, a `Value` too. A
   Python loop in the body would be unrolled: its rounds are emitted one after the other.

3. A compiled function calls it like any other: `rectify(x, out, len(x) // 16 * 16)`.

4. LLVM's text of the loop's body, float32 with AVX-512, and the processor's instructions (`inspect_llvm` and
   `inspect_asm` of the compiled function print them):

    %value = load <16 x float>, ptr %x_i, align 4                               vmovups (%rdi,%rcx), %zmm1
    %greater = fcmp ogt <16 x float> %value, zeroinitializer
    %result = select <16 x i1> %greater, <16 x float> %value, zeroinitializer   vmaxps %zmm0, %zmm1, %zmm1
    store <16 x float> %result, ptr %out_i, align 4                             vmovups %zmm1, (%rsi,%rcx)

   `fcmp ogt` is false for NaN, so a NaN becomes 0 here; `npfuse.engine.dense_layer` selects the other way round and
   keeps it.

Operators on values emit instructions: `a + b`, `a * b`, `a < b`. Products and sums may be fused into one rounding, as
everywhere (`npfuse.engine.compiled`), and are never reordered. A vector has WIDTH_BYTES (`npfuse.engine.processor`), as
many as a register of AVX-512 if the processor has it, else of AVX; LLVM splits it for shorter registers.
"""

from collections.abc import Callable
from typing import Any


class VectorFunction:
    """A function that emits instructions; for compiled functions only.

    Parameters
    ----------
    body : function of `v` and the arguments; the first of these must be an array of the floats that `v` works with
    returns_number : whether the body returns a whole number; if not, it returns nothing
    """

    def __init__(self, body: Callable[..., Any], returns_number: bool) -> None:
        self.body, self.returns_number = body, returns_number

    def __call__(self, *arguments: Any) -> Any:
        """Raise TypeError: Python cannot call it."""
        raise TypeError(f"{self.body.__name__}: called from Python, expected a call in a compiled function")

    def for_numba(self) -> Any:
        """Return what Numba calls; Numba is imported here."""
        from npfuse.engine.emission import intrinsic_of

        return intrinsic_of(self)


def vector_function(body: Callable[..., Any]) -> VectorFunction:
    """Make a body that emits instructions and returns nothing callable from compiled functions."""
    return VectorFunction(body, returns_number=False)


def counting_function(body: Callable[..., Any]) -> VectorFunction:
    """Make a body that emits instructions and returns a whole number callable from compiled functions."""
    return VectorFunction(body, returns_number=True)
