"""Every table of the house as a pandera schema: types, nulls, ranges, laws. Knows not where rows come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandera.polars as pa
import polars as pl

from schemas import columns as c
from schemas.laws import BARS_LAWS, BASE_LAWS, BOOK_LAWS, CANDLE_LAWS, FEATURE_LAWS


@dataclass(frozen=True, slots=True)
class Fault:
    """One broken rule at one place."""

    column: str
    row: int | None
    check: str
    value: str

    def __str__(self) -> str:
        place = self.column if self.row is None else f"{self.column}, row {self.row}"
        return f"{place}: {self.check}, found {self.value}"


def _increasing(name: str) -> pa.Check:
    def check(data: Any) -> pl.LazyFrame:
        return data.lazyframe.select((pl.col(data.key).diff() > 0).fill_null(True))

    return pa.Check(check, name=f"{name} strictly increasing, unique")


def _not_decreasing(name: str) -> pa.Check:
    def check(data: Any) -> pl.LazyFrame:
        return data.lazyframe.select((pl.col(data.key).diff() >= 0).fill_null(True))

    return pa.Check(check, name=f"{name} sorted")


def _finite() -> pa.Check:
    def check(data: Any) -> pl.LazyFrame:
        return data.lazyframe.select(pl.col(data.key).is_finite())

    return pa.Check(check, name="finite")


def _law(name: str, truth: pl.Expr) -> pa.Check:
    def check(data: Any) -> pl.LazyFrame:
        return data.lazyframe.select(truth)

    return pa.Check(check, name=name)


def _between(low: float, high: float) -> pa.Check:
    return pa.Check.in_range(low, high, error=f"between {low:g} and {high:g}")


_POSITIVE = pa.Check.gt(0, error="> 0")
_NOT_NEGATIVE = pa.Check.ge(0, error="≥ 0")
_SIGN = pa.Check.isin([-1, 0, 1], error="one of −1, 0, 1")
_SIGN_FLOAT = pa.Check.isin([-1.0, 0.0, 1.0], error="one of −1, 0, 1")
_FLAG_FLOAT = pa.Check.isin([0.0, 1.0], error="0 or 1")
_FLAG = pa.Check.isin([0, 1], error="0 or 1")

_RULES: dict[str, list[pa.Check]] = {
    **dict.fromkeys(
        (
            "price",
            "open",
            "high",
            "low",
            "close",
            "bid_price",
            "ask_price",
            "ema_9",
            "ema_21",
            "sma_50",
            "micro_price",
            "vwap_60",
            "ichimoku_tenkan",
            "ichimoku_kijun",
        ),
        [_POSITIVE],
    ),
    **dict.fromkeys(
        (
            "volume",
            "bid_volume",
            "ask_volume",
            "spread",
            "atr_14",
            "execution_latency",
            "entry_price",
            "vol_60",
            "vol_300",
            "session_vol",
            "target_profit",
        ),
        [_NOT_NEGATIVE],
    ),
    "timestamp": [_POSITIVE, _increasing("timestamp")],
    "order_imbalance": [_between(-1, 1)],
    "rsi_14": [_between(0, 100)],
    "adx": [_between(0, 100)],
    "event_spike_volume": [_FLAG],
    "event_breakout": [_SIGN],
    "event_reversal": [_SIGN],
    "trend_direction": [_SIGN],
    "momentum_shift": [_SIGN],
    "pattern_match": [pa.Check.in_range(0, 20, error="0 (none) or a pattern's number")],
    "future_return_5s": [_between(-1, 1)],
    "future_return_10s": [_between(-1, 1)],
    "future_signal": [_SIGN],
    "future_max_dd": [pa.Check.in_range(-1, 0, error="between −1 and 0")],
    "position": [_SIGN],
    "exit_signal": [_FLAG],
    "drawdown": [_NOT_NEGATIVE],
    "vpin": [_between(0, 1)],
    "tick_rule": [_SIGN_FLOAT],
    **dict.fromkeys(c.DEPTH, [_between(-1, 1)]),
    **dict.fromkeys(tuple(name for name in c.TIME if name != "session_vol"), [_between(-1, 1)]),
    **dict.fromkeys(c.REGIME, [_between(0, 1)]),
    **dict.fromkeys(("sentiment_bearish", "sentiment_neutral", "sentiment_bullish"), [_between(0, 1)]),
    "news_known": [_FLAG_FLOAT],
    "context_known": [_FLAG_FLOAT],
}


def _schema(
    name: str,
    types: Mapping[str, pl.DataType],
    laws: Mapping[str, pl.Expr],
    rules: Mapping[str, list[pa.Check]],
) -> pa.DataFrameSchema:
    columns = {}
    for column, dtype in types.items():
        checks = list(rules.get(column, []))
        if dtype == pl.Float64():
            checks.insert(0, _finite())
        columns[column] = pa.Column(dtype, checks=checks, nullable=False)
    return pa.DataFrameSchema(
        columns,
        checks=[_law(label, truth) for label, truth in laws.items()],
        strict=True,
        ordered=True,
        name=name,
    )


def _floats(names: Sequence[str]) -> dict[str, pl.DataType]:
    return {name: pl.Float64() for name in names}


_PRICES = dict.fromkeys(("price", "open", "high", "low", "close", "bid", "ask", "quantity"), [_POSITIVE])
_SIZES = dict.fromkeys(
    ("bid_qty", "ask_qty", "bid_qty_5", "ask_qty_5", "bid_qty_20", "ask_qty_20", "volume"), [_NOT_NEGATIVE]
)

RawTrades = _schema(
    "raw_trades",
    {
        "ts_us": pl.Int64(),
        "recv_us": pl.Int64(),
        "trade_id": pl.Int64(),
        "price": pl.Float64(),
        "quantity": pl.Float64(),
        "side": pl.Int8(),
    },
    {},
    {**_PRICES, "ts_us": [_POSITIVE], "recv_us": [_not_decreasing("recv_us")], "side": [_SIGN]},
)
"""one row per trade, sorted by local receive time; `side` is the aggressor's (+1 buy, −1 sell, 0 unknown)"""

RawBook = _schema(
    "raw_book",
    {
        "ts_us": pl.Int64(),
        "recv_us": pl.Int64(),
        **_floats(
            (
                "bid",
                "bid_qty",
                "ask",
                "ask_qty",
                "bid_qty_5",
                "ask_qty_5",
                "bid_qty_20",
                "ask_qty_20",
            )
        ),
    },
    BOOK_LAWS,
    {**_PRICES, **_SIZES, "ts_us": [_POSITIVE], "recv_us": [_not_decreasing("recv_us")]},
)
"""best bid and ask with sizes and 5-/20-level size sums, sorted by local receive time"""

RawCandles = _schema(
    "raw_candles",
    {"timestamp": pl.Int64(), **_floats(("open", "high", "low", "close", "volume"))},
    CANDLE_LAWS,
    {**_PRICES, **_SIZES, "timestamp": [_POSITIVE, _increasing("timestamp")]},
)

Headlines = _schema(
    "headlines",
    {
        "published_ms": pl.Int64(),
        "available_ms": pl.Int64(),
        "source": pl.String(),
        "text": pl.String(),
    },
    {"available_ms ≥ published_ms": pl.col("available_ms") >= pl.col("published_ms")},
    {
        "available_ms": [_POSITIVE, _not_decreasing("available_ms")],
        "text": [pa.Check.str_length(min_value=1, error="not empty")],
    },
)
"""`available_ms` is when we could have read it; every join uses that, never `published_ms`"""

BAR_FLOATS = (
    *("open", "high", "low", "close", "price", "volume", "buy_volume", "sell_volume"),
    *("vwap", "bid_price", "ask_price", "bid_volume", "ask_volume"),
    *("bid_volume_5", "ask_volume_5", "bid_volume_20", "ask_volume_20", "ofi", "stale_ms", "latency_ms"),
)

Bars = _schema(
    "bars",
    {
        "timestamp": pl.Int64(),
        **_floats(BAR_FLOATS[:8]),
        "n_trades": pl.Int64(),
        **_floats(BAR_FLOATS[8:]),
    },
    BARS_LAWS,
    {
        **{k: v for k, v in _RULES.items() if k in (*BAR_FLOATS, "timestamp")},
        **dict.fromkeys(
            (
                "buy_volume",
                "sell_volume",
                "stale_ms",
                "bid_volume_5",
                "ask_volume_5",
                "bid_volume_20",
                "ask_volume_20",
                "n_trades",
            ),
            [_NOT_NEGATIVE],
        ),
        "vwap": [_POSITIVE],
    },
)
"""a contiguous grid, each bar stamped at its end; open … close follow the mid, `price` the last trade"""

BaseTable = _schema("base", {name: c.dtype_of(name) for name in c.BASE_COLUMNS}, BASE_LAWS, _RULES)
"""the 41 columns, in order"""

FeaturesTable = _schema(
    "features", {name: c.dtype_of(name) for name in c.FEATURES_COLUMNS}, FEATURE_LAWS, _RULES
)
"""the 41 columns and the extension"""

TABLES: dict[str, pa.DataFrameSchema] = {
    schema.name: schema
    for schema in (RawTrades, RawBook, RawCandles, Headlines, Bars, BaseTable, FeaturesTable)
}


def faults(frame: pl.DataFrame, model: pa.DataFrameSchema, *, most: int = 50) -> list[Fault]:
    """Every rule the frame breaks (at most `most` places each check), empty when it is lawful.

    Args:
        frame: an eager polars frame; a LazyFrame is refused because pandera would check its names only.
        model: one of `TABLES`.
    Raises:
        TypeError: for anything but an eager frame.
    """
    if not isinstance(frame, pl.DataFrame):
        raise TypeError("collect the frame first: on a LazyFrame only the column names would be checked")
    try:
        model.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as broken:
        found = [
            Fault(
                str(row["column"] or row["schema_context"]),
                row["index"],
                str(row["check"]),
                str(row["failure_case"])[:80],
            )
            for row in broken.failure_cases.to_dicts()
        ]
        counts: dict[str, int] = {}
        kept = []
        for fault in found:
            counts[fault.check + fault.column] = counts.get(fault.check + fault.column, 0) + 1
            if counts[fault.check + fault.column] <= most:
                kept.append(fault)
        return kept
    return []
