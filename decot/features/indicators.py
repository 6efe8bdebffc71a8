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
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from decot.features import layout as at
from decot.features.rolling import slide_sum

RSI, MACD, SIGNAL, EMA9, EMA21, SMA50, UPPER, LOWER, ATR14, ADX14 = range(10)
SEEDED = 64
"""from this bar on every smoothing is seeded"""
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
    slide_sum(s, at.SUM_CLOSE_50, 50, n, size, x, at.X_CLOSE, o, row + UPPER, row + SMA50)
    if n >= SEEDED:
        _smooth(s, n, size, x, o, row)
        _bands(s, n, size, x, o, row)
        for i in range(size):
            o[row + SMA50, i] /= 50.0
    else:
        _smooth_early(s, n, size, x, o, row)
        _bands_early(s, n, size, x, o, row)
        for i in range(size):
            o[row + SMA50, i] /= min(n + i + 1, 50)


def _smoothing(early: bool) -> Any:
    @njit
    def smooth(s: np.ndarray, n: int, size: int, x: np.ndarray, o: np.ndarray, row: int) -> None:
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
        keep = 1 - 1 / 14
        for i in range(size):
            c = x[at.X_CLOSE, i]
            h = x[at.X_HIGH, i]
            w = x[at.X_LOW, i]
            k = n + i
            if early:
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
            if early and k < 25:
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
            if early:
                rsi = rsi if k >= 14 else 50.0
                dx = dx if known else 0.0
                known = known or 14 <= k <= 27
                known = known and k >= 14
            if known:
                adx = adx * (1 - a_adx) + dx * a_adx
            o[row + RSI, i] = rsi
            o[row + MACD, i] = macd
            o[row + SIGNAL, i] = signal
            o[row + EMA9, i] = ema_9
            o[row + EMA21, i] = ema_21
            o[row + ATR14, i] = atr
            o[row + ADX14, i] = 0.0 if early and k < 27 else adx
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

    return smooth


def _banding(early: bool) -> Any:
    @njit
    def bands(s: np.ndarray, n: int, size: int, x: np.ndarray, o: np.ndarray, row: int) -> None:
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
        shift = before - centre
        older = 20.0 - j
        for i in range(size):
            value = x[at.X_CLOSE, i]
            if j == 0:
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
            tail_1 = s[at.BAND_BLOCK_1 + j + 1]
            tail_2 = s[at.BAND_BLOCK_2 + j + 1]
            s[at.BAND_BLOCK_1 + j] = d
            s[at.BAND_BLOCK_2 + j] = d * d

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
            width = np.sqrt(max(square - mean * mean, 0.0))
            middle = centre + mean
            if still >= count - 1:
                middle = value
                width = 0.0
            o[row + UPPER, i] = middle + (width + width)
            o[row + LOWER, i] = middle - (width + width)

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

    return bands


# the early ones know what is not seeded yet; the others are the same arithmetic without asking at each bar
_smooth_early, _smooth = _smoothing(True), _smoothing(False)
_bands_early, _bands = _banding(True), _banding(False)
