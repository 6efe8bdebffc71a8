"""One bar in, one row of features out: the state machine of batch, stream and live, so that they agree bit for bit.

`run` loops `step` over bars; live calls it with one bar. Formulas by column (fill = value before there is enough past):

price, volume, open … close, bid_price … ask_volume — copied from the bar · spread = ask − bid ·
order_imbalance = (bv − av) / (bv + av), 0 in an empty book · the ten indicators and pattern_match — `indicators`.
event_spike_volume — volume above mean + 2σ (population) of the 60 bars before; 0 before bar 20.
event_breakout — ±1: close above the highest high / below the lowest low of the 20 bars before; 0 before bar 20.
event_reversal — +1: RSI rises back through 30; −1: falls back through 70; 0 before bar 15.
trend_direction — sign of ema_9 − ema_21 while adx ≥ 20, else 0.
momentum_shift — ±1 on the bar where macd crosses macd_signal; 0 before bar 34.
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

import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit

from decot.features import config as _config
from decot.features import indicators as _indicators
from decot.features import layout as at
from decot.features import rolling as _rolling
from decot.features.config import FeatureConfig, parameters
from decot.features.indicators import pattern, ten
from decot.features.layout import BAR_INPUTS, BASE_OUT, OUT_NAMES, WARMUP
from decot.features.rolling import max_before, max_push, sum_before, sum_push

__all__ = [
    "BAR_INPUTS",
    "BASE_OUT",
    "OUT_NAMES",
    "STAMP",
    "WARMUP",
    "FeatureConfig",
    "fresh_state",
    "parameters",
    "run",
    "step",
]

STAMP = zlib.crc32(b"".join(Path(str(m.__file__)).read_bytes() for m in (_config, _indicators, at, _rolling)))
"""checksum of the files compiled into `run`: numba's cache looks at this file alone, the stamp makes it see the others"""

TILE = 64
N_IN = len(BAR_INPUTS)
N_OUT = len(OUT_NAMES)
_I = {name: k for k, name in enumerate(BAR_INPUTS)}
_O = {name: k for k, name in enumerate(OUT_NAMES)}

OPEN, HIGH, LOW, CLOSE, PRICE, VOLUME, BUY, SELL = (_I[k] for k in BAR_INPUTS[:8])
VWAP, BID, ASK, BID_VOLUME, ASK_VOLUME = (_I[k] for k in BAR_INPUTS[9:14])
BID_5, ASK_5, BID_20, ASK_20, OFI = (_I[k] for k in BAR_INPUTS[14:19])

O_MICRO, O_TEN, O_EVENTS, O_FLOW = _O["bid_price"], _O["rsi_14"], _O["event_spike_volume"], _O["ofi"]
O_RETURNS, O_DEPTH, O_SIGNED, O_TIME = _O["ret_1"], _O["imb_5"], _O["flow_5"], _O["hour_sin"]


def fresh_state() -> np.ndarray:
    """The state before the first bar: float64, (STATE_CELLS,)."""
    return at.FRESH.copy()


@njit
def _imbalance(b: float, a: float) -> Any:
    return (b - a) / (b + a) if b + a > 0 else 0.0


@njit
def _signed_root(x: float) -> Any:
    return np.sqrt(x) if x >= 0 else -np.sqrt(-x)


@njit
def _forget(s: np.ndarray) -> None:
    s[:] = 0.0
    s[at.MAX_HIGH_9 : at.RING_LOG] = -np.inf


@njit
def _events(s: np.ndarray, p: np.ndarray, n: int, bar: np.ndarray, out: np.ndarray) -> None:
    """The six events of bar n, and volume_z, which shares its statistics with the spike."""
    close = bar[CLOSE]
    volume = bar[VOLUME]
    count = min(n, 60)
    spike = 0.0
    z = 0.0
    if count >= 20:
        mean = sum_before(s, at.SUM_VOLUME_60, 60, n) / count
        variance = sum_before(s, at.SUM_VOLUME_SQ_60, 60, n) / count - mean * mean
        sigma = np.sqrt(variance) if variance > 1e-12 * mean * mean else 0.0
        if volume > (mean + p[at.P_SPIKE] * sigma) * (1 + 1e-12):
            spike = 1.0
        if sigma > 0:
            z = min(max((volume - mean) / sigma, -10.0), 10.0)
    out[O_EVENTS] = spike
    out[O_SIGNED + 5] = z

    breakout = 0.0
    if n >= 20:
        if close > max_before(s, at.MAX_HIGH_20, 20, n):
            breakout = 1.0
        elif close < -max_before(s, at.MAX_LOW_20, 20, n):
            breakout = -1.0
    out[O_EVENTS + 1] = breakout
    max_push(s, at.MAX_HIGH_20, 20, n, bar[HIGH])
    max_push(s, at.MAX_LOW_20, 20, n, -bar[LOW])

    rsi = out[O_TEN]
    before = s[at.LAST_RSI]
    reversal = 0.0
    if n >= 15:
        if before <= p[at.P_LOW_RSI] and rsi > p[at.P_LOW_RSI]:
            reversal = 1.0
        elif before >= p[at.P_HIGH_RSI] and rsi < p[at.P_HIGH_RSI]:
            reversal = -1.0
    s[at.LAST_RSI] = rsi
    out[O_EVENTS + 2] = reversal

    trend = 0.0
    if out[O_TEN + 9] >= p[at.P_TREND_ADX]:
        trend = np.sign(out[O_TEN + 3] - out[O_TEN + 4])
    out[O_EVENTS + 3] = trend

    hist = out[O_TEN + 1] - out[O_TEN + 2]
    shift = 0.0
    if n >= 34:
        if s[at.LAST_HIST] <= 0 and hist > 0:
            shift = 1.0
        elif s[at.LAST_HIST] >= 0 and hist < 0:
            shift = -1.0
    s[at.LAST_HIST] = hist
    out[O_EVENTS + 4] = shift
    out[O_EVENTS + 5] = pattern(s, n, bar[OPEN], bar[HIGH], bar[LOW], close)


@njit
def _vpin(s: np.ndarray, p: np.ndarray, n: int, volume: float, buy: float, sell: float) -> Any:
    """Fill buckets with this bar's volume and return the toxicity of the last 50 full ones."""
    if volume <= 0:
        return s[at.VPIN]
    share = (buy + 0.5 * max(volume - buy - sell, 0.0)) / volume
    left = volume
    while left > 0:
        if s[at.BUCKET_SIZE] <= 0:
            mean = sum_before(s, at.SUM_VOLUME_60, 60, n) / max(min(n, 60), 1)
            size = p[at.P_BUCKET_BARS] * mean
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
        k = int(s[at.BUCKETS])
        tipped = sum_push(s, at.SUM_TIPPED_50, 50, k, abs(s[at.BUCKET_BUY] - s[at.BUCKET_SELL]))
        total = sum_push(s, at.SUM_BUCKET_50, 50, k, s[at.BUCKET_BUY] + s[at.BUCKET_SELL])
        s[at.VPIN] = min(tipped / total, 1.0) if total > 0 else 0.0
        s[at.BUCKETS] = k + 1
        s[at.BUCKET_SIZE] = 0.0
    return s[at.VPIN]


@njit
def _flow(s: np.ndarray, p: np.ndarray, n: int, bar: np.ndarray, out: np.ndarray) -> None:
    """ofi … cci_20, ichimoku, and the volume windows."""
    close = bar[CLOSE]
    volume = bar[VOLUME]
    out[O_FLOW] = bar[OFI]
    out[O_FLOW + 1] = sum_push(s, at.SUM_OFI_10, 10, n, bar[OFI])
    out[O_FLOW + 2] = _vpin(s, p, n, volume, bar[BUY], bar[SELL])

    if n and bar[PRICE] != s[at.LAST_PRICE]:
        s[at.TICK] = np.sign(bar[PRICE] - s[at.LAST_PRICE])
    s[at.LAST_PRICE] = bar[PRICE]
    out[O_FLOW + 3] = s[at.TICK]

    bid = bar[BID]
    ask = bar[ASK]
    bid_volume = bar[BID_VOLUME]
    ask_volume = bar[ASK_VOLUME]
    touch = bid_volume + ask_volume
    out[O_FLOW + 4] = (bid * ask_volume + ask * bid_volume) / touch if touch > 0 else 0.5 * (bid + ask)
    thin = min(bid_volume, ask_volume) * close
    eaten = min(p[at.P_NOTIONAL] / thin, 10.0) if thin > 0 else 10.0
    out[O_FLOW + 5] = 5e3 * (ask - bid) / close * (1 + eaten)

    sum_push(s, at.SUM_VOLUME_SQ_60, 60, n, volume * volume)
    traded = sum_push(s, at.SUM_VOLUME_60, 60, n, volume)
    paid = sum_push(s, at.SUM_PAID_60, 60, n, bar[VWAP] * volume)
    out[O_FLOW + 6] = paid / traded if traded > 0 else close
    out[O_FLOW + 7] = _cci(s, n, (bar[HIGH] + bar[LOW] + close) / 3)

    high_9 = max_push(s, at.MAX_HIGH_9, 9, n, bar[HIGH])
    low_9 = -max_push(s, at.MAX_LOW_9, 9, n, -bar[LOW])
    high_26 = max_push(s, at.MAX_HIGH_26, 26, n, bar[HIGH])
    low_26 = -max_push(s, at.MAX_LOW_26, 26, n, -bar[LOW])
    out[O_FLOW + 8] = 0.5 * (high_9 + low_9)
    out[O_FLOW + 9] = 0.5 * (high_26 + low_26)


@njit
def _cci(s: np.ndarray, n: int, typical: float) -> Any:
    s[at.RING_TYPICAL + n % 20] = typical
    count = min(n + 1, 20)
    away = 0.0
    for i in range(count):
        away += s[at.RING_TYPICAL + i] - typical
    mean = typical + away / count
    spread = 0.0
    for i in range(count):
        spread += abs(s[at.RING_TYPICAL + i] - mean)
    spread /= count
    return (typical - mean) / (0.015 * spread) if spread > 1e-14 * typical else 0.0


@njit
def _book_and_returns(s: np.ndarray, n: int, bar: np.ndarray, out: np.ndarray) -> Any:
    """ret_*, imb_*, flow_*, vol_*; returns the 1-bar return in bps."""
    log = 1e4 * np.log(bar[CLOSE])
    s[at.RING_LOG + (n & 511)] = log
    r = log - s[at.RING_LOG + ((n - min(n, 1)) & 511)]
    out[O_RETURNS] = r
    out[O_RETURNS + 1] = log - s[at.RING_LOG + ((n - min(n, 2)) & 511)]
    out[O_RETURNS + 2] = log - s[at.RING_LOG + ((n - min(n, 5)) & 511)]
    out[O_RETURNS + 3] = log - s[at.RING_LOG + ((n - min(n, 10)) & 511)]
    out[O_RETURNS + 4] = log - s[at.RING_LOG + ((n - min(n, 30)) & 511)]
    out[O_RETURNS + 5] = log - s[at.RING_LOG + ((n - min(n, 60)) & 511)]
    out[O_RETURNS + 6] = log - s[at.RING_LOG + ((n - min(n, 300)) & 511)]

    five = _imbalance(bar[BID_5], bar[ASK_5])
    twenty = _imbalance(bar[BID_20], bar[ASK_20])
    c5 = min(n + 1, 5)
    c30 = min(n + 1, 30)
    c120 = min(n + 1, 120)
    out[O_DEPTH] = five
    out[O_DEPTH + 1] = twenty
    out[O_DEPTH + 2] = sum_push(s, at.SUM_IMB_5, 5, n, five) / c5
    out[O_DEPTH + 3] = sum_push(s, at.SUM_IMB_30, 30, n, five) / c30
    out[O_DEPTH + 4] = sum_push(s, at.SUM_IMB_120, 120, n, five) / c120
    out[O_DEPTH + 5] = sum_push(s, at.SUM_IMB20_5, 5, n, twenty) / c5
    out[O_DEPTH + 6] = sum_push(s, at.SUM_IMB20_30, 30, n, twenty) / c30
    out[O_DEPTH + 7] = sum_push(s, at.SUM_IMB20_120, 120, n, twenty) / c120

    signed = bar[BUY] - bar[SELL]
    out[O_SIGNED] = _signed_root(sum_push(s, at.SUM_FLOW_5, 5, n, signed))
    out[O_SIGNED + 1] = _signed_root(sum_push(s, at.SUM_FLOW_30, 30, n, signed))
    out[O_SIGNED + 2] = _signed_root(sum_push(s, at.SUM_FLOW_120, 120, n, signed))

    c60 = min(n + 1, 60)
    c300 = min(n + 1, 300)
    m60 = sum_push(s, at.SUM_RET_60, 60, n, r) / c60
    q60 = sum_push(s, at.SUM_RET_SQ_60, 60, n, r * r) / c60
    m300 = sum_push(s, at.SUM_RET_300, 300, n, r) / c300
    q300 = sum_push(s, at.SUM_RET_SQ_300, 300, n, r * r) / c300
    out[O_SIGNED + 3] = np.sqrt(max(q60 - m60 * m60, 0.0))
    out[O_SIGNED + 4] = np.sqrt(max(q300 - m300 * m300, 0.0))
    return r


@njit
def _calendar(s: np.ndarray, p: np.ndarray, ms: int, r: float, out: np.ndarray) -> None:
    """hour_sin … weekday_cos from the tables, and session_vol."""
    seconds = ms // 1_000
    minute = (seconds // 60) % 1_440
    second = seconds % 3_600
    hour = (seconds // 3_600 + 72) % 168  # 1970-01-01 was a Thursday; the week here begins on Monday
    out[O_TIME] = p[at.P_DAY + minute]
    out[O_TIME + 1] = p[at.P_DAY + 1_440 + minute]
    out[O_TIME + 2] = p[at.P_HOUR + second]
    out[O_TIME + 3] = p[at.P_HOUR + 3_600 + second]
    out[O_TIME + 4] = p[at.P_WEEK + hour]
    out[O_TIME + 5] = p[at.P_WEEK + 168 + hour]

    session = seconds // 28_800
    if session != s[at.SESSION]:
        if s[at.SESSION_ROWS] > 0:
            s[at.SESSION_PRIOR] = 60 * s[at.SESSION_SUM] / s[at.SESSION_ROWS]
            s[at.SESSION_SUM] = s[at.SESSION_PRIOR]
            s[at.SESSION_ROWS] = 60
        s[at.SESSION] = session
    s[at.SESSION_SUM] += r * r
    s[at.SESSION_ROWS] += 1
    out[O_TIME + 6] = np.sqrt(s[at.SESSION_SUM] / s[at.SESSION_ROWS])


@njit
def step(s: np.ndarray, p: np.ndarray, ms: int, bar: np.ndarray, out: np.ndarray) -> None:
    """Take in one bar and write its row.

    Args:
        s: the state, changed in place.
        p: `parameters(cfg)`.
        ms: timestamp of the bar's end, ms UTC.
        bar: (21,) in the order of `BAR_INPUTS`; finite.
        out: (66,) in the order of `OUT_NAMES`, written in full.
    """
    if s[at.COUNT] > 0 and ms - s[at.LAST_MS] > p[at.P_GAP_MS]:
        _forget(s)
    n = int(s[at.COUNT])
    out[0] = bar[PRICE]
    out[1] = bar[VOLUME]
    out[2] = bar[OPEN]
    out[3] = bar[HIGH]
    out[4] = bar[LOW]
    out[5] = bar[CLOSE]
    out[O_MICRO] = bar[BID]
    out[O_MICRO + 1] = bar[ASK]
    out[O_MICRO + 2] = bar[BID_VOLUME]
    out[O_MICRO + 3] = bar[ASK_VOLUME]
    out[O_MICRO + 4] = bar[ASK] - bar[BID]
    out[O_MICRO + 5] = _imbalance(bar[BID_VOLUME], bar[ASK_VOLUME])
    ten(s, n, bar[HIGH], bar[LOW], bar[CLOSE], out, O_TEN)
    _events(s, p, n, bar, out)
    _flow(s, p, n, bar, out)
    r = _book_and_returns(s, n, bar, out)
    _calendar(s, p, ms, r, out)
    s[at.LAST_HIGH] = bar[HIGH]
    s[at.LAST_LOW] = bar[LOW]
    s[at.LAST_CLOSE] = bar[CLOSE]
    s[at.LAST_MS] = ms
    s[at.COUNT] = n + 1


def _compiled(stamp: int) -> Any:
    @njit(cache=True)
    def run(s: np.ndarray, p: np.ndarray, ms: np.ndarray, bars: np.ndarray, columns: np.ndarray) -> None:
        """`step` over bars (21, T) into columns (≤ 66, T), the first so many of `OUT_NAMES`.

        Rows are made in tiles that fit the cache and then turned into columns: 66 far-apart stores a row are slow.
        """
        if stamp < 0:  # never: it only ties the stamp into the key of numba's cache
            return
        rows = ms.shape[0]
        tile = np.empty((min(TILE, rows), N_OUT))
        bar = np.empty(N_IN)
        for start in range(0, rows, TILE):
            size = min(TILE, rows - start)
            for i in range(size):
                for k in range(N_IN):
                    bar[k] = bars[k, start + i]
                step(s, p, ms[start + i], bar, tile[i])
            for k in range(columns.shape[0]):
                for i in range(size):
                    columns[k, start + i] = tile[i, k]

    return run


run = _compiled(STAMP)
