"""Where everything lies: the inputs, the outputs and the state cells of the kernel. Knows no arithmetic.

The state is one float64 array: scalars first, then windows (see `rolling`) and rings (powers of two). Numbers here are
frozen into the compiled kernel; `kernel.STAMP` makes numba notice when this file changes.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from decot.features.rolling import room
from schemas.columns import EVENTS, INDICATORS, KERNEL_EXTENSION, MARKET, MICROSTRUCTURE

BAR_INPUTS: Final = (
    *("open", "high", "low", "close", "price", "volume", "buy_volume", "sell_volume", "n_trades", "vwap"),
    *("bid_price", "ask_price", "bid_volume", "ask_volume"),
    *("bid_volume_5", "ask_volume_5", "bid_volume_20", "ask_volume_20", "ofi", "stale_ms", "latency_ms"),
)
"""order of a bar row; the timestamp travels beside it as an int64"""

BASE_OUT: Final = (*MARKET[1:], *MICROSTRUCTURE, *INDICATORS, *EVENTS)
"""the 28 columns of the base table that are computed from bars"""

OUT_NAMES: Final = (*BASE_OUT, *KERNEL_EXTENSION)
"""order of an output row"""

WARMUP: Final = 300
"""rows before every window is full (ret_300 and vol_300 are the longest)"""

N_IN: Final = len(BAR_INPUTS)
N_OUT: Final = len(OUT_NAMES)

# rows of the inputs and of the outputs
OPEN, HIGH, LOW, CLOSE, PRICE, VOLUME, BUY, SELL = range(8)
VWAP, BID, ASK, BID_VOLUME, ASK_VOLUME, BID_5, ASK_5, BID_20, ASK_20, OFI = range(9, 19)
O_PRICE, O_BOOK, O_TEN, O_EVENTS, O_FLOW, O_RETURNS, O_DEPTH, O_SIGNED, O_VOLUME_Z, O_TIME = (
    OUT_NAMES.index(name)
    for name in (
        *("price", "bid_price", "rsi_14", "event_spike_volume", "ofi", "ret_1", "imb_5", "flow_5"),
        *("volume_z", "hour_sin"),
    )
)

# scalars of the state
(
    COUNT,
    LAST_MS,
    LAST_HIGH,
    LAST_LOW,
    LAST_CLOSE,
    LAST_PRICE,
    RSI_UP,
    RSI_DOWN,
    LAST_RSI,
    EMA_9,
    EMA_21,
    EMA_12,
    EMA_26,
    MACD_SIGNAL,
    LAST_SIDE,
    ATR,
    DM_UP,
    DM_DOWN,
    DM_RANGE,
    ADX,
    ANCHOR,
    ANCHOR_BEFORE,
    BAND_1,
    BAND_2,
    STILL,
    BAND_LAST,
    TICK,
    BUCKETS,
    BUCKET_SIZE,
    BUCKET_BUY,
    BUCKET_SELL,
    VPIN,
    SESSION,
    SESSION_SUM,
    SESSION_ROWS,
) = range(35)
CANDLES: Final = 40
"""the two bars before: open, high, low, close, mean body, mean range, near; twice"""

_cells = 56


def _take(cells: int) -> int:
    global _cells
    at = _cells
    _cells += cells
    return at


# rows of the work table: what slides, then what comes out of the windows
(
    X_HIGH,
    X_LOW,
    X_CLOSE,
    X_SUNK,
    X_VOLUME,
    X_VOLUME_SQ,
    X_BODY,
    X_SPAN,
    X_OFI,
    X_PAID,
    X_SIGNED,
    X_RET,
    X_RET_SQ,
    X_FIVE,
    X_TWENTY,
    Y_VOLUME_BEFORE,
    Y_VOLUME,
    Y_VOLUME_SQ,
    Y_BODY_10,
    Y_SPAN_10,
    Y_SPAN_5,
    Y_PAID,
    Y_RET_60,
    Y_RET_SQ_60,
    Y_RET_300,
    Y_RET_SQ_300,
    Y_TOP_20,
    Y_FLOOR_20,
    Y_TOP_9,
    Y_FLOOR_9,
    Y_TOP_26,
    Y_FLOOR_26,
    Y_OFI_10,
    Y_FIVE,
) = range(34)
Y_TWENTY, Y_SIGNED, Y_UNUSED, Y_VOLUME_Z, Z_CANDLES = (Y_FIVE + k for k in (3, 6, 9, 10, 11))
N_WORK: Final = Z_CANDLES + 7

_U = Y_UNUSED
_BASE_SUMS = (
    (60, X_VOLUME, Y_VOLUME_BEFORE, Y_VOLUME),
    (60, X_VOLUME_SQ, Y_VOLUME_SQ, _U),
    (10, X_BODY, Y_BODY_10, _U),
    (10, X_SPAN, Y_SPAN_10, _U),
    (5, X_SPAN, Y_SPAN_5, _U),
)
_MORE_SUMS = (
    (10, X_OFI, _U, Y_OFI_10),
    (60, X_PAID, _U, Y_PAID),
    (60, X_RET, _U, Y_RET_60),
    (60, X_RET_SQ, _U, Y_RET_SQ_60),
    (300, X_RET, _U, Y_RET_300),
    (300, X_RET_SQ, _U, Y_RET_SQ_300),
    *((w, X_FIVE, _U, Y_FIVE + k) for k, w in enumerate((5, 30, 120))),
    *((w, X_TWENTY, _U, Y_TWENTY + k) for k, w in enumerate((5, 30, 120))),
    *((w, X_SIGNED, _U, Y_SIGNED + k) for k, w in enumerate((5, 30, 120))),
)
_BASE_TOPS = ((20, X_HIGH, Y_TOP_20, _U), (20, X_SUNK, Y_FLOOR_20, _U))
_MORE_TOPS = (
    (9, X_HIGH, _U, Y_TOP_9),
    (9, X_SUNK, _U, Y_FLOOR_9),
    (26, X_HIGH, _U, Y_TOP_26),
    (26, X_SUNK, _U, Y_FLOOR_26),
)


def _table(*windows: tuple[int, int, int, int]) -> np.ndarray:
    """One line per window: its state cells, its length, the row it reads, the rows it writes (before, after)."""
    return np.array([(_take(room(w)), w, x, before, after) for w, x, before, after in windows], np.int64)


SUMS: Final = _table(*_BASE_SUMS, *_MORE_SUMS)
N_BASE_SUMS: Final = len(_BASE_SUMS)
SUM_CLOSE_50: Final = _take(room(50))
SUM_TIPPED_50: Final = _take(room(50))
SUM_BUCKET_50: Final = _take(room(50))
BAND_BLOCK_1: Final = _take(21)
BAND_BLOCK_2: Final = _take(21)
MAX_FIRST: Final = _cells
TOPS: Final = _table(*_BASE_TOPS, *_MORE_TOPS)
"""maxima; lows go in negated"""
MAX_PAST: Final = _cells
N_BASE_TOPS: Final = len(_BASE_TOPS)
RING_LOG: Final = _take(512)
RING_TYPICAL: Final = _take(20)

STATE_CELLS: Final = _cells

FRESH: Final = np.zeros(STATE_CELLS)
"""the state before the first bar; copy it"""
FRESH[MAX_FIRST:MAX_PAST] = -np.inf
FRESH.setflags(write=False)

# parameters: scalars, then the sine and cosine tables of the calendar
(P_GAP_MS, P_SPIKE, P_LOW_RSI, P_HIGH_RSI, P_TREND_ADX, P_BUCKET_BARS, P_NOTIONAL) = range(7)
P_DAY: Final = 8
"""1,440 minutes of the day: sine, then cosine"""
P_HOUR: Final = P_DAY + 2 * 1_440
"""3,600 seconds of the hour"""
P_WEEK: Final = P_HOUR + 2 * 3_600
"""168 hours of the week, Monday first"""
PARAM_CELLS: Final = P_WEEK + 2 * 168
