"""Compiles functions with Numba to machine code that can be kept; imported only when something is compiled.

Numba makes a library of every function that is called. It optimises the library and makes machine code of it, and does
both again for each caller that it is linked into. Here, functions are only linked into their callers. The one that
Python calls is optimised and made into machine code, once, and is the only one that is visible from outside.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import CellType, FunctionType
from typing import TYPE_CHECKING, Any

import llvmlite.binding as llvm
import numba
import numpy as np
from numba import types
from numba.core import codegen
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target

from npfuse.engine.machine_code import Call, Code, c_types

if TYPE_CHECKING:
    from npfuse.engine.compiled import CompiledFunction

# LLVM's names of the C types of arguments; Numba may pass a truth value as a bit or as a byte.
LLVM_TYPES = {"c_long": {"i64"}, "c_longlong": {"i64"}, "c_float": {"float"}, "c_double": {"double"},
              "c_bool": {"i1", "i8"}}  # fmt: skip
# Arrays that come from outside have no owner, so the function that Numba calls to release an owner is never called.
NO_OWNER = "NRT_MemInfo_call_dtor"
NEVER_CALLED = f"""
target triple = "{{module.triple}}"
target datalayout = "{{module.data_layout}}"
declare void @llvm.trap()
define void @{NO_OWNER}({{pointer}} %owner) {{{{
    call void @llvm.trap()
    unreachable
}}}}
"""


class OtherNumbaError(RuntimeError):
    """A version of Numba that works in another way than this module expects."""


class _LinkedOnly(codegen.JITCodeLibrary):
    """A library that is linked into its callers, and neither optimised nor made into machine code by itself."""

    def _optimize_functions(self, module: Any) -> None:
        pass

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalized = True


@contextmanager
def _linking_only() -> Iterator[None]:
    """Keep Numba from making machine code of what it compiles meanwhile."""
    generator = cpu_target.target_context.codegen()
    with global_compiler_lock:  # other threads' functions need machine code
        generator._library_class = _LinkedOnly
        generator.set_env = lambda name, env: None  # it writes a pointer into machine code
        try:
            yield
        finally:
            del generator._library_class, generator.set_env


def load_library() -> None:
    """Make Numba's own functions known to LLVM."""
    cpu_target.target_context.refresh()


def dispatcher_of(function: Callable[..., Any], options: dict[str, Any]) -> Any:
    """Return a function for Numba to compile, in which names of compiled functions mean what Numba calls."""
    assert isinstance(function, FunctionType)
    names = {*function.__code__.co_names, "__name__"}
    meant = {name: _for_numba(value) for name, value in function.__globals__.items() if name in names}
    closure = tuple(CellType(_for_numba(cell.cell_contents)) for cell in function.__closure__ or ())
    copy = FunctionType(function.__code__, meant, function.__name__, function.__defaults__, closure)
    return numba.njit(**options)(copy)


def _for_numba(value: Any) -> Any:
    return value.for_numba() if hasattr(value, "for_numba") and not isinstance(value, type) else value


def compile_function(function: "CompiledFunction", arguments: Sequence[Any], kinds: Sequence[str]) -> Code:
    """Compile a function for the types of some arguments.

    Parameters
    ----------
    function : CompiledFunction
    arguments : sequence, the arguments of a call
    kinds : kinds of the arguments, as `npfuse.engine.machine_code.read` lists them

    Returns
    -------
    Code

    Raises
    ------
    TypeError : the function returns something
    OtherNumbaError : this version of Numba works in another way than this module expects
    """
    dispatcher = function.for_numba()
    signature = tuple(_type_of(argument) for argument in arguments)
    try:
        with _linking_only():
            dispatcher.compile(signature)
        result = dispatcher.overloads[signature]
        code = _object_of(result.library, result.fndesc.llvm_func_name, kinds)
    except AttributeError as error:
        raise OtherNumbaError(f"Numba {numba.__version__} has changed: {error}") from error
    if result.signature.return_type != types.none:
        raise TypeError(f"{function.function.__name__}: returns {result.signature.return_type}, expected nothing")
    return code


def called_by_numba(function: "CompiledFunction") -> Call:
    """Return a call of a function by Numba, which compiles it again in every process."""
    dispatcher = dispatcher_of(
        function.function, function.options | {"no_cpython_wrapper": False, "no_cfunc_wrapper": False}
    )
    return lambda numbers, arguments: dispatcher(*arguments)


def _type_of(argument: Any) -> Any:
    """Return Numba's type of an argument; read-only arrays get the type of writeable ones."""
    if isinstance(argument, np.ndarray):
        number: Any = numba.from_dtype(argument.dtype)
        return types.Array(number, argument.ndim, "C" if argument.flags.c_contiguous else "A")
    if isinstance(argument, tuple):
        parts = tuple(_type_of(part) for part in argument)
        return types.BaseTuple.from_types(parts, type(argument) if hasattr(argument, "_fields") else None)
    if isinstance(argument, bool | np.bool_):
        return types.boolean
    if isinstance(argument, int | np.integer):
        return types.int64
    return types.float64 if isinstance(argument, float) else types.float32


def _object_of(library: Any, symbol: str, kinds: Sequence[str]) -> Code:
    """Optimise a library, of which only one function is called from outside, and make machine code of it."""
    generator = library.codegen
    made = generator.create_library(f"{library.name}, alone")
    module = made._final_module = library._final_module.clone()
    for each in module.functions:
        if not each.is_declaration and each.name != symbol:
            each.linkage = "internal"
    made._optimize_final_module()
    module = made._final_module
    outside = {each.name for each in module.functions if each.is_declaration and not each.name.startswith("llvm.")}
    needs_numba = any(name.startswith(("NRT_", "numba_")) for name in outside - {NO_OWNER})
    if NO_OWNER in outside and not needs_numba:
        pointer = next(iter(module.get_function(NO_OWNER).arguments)).type
        module.link_in(llvm.parse_assembly(NEVER_CALLED.format(module=module, pointer=pointer)))
        module.get_function(NO_OWNER).linkage = "internal"
    _check_convention(module.get_function(symbol), kinds)
    return Code(symbol=symbol, needs_numba=needs_numba, object=generator._tm.emit_object(module))


def _check_convention(function: Any, kinds: Sequence[str]) -> None:
    """Raise OtherNumbaError if Numba takes arguments apart in another way than `npfuse.engine.machine_code`."""
    actual = [str(argument.type) for argument in function.arguments][2:]
    expected = [LLVM_TYPES.get(kind.__name__) for kind in c_types(kinds)]  # None: a pointer, whose type has many names
    fits = len(actual) == len(expected) and all(
        kind in names if names else kind.endswith(("*", "ptr")) for kind, names in zip(actual, expected, strict=False)
    )
    if not fits:
        raise OtherNumbaError(f"Numba {numba.__version__} passes {actual} to {function.name}, expected {expected}")
