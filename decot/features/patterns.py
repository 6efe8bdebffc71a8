"""Candlestick patterns, a run of bars at a time, for numba. Knows three bars and what was usual before them.

Bodies and shadows are measured as in TA-Lib: short or long against the mean body of the 10 bars before, "very
short" is a tenth of their mean range, "near" a fifth of the mean range of 5 bars. Where we differ: 1) no gaps are
asked for, since bars of a market that never closes have none; a star must sit in the outer half of the first
body instead; 2) the shooting star is the hammer's exact mirror; 3) a pattern ends on a bar that moved.
By number, the longest pattern winning:
1 doji: body at most a tenth of the usual range. 2 hammer, 3 shooting star: short body, one shadow longer than it and
none on the other side, at the edge of the bar before. 4, 5 engulfing: a body of the other colour that covers the body
before; one end may be equal. 6 morning star, 7 evening star: long body, short body, and one back by more than 0.3 of
the first. 8 three white soldiers, 9 three black crows: three bodies of a colour in a row, each opening near the close
before it, with hardly a shadow at the close, the last one not short.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from decot.features import layout as at

PATTERNS: tuple[tuple[str, int], ...] = (
    ("none", 0),
    ("doji", 0),
    ("hammer", 1),
    ("shooting star", -1),
    ("bullish engulfing", 1),
    ("bearish engulfing", -1),
    ("morning star", 1),
    ("evening star", -1),
    ("three white soldiers", 1),
    ("three black crows", -1),
)
"""`pattern_match` is an index here: name and direction. From 2 on, even numbers point up and odd ones down."""


@njit
def patterns(s: np.ndarray, n: int, size: int, op: np.ndarray, x: np.ndarray, o: np.ndarray) -> None:
    """The pattern that each bar completes into o[O_EVENTS + 5]; 0 before bar 13.

    Args:
        op: (≥ size,) opening prices.
        x: the work table with bodies, spans and their windows filled; its last rows get the bars and the two before them.
        o: output, by column.
    """
    q = x[at.Z_CANDLES :]
    for k in range(7):
        q[k, 0] = s[at.CANDLES + 2 * k]
        q[k, 1] = s[at.CANDLES + 2 * k + 1]
    for i in range(size):
        q[0, i + 2] = op[i]
        q[1, i + 2] = x[at.X_HIGH, i]
        q[2, i + 2] = x[at.X_LOW, i]
        q[3, i + 2] = x[at.X_CLOSE, i]
        q[4, i + 2] = x[at.Y_BODY_10, i] / 10
        q[5, i + 2] = x[at.Y_SPAN_10, i] / 10
        q[6, i + 2] = x[at.Y_SPAN_5, i] * (0.2 / 5)
    for k in range(7):
        s[at.CANDLES + 2 * k] = q[k, size]
        s[at.CANDLES + 2 * k + 1] = q[k, size + 1]
    for i in range(size):
        o[at.O_EVENTS + 5, i] = _pattern(q, i) if n + i >= 13 else 0.0


@njit
def _pattern(q: np.ndarray, i: int) -> Any:
    """The pattern of the bar in column i + 2. Conditions are joined by &: a guess about each would often be wrong."""
    op_2, op_1, op = q[0, i], q[0, i + 1], q[0, i + 2]
    close_2, close_1, close = q[3, i], q[3, i + 1], q[3, i + 2]
    high, low = q[1, i + 2], q[2, i + 2]
    body_mean, tiny = q[4, i + 2], 0.1 * q[5, i + 2]
    near_1, near_2 = q[6, i + 1], q[6, i]
    body = abs(close - op)
    body_1 = abs(close_1 - op_1)
    body_2 = abs(close_2 - op_2)
    upper = high - max(op, close)
    lower = min(op, close) - low
    up = close > op
    up_1 = close_1 > op_1
    up_2 = close_2 > op_2
    down = close < op
    down_1 = close_1 < op_1
    down_2 = close_2 < op_2

    number = 1.0 if body <= tiny else 0.0
    small = body < body_mean
    if small & (upper > body) & (lower < tiny) & (max(op, close) >= q[1, i + 1] - near_1):
        number = 3.0
    if small & (lower > body) & (upper < tiny) & (min(op, close) <= q[2, i + 1] + near_1):
        number = 2.0

    wraps_up = ((close >= op_1) & (op < close_1)) | ((close > op_1) & (op <= close_1))
    wraps_down = ((close <= op_1) & (op > close_1)) | ((close < op_1) & (op >= close_1))
    if up & down_1 & wraps_up:
        number = 4.0
    if down & up_1 & wraps_down:
        number = 5.0

    star = (body > body_mean) & (body_2 > q[4, i]) & (body_1 <= q[4, i + 1])
    middle = 0.5 * (op_2 + close_2)
    if star & up & down_2 & (max(op_1, close_1) < middle) & (close > close_2 + 0.3 * body_2):
        number = 6.0
    if star & down & up_2 & (min(op_1, close_1) > middle) & (close < close_2 - 0.3 * body_2):
        number = 7.0

    tiny_1, tiny_2 = 0.1 * q[5, i + 1], 0.1 * q[5, i]
    march_up = (close > close_1) & (close_1 > close_2) & (op > op_1) & (op_1 > op_2)
    march_down = (close < close_1) & (close_1 < close_2) & (op < op_1) & (op_1 < op_2)
    full_up = (upper < tiny) & (q[1, i + 1] - close_1 < tiny_1) & (q[1, i] - close_2 < tiny_2)
    full_down = (lower < tiny) & (close_1 - q[2, i + 1] < tiny_1) & (close_2 - q[2, i] < tiny_2)
    joined_up = (op <= close_1 + near_1) & (op_1 <= close_2 + near_2)
    joined_down = (op >= close_1 - near_1) & (op_1 >= close_2 - near_2)
    large = body > body_mean
    if large & up & up_1 & up_2 & march_up & full_up & joined_up:
        number = 8.0
    if large & down & down_1 & down_2 & march_down & full_down & joined_down:
        number = 9.0
    return number if high > low else 0.0
