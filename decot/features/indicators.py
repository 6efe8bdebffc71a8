"""The ten indicators and the candlestick patterns, one bar at a time, for numba. Follows TA-Lib; knows no other column.

Formulas, smoothing and seeds are TA-Lib's (Wilder 1978 for RSI, ATR, ADX; EMA seeded with the mean of its first window;
MACD 12/26/9 whose fast EMA is seeded so that both start at bar 25; Bollinger 20 × 2 population standard deviations).
Parity after warm-up is ≤ 1e-9 of the price and tested. Where we differ:
1) before a window is full TA-Lib says nan; we say what `row fills` below lists, so that every row is finite;
2) a market that never moved has RSI 50 (TA-Lib: 0), since it is not oversold;
3) TA-Lib calls |x| < 1e-14 zero; we scale that by prices below 1, so a cheap coin reads like a dear one;
4) Bollinger variance is taken around a price inside the window, not around 0 as E[x²] − E[x]²: TA-Lib loses up to
   half of the digits there, we do not.
Row fills: rsi_14 50 before bar 14 · ema_9, ema_21, sma_50, bands: over the bars so far · macd 0 before bar 25 ·
macd_signal: mean of macd since bar 25, until bar 33 · atr_14: mean true range so far (bar 0: high − low) ·
adx 0 before bar 27.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from decot.features import layout as at
from decot.features.rolling import sum_before, sum_push

RSI, MACD, SIGNAL, EMA9, EMA21, SMA50, UPPER, LOWER, ATR14, ADX14 = range(10)

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
def _ema(s: np.ndarray, cell: int, n: int, first: int, w: int, x: float) -> Any:
    """EMA of w bars whose seed is the mean of the bars first … first + w − 1; the mean so far until then."""
    k = n - first
    if k < 0:
        return x
    if k < w:
        s[cell] = s[cell] + (x - s[cell]) / (k + 1)
    else:
        s[cell] = (x - s[cell]) * (2.0 / (w + 1)) + s[cell]
    return s[cell]


@njit
def bands(s: np.ndarray, n: int, x: float) -> tuple[Any, Any]:
    """Mean and population standard deviation of the last min(n + 1, 20) values."""
    j = n % 20
    if j == 0:
        s[at.ANCHOR_BEFORE] = s[at.ANCHOR]
        s[at.ANCHOR] = x
    d = x - s[at.ANCHOR]
    s[at.BAND_1] += d
    s[at.BAND_2] += d * d
    s[at.BAND_BLOCK_1 + j] = d
    s[at.BAND_BLOCK_2 + j] = d * d

    older = 19 - j if n >= 20 else 0
    shift = s[at.ANCHOR_BEFORE] - s[at.ANCHOR] if n >= 20 else 0.0
    t1 = s[at.BAND_BLOCK_1 + j + 1]
    t2 = s[at.BAND_BLOCK_2 + j + 1]
    count = min(n + 1, 20)
    mean = (s[at.BAND_1] + t1 + older * shift) / count
    square = (s[at.BAND_2] + t2 + 2 * shift * t1 + older * shift * shift) / count

    if j == 19:
        a1 = 0.0
        a2 = 0.0
        for i in range(19, -1, -1):
            a1 += s[at.BAND_BLOCK_1 + i]
            a2 += s[at.BAND_BLOCK_2 + i]
            s[at.BAND_BLOCK_1 + i] = a1
            s[at.BAND_BLOCK_2 + i] = a2
        s[at.BAND_1] = 0.0
        s[at.BAND_2] = 0.0
    return s[at.ANCHOR] + mean, np.sqrt(max(square - mean * mean, 0.0))


@njit
def ten(s: np.ndarray, n: int, high: float, low: float, close: float, out: np.ndarray, o: int) -> None:
    """The ten indicators of bar n into out[o : o + 10], in the order of `schemas.columns.INDICATORS`.

    Reads the bar before from the state; the caller stores this one there afterwards.
    """
    last = s[at.LAST_CLOSE] if n else close
    zero = 1e-14 * min(1.0, close)

    move = close - last
    up = max(move, 0.0)
    down = max(-move, 0.0)
    if n <= 14:
        s[at.RSI_UP] += up
        s[at.RSI_DOWN] += down
        if n == 14:
            s[at.RSI_UP] /= 14
            s[at.RSI_DOWN] /= 14
    else:
        s[at.RSI_UP] = (s[at.RSI_UP] * 13 + up) / 14
        s[at.RSI_DOWN] = (s[at.RSI_DOWN] * 13 + down) / 14
    moved = s[at.RSI_UP] + s[at.RSI_DOWN]
    out[o + RSI] = 100 * (s[at.RSI_UP] / moved) if n >= 14 and moved >= zero else 50.0
    if moved < 1e-200:
        s[at.RSI_UP] = 0.0
        s[at.RSI_DOWN] = 0.0

    out[o + EMA9] = _ema(s, at.EMA_9, n, 0, 9, close)
    out[o + EMA21] = _ema(s, at.EMA_21, n, 0, 21, close)
    fast = _ema(s, at.EMA_12, n, 14, 12, close)
    slow = _ema(s, at.EMA_26, n, 0, 26, close)
    macd = fast - slow if n >= 25 else 0.0
    out[o + MACD] = macd
    out[o + SIGNAL] = _ema(s, at.MACD_SIGNAL, n, 25, 9, macd)

    out[o + SMA50] = sum_push(s, at.SUM_CLOSE_50, 50, n, close) / min(n + 1, 50)
    mean, deviation = bands(s, n, close)
    out[o + UPPER] = mean + 2 * deviation
    out[o + LOWER] = mean - 2 * deviation

    true_range = max(high - low, abs(high - last), abs(low - last)) if n else high - low
    if n <= 14:
        s[at.ATR] += true_range if n else 0.0
        out[o + ATR14] = s[at.ATR] / n if n else true_range
        if n == 14:
            s[at.ATR] /= 14
    else:
        s[at.ATR] = (s[at.ATR] * 13 + true_range) / 14
        out[o + ATR14] = s[at.ATR]
        if s[at.ATR] < 1e-200:
            s[at.ATR] = 0.0

    _adx(s, n, high, low, true_range, zero)
    out[o + ADX14] = s[at.ADX] if n >= 27 else 0.0


@njit
def _adx(s: np.ndarray, n: int, high: float, low: float, true_range: float, zero: float) -> None:
    """Directional movement of bar n; the state's ADX holds the sum of DX until bar 27, ADX from there."""
    if n == 0:
        return
    rise = high - s[at.LAST_HIGH]
    fall = s[at.LAST_LOW] - low
    up = rise if rise > 0 and rise > fall else 0.0
    down = fall if fall > 0 and fall > rise else 0.0
    if n < 14:
        s[at.DM_UP] += up
        s[at.DM_DOWN] += down
        s[at.DM_RANGE] += true_range
        return
    s[at.DM_UP] += up - s[at.DM_UP] / 14
    s[at.DM_DOWN] += down - s[at.DM_DOWN] / 14
    s[at.DM_RANGE] += true_range - s[at.DM_RANGE] / 14
    if s[at.DM_RANGE] < 1e-200:
        s[at.DM_UP] = 0.0
        s[at.DM_DOWN] = 0.0
        s[at.DM_RANGE] = 0.0

    known = False
    dx = 0.0
    if s[at.DM_RANGE] >= zero:
        plus = 100 * (s[at.DM_UP] / s[at.DM_RANGE])
        minus = 100 * (s[at.DM_DOWN] / s[at.DM_RANGE])
        if plus + minus >= 1e-14:
            dx = 100 * (abs(minus - plus) / (plus + minus))
            known = True
    if n <= 27:
        s[at.ADX] += dx
        if n == 27:
            s[at.ADX] /= 14
    elif known:
        s[at.ADX] = (s[at.ADX] * 13 + dx) / 14


@njit
def pattern(s: np.ndarray, n: int, op: float, high: float, low: float, close: float) -> Any:
    """Number of the candlestick pattern that bar n completes (see `PATTERNS`); the longest wins.

    Bodies and shadows are measured as in TA-Lib: short or long against the mean body of the 10 bars before, "very
    short" is a tenth of their mean range, "near" a fifth of the mean range of 5 bars. Where we differ: 1) no gaps are
    asked for, since bars of a market that never closes have none; a star must sit in the outer half of the first
    body instead; 2) the shooting star is the hammer's exact mirror; 3) a doji needs a bar that moved.
    """
    body_mean = sum_before(s, at.SUM_BODY_10, 10, n) / 10
    range_mean = sum_before(s, at.SUM_RANGE_10, 10, n) / 10
    near = 0.2 * sum_before(s, at.SUM_RANGE_5, 5, n) / 5
    body = abs(close - op)
    span = high - low
    sum_push(s, at.SUM_BODY_10, 10, n, body)
    sum_push(s, at.SUM_RANGE_10, 10, n, span)
    sum_push(s, at.SUM_RANGE_5, 5, n, span)
    i = n & 3
    a = (n - 1) & 3
    b = (n - 2) & 3
    s[at.RING_OPEN + i] = op
    s[at.RING_HIGH + i] = high
    s[at.RING_LOW + i] = low
    s[at.RING_CLOSE + i] = close
    s[at.RING_BODY_MEAN + i] = body_mean
    s[at.RING_RANGE_MEAN + i] = range_mean
    s[at.RING_NEAR_MEAN + i] = near
    if n < 13 or span <= 0:
        return 0

    upper = high - max(op, close)
    lower = min(op, close) - low
    open_1 = s[at.RING_OPEN + a]
    close_1 = s[at.RING_CLOSE + a]
    open_2 = s[at.RING_OPEN + b]
    close_2 = s[at.RING_CLOSE + b]
    body_1 = abs(close_1 - open_1)
    body_2 = abs(close_2 - open_2)
    side = 1.0 if close > op else (-1.0 if close < op else 0.0)
    side_1 = 1.0 if close_1 > open_1 else (-1.0 if close_1 < open_1 else 0.0)
    side_2 = 1.0 if close_2 > open_2 else (-1.0 if close_2 < open_2 else 0.0)
    odd = 0 if side > 0 else 1

    if side != 0 and side == side_1 and side == side_2:
        stick_0 = upper if side > 0 else lower
        stick_1 = s[at.RING_HIGH + a] - close_1 if side > 0 else close_1 - s[at.RING_LOW + a]
        stick_2 = s[at.RING_HIGH + b] - close_2 if side > 0 else close_2 - s[at.RING_LOW + b]
        if (
            side * (close - close_1) > 0
            and side * (close_1 - close_2) > 0
            and stick_0 < 0.1 * range_mean
            and stick_1 < 0.1 * s[at.RING_RANGE_MEAN + a]
            and stick_2 < 0.1 * s[at.RING_RANGE_MEAN + b]
            and side * (op - open_1) > 0
            and side * (op - close_1) <= s[at.RING_NEAR_MEAN + a]
            and side * (open_1 - open_2) > 0
            and side * (open_1 - close_2) <= s[at.RING_NEAR_MEAN + b]
            and body > body_mean
        ):
            return 8 + odd
    if side != 0 and side_2 == -side:
        star = max(open_1, close_1) if side > 0 else min(open_1, close_1)
        if (
            body_2 > s[at.RING_BODY_MEAN + b]
            and body_1 <= s[at.RING_BODY_MEAN + a]
            and body > body_mean
            and side * (0.5 * (open_2 + close_2) - star) > 0
            and side * (close - close_2) > 0.3 * body_2
        ):
            return 6 + odd
    if side != 0 and side_1 == -side:
        far = side * (close - open_1)
        near_end = side * (close_1 - op)
        if (far >= 0 and near_end > 0) or (far > 0 and near_end >= 0):
            return 4 + odd
    if body < body_mean:
        if lower > body and upper < 0.1 * range_mean:
            if min(op, close) <= s[at.RING_LOW + a] + s[at.RING_NEAR_MEAN + a]:
                return 2
        if upper > body and lower < 0.1 * range_mean:
            if max(op, close) >= s[at.RING_HIGH + a] - s[at.RING_NEAR_MEAN + a]:
                return 3
    if body <= 0.1 * range_mean:
        return 1
    return 0
