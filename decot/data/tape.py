"""A recorded (or made-up) stretch of one market, as plain tables. Knows no file format and no bar clock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import polars as pl

from decot.errors import GapInData

TRADES: Final = {
    "ts_us": pl.Int64(),
    "recv_us": pl.Int64(),
    "trade_id": pl.Int64(),
    "price": pl.Float64(),
    "quantity": pl.Float64(),
    "side": pl.Int8(),
}
BOOK: Final = {
    "ts_us": pl.Int64(),
    "recv_us": pl.Int64(),
    "bid": pl.Float64(),
    "bid_qty": pl.Float64(),
    "ask": pl.Float64(),
    "ask_qty": pl.Float64(),
    "bid_qty_5": pl.Float64(),
    "ask_qty_5": pl.Float64(),
    "bid_qty_20": pl.Float64(),
    "ask_qty_20": pl.Float64(),
}
CANDLES: Final = {
    "timestamp": pl.Int64(),
    **dict.fromkeys(("open", "high", "low", "close", "volume"), pl.Float64()),
}
HEADLINES: Final = {
    "published_ms": pl.Int64(),
    "available_ms": pl.Int64(),
    "source": pl.String(),
    "text": pl.String(),
}

_DAY_US: Final = 86_400_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RawTape:
    """Trades, top of book and headlines of one market, sorted by the local clock.

    `trades`, `book`, `candles` and `headlines` have the columns named above, in that order. `meta` says what
    the source could not: `depth_known`, `side_known`, `ts_estimated`, `layout`, `files`, …
    """

    symbol: str
    venue: str
    trades: pl.DataFrame
    book: pl.DataFrame
    candles: pl.DataFrame | None
    headlines: pl.DataFrame
    meta: dict[str, Any]

    def span_us(self) -> tuple[int, int]:
        """First and last moment on the local clock, over book, trades and candles.

        Raises:
            GapInData: for a tape that holds nothing.
        """
        ends = [frame["recv_us"] for frame in (self.book, self.trades) if frame.height]
        if self.candles is not None and self.candles.height:
            ends.append(self.candles["timestamp"] * 1_000)
        if not ends:
            raise GapInData(f"{self.symbol}: the tape holds no book, trade or candle; record or import some")
        return min(int(column[0]) for column in ends), max(int(column[-1]) for column in ends)

    def days(self) -> list[str]:
        """The UTC days (ISO) on which something was received, in order."""
        columns = [frame["recv_us"] // _DAY_US for frame in (self.book, self.trades)]
        if self.candles is not None:
            columns.append((self.candles["timestamp"] * 1_000 - 1) // _DAY_US)
        numbers = sorted(set().union(*(column.unique().to_list() for column in columns)))
        return [datetime.fromtimestamp(number * 86_400, UTC).date().isoformat() for number in numbers]

    def day(self, day: str) -> RawTape:
        """Only what was received on one UTC day (headlines: all that were available by its end)."""
        start = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * 1_000_000
        return self.between(start, start + _DAY_US)

    def between(self, start_us: int, end_us: int) -> RawTape:
        """Only what was received in [start_us, end_us); headlines available before `end_us` are kept."""
        received = (pl.col("recv_us") >= start_us) & (pl.col("recv_us") < end_us)
        candles = self.candles
        if candles is not None:
            ended = pl.col("timestamp") * 1_000
            candles = candles.filter((ended > start_us) & (ended <= end_us))
        return replace(
            self,
            trades=self.trades.filter(received),
            book=self.book.filter(received),
            candles=candles,
            headlines=self.headlines.filter(pl.col("available_ms") * 1_000 < end_us),
        )


def empty(columns: dict[str, Any]) -> pl.DataFrame:
    """A table without rows, of the given columns."""
    return pl.DataFrame(schema=columns)
