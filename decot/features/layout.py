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

# scalars
(
    COUNT,
    LAST_MS,
    LAST_OPEN,
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
    LAST_HIST,
    ATR,
    DM_UP,
    DM_DOWN,
    DM_RANGE,
    ADX,
    ANCHOR,
    ANCHOR_BEFORE,
    BAND_1,
    BAND_2,
    TICK,
    BUCKETS,
    BUCKET_SIZE,
    BUCKET_BUY,
    BUCKET_SELL,
    VPIN,
    SESSION,
    SESSION_SUM,
    SESSION_ROWS,
    SESSION_PRIOR,
) = range(35)

_cells = 40


def _take(cells: int) -> int:
    global _cells
    at = _cells
    _cells += cells
    return at


# windows of sums
SUM_CLOSE_50: Final = _take(room(50))
BAND_BLOCK_1: Final = _take(21)
BAND_BLOCK_2: Final = _take(21)
SUM_VOLUME_60: Final = _take(room(60))
SUM_VOLUME_SQ_60: Final = _take(room(60))
SUM_PAID_60: Final = _take(room(60))
SUM_OFI_10: Final = _take(room(10))
SUM_IMB_5: Final = _take(room(5))
SUM_IMB_30: Final = _take(room(30))
SUM_IMB_120: Final = _take(room(120))
SUM_IMB20_5: Final = _take(room(5))
SUM_IMB20_30: Final = _take(room(30))
SUM_IMB20_120: Final = _take(room(120))
SUM_FLOW_5: Final = _take(room(5))
SUM_FLOW_30: Final = _take(room(30))
SUM_FLOW_120: Final = _take(room(120))
SUM_RET_60: Final = _take(room(60))
SUM_RET_SQ_60: Final = _take(room(60))
SUM_RET_300: Final = _take(room(300))
SUM_RET_SQ_300: Final = _take(room(300))
SUM_BODY_10: Final = _take(room(10))
SUM_RANGE_10: Final = _take(room(10))
SUM_RANGE_5: Final = _take(room(5))
SUM_TIPPED_50: Final = _take(room(50))
SUM_BUCKET_50: Final = _take(room(50))

# windows of maxima (lows are kept negated)
_first_max = _cells
MAX_HIGH_9: Final = _take(room(9))
MAX_LOW_9: Final = _take(room(9))
MAX_HIGH_20: Final = _take(room(20))
MAX_LOW_20: Final = _take(room(20))
MAX_HIGH_26: Final = _take(room(26))
MAX_LOW_26: Final = _take(room(26))
_past_max = _cells

# rings
RING_LOG: Final = _take(512)
RING_CLOSE_32: Final = _take(32)
RING_TYPICAL: Final = _take(20)
RING_OPEN: Final = _take(4)
RING_HIGH: Final = _take(4)
RING_LOW: Final = _take(4)
RING_CLOSE: Final = _take(4)
RING_BODY_MEAN: Final = _take(4)
RING_RANGE_MEAN: Final = _take(4)
RING_NEAR_MEAN: Final = _take(4)

STATE_CELLS: Final = _cells

FRESH: Final = np.zeros(STATE_CELLS)
"""the state before the first bar; copy it"""
FRESH[_first_max:_past_max] = -np.inf
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
