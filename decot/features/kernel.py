"""Bars in, features out: the one state machine of batch, stream and live, so that they agree bit for bit.

`run` takes any number of bars and leaves the state where the next one begins: a whole day, or the one bar that live has
just closed. Inside, bars pass in tiles that fit the cache, column by column, each recurrence in registers; no result
depends on where a tile ends. Formulas by column, with the value before there is enough past:

price, volume, open … close, bid_price … ask_volume — copied from the bar · spread = ask − bid ·
order_imbalance = (bv − av) / (bv + av), 0 in an empty book · the ten indicators — `indicators`;
pattern_match — `patterns`.
event_spike_volume — volume above mean + 2σ (population) of the 60 bars before; 0 before bar 20.
event_breakout — ±1: close above the highest high / below the lowest low of the 20 bars before; 0 before bar 20.
event_reversal — +1: RSI rises back through 30; −1: falls back through 70; 0 before bar 15.
trend_direction — sign of ema_9 − ema_21 while adx ≥ 20, else 0.
momentum_shift — ±1 on the bar where macd − macd_signal changes its sign (beyond 1e-14 of the price); 0 before bar 34.
ofi — the bar's order-flow imbalance (arXiv 1011.6402, sec. 2.2) · ofi_10 — its sum over 10 bars.
vpin — Σ|buy − sell| / Σ volume over the last 50 volume buckets (Easley et al. 2012). 1) sides are the exchange's aggressor
    flags, unknown volume counts half to each; 2) a bucket is 10 bars of the mean volume of the 60 bars before it opened, so
    no daily volume is needed; a bar that overflows a bucket is split pro rata. 0 before the first full bucket.
tick_rule — sign of the last change of the trade price; 0 before the first.
micro_price — (bid·ask_volume + ask·bid_volume) / (bid_volume + ask_volume), the weighted mid; mid in an empty
    book. Stoikov's correction (SSRN 2970694) would have to be fitted, and nothing here is.
slippage_bps — half the spread × (1 + order_notional / notional at the thinner touch, at most 10): an estimate for
    our size.
vwap_60 — volume-weighted trade price of 60 bars; close when none traded ·
cci_20 — TA-Lib's CCI, on min(n, 20) bars; 0 when flat.
ichimoku_tenkan, ichimoku_kijun — (highest high + lowest low) / 2 of 9 and 26 bars, not displaced.
ret_h — 10⁴ ln(close / close h bars ago), since the first bar when there are fewer.
imb_5, imb_20 — like order_imbalance for the 5- and 20-level sums · imb_mean_w, imb20_mean_w — their means
    over min(n, w) bars.
flow_w — sign(x)·√|x| of x = Σ (buy − sell volume) over w bars.
vol_w — population standard deviation of the 1-bar returns of w bars, bps · volume_z — (volume − mean) / σ of the 60 bars
    before, within ±10; 0 while σ is 0 or before bar 20.
hour, minute, weekday — sine and cosine of the UTC time of day (by the minute), of the hour (by the second), of the
    week (by the hour).
session_vol — root mean square of 1-bar returns, bps, since the session (00–08, 08–16, 16–24 UTC) began; the
    session before stands in with the weight of 60 bars.

A hole in time longer than `gap_bars` bars starts everything anew. It knows nothing of targets, frames or files.
"""

from __future__ import annotations

import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit

from decot.features import ahead as _ahead
from decot.features import book as _book
from decot.features import config as _config
from decot.features import indicators as _indicators
from decot.features import layout as at
from decot.features import patterns as _patterns
from decot.features import rolling as _rolling
from decot.features import seeded as _seeded
from decot.features.book import calendar, finish_windows, flow, prepare_more
from decot.features.config import FeatureConfig, parameters
from decot.features.indicators import Z_TEN, ten
from decot.features.layout import BAR_INPUTS, BASE_OUT, N_IN, N_OUT, OUT_NAMES, WARMUP
from decot.features.patterns import patterns
from decot.features.rolling import slide_max, slide_sum

__all__ = [
    "BAR_INPUTS",
    "BASE_OUT",
    "N_IN",
    "N_OUT",
    "OUT_NAMES",
    "STAMP",
    "WARMUP",
    "FeatureConfig",
    "fresh_state",
    "parameters",
    "run",
    "ten_columns",
]

_PARTS = (_ahead, _book, _config, _indicators, at, _patterns, _rolling, _seeded)
STAMP = zlib.crc32(b"".join(Path(str(m.__file__)).read_bytes() for m in (*_PARTS, sys.modules[__name__])))
"""checksum of the formulas. It is tied into `run`, because numba's cache looks at this file alone"""

TILE = 256
SUMS, TOPS = at.SUMS, at.TOPS


def fresh_state() -> np.ndarray:
    """The state before the first bar: float64, (STATE_CELLS,)."""
    return at.FRESH.copy()


@njit
def _forget(s: np.ndarray) -> None:
    s[:] = 0.0
    s[at.MAX_FIRST : at.MAX_PAST] = -np.inf


@njit
def _prepare(b: np.ndarray, start: int, size: int, x: np.ndarray, o: np.ndarray) -> None:
    """What is in the bar itself into o, price … ask_volume, spread, order_imbalance; what slides into the work table."""
    for i in range(size):
        t = start + i
        op = b[at.OPEN, t]
        high = b[at.HIGH, t]
        low = b[at.LOW, t]
        close = b[at.CLOSE, t]
        volume = b[at.VOLUME, t]
        o[at.O_PRICE, i] = b[at.PRICE, t]
        o[at.O_PRICE + 1, i] = volume
        o[at.O_PRICE + 2, i] = op
        o[at.O_PRICE + 3, i] = high
        o[at.O_PRICE + 4, i] = low
        o[at.O_PRICE + 5, i] = close
        x[at.X_HIGH, i] = high
        x[at.X_LOW, i] = low
        x[at.X_CLOSE, i] = close
        x[at.X_SUNK, i] = -low
        x[at.X_VOLUME, i] = volume
        x[at.X_VOLUME_SQ, i] = volume * volume
        x[at.X_BODY, i] = abs(close - op)
        x[at.X_SPAN, i] = high - low
    for i in range(size):
        t = start + i
        bid_volume = b[at.BID_VOLUME, t]
        ask_volume = b[at.ASK_VOLUME, t]
        o[at.O_BOOK, i] = b[at.BID, t]
        o[at.O_BOOK + 1, i] = b[at.ASK, t]
        o[at.O_BOOK + 2, i] = bid_volume
        o[at.O_BOOK + 3, i] = ask_volume
        o[at.O_BOOK + 4, i] = b[at.ASK, t] - b[at.BID, t]
        touch = bid_volume + ask_volume
        o[at.O_BOOK + 5, i] = (bid_volume - ask_volume) / touch if touch > 0 else 0.0


@njit
def _slide(s: np.ndarray, n: int, size: int, x: np.ndarray, whole: bool) -> None:
    """Every window of the tables in `layout`."""
    for k in range(SUMS.shape[0] if whole else at.N_BASE_SUMS):
        slide_sum(s, SUMS[k, 0], SUMS[k, 1], n, size, x, SUMS[k, 2], x, SUMS[k, 3], SUMS[k, 4])
    for k in range(TOPS.shape[0] if whole else at.N_BASE_TOPS):
        slide_max(s, TOPS[k, 0], TOPS[k, 1], n, size, x, TOPS[k, 2], x, TOPS[k, 3], TOPS[k, 4])


@njit
def _events(s: np.ndarray, p: np.ndarray, n: int, size: int, x: np.ndarray, o: np.ndarray) -> None:
    """The events but pattern_match, from the indicators in o and the windows in x; and volume_z."""
    before = s[at.LAST_RSI]
    last_side = s[at.LAST_SIDE]
    for i in range(size):
        volume = x[at.X_VOLUME, i]
        close = x[at.X_CLOSE, i]
        count = min(n + i, 60)
        spike = 0.0
        z = 0.0
        if count >= 20:
            mean = x[at.Y_VOLUME_BEFORE, i] / count
            variance = x[at.Y_VOLUME_SQ, i] / count - mean * mean
            sigma = np.sqrt(variance) if variance > 1e-12 * mean * mean else 0.0
            if volume > (mean + p[at.P_SPIKE] * sigma) * (1 + 1e-12):
                spike = 1.0
            if sigma > 0:
                z = min(max((volume - mean) / sigma, -10.0), 10.0)
        o[at.O_EVENTS, i] = spike
        x[at.Y_VOLUME_Z, i] = z

        breakout = 0.0
        if n + i >= 20:
            if close > x[at.Y_TOP_20, i]:
                breakout = 1.0
            elif close < -x[at.Y_FLOOR_20, i]:
                breakout = -1.0
        o[at.O_EVENTS + 1, i] = breakout

        rsi = o[at.O_TEN, i]
        reversal = 0.0
        if n + i >= 15:
            if before <= p[at.P_LOW_RSI] and rsi > p[at.P_LOW_RSI]:
                reversal = 1.0
            elif before >= p[at.P_HIGH_RSI] and rsi < p[at.P_HIGH_RSI]:
                reversal = -1.0
        before = rsi
        o[at.O_EVENTS + 2, i] = reversal

        ahead = o[at.O_TEN + 3, i] - o[at.O_TEN + 4, i]
        trend = 0.0
        if o[at.O_TEN + 9, i] >= p[at.P_TREND_ADX] and ahead != 0:
            trend = 1.0 if ahead > 0 else -1.0
        o[at.O_EVENTS + 3, i] = trend

        above = o[at.O_TEN + 1, i] - o[at.O_TEN + 2, i]
        shift = 0.0
        if n + i >= 33 and abs(above) > 1e-14 * close:
            side = 1.0 if above > 0 else -1.0
            if side == -last_side:
                shift = side
            last_side = side
        o[at.O_EVENTS + 4, i] = shift
    s[at.LAST_RSI] = before
    s[at.LAST_SIDE] = last_side


@njit
def _tile(
    s: np.ndarray,
    p: np.ndarray,
    ms: np.ndarray,
    b: np.ndarray,
    start: int,
    size: int,
    x: np.ndarray,
    z: np.ndarray,
    o: np.ndarray,
    columns: np.ndarray,
    first: int,
    whole: bool,
) -> None:
    """Rows start … start + size into o[:, :size], which is columns[:, first:]; base columns only unless `whole`."""
    n = int(s[at.COUNT])
    _prepare(b, start, size, x, o)
    if whole:
        prepare_more(s, n, b, start, size, x, o)
    _slide(s, n, size, x, whole)
    ten(s, n, size, x[at.X_HIGH], x[at.X_LOW], x[at.X_CLOSE], z, columns, at.O_TEN, first)
    _events(s, p, n, size, x, o)
    patterns(s, n, size, b[at.OPEN, start:], x, o)
    if whole:
        flow(s, p, n, b, start, size, x, o)
        finish_windows(n, size, x, o)
        calendar(s, p, ms, start, size, o)
    s[at.LAST_MS] = ms[start + size - 1]
    s[at.COUNT] = n + size


def _compiled(stamp: int) -> Any:
    @njit(cache=True)
    def run(
        s: np.ndarray, p: np.ndarray, ms: np.ndarray, bars: np.ndarray, columns: np.ndarray, first: int
    ) -> None:
        """Take in bars and write their rows.

        Args:
            s: the state, changed in place.
            p: `parameters(cfg)`.
            ms: (T,) end of each bar, ms UTC, increasing.
            bars: (21, T) in the order of `BAR_INPUTS`; finite.
            columns: (28 or 66, ≥ first + T) output in the order of `OUT_NAMES`. With 28 the state is good for the
                base columns only.
            first: where in `columns` to write the first row.
        """
        if stamp < 0:  # never: it only puts the stamp into the key of numba's cache
            return
        rows = ms.shape[0]
        x = np.empty((at.N_WORK, min(TILE, rows) + 8))
        z = np.empty((Z_TEN, min(TILE, rows) + 8))
        whole = columns.shape[0] > len(BASE_OUT)
        start = 0
        while start < rows:
            if s[at.COUNT] > 0 and ms[start] - s[at.LAST_MS] > p[at.P_GAP_MS]:
                _forget(s)
            most = min(TILE, rows - start)
            size = 1
            while size < most and ms[start + size] - ms[start + size - 1] <= p[at.P_GAP_MS]:
                size += 1
            o = columns[:, first + start : first + start + size]
            _tile(s, p, ms, bars, start, size, x, z, o, columns, first + start, whole)
            start += size

    return run


run = _compiled(STAMP)


def _compiled_ten(stamp: int) -> Any:
    @njit(cache=True)
    def ten_columns(
        s: np.ndarray, high: np.ndarray, low: np.ndarray, close: np.ndarray, columns: np.ndarray
    ) -> None:
        """`ten` over a whole series into columns (10, T), tile by tile so that the work stays in the nearest cache."""
        if stamp < 0:
            return
        z = np.empty((Z_TEN, TILE + 8))
        n = int(s[at.COUNT])
        for start in range(0, close.shape[0], TILE):
            stop = min(start + TILE, close.shape[0])
            bars = slice(start, stop)
            ten(s, n + start, stop - start, high[bars], low[bars], close[bars], z, columns, 0, start)
        s[at.COUNT] = n + close.shape[0]

    return ten_columns


ten_columns = _compiled_ten(STAMP)
