"""Order flow, returns, depth and the calendar: the extension's columns, a run of bars at a time, for numba.

Formulas and fills are listed in `kernel`. `prepare_more` fills what slides, the others finish the columns when the windows
have run. Knows the layout; knows no indicator and no event.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from decot.features import layout as at
from decot.features.rolling import slide_sum


@njit
def prepare_more(
    s: np.ndarray, n: int, b: np.ndarray, start: int, size: int, x: np.ndarray, o: np.ndarray
) -> None:
    """ret_* into o; returns, depth imbalances, signed and paid volume and OFI into the work table."""
    ring = s[at.RING_LOG : at.RING_LOG + 512]
    for i in range(size):
        k = n + i
        log = 1e4 * np.log(x[at.X_CLOSE, i])
        ring[k & 511] = log
        r = log - ring[(k - min(k, 1)) & 511]
        o[at.O_RETURNS, i] = r
        x[at.X_RET, i] = r
        x[at.X_RET_SQ, i] = r * r
        o[at.O_RETURNS + 1, i] = log - ring[(k - min(k, 2)) & 511]
        o[at.O_RETURNS + 2, i] = log - ring[(k - min(k, 5)) & 511]
        o[at.O_RETURNS + 3, i] = log - ring[(k - min(k, 10)) & 511]
        o[at.O_RETURNS + 4, i] = log - ring[(k - min(k, 30)) & 511]
        o[at.O_RETURNS + 5, i] = log - ring[(k - min(k, 60)) & 511]
        o[at.O_RETURNS + 6, i] = log - ring[(k - min(k, 300)) & 511]
    for i in range(size):
        j = start + i
        x[at.X_OFI, i] = b[at.OFI, j]
        x[at.X_PAID, i] = b[at.VWAP, j] * b[at.VOLUME, j]
        x[at.X_SIGNED, i] = b[at.BUY, j] - b[at.SELL, j]
        depth = b[at.BID_5, j] + b[at.ASK_5, j]
        x[at.X_FIVE, i] = (b[at.BID_5, j] - b[at.ASK_5, j]) / depth if depth > 0 else 0.0
        depth = b[at.BID_20, j] + b[at.ASK_20, j]
        x[at.X_TWENTY, i] = (b[at.BID_20, j] - b[at.ASK_20, j]) / depth if depth > 0 else 0.0


@njit
def _vpin(
    s: np.ndarray, p: np.ndarray, n: int, volume: float, buy: float, sell: float, x: np.ndarray, i: int
) -> Any:
    """Fill buckets with one bar's volume and return the toxicity of the last 50 full ones."""
    if volume <= 0:
        return s[at.VPIN]
    share = (buy + 0.5 * max(volume - buy - sell, 0.0)) / volume
    left = volume
    while left > 0:
        if s[at.BUCKET_SIZE] <= 0:
            size = p[at.P_BUCKET_BARS] * x[at.Y_VOLUME_BEFORE, i] / max(min(n, 60), 1)
            s[at.BUCKET_SIZE] = max(size if size > 0 else volume, left / 50)
            s[at.BUCKET_BUY] = 0.0
            s[at.BUCKET_SELL] = 0.0
        free = s[at.BUCKET_SIZE] - s[at.BUCKET_BUY] - s[at.BUCKET_SELL]
        part = min(left, free)
        s[at.BUCKET_BUY] += part * share
        s[at.BUCKET_SELL] += part * (1 - share)
        if left < free:
            break
        left -= part
        s[at.VPIN] = _full_bucket(s, x)
        s[at.BUCKET_SIZE] = 0.0
    return s[at.VPIN]


@njit
def _full_bucket(s: np.ndarray, x: np.ndarray) -> Any:
    """Σ|buy − sell| / Σ volume of the last 50 buckets, with the one just filled. Uses column 0 of a spare row."""
    k = int(s[at.BUCKETS])
    s[at.BUCKETS] = k + 1
    row = at.Y_UNUSED
    x[row, 0] = abs(s[at.BUCKET_BUY] - s[at.BUCKET_SELL])
    slide_sum(s, at.SUM_TIPPED_50, 50, k, 1, x, row, x, row, row)
    tipped = x[row, 0]
    x[row, 0] = s[at.BUCKET_BUY] + s[at.BUCKET_SELL]
    slide_sum(s, at.SUM_BUCKET_50, 50, k, 1, x, row, x, row, row)
    return min(tipped / x[row, 0], 1.0) if x[row, 0] > 0 else 0.0


@njit
def flow(
    s: np.ndarray, p: np.ndarray, n: int, b: np.ndarray, start: int, size: int, x: np.ndarray, o: np.ndarray
) -> None:
    """ofi … cci_20, ichimoku and flow_*."""
    tick = s[at.TICK]
    last = s[at.LAST_PRICE] if n else b[at.PRICE, start]
    for i in range(size):
        j = start + i
        volume = b[at.VOLUME, j]
        close = x[at.X_CLOSE, i]
        o[at.O_FLOW, i] = x[at.X_OFI, i]
        o[at.O_FLOW + 1, i] = x[at.Y_OFI_10, i]
        o[at.O_FLOW + 2, i] = _vpin(s, p, n + i, volume, b[at.BUY, j], b[at.SELL, j], x, i)
        price = b[at.PRICE, j]
        if price != last:
            tick = 1.0 if price > last else -1.0
        last = price
        o[at.O_FLOW + 3, i] = tick

        bid = b[at.BID, j]
        ask = b[at.ASK, j]
        bid_volume = b[at.BID_VOLUME, j]
        ask_volume = b[at.ASK_VOLUME, j]
        touch = bid_volume + ask_volume
        mid = 0.5 * (bid + ask)
        o[at.O_FLOW + 4, i] = (bid * ask_volume + ask * bid_volume) / touch if touch > 0 else mid
        thin = min(bid_volume, ask_volume) * close
        eaten = min(p[at.P_NOTIONAL] / thin, 10.0) if thin > 0 else 10.0
        o[at.O_FLOW + 5, i] = 5e3 * (ask - bid) / close * (1 + eaten)
        o[at.O_FLOW + 6, i] = x[at.Y_PAID, i] / x[at.Y_VOLUME, i] if x[at.Y_VOLUME, i] > 0 else close
        o[at.O_FLOW + 8, i] = 0.5 * (x[at.Y_TOP_9, i] - x[at.Y_FLOOR_9, i])
        o[at.O_FLOW + 9, i] = 0.5 * (x[at.Y_TOP_26, i] - x[at.Y_FLOOR_26, i])
        for k in range(3):
            y = x[at.Y_SIGNED + k, i]
            o[at.O_SIGNED + k, i] = np.sqrt(y) if y >= 0 else -np.sqrt(-y)
    s[at.TICK] = tick
    s[at.LAST_PRICE] = last
    _cci(s, n, size, x, o)


@njit
def _cci(s: np.ndarray, n: int, size: int, x: np.ndarray, o: np.ndarray) -> None:
    ring = s[at.RING_TYPICAL : at.RING_TYPICAL + 20]
    for i in range(size):
        typical = (x[at.X_HIGH, i] + x[at.X_LOW, i] + x[at.X_CLOSE, i]) / 3
        ring[(n + i) % 20] = typical
        away = 0.0
        spread = 0.0
        if n + i >= 19:  # four sums at once: additions of one sum wait for each other
            a0 = a1 = a2 = a3 = 0.0
            for k in range(0, 20, 4):
                a0 += ring[k] - typical
                a1 += ring[k + 1] - typical
                a2 += ring[k + 2] - typical
                a3 += ring[k + 3] - typical
            away = ((a0 + a1) + (a2 + a3)) / 20
            mean = typical + away
            a0 = a1 = a2 = a3 = 0.0
            for k in range(0, 20, 4):
                a0 += abs(ring[k] - mean)
                a1 += abs(ring[k + 1] - mean)
                a2 += abs(ring[k + 2] - mean)
                a3 += abs(ring[k + 3] - mean)
            spread = ((a0 + a1) + (a2 + a3)) / 20
        else:
            count = n + i + 1
            for k in range(count):
                away += (ring[k] - typical) / count
            for k in range(count):
                spread += abs(ring[k] - typical - away) / count
        o[at.O_FLOW + 7, i] = -away / (0.015 * spread) if spread > 1e-14 * typical else 0.0


@njit
def finish_windows(n: int, size: int, x: np.ndarray, o: np.ndarray) -> None:
    """imb_*, vol_60, vol_300, volume_z from their windows."""
    for i in range(size):
        o[at.O_DEPTH, i] = x[at.X_FIVE, i]
        o[at.O_DEPTH + 1, i] = x[at.X_TWENTY, i]
        k = n + i + 1
        per_5 = min(k, 5)
        per_30 = min(k, 30)
        per_120 = min(k, 120)
        o[at.O_DEPTH + 2, i] = x[at.Y_FIVE, i] / per_5
        o[at.O_DEPTH + 3, i] = x[at.Y_FIVE + 1, i] / per_30
        o[at.O_DEPTH + 4, i] = x[at.Y_FIVE + 2, i] / per_120
        o[at.O_DEPTH + 5, i] = x[at.Y_TWENTY, i] / per_5
        o[at.O_DEPTH + 6, i] = x[at.Y_TWENTY + 1, i] / per_30
        o[at.O_DEPTH + 7, i] = x[at.Y_TWENTY + 2, i] / per_120
        o[at.O_VOLUME_Z, i] = x[at.Y_VOLUME_Z, i]
        mean = x[at.Y_RET_60, i] / min(k, 60)
        o[at.O_SIGNED + 3, i] = np.sqrt(max(x[at.Y_RET_SQ_60, i] / min(k, 60) - mean * mean, 0.0))
        mean = x[at.Y_RET_300, i] / min(k, 300)
        o[at.O_SIGNED + 4, i] = np.sqrt(max(x[at.Y_RET_SQ_300, i] / min(k, 300) - mean * mean, 0.0))


@njit
def calendar(s: np.ndarray, p: np.ndarray, ms: np.ndarray, start: int, size: int, o: np.ndarray) -> None:
    """hour_sin … weekday_cos from the tables, and session_vol from the returns already in o."""
    for i in range(size):
        seconds = ms[start + i] // 1_000
        minute = (seconds // 60) % 1_440
        second = seconds % 3_600
        hour = (seconds // 3_600 + 72) % 168  # 1970-01-01 was a Thursday; the week here begins on Monday
        o[at.O_TIME, i] = p[at.P_DAY + minute]
        o[at.O_TIME + 1, i] = p[at.P_DAY + 1_440 + minute]
        o[at.O_TIME + 2, i] = p[at.P_HOUR + second]
        o[at.O_TIME + 3, i] = p[at.P_HOUR + 3_600 + second]
        o[at.O_TIME + 4, i] = p[at.P_WEEK + hour]
        o[at.O_TIME + 5, i] = p[at.P_WEEK + 168 + hour]

        session = seconds // 28_800
        if session != s[at.SESSION]:
            if s[at.SESSION_ROWS] > 0:
                s[at.SESSION_SUM] = 60 * s[at.SESSION_SUM] / s[at.SESSION_ROWS]
                s[at.SESSION_ROWS] = 60
            s[at.SESSION] = session
        r = o[at.O_RETURNS, i]
        s[at.SESSION_SUM] += r * r
        s[at.SESSION_ROWS] += 1
        o[at.O_TIME + 6, i] = np.sqrt(s[at.SESSION_SUM] / s[at.SESSION_ROWS])
