"""The ten indicators, a run of bars at a time, for numba. Follows TA-Lib; knows no other column.

Formulas, smoothing and seeds are TA-Lib's (Wilder 1978 for RSI, ATR, ADX; EMA seeded with the mean of its first window;
MACD 12/26/9 whose fast EMA is seeded so that both start at bar 25; Bollinger 20 × 2 population standard deviations).
Parity after warm-up is ≤ 1e-9 of the price and tested. Where we differ:
1) before a window is full TA-Lib says nan; we say what `row fills` below lists, so that every row is finite;
2) a market that never moved has RSI 50 (TA-Lib: 0), since it is not oversold;
3) TA-Lib calls |x| < 1e-14 zero; we scale that by prices below 1, so a cheap coin reads like a dear one;
4) Bollinger variance is taken around a price inside the window, not around 0 as E[x²] − E[x]², which loses half of the
   digits; a window that stands still has exactly none;
5) DX is |U − D| / (U + D): the true range that TA-Lib divides both by cancels.
Row fills: rsi_14 50 before bar 14 · ema_9, ema_21, sma_50, bands: over the bars so far · macd 0 before bar 25 ·
macd_signal: mean of macd since bar 25, until bar 33 · atr_14: mean true range so far (bar 0: high − low) ·
adx 0 before bar 27.
Every smoothing is `x += (new − x) · a` with a = 1/k while it is seeded (a running mean) and a constant afterwards.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from decot.features import layout as at
from decot.features.rolling import slide_sum

RSI, MACD, SIGNAL, EMA9, EMA21, SMA50, UPPER, LOWER, ATR14, ADX14 = range(10)
TINY = 1e-300
"""stands for 0 in what decays: a product of it is never a denormal number, which would be a hundred times slower"""


@njit
def ten(s: np.ndarray, n: int, size: int, x: np.ndarray, o: np.ndarray, row: int) -> None:
    """The ten indicators of bars n … n + size into o[row : row + 10], in the order of `schemas.columns.INDICATORS`.

    Args:
        s: the state; its cells for these indicators are read and left ready for the next bar.
        x: (≥ 3, ≥ size): high, low and close of the new bars.
        o: (≥ row + 10, ≥ size) output, one indicator a row.
    """
    _smooth(s, n, size, x, o, row)
    slide_sum(s, at.SUM_CLOSE_50, 50, n, size, x, at.X_CLOSE, o, row + UPPER, row + SMA50)
    for i in range(size):
        o[row + SMA50, i] /= min(n + i + 1, 50)
    _bands(s, n, size, x, o, row)


@njit
def _smooth(s: np.ndarray, n: int, size: int, x: np.ndarray, o: np.ndarray, row: int) -> None:
    """RSI, MACD, EMAs, ATR and ADX in one pass; the state lives in registers meanwhile."""
    last_high = s[at.LAST_HIGH]
    last_low = s[at.LAST_LOW]
    last = s[at.LAST_CLOSE]
    up = s[at.RSI_UP]
    down = s[at.RSI_DOWN]
    ema_9 = s[at.EMA_9]
    ema_21 = s[at.EMA_21]
    fast = s[at.EMA_12]
    slow = s[at.EMA_26]
    signal = s[at.MACD_SIGNAL]
    atr = s[at.ATR]
    dm_up = s[at.DM_UP]
    dm_down = s[at.DM_DOWN]
    dm_range = s[at.DM_RANGE]
    adx = s[at.ADX]
    a_9 = 2 / 10
    a_21 = 2 / 22
    a_12 = 2 / 13
    a_26 = 2 / 27
    a_signal = 2 / 10
    a_14 = 1 / 14
    a_adx = 1 / 14
    keep = 13 / 14
    for i in range(size):
        c = x[at.X_CLOSE, i]
        h = x[at.X_HIGH, i]
        w = x[at.X_LOW, i]
        k = n + i
        if k <= 34:
            if k == 0:
                last = c
                last_high = h
                last_low = w
            a_9 = 2 / 10 if k >= 9 else 1 / (k + 1)
            a_21 = 2 / 22 if k >= 21 else 1 / (k + 1)
            a_26 = 2 / 27 if k >= 26 else 1 / (k + 1)
            a_12 = 2 / 13 if k >= 26 else 1 / max(k - 13, 1)
            a_signal = 2 / 10 if k >= 34 else 1 / max(k - 24, 1)
            a_14 = 1 / min(max(k, 1), 14)
            a_adx = 1 / min(max(k - 13, 1), 14)
            keep = 13 / 14 if k >= 14 else (1.0 if k > 1 else 0.0)

        zero = 1e-14 * min(1.0, c)
        move = c - last
        up += (max(move, TINY) - up) * a_14
        down += (max(-move, TINY) - down) * a_14
        moved = up + down
        o[row + RSI, i] = 100 * (up / moved) if k >= 14 and moved >= zero else 50.0

        ema_9 += (c - ema_9) * a_9
        ema_21 += (c - ema_21) * a_21
        fast += (c - fast) * a_12
        slow += (c - slow) * a_26
        macd = fast - slow if k >= 25 else 0.0
        signal += (macd + TINY - signal) * a_signal
        o[row + EMA9, i] = ema_9
        o[row + EMA21, i] = ema_21
        o[row + MACD, i] = macd
        o[row + SIGNAL, i] = signal

        true_range = max(max(h - w, TINY), max(abs(h - last), abs(w - last)))
        atr += (true_range - atr) * a_14
        o[row + ATR14, i] = atr

        rise = h - last_high
        fall = last_low - w
        dm_up = dm_up * keep + (rise if rise > 0 and rise > fall else TINY)
        dm_down = dm_down * keep + (fall if fall > 0 and fall > rise else TINY)
        dm_range = dm_range * keep + true_range
        directed = dm_up + dm_down
        known = dm_range >= zero and directed >= 1e-16 * dm_range
        if k >= 14 and (known or k <= 27):
            dx = 100 * (abs(dm_up - dm_down) / directed) if known else 0.0
            adx += (dx - adx) * a_adx
        o[row + ADX14, i] = adx if k >= 27 else 0.0
        last = c
        last_high = h
        last_low = w
    s[at.LAST_HIGH] = last_high
    s[at.LAST_LOW] = last_low
    s[at.LAST_CLOSE] = last
    s[at.RSI_UP] = up
    s[at.RSI_DOWN] = down
    s[at.EMA_9] = ema_9
    s[at.EMA_21] = ema_21
    s[at.EMA_12] = fast
    s[at.EMA_26] = slow
    s[at.MACD_SIGNAL] = signal
    s[at.ATR] = atr
    s[at.DM_UP] = dm_up
    s[at.DM_DOWN] = dm_down
    s[at.DM_RANGE] = dm_range
    s[at.ADX] = adx


@njit
def _bands(s: np.ndarray, n: int, size: int, x: np.ndarray, o: np.ndarray, row: int) -> None:
    """Mean ± two population standard deviations of the last min(number + 1, 20) values.

    Sums of d and d² around the first value of the running block; the last block's sums are moved to that centre.
    """
    j = n % 20
    centre = s[at.ANCHOR]
    before = s[at.ANCHOR_BEFORE]
    head_1 = s[at.BAND_1]
    head_2 = s[at.BAND_2]
    still = s[at.STILL]
    last = s[at.BAND_LAST]
    for i in range(size):
        value = x[at.X_CLOSE, i]
        if j == 0:
            before = centre
            centre = value
            if n + i == 0:
                before = value
                last = value
                still = -1.0
        still = still + 1 if value == last else 0.0
        last = value
        d = value - centre
        head_1 += d
        head_2 += d * d
        s[at.BAND_BLOCK_1 + j] = d
        s[at.BAND_BLOCK_2 + j] = d * d

        tail_1 = s[at.BAND_BLOCK_1 + j + 1]
        tail_2 = s[at.BAND_BLOCK_2 + j + 1]
        count = 20
        older = 19.0 - j
        if n + i < 20:
            count = n + i + 1
            older = 0.0
        shift = before - centre
        per = 1.0 / count
        mean = (head_1 + tail_1 + older * shift) * per
        square = (head_2 + tail_2 + shift * (2 * tail_1 + older * shift)) * per
        width = 2 * np.sqrt(max(square - mean * mean, 0.0))
        middle = centre + mean
        if still >= count - 1:
            middle = value
            width = 0.0
        o[row + UPPER, i] = middle + width
        o[row + LOWER, i] = middle - width

        j += 1
        if j == 20:
            sum_1 = 0.0
            sum_2 = 0.0
            for k in range(19, -1, -1):
                sum_1 += s[at.BAND_BLOCK_1 + k]
                sum_2 += s[at.BAND_BLOCK_2 + k]
                s[at.BAND_BLOCK_1 + k] = sum_1
                s[at.BAND_BLOCK_2 + k] = sum_2
            head_1 = 0.0
            head_2 = 0.0
            j = 0
    s[at.ANCHOR] = centre
    s[at.ANCHOR_BEFORE] = before
    s[at.BAND_1] = head_1
    s[at.BAND_2] = head_2
    s[at.STILL] = still
    s[at.BAND_LAST] = last
