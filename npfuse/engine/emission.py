"""LLVM's instructions for vector functions: values, variables and vectors of the program that is emitted.

`npfuse.engine.vectors` says what they are for, and has an example. Numba is imported here, so this module is imported
only when a function is compiled.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from npfuse.engine.processor import WIDTH_BYTES

if TYPE_CHECKING:
    from npfuse.engine.vectors import VectorFunction

I32, INDEX = ir.IntType(32), ir.IntType(64)
FUSED = ("contract",)


class Value:
    """A whole number, a float, a truth value, a pointer or a vector of the program that is emitted."""

    def __init__(self, builder: Any, value: Any) -> None:
        """Wrap an LLVM value."""
        self.builder, self.value = builder, value

    def _emit(self, whole: str, real: str, other: Any) -> "Value":
        other = other.value if isinstance(other, Value) else ir.Constant(self.value.type, other)
        if isinstance(self.value.type, ir.PointerType):
            return Value(self.builder, self.builder.gep(self.value, [other]))
        if self.value.type == INDEX or self.is_vector_of_wholes:
            return Value(self.builder, getattr(self.builder, whole)(self.value, other))
        return Value(self.builder, getattr(self.builder, real)(self.value, other, flags=FUSED))

    def __add__(self, other: Any) -> "Value":
        """Emit a sum, or move a pointer on."""
        return self._emit("add", "fadd", Value(self.builder, _index(other)) if self.is_pointer else other)

    def __sub__(self, other: Any) -> "Value":
        """Emit a difference."""
        return self._emit("sub", "fsub", other)

    def __mul__(self, other: Any) -> "Value":
        """Emit a product."""
        return self._emit("mul", "fmul", other)

    def __truediv__(self, other: Any) -> "Value":
        """Emit a quotient of floats."""
        return self._emit("", "fdiv", other)

    def __floordiv__(self, other: Any) -> "Value":
        """Emit a quotient of whole numbers, none negative."""
        return self._emit("udiv", "", other)

    def __mod__(self, other: Any) -> "Value":
        """Emit the rest of a division of whole numbers, none negative."""
        return self._emit("urem", "", other)

    def __lt__(self, other: Any) -> "Value":
        """Emit a comparison that NaN makes false."""
        return self._compare("<", other)

    def __le__(self, other: Any) -> "Value":
        """Emit a comparison that NaN makes false."""
        return self._compare("<=", other)

    def equals(self, other: Any) -> "Value":
        """Emit a comparison that NaN makes false."""
        return self._compare("==", other)

    def __and__(self, other: "Value") -> "Value":
        """Emit a logical and of two truth values."""
        return Value(self.builder, self.builder.and_(self.value, other.value))

    def _compare(self, sign: str, other: Any) -> "Value":
        other = other.value if isinstance(other, Value) else ir.Constant(self.value.type, other)
        compare = self.builder.icmp_signed if self.value.type == INDEX else self.builder.fcmp_ordered
        if self.is_vector_of_wholes:
            compare = self.builder.icmp_unsigned
        return Value(self.builder, compare(sign, self.value, other))

    @property
    def is_vector_of_wholes(self) -> bool:
        """Tell whether this is a vector of whole numbers, none negative."""
        return isinstance(self.value.type, ir.VectorType) and isinstance(self.value.type.element, ir.IntType)

    @property
    def is_pointer(self) -> bool:
        """Tell whether this is a pointer."""
        return isinstance(self.value.type, ir.PointerType)


def _index(value: Any) -> Any:
    return value.value if isinstance(value, Value) else ir.Constant(INDEX, value)


def _itemsize(kind: Any) -> int:
    return kind.width // 8 if isinstance(kind, ir.IntType) else {ir.FloatType(): 4, ir.DoubleType(): 8}[kind]


class Variable:
    """A value that changes in a loop; it stays in a register."""

    def __init__(self, builder: Any, first: Value) -> None:
        """Allocate the variable and store its first value."""
        self.builder = builder
        self.place = cgutils.alloca_once(builder, first.value.type)
        self.set(first)

    def set(self, value: Value) -> None:
        """Store a new value."""
        self.builder.store(value.value, self.place)

    @property
    def now(self) -> Value:
        """Load the present value."""
        return Value(self.builder, self.builder.load(self.place))


class Vectors:
    """Emits vector instructions for one floating-point type.

    Parameters
    ----------
    builder : llvmlite's IRBuilder
    scalar : LLVM's type of the floats
    itemsize : bytes of one float
    width : numbers in a vector; None for as many as a register holds
    """

    def __init__(self, builder: Any, scalar: Any, itemsize: int, width: int | None = None) -> None:
        """Choose the vector type."""
        self.builder, self.itemsize = builder, itemsize
        self.width = WIDTH_BYTES // itemsize if width is None else width
        self.vector = ir.VectorType(scalar, self.width)

    def index(self, number: int) -> Value:
        """Return a constant whole number."""
        return Value(self.builder, ir.Constant(INDEX, number))

    def number(self, number: float) -> Value:
        """Return a vector of one number, repeated."""
        return Value(self.builder, ir.Constant(self.vector, [number] * self.width))

    def load(self, pointer: Value) -> Value:
        """Load a vector."""
        place = self.builder.bitcast(pointer.value, self.vector.as_pointer())
        return Value(self.builder, self.builder.load(place, align=_itemsize(pointer.value.type.pointee)))

    def store(self, vector: Value, pointer: Value) -> None:
        """Store a vector."""
        place = self.builder.bitcast(pointer.value, vector.value.type.as_pointer())
        self.builder.store(vector.value, place, align=_itemsize(pointer.value.type.pointee))

    def prefetch(self, pointer: Value) -> None:
        """Ask for the cache line of a place that will be read soon; the place need not exist."""
        byte = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, I32, I32, I32])
        function = cgutils.get_or_insert_function(self.builder.module, kind, "llvm.prefetch.p0i8")
        place = self.builder.bitcast(pointer.value, byte)
        self.builder.call(
            function, [place, *(ir.Constant(I32, number) for number in (0, 3, 1))]
        )  # data, into all caches

    def load_many(self, pointer: Value, count: int) -> Value:
        """Load a vector of `count` numbers, of the pointer's type."""
        element = pointer.value.type.pointee
        place = self.builder.bitcast(pointer.value, ir.VectorType(element, count).as_pointer())
        return Value(self.builder, self.builder.load(place, align=_itemsize(element)))

    def widened(self, vector: Value, bits: int) -> Value:
        """Return a vector of unsigned whole numbers with more bits each."""
        return Value(
            self.builder, self.builder.zext(vector.value, ir.VectorType(ir.IntType(bits), self.count_of(vector)))
        )

    @staticmethod
    def count_of(vector: Value) -> int:
        """Return the number of lanes."""
        return int(vector.value.type.count)

    @staticmethod
    def bits_of(pointer: Value) -> int | None:
        """Return the bits of each of the whole numbers that a pointer points to; None for floats."""
        element = pointer.value.type.pointee
        return element.width if isinstance(element, ir.IntType) else None

    def to_floats(self, vector: Value) -> Value:
        """Convert a vector of unsigned whole numbers to floats; floats stay as they are."""
        if isinstance(vector.value.type.element, ir.IntType):
            return Value(self.builder, self.builder.uitofp(vector.value, self.vector))
        return vector

    def convert_to(self, vector: Value, pointer: Value) -> Value:
        """Convert floats to the type that a pointer points to; for whole numbers, round to the nearest."""
        element = pointer.value.type.pointee
        if not isinstance(element, ir.IntType):
            return vector
        whole = self.builder.fptosi(self.call("rint", vector).value, ir.VectorType(I32, self.width))
        return Value(self.builder, self.builder.trunc(whole, ir.VectorType(element, self.width)))

    def load_scalar(self, pointer: Value) -> Value:
        """Load one number."""
        return Value(self.builder, self.builder.load(pointer.value))

    def store_scalar(self, value: Value, pointer: Value) -> None:
        """Store one number."""
        self.builder.store(value.value, pointer.value)

    def broadcast(self, value: Value) -> Value:
        """Return a vector of a value, repeated."""
        first = self.builder.insert_element(ir.Constant(self.vector, ir.Undefined), value.value, ir.Constant(I32, 0))
        return self.shuffle(Value(self.builder, first), None, [0] * self.width)

    def shuffle(self, a: Value, b: Value | None, lanes: list[int]) -> Value:
        """Return the given lanes of two vectors, one behind the other."""
        other = ir.Constant(a.value.type, ir.Undefined) if b is None else b.value
        mask = ir.Constant(ir.VectorType(I32, len(lanes)), lanes)
        return Value(self.builder, self.builder.shuffle_vector(a.value, other, mask))

    def differs(self, a: Value, b: Value) -> Value:
        """Emit a comparison: true where two vectors differ or one is NaN."""
        return Value(self.builder, self.builder.fcmp_unordered("!=", a.value, b.value))

    def any(self, condition: Value) -> Value:
        """Return whether a condition holds in at least one lane."""
        mask = ir.IntType(condition.value.type.count)
        bits = self.builder.bitcast(condition.value, mask)
        return Value(self.builder, self.builder.icmp_unsigned("!=", bits, ir.Constant(mask, 0)))

    def lane(self, vector: Value, lane: int) -> Value:
        """Return one lane."""
        return Value(self.builder, self.builder.extract_element(vector.value, ir.Constant(I32, lane)))

    def as_integer(self, condition: Value) -> Value:
        """Return 1 for a condition that holds, else 0."""
        return Value(self.builder, self.builder.zext(condition.value, INDEX))

    def select(self, condition: Value, yes: Value, no: Value) -> Value:
        """Return `yes` in the lanes where a condition holds, `no` in the others."""
        return Value(self.builder, self.builder.select(condition.value, yes.value, no.value))

    def minimum(self, a: Value, b: Value) -> Value:
        """Return the lesser value, lane by lane."""
        return self.select(a < b, a, b)

    def maximum(self, a: Value, b: Value) -> Value:
        """Return the greater value, lane by lane."""
        return self.select(b < a, a, b)

    def absolute(self, a: Value) -> Value:
        """Return absolute values."""
        return self.call("fabs", a)

    def power_of_two(self, exponent: Value) -> Value:
        """Return 2 ** exponent for whole exponents in -126 ... 127; float32 only."""
        whole = ir.VectorType(I32, self.width)
        bits = self.builder.fptosi(exponent.value, whole)
        bits = self.builder.add(bits, ir.Constant(whole, [127] * self.width))
        bits = self.builder.shl(bits, ir.Constant(whole, [23] * self.width))
        return Value(self.builder, self.builder.bitcast(bits, self.vector))

    def with_sign(self, a: Value, sign: Value) -> Value:
        """Return a with the signs of another vector."""
        name = f"llvm.copysign.v{self.width}f{8 * self.itemsize}"
        kind = ir.FunctionType(self.vector, [self.vector, self.vector])
        function = cgutils.get_or_insert_function(self.builder.module, kind, name)
        return Value(self.builder, self.builder.call(function, [a.value, sign.value]))

    def call(self, name: str, a: Value) -> Value:
        """Apply an LLVM function of one vector, named without its type."""
        vector = a.value.type
        full = f"llvm.{name}.v{vector.count}f{8 * self.itemsize}"
        function = cgutils.get_or_insert_function(self.builder.module, ir.FunctionType(vector, [vector]), full)
        return Value(self.builder, self.builder.call(function, [a.value]))

    def call_c(self, name: str, a: Value) -> Value:
        """Apply a function of one double of the C library, lane by lane."""
        scalar = self.vector.element
        function = cgutils.get_or_insert_function(self.builder.module, ir.FunctionType(scalar, [scalar]), name)
        result = ir.Constant(self.vector, ir.Undefined)
        for lane in range(self.width):
            value = self.builder.call(function, [self.lane(a, lane).value])
            result = self.builder.insert_element(result, value, ir.Constant(I32, lane))
        return Value(self.builder, result)

    def reduce(self, a: Value, combine: Callable[[Value, Value], Value]) -> Value:
        """Combine the lanes to one value: halves, then halves of these, and so on, always in this order."""
        width = self.width
        while width > 1:
            width //= 2
            a = combine(self.shuffle(a, None, list(range(width))), self.shuffle(a, None, list(range(width, 2 * width))))
        return self.lane(a, 0)

    def reduce_rows(self, rows: list[Value], combine: Callable[[Value, Value], Value]) -> Value:
        """Combine the lanes of each row; lane i of the result is the combination of rows[i].

        There must be as many rows as a vector has lanes. Rows are combined in pairs: the halves of one go to the lower
        lanes, and the halves of the other to the upper lanes. Each round halves the number of rows.
        """
        half = self.width // 2
        while half:
            lanes = [lane if lane % (2 * half) < half else self.width + lane - half for lane in range(self.width)]
            pairs = zip(rows[:half], rows[half:], strict=True)
            rows = [
                combine(self.shuffle(a, b, lanes), self.shuffle(a, b, [lane + half for lane in lanes]))
                for a, b in pairs
            ]
            half //= 2
        return rows[0]

    def variable(self, first: Value) -> Variable:
        """Return a variable for use in loops."""
        return Variable(self.builder, first)

    @contextmanager
    def loop(self, count: Value) -> Iterator[Value]:
        """Emit a loop over 0, 1, …, count - 1 around the instructions inside."""
        with cgutils.for_range(self.builder, count.value) as loop:
            yield Value(self.builder, loop.index)

    @contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        """Emit a branch: the instructions inside are run if a condition holds."""
        with self.builder.if_then(condition.value):
            yield


def intrinsic_of(function: "VectorFunction") -> Any:
    """Return a vector function as one that Numba calls."""
    body, returns = function.body, types.int64 if function.returns_number else types.void

    def typed(context: Any, *arguments: Any) -> Any:
        real = arguments[0].dtype
        taken = [
            a if isinstance(a, types.Array | types.Boolean) else real if isinstance(a, types.Float) else types.int64
            for a in arguments
        ]

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            parameters = [
                context.make_array(kind)(context, builder, value).data if isinstance(kind, types.Array) else value
                for kind, value in zip(signature.args, values, strict=True)
            ]
            emitted = _function_of(body, context, builder.module, signature, [p.type for p in parameters], returns)
            result = builder.call(emitted, parameters)
            return context.get_dummy_value() if returns == types.void else result

        return returns(*taken), generate

    typed.__name__, typed.__doc__ = body.__name__, body.__doc__
    # The first argument is Numba's own; Numba asks for the names of the others.
    own, *others = inspect.signature(body).parameters.values()
    typed.__signature__ = inspect.Signature([own.replace(name="typingctx"), *others])  # type: ignore[attr-defined]
    return intrinsic(typed)


def _function_of(
    body: Callable[..., Any], context: Any, module: Any, signature: Any, parameters: list[Any], returns: Any
) -> Any:
    """Return the emitted function: one per module and types of arguments, never inlined, so it is compiled once."""
    kinds = "_".join(str(kind.dtype if isinstance(kind, types.Array) else kind) for kind in signature.args)
    name = f"npfuse_{body.__name__}_{kinds}"
    if name in module.globals:
        return module.globals[name]
    result = ir.VoidType() if returns == types.void else INDEX
    function = ir.Function(module, ir.FunctionType(result, parameters), name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    dtype = signature.args[0].dtype
    v = Vectors(builder, context.get_data_type(dtype), dtype.bitwidth // 8)
    value = body(v, *(Value(builder, argument) for argument in function.args))
    if returns == types.void:
        builder.ret_void()
    else:
        builder.ret(value.value)
    return function
