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
Every smoothing is x + (new − x)·a with a = 1/k while it is seeded (a running mean) and a constant afterwards; for what
decays to 0 it is written x·(1 − a) + new·a, for prices as it stands, so that a price that stands still is its own mean.

Until bar 64 one loop does everything. After that the same arithmetic runs in passes, to the last bit: what needs no bar
before (several bars in one instruction), what smooths, what is a ratio of that, and the windows. Each pass is bound by
another part of a core, and the memory of the columns to come is asked for while it works (`ahead.soon`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from decot.features import layout as at
from decot.features.ahead import soon
from decot.features.seeded import (
    ADX14,
    ATR14,
    EMA9,
    EMA21,
    LINE,
    LOWER,
    MACD,
    RSI,
    SIGNAL,
    SMA50,
    TINY,
    UPPER,
    Z_TEN,
    moves,
    ratios,
    smooth,
)

__all__ = ["SEEDED", "Z_TEN", "ten"]

SEEDED = 64
"""from this bar on every smoothing is seeded"""


@njit
def ten(
    s: np.ndarray,
    n: int,
    size: int,
    high: np.ndarray,
    low: np.ndarray,
    close: np.ndarray,
    z: np.ndarray,
    o: np.ndarray,
    row: int,
    first: int,
) -> None:
    """The ten indicators of bars n … n + size into o[row : row + 10, first : first + size], as `INDICATORS` orders them.

    Args:
        s: the state; its cells for these indicators are read and left ready for the next bar.
        high, low, close: (≥ size,) of the new bars.
        z: (≥ Z_TEN, ≥ size) scratch.
        o: (≥ row + 10, ≥ first + size) output, one indicator a row.
    """
    if n >= SEEDED:
        moves(s, size, high, low, close, z)
        smooth(s, size, close, z, o, row, first)
        ratios(s, size, high, low, close, z, o, row, first)
        _windows(s, n, size, close, z, o, row, first)
    else:
        _smooth_early(s, n, size, high, low, close, o, row, first)
        _windows_early(s, n, size, close, z, o, row, first)


@njit
def _smooth_early(
    s: np.ndarray,
    n: int,
    size: int,
    high: np.ndarray,
    low: np.ndarray,
    close: np.ndarray,
    o: np.ndarray,
    row: int,
    first: int,
) -> None:
    """RSI, MACD, EMAs, ATR and ADX of bars some of which come before their smoothing is seeded."""
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
    for i in range(size):
        c = close[i]
        h = high[i]
        w = low[i]
        k = n + i
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
        keep = 1 - 1 / 14 if k >= 14 else (1.0 if k > 1 else 0.0)

        move = c - last
        up = up * (1 - a_14) + max(move, TINY) * a_14
        down = down * (1 - a_14) + max(-move, TINY) * a_14
        ema_9 += (c - ema_9) * a_9
        ema_21 += (c - ema_21) * a_21
        fast += (c - fast) * a_12
        slow += (c - slow) * a_26
        macd = fast - slow
        if k < 25:
            macd = 0.0
        signal = signal * (1 - a_signal) + (macd + TINY) * a_signal
        true_range = max(max(h - w, TINY), max(abs(h - last), abs(w - last)))
        atr = atr * (1 - a_14) + true_range * a_14
        rise = h - last_high
        fall = last_low - w
        dm_up = dm_up * keep + (rise if rise > 0 and rise > fall else TINY)
        dm_down = dm_down * keep + (fall if fall > 0 and fall > rise else TINY)
        dm_range = dm_range * keep + true_range

        zero = 1e-14 * min(1.0, c)
        moved = up + down
        rsi = 100 * (up / moved) if moved >= zero else 50.0
        directed = dm_up + dm_down
        known = dm_range >= zero and directed >= 1e-16 * dm_range
        dx = 100 * (abs(dm_up - dm_down) / directed)
        rsi = rsi if k >= 14 else 50.0
        dx = dx if known else 0.0
        known = known or 14 <= k <= 27
        known = known and k >= 14
        if known:
            adx = adx * (1 - a_adx) + dx * a_adx
        o[row + RSI, first + i] = rsi
        o[row + MACD, first + i] = macd
        o[row + SIGNAL, first + i] = signal
        o[row + EMA9, first + i] = ema_9
        o[row + EMA21, first + i] = ema_21
        o[row + ATR14, first + i] = atr
        o[row + ADX14, first + i] = 0.0 if k < 27 else adx
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


def _windowing(early: bool) -> Any:
    @njit
    def windows(
        s: np.ndarray,
        n: int,
        size: int,
        close: np.ndarray,
        z: np.ndarray,
        o: np.ndarray,
        row: int,
        first: int,
    ) -> None:
        """SMA 50, the Bollinger bands and, beside them, the smoothing of ADX, which would wait for itself alone.

        Bands: mean ± two population standard deviations of the last min(number + 1, 20) values, from sums of d and d²
        around the first value of the running block; the last block's sums are moved to that centre. Windows slide as in
        `rolling`. Positions in a block are unsigned, which spares numba's care for indices that count from the end.
        """
        one = np.uint64(1)
        j = np.uint64(n % 20)
        g = np.uint64(n % 50)
        fifty = s[at.SUM_CLOSE_50]
        centre = s[at.ANCHOR]
        before = s[at.ANCHOR_BEFORE]
        head_1 = s[at.BAND_1]
        head_2 = s[at.BAND_2]
        still = s[at.STILL]
        last = s[at.BAND_LAST]
        adx = s[at.ADX]
        shift = before - centre
        older = 20.0 - n % 20
        block_1 = s[at.BAND_BLOCK_1 : at.BAND_BLOCK_1 + 21]
        block_2 = s[at.BAND_BLOCK_2 : at.BAND_BLOCK_2 + 21]
        block = s[at.SUM_CLOSE_50 + 1 : at.SUM_CLOSE_50 + 52]
        stop = first + size
        o_sma = o[row + SMA50, first:stop]
        o_upper = o[row + UPPER, first:stop]
        o_lower = o[row + LOWER, first:stop]
        o_adx = o[row + ADX14, first:stop]
        gains = z[3]
        kept = z[4]
        later_0 = o[row + EMA9, first:stop]
        later_1 = o[row + EMA21, first:stop]
        later_2 = o[row + MACD, first:stop]
        later_3 = o[row + SIGNAL, first:stop]
        later_4 = o[row + ATR14, first:stop]
        for i in range(size):
            value = close[i]
            if not early:
                if i % LINE == 0:
                    soon(later_0, i + size)
                    soon(later_1, i + size)
                    soon(later_2, i + size)
                    soon(later_3, i + size)
                    soon(later_4, i + size)
                adx = adx * kept[i] + gains[i]
                o_adx[i] = adx
            block[g] = value
            fifty += value
            if early:
                o_sma[i] = (fifty + block[g + one]) / min(n + i + 1, 50)
            else:
                o_sma[i] = (fifty + block[g + one]) / 50.0

            if j == np.uint64(0):
                before = value if early and n + i == 0 else centre
                last = value if early and n + i == 0 else last
                still = -1.0 if early and n + i == 0 else still
                centre = value
                shift = before - centre
                older = 20.0
            older -= 1
            still = still + 1 if value == last else 0.0
            last = value
            d = value - centre
            head_1 += d
            head_2 += d * d
            tail_1 = block_1[j + one]
            tail_2 = block_2[j + one]
            block_1[j] = d
            block_2[j] = d * d

            per = 1 / 20
            count = 20.0
            moved = older * shift
            if early and n + i < 20:
                count = n + i + 1.0
                per = 1 / count
                moved = 0.0
                shift = 0.0
            mean = (head_1 + tail_1 + moved) * per
            square = (head_2 + tail_2 + shift * (tail_1 + tail_1 + moved)) * per
            spread = square - mean * mean
            width = np.sqrt(spread if spread > 0.0 else 0.0)
            middle = centre + mean
            if still >= count - 1:
                middle = value
                width = 0.0
            o_upper[i] = middle + (width + width)
            o_lower[i] = middle - (width + width)

            j += one
            if j == np.uint64(20):
                sum_1 = 0.0
                sum_2 = 0.0
                for k in range(19, -1, -1):
                    sum_1 += block_1[k]
                    sum_2 += block_2[k]
                    block_1[k] = sum_1
                    block_2[k] = sum_2
                head_1 = 0.0
                head_2 = 0.0
                j = np.uint64(0)
            g += one
            if g == np.uint64(50):
                sum_1 = 0.0
                for k in range(49, -1, -1):
                    sum_1 += block[k]
                    block[k] = sum_1
                fifty = 0.0
                g = np.uint64(0)
        s[at.SUM_CLOSE_50] = fifty
        s[at.ANCHOR] = centre
        s[at.ANCHOR_BEFORE] = before
        s[at.BAND_1] = head_1
        s[at.BAND_2] = head_2
        s[at.STILL] = still
        s[at.BAND_LAST] = last
        if not early:
            s[at.ADX] = adx

    return windows


# the early one knows what is not seeded yet; the other is the same arithmetic without asking at each bar
_windows_early, _windows = _windowing(True), _windowing(False)
