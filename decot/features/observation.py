"""What the agent sees: one row of features without units. Knows rows; looks neither back nor ahead.

Multiply every price by k and every quantity by q and nothing changes.
Turn a row upside down (moves negated, sides swapped) and the columns marked ± change their sign while the others stay, to
first order in the moves. Never read: timestamp, targets, system.

`bps(x)` is 10⁴ ln(x / close). By column:
± price_bps bps(last trade) · ± body_bps −bps(open) · range_bps bps(high) − bps(low) · ± close_place where the close
lies in the bar, −1 low … +1 high, 0 in a bar without range · spread_bps bps(ask) − bps(bid) · ± order_imbalance ·
± micro_bps the weighted mid · ± rsi (rsi − 50) / 50 · ± macd_bps, ± macd_hist_bps 10⁴ macd / close, and above its
signal · ± ema_9_bps, ± ema_21_bps, ± sma_50_bps −bps · ± band_place (close − middle) / half width of the bands, 0
when they touch · band_width_bps · atr_bps · adx adx / 100 · spike, ± breakout, ± reversal, ± trend,
± momentum_shift the events · ± pattern direction of pattern_match · ± ofi, ± ofi_10 asinh of the signed root of OFI
over the volume at the touch · vpin · ± tick_rule · ± vwap_bps −bps(vwap_60) · ± kijun_bps −bps · ± ret_1 … ret_300
bps · ± imb_5 … imb20_mean_120 · ± flow_5, flow_30, flow_120 asinh of the flow over the root of the volume at the
touch · vol_60, vol_300 log(1 + bps) · volume_z · hour_sin … minute_cos (weekday is left out: over a few days it only
names the day) · session_vol log(1 + bps) · regime_*, text_*, sentiment_*, news_known, context_*, context_known as
they are.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numba import njit

from decot.errors import TableRefused
from decot.features import patterns as _patterns
from decot.features.patterns import PATTERNS
from schemas.columns import (
    CONTEXT,
    DEPTH,
    FEATURES_COLUMNS,
    REGIME,
    RETURNS,
    SYSTEM,
    TARGETS,
    TEXT,
)

OBSERVED: Final = tuple(n for n in FEATURES_COLUMNS if n not in {"timestamp", *TARGETS, *SYSTEM})
"""the columns of the features table that may be looked at, in the order a row is given"""

DIRECTED: Final = (
    *(
        "price_bps",
        "body_bps",
        "close_place",
        "order_imbalance",
        "micro_bps",
        "rsi",
        "macd_bps",
        "macd_hist_bps",
    ),
    *("ema_9_bps", "ema_21_bps", "sma_50_bps", "band_place"),
    *("breakout", "reversal", "trend", "momentum_shift", "pattern"),
    *(
        "ofi",
        "ofi_10",
        "tick_rule",
        "vwap_bps",
        "kijun_bps",
        *RETURNS,
        *DEPTH,
        "flow_5",
        "flow_30",
        "flow_120",
    ),
)
"""columns whose sign is a direction: ± in the list above"""

OBSERVATION: Final = (
    *("price_bps", "body_bps", "range_bps", "close_place", "spread_bps", "order_imbalance", "micro_bps"),
    *("rsi", "macd_bps", "macd_hist_bps", "ema_9_bps", "ema_21_bps", "sma_50_bps"),
    *("band_place", "band_width_bps", "atr_bps", "adx"),
    *("spike", "breakout", "reversal", "trend", "momentum_shift", "pattern"),
    *("ofi", "ofi_10", "vpin", "tick_rule", "vwap_bps", "kijun_bps"),
    *RETURNS,
    *DEPTH,
    *("flow_5", "flow_30", "flow_120", "vol_60", "vol_300", "volume_z"),
    *("hour_sin", "hour_cos", "minute_sin", "minute_cos", "session_vol"),
    *REGIME,
    *TEXT,
    *CONTEXT,
)
"""names of the observation's columns, in order"""

_I = {name: k for k, name in enumerate(OBSERVED)}
PRICE, OPEN, HIGH, LOW, CLOSE = (_I[n] for n in ("price", "open", "high", "low", "close"))
BID, ASK, BID_VOLUME, ASK_VOLUME = (_I[n] for n in ("bid_price", "ask_price", "bid_volume", "ask_volume"))
IMBALANCE, RSI, EMA_9, UPPER, ATR = (
    _I[n] for n in ("order_imbalance", "rsi_14", "ema_9", "bollinger_upper", "atr_14")
)
SPIKE, PATTERN, FLOW, VWAP, KIJUN = (
    _I[n] for n in ("event_spike_volume", "pattern_match", "ofi", "vwap_60", "ichimoku_kijun")
)
RETURNS_AT, SIGNED, HOUR, SESSION, REST = (
    _I[n] for n in ("ret_1", "flow_5", "hour_sin", "session_vol", "regime_0")
)
N_RETURNS_DEPTH = len(RETURNS) + len(DEPTH)
N_SEEN = len(OBSERVED)
N_OBS = len(OBSERVATION)
_SIDES = np.array([float(side) for _, side in PATTERNS])


@njit
def _bps(x: float, close: float) -> Any:
    return 1e4 * np.log(x / close)


@njit
def _root(x: float) -> Any:
    return np.sqrt(x) if x >= 0 else -np.sqrt(-x)


@njit
def _see(f: np.ndarray, o: np.ndarray) -> None:
    close = f[CLOSE]
    o[0] = _bps(f[PRICE], close)
    o[1] = -_bps(f[OPEN], close)
    up = _bps(f[HIGH], close)
    down = _bps(f[LOW], close)
    o[2] = up - down
    o[3] = -(up + down) / (up - down) if up > down else 0.0
    bid = _bps(f[BID], close)
    ask = _bps(f[ASK], close)
    o[4] = ask - bid
    o[5] = f[IMBALANCE]
    o[6] = 0.5 * (ask - bid) * f[IMBALANCE] + 0.5 * (bid + ask)
    o[7] = (f[RSI] - 50) / 50
    o[8] = 1e4 * f[RSI + 1] / close
    o[9] = 1e4 * (f[RSI + 1] - f[RSI + 2]) / close
    o[10] = -_bps(f[EMA_9], close)
    o[11] = -_bps(f[EMA_9 + 1], close)
    o[12] = -_bps(f[EMA_9 + 2], close)
    half = 0.5 * (f[UPPER] - f[UPPER + 1])
    o[13] = (close - 0.5 * (f[UPPER] + f[UPPER + 1])) / half if half > 1e-12 * close else 0.0
    o[14] = 2e4 * half / close
    o[15] = 1e4 * f[ATR] / close
    o[16] = f[ATR + 1] / 100
    for k in range(5):
        o[17 + k] = f[SPIKE + k]
    o[22] = _SIDES[int(f[PATTERN])]

    touch = f[BID_VOLUME] + f[ASK_VOLUME]
    per = 1 / touch if touch > 0 else 0.0
    o[23] = np.arcsinh(_root(f[FLOW] * per))
    o[24] = np.arcsinh(_root(f[FLOW + 1] * per))
    o[25] = f[FLOW + 2]
    o[26] = f[FLOW + 3]
    o[27] = -_bps(f[VWAP], close)
    o[28] = -_bps(f[KIJUN], close)
    for k in range(N_RETURNS_DEPTH):
        o[29 + k] = f[RETURNS_AT + k]
    c = 29 + N_RETURNS_DEPTH
    per = np.sqrt(per)
    for k in range(3):
        o[c + k] = np.arcsinh(f[SIGNED + k] * per)
    o[c + 3] = np.log1p(f[SIGNED + 3])
    o[c + 4] = np.log1p(f[SIGNED + 4])
    o[c + 5] = f[SIGNED + 5]
    for k in range(4):
        o[c + 6 + k] = f[HOUR + k]
    o[c + 10] = np.log1p(f[SESSION])
    for k in range(N_SEEN - REST):
        o[c + 11 + k] = f[REST + k]


STAMP = zlib.crc32(Path(str(_patterns.__file__)).read_bytes())


def _compiled(stamp: int) -> Any:
    @njit(cache=True)
    def see_all(rows: np.ndarray, seen: np.ndarray) -> None:
        """Rows (T, 97) into observations (T, F) float32."""
        if stamp < 0:  # never: ties the files compiled in into the key of numba's cache
            return
        o = np.empty(N_OBS)
        for t in range(rows.shape[0]):
            _see(rows[t], o)
            for k in range(N_OBS):
                seen[t, k] = o[k]

    return see_all


_see_all = _compiled(STAMP)


def observe(features: pl.DataFrame) -> np.ndarray:
    """What the agent sees of every row: (T, F) float32 in the order of `OBSERVATION`.

    Raises:
        TableRefused: a column is missing.
    """
    missing = [name for name in OBSERVED if name not in features.columns]
    if missing:
        raise TableRefused("features", [f"column {name} is missing; rebuild the table" for name in missing])
    seen = np.empty((features.height, N_OBS), np.float32)
    for start in range(0, features.height, 8_192):
        part = features.slice(start, 8_192)
        rows = np.empty((part.height, N_SEEN))
        for k, name in enumerate(OBSERVED):
            rows[:, k] = part[name].to_numpy()
        _see_all(rows, seen[start : start + part.height])
    return seen


def observe_row(row: np.ndarray) -> np.ndarray:
    """The same for one row (97,) in the order of `OBSERVED`: (F,) float32, bit-equal to `observe`."""
    seen = np.empty((1, N_OBS), np.float32)
    _see_all(np.ascontiguousarray(row, np.float64).reshape(1, N_SEEN), seen)
    return seen[0]
