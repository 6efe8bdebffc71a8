"""exp, log, sigmoid, tanh and softmax in float32, written so that a loop over them runs eight or sixteen at once.

The C library's `expf` is called number by number; a polynomial is not. Relative error of `exp` below 3e-7, absolute error of
the others below 2e-7. Only additions, multiplications and divisions in a fixed order: the same bits everywhere. No check for
division by zero, which would stop the eight at once. Knows numbers only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numba.core import types
from numba.extending import intrinsic

F = np.float32
LOW, HIGH = F(-87.0), F(88.0)
"""beyond these, exp is taken at the bound: it neither vanishes nor overflows"""
LOG2E, LN2_HIGH, LN2_LOW = F(1.44269504), F(0.693359375), F(-2.12194440e-4)
HALF, ONE, TWO = F(0.5), F(1.0), F(2.0)
C2, C3, C4 = F(1 / 2), F(1 / 6), F(1 / 24)
C5, C6, C7 = F(1 / 120), F(1 / 720), F(1 / 5040)
L3, L4, L5 = F(3.3333331174e-1), F(-2.4999993993e-1), F(2.0000714765e-1)
L6, L7, L8 = F(-1.6668057665e-1), F(1.4249322787e-1), F(-1.2420140846e-1)
L9, L10, L11 = F(1.1676998740e-1), F(-1.1514610310e-1), F(7.0376836292e-2)
ROOT_HALF = np.int32(0x3F3504F3)
"""the bits of √½, where the mantissa's range begins"""
BIAS, MANTISSA = np.int32(127), np.int32(23)


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def _float_of_bits(_context: Any, bits: Any) -> Any:
    """The float32 that these 32 bits are."""

    def build(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        return builder.bitcast(values[0], context.get_value_type(types.float32))

    return types.float32(types.int32), build


@njit(cache=True, error_model="numpy")
def exp(x: Any) -> Any:
    """e to the x: a power of two, put together from its bits, times a polynomial of what is left."""
    x = min(max(x, LOW), HIGH)
    whole = np.floor(x * LOG2E + HALF)
    f = (x - whole * LN2_HIGH) - whole * LN2_LOW
    p = ONE + f * (ONE + f * (C2 + f * (C3 + f * (C4 + f * (C5 + f * (C6 + f * C7))))))
    return p * _float_of_bits((np.int32(whole) + BIAS) << MANTISSA)


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def _bits_of_float(_context: Any, x: Any) -> Any:
    """The 32 bits of a float32."""

    def build(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        return builder.bitcast(values[0], context.get_value_type(types.int32))

    return types.int32(types.float32), build


@njit(cache=True, error_model="numpy")
def log(x: Any) -> Any:
    """Natural logarithm of a positive, normal number (after Cephes' logf); error below 2e-7 of its size + 1."""
    bits = _bits_of_float(x)
    whole = np.int32(np.int32(bits - ROOT_HALF) >> MANTISSA)
    f = _float_of_bits(bits - (whole << MANTISSA)) - ONE
    p = L3 + f * (L4 + f * (L5 + f * (L6 + f * (L7 + f * (L8 + f * (L9 + f * (L10 + f * L11)))))))
    n, z = F(whole), f * f
    return (f + (f * z * p + n * LN2_LOW - HALF * z)) + n * LN2_HIGH


@njit(cache=True, error_model="numpy")
def sigmoid(x: Any) -> Any:
    return ONE / (ONE + exp(-x))


@njit(cache=True, error_model="numpy")
def tanh(x: Any) -> Any:
    return ONE - TWO / (ONE + exp(TWO * x))


@njit(cache=True, error_model="numpy")
def softmax(x: Any, n: int) -> None:
    """The first n numbers, in place."""
    top = x[0]
    for i in range(1, n):
        top = max(top, x[i])
    total = F(0)
    for i in range(n):
        x[i] = exp(x[i] - top)
        total += x[i]
    for i in range(n):
        x[i] /= total
