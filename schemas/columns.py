"""The names and types of every column, each said once. Knows nothing of values or laws."""

from __future__ import annotations

from typing import Final

import polars as pl

MARKET: Final = ("timestamp", "price", "volume", "open", "high", "low", "close")
MICROSTRUCTURE: Final = ("bid_price", "ask_price", "bid_volume", "ask_volume", "spread", "order_imbalance")
INDICATORS: Final = (
    "rsi_14",
    "macd",
    "macd_signal",
    "ema_9",
    "ema_21",
    "sma_50",
    "bollinger_upper",
    "bollinger_lower",
    "atr_14",
    "adx",
)
EVENTS: Final = (
    "event_spike_volume",
    "event_breakout",
    "event_reversal",
    "trend_direction",
    "momentum_shift",
    "pattern_match",
)
TARGETS: Final = (
    "future_return_5s",
    "future_return_10s",
    "future_signal",
    "future_max_dd",
    "target_profit",
)
SYSTEM: Final = (
    "position",
    "pnl",
    "cumulative_pnl",
    "drawdown",
    "entry_price",
    "exit_signal",
    "execution_latency",
)

BASE_COLUMNS: Final = MARKET + MICROSTRUCTURE + INDICATORS + EVENTS + TARGETS + SYSTEM

FLOW: Final = ("ofi", "ofi_10", "vpin", "tick_rule", "micro_price", "slippage_bps", "vwap_60", "cci_20")
ICHIMOKU: Final = ("ichimoku_tenkan", "ichimoku_kijun")
RETURNS: Final = ("ret_1", "ret_2", "ret_5", "ret_10", "ret_30", "ret_60", "ret_300")
DEPTH: Final = (
    "imb_5",
    "imb_20",
    "imb_mean_5",
    "imb_mean_30",
    "imb_mean_120",
    "imb20_mean_5",
    "imb20_mean_30",
    "imb20_mean_120",
)
SIGNED_FLOW: Final = ("flow_5", "flow_30", "flow_120")
VOLATILITY: Final = ("vol_60", "vol_300", "volume_z")
TIME: Final = (
    "hour_sin",
    "hour_cos",
    "minute_sin",
    "minute_cos",
    "weekday_sin",
    "weekday_cos",
    "session_vol",
)
KERNEL_EXTENSION: Final = FLOW + ICHIMOKU + RETURNS + DEPTH + SIGNED_FLOW + VOLATILITY + TIME
REGIME: Final = tuple(f"regime_{k}" for k in range(6))
TEXT: Final = (
    *(f"text_{k}" for k in range(16)),
    "sentiment_bearish",
    "sentiment_neutral",
    "sentiment_bullish",
    "news_known",
)
CONTEXT: Final = (*(f"context_{k}" for k in range(4)), "context_known")
EXTENSION: Final = KERNEL_EXTENSION + REGIME + TEXT + CONTEXT
FEATURES_COLUMNS: Final = BASE_COLUMNS + EXTENSION

FUTURE: Final = TARGETS
"""columns that look ahead; everything else is knowable at `timestamp`"""

SMALL_INTS: Final = (*EVENTS, "future_signal", "position", "exit_signal")


def dtype_of(column: str) -> pl.DataType:
    """Type of a base or feature column: int64 milliseconds, small signed integers for events, else float64."""
    if column == "timestamp":
        return pl.Int64()
    return pl.Int8() if column in SMALL_INTS else pl.Float64()


def cast_to_schema(frame: pl.DataFrame, columns: tuple[str, ...]) -> pl.DataFrame:
    """The frame with exactly `columns`, in order and in their types; raises polars' ColumnNotFoundError."""
    return frame.select(pl.col(name).cast(dtype_of(name)) for name in columns)
