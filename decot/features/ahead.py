"""Ask for memory before it is written, for numba. Knows one instruction of the processor; knows nothing of markets.

A store to a line that is in no cache first fetches it, and a loop over ten columns at once waits for that. Asking for the
line early (LLVM's `prefetch`, for writing; a hint that changes no value, and nothing where a processor has no such
instruction) lets the fetch run beside the arithmetic. Source: LLVM Language Reference, `llvm.prefetch`.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_FOR_WRITING, _SECOND_LEVEL, _DATA = 1, 2, 1


@intrinsic
def soon(typing: Any, column: Any, i: Any) -> Any:
    """Say that `column[i]` (float64, one dimension) is written soon; an `i` beyond the end does no harm."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        where = context.make_array(signature.args[0])(context, builder, args[0])
        word = ir.IntType(32)
        pointer = builder.bitcast(builder.gep(where.data, [args[1]]), cgutils.voidptr_t)
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, word, word, word])
        hint = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(hint, [pointer, word(_FOR_WRITING), word(_SECOND_LEVEL), word(_DATA)])
        return context.get_dummy_value()

    return types.void(column, types.intp), generate
