"""What smooths and what is a ratio among the ten indicators, once every smoothing is seeded, for numba.

Three passes over a run of bars: moves (no bar before is needed, so several bars go into one instruction), smoothings (each
waits for itself, all beside one another), ratios (several bars at once again). The arithmetic is that of
`indicators._smooth_early`, to the last bit; definitions and sources are there. Knows no window and no other column.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from decot.features import layout as at
from decot.features.ahead import soon

RSI, MACD, SIGNAL, EMA9, EMA21, SMA50, UPPER, LOWER, ATR14, ADX14 = range(10)
TINY = 1e-300
"""stands for 0 in what decays: a product of it is never a denormal number, which would be a hundred times slower"""
Z_TEN = 6
"""rows of scratch that `ten` needs"""
LINE = 8
"""numbers in one cache line"""


@njit
def moves(
    s: np.ndarray, size: int, high: np.ndarray, low: np.ndarray, close: np.ndarray, z: np.ndarray
) -> None:
    """Gain, loss, true range, rise and fall of each bar into z[0 … 4]."""
    gain = z[0]
    loss = z[1]
    span = z[2]
    rises = z[3]
    falls = z[4]
    last = s[at.LAST_CLOSE]
    move = close[0] - last
    gain[0] = max(move, TINY)
    loss[0] = max(-move, TINY)
    span[0] = max(max(high[0] - low[0], TINY), max(abs(high[0] - last), abs(low[0] - last)))
    rise = high[0] - s[at.LAST_HIGH]
    fall = s[at.LAST_LOW] - low[0]
    rises[0] = rise if rise > 0 and rise > fall else TINY
    falls[0] = fall if fall > 0 and fall > rise else TINY
    for i in range(1, size):
        move = close[i] - close[i - 1]
        gain[i] = move if move > TINY else TINY
        loss[i] = -move if -move > TINY else TINY
    for i in range(1, size):
        within = high[i] - low[i]
        within = within if within > TINY else TINY
        above = abs(high[i] - close[i - 1])
        below = abs(low[i] - close[i - 1])
        outside = above if above > below else below
        span[i] = within if within > outside else outside
    for i in range(1, size):
        rise = high[i] - high[i - 1]
        fall = low[i - 1] - low[i]
        # & rather than `and`: both sides are computed for several bars at once
        rises[i] = rise if (rise > 0) & (rise > fall) else TINY
        falls[i] = fall if (fall > 0) & (fall > rise) else TINY


@njit
def smooth(
    s: np.ndarray, size: int, close: np.ndarray, z: np.ndarray, o: np.ndarray, row: int, first: int
) -> None:
    """EMAs, MACD, its signal and ATR into o; what RSI and ADX are made of stays in z, smoothed."""
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
    a_14 = 1 / 14
    a_signal = 2 / 10
    stop = first + size
    o_9 = o[row + EMA9, first:stop]
    o_21 = o[row + EMA21, first:stop]
    o_macd = o[row + MACD, first:stop]
    o_signal = o[row + SIGNAL, first:stop]
    o_atr = o[row + ATR14, first:stop]
    later_0 = o[row + RSI, first:stop]
    later_1 = o[row + ADX14, first:stop]
    later_2 = o[row + UPPER, first:stop]
    later_3 = o[row + LOWER, first:stop]
    later_4 = o[row + SMA50, first:stop]
    gain = z[0]
    loss = z[1]
    span = z[2]
    rises = z[3]
    falls = z[4]
    ranges = z[5]
    for i in range(size):
        if i % LINE == 0:
            soon(later_0, i)
            soon(later_1, i)
            soon(later_2, i)
            soon(later_3, i)
            soon(later_4, i)
        c = close[i]
        ema_9 += (c - ema_9) * (2 / 10)
        ema_21 += (c - ema_21) * (2 / 22)
        fast += (c - fast) * (2 / 13)
        slow += (c - slow) * (2 / 27)
        macd = fast - slow
        signal = signal * (1 - a_signal) + (macd + TINY) * a_signal
        o_9[i] = ema_9
        o_21[i] = ema_21
        o_macd[i] = macd
        o_signal[i] = signal
        up = up * (1 - a_14) + gain[i] * a_14
        down = down * (1 - a_14) + loss[i] * a_14
        true_range = span[i]
        atr = atr * (1 - a_14) + true_range * a_14
        dm_range = dm_range * (1 - a_14) + true_range
        dm_up = dm_up * (1 - a_14) + rises[i]
        dm_down = dm_down * (1 - a_14) + falls[i]
        gain[i] = up
        loss[i] = down
        o_atr[i] = atr
        ranges[i] = dm_range
        rises[i] = dm_up
        falls[i] = dm_down
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


@njit(error_model="numpy")
def ratios(
    s: np.ndarray,
    size: int,
    high: np.ndarray,
    low: np.ndarray,
    close: np.ndarray,
    z: np.ndarray,
    o: np.ndarray,
    row: int,
    first: int,
) -> None:
    """RSI into o; into z[3] what ADX gains at each bar and into z[4] what it keeps."""
    up = z[0]
    down = z[1]
    rises = z[3]
    falls = z[4]
    ranges = z[5]
    o_rsi = o[row + RSI, first : first + size]
    for i in range(size):
        zero = 1e-14 * (close[i] if close[i] < 1.0 else 1.0)
        moved = up[i] + down[i]
        rsi = 100 * (up[i] / moved)
        o_rsi[i] = rsi if moved >= zero else 50.0
    for i in range(size):
        zero = 1e-14 * (close[i] if close[i] < 1.0 else 1.0)
        rise = rises[i]
        fall = falls[i]
        directed = rise + fall
        dx = 100 * (abs(rise - fall) / directed)
        known = (ranges[i] >= zero) & (directed >= 1e-16 * ranges[i])
        rises[i] = dx * (1 / 14) if known else 0.0
        falls[i] = 1 - 1 / 14 if known else 1.0
    s[at.LAST_HIGH] = high[size - 1]
    s[at.LAST_LOW] = low[size - 1]
    s[at.LAST_CLOSE] = close[size - 1]
