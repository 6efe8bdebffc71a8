"""Trades and book updates become bars on an exact clock. Knows nothing of files, features or fills.

A bar stamped `end` holds the events of (end − clock, end]. Batch and stream run the very same compiled steps
of `bar_kernel.py`, so their bars are equal to the bit.
"""

from __future__ import annotations

import json
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from decot.data.bar_kernel import BOOKS, CLOCK, END, SIZE, bars_due, close_bar, take_quote, take_trade, walk
from decot.data.candles import bars_of_candles
from decot.data.tape import RawTape
from decot.errors import GapInData

BAR_COLUMNS: Final = (
    *("timestamp", "open", "high", "low", "close", "price", "volume", "buy_volume", "sell_volume"),
    *("n_trades", "vwap", "bid_price", "ask_price", "bid_volume", "ask_volume"),
    *("bid_volume_5", "ask_volume_5", "bid_volume_20", "ask_volume_20", "ofi", "stale_ms", "latency_ms"),
)
MOST_BARS: Final = 40_000_000
"""a longer grid is a clock too fine or two tapes far apart joined by mistake"""

Bar = tuple[int, NDArray[np.float64]]
"""end of the bar in ms, and the other columns in `BAR_COLUMNS` order"""


def _fresh(clock_ms: int) -> NDArray[np.float64]:
    if clock_ms < 1:
        raise ValueError(f"clock_ms is {clock_ms}; a bar lasts at least 1 ms")
    state = np.zeros(SIZE)
    state[CLOCK] = clock_ms * 1_000
    return state


def build_bars(tape: RawTape, clock_ms: int, by: str = "recv") -> pl.DataFrame:
    """The tape on a contiguous grid of bars, from the first book update to the last event.

    Args:
        tape: book and trades (or candles only) of one market.
        clock_ms: length of a bar.
        by: `recv`, what was known here when (what a live agent sees), or `event`, the exchange's clock.
    Returns:
        the columns `BAR_COLUMNS`; trades before the first bar only set `price`.
    Raises:
        GapInData: no book update at all, or a grid of more than `MOST_BARS` bars.
    """
    if by not in ("recv", "event"):
        raise ValueError(f"by is {by!r}; choose 'recv' or 'event'")
    if tape.book.is_empty() and tape.candles is not None and tape.candles.height:
        return bars_of_candles(tape.candles, clock_ms).select(BAR_COLUMNS)
    if tape.book.is_empty():
        raise GapInData(
            f"{tape.symbol}: no book update on the tape, so no bar has a price; record the book too"
        )

    state = _fresh(clock_ms)
    clock_column = "recv_us" if by == "recv" else "ts_us"
    book, trades = (
        tape.book.sort(clock_column, maintain_order=True),
        tape.trades.sort(clock_column, maintain_order=True),
    )
    book_t, trade_t = book[clock_column].to_numpy(), trades[clock_column].to_numpy()
    last = max(int(book_t[-1]), int(trade_t[-1]) if len(trade_t) else 0)
    most = (last - int(book_t[0])) // (clock_ms * 1_000) + 3
    if most > MOST_BARS:
        raise GapInData(
            f"{tape.symbol}: {most:,} bars of {clock_ms} ms between the first and the last update; "
            "take a coarser clock, or the days one by one (RawTape.day)"
        )
    late = (book["recv_us"] - book["ts_us"]).to_numpy() / 1_000.0
    sizes = book.select(
        "bid", "bid_qty", "ask", "ask_qty", "bid_qty_5", "ask_qty_5", "bid_qty_20", "ask_qty_20"
    )
    out, ends = np.empty((most, len(BAR_COLUMNS) - 1)), np.empty(most, np.int64)
    n = walk(
        state,
        book_t,
        late,
        np.ascontiguousarray(sizes.to_numpy()),
        trade_t,
        trades["price"].to_numpy(),
        trades["quantity"].to_numpy(),
        trades["side"].cast(pl.Float64).to_numpy(),
        out,
        ends,
    )
    return _framed(ends[:n] // 1_000, out[:n])


def bars_frame(bars: list[Bar]) -> pl.DataFrame:
    """Bars from a stream as the table `build_bars` would have made."""
    if not bars:
        return _framed(np.empty(0, np.int64), np.empty((0, len(BAR_COLUMNS) - 1)))
    return _framed(np.array([end for end, _ in bars], np.int64), np.stack([row for _, row in bars]))


def _framed(ends_ms: NDArray[np.int64], values: NDArray[np.float64]) -> pl.DataFrame:
    columns: dict[str, Any] = {"timestamp": ends_ms}
    for k, name in enumerate(BAR_COLUMNS[1:]):
        columns[name] = np.ascontiguousarray(values[:, k])
    return pl.DataFrame(columns).with_columns(pl.col("n_trades").cast(pl.Int64))


class BarStream:
    """The same bars, one event at a time: each call returns the bars that have just ended.

    An event closes every bar that ended before it; `advance(now)` promises that nothing older than `now` will
    come and closes the bars ended by then. An event older than that promise counts in the bar under way.
    """

    def __init__(self, clock_ms: int) -> None:
        self._state = _fresh(clock_ms)
        self._late: list[float] = []

    def on_book(
        self,
        ts_us: int,
        recv_us: int,
        bid: float,
        bid_qty: float,
        ask: float,
        ask_qty: float,
        bid_qty_5: float | None = None,
        ask_qty_5: float | None = None,
        bid_qty_20: float | None = None,
        ask_qty_20: float | None = None,
    ) -> list[Bar]:
        """Take one update of the best quotes; unknown depth is the top-of-book value."""
        ended = self._roll(recv_us)
        deeper = (bid_qty_5, bid_qty), (ask_qty_5, ask_qty), (bid_qty_20, bid_qty), (ask_qty_20, ask_qty)
        row = np.array([bid, bid_qty, ask, ask_qty, *(top if sums is None else sums for sums, top in deeper)])
        take_quote(self._state, recv_us, row)
        self._late.append((recv_us - ts_us) / 1_000.0)
        return ended

    def on_trade(self, ts_us: int, recv_us: int, price: float, quantity: float, side: int) -> list[Bar]:
        """Take one trade; `side` is the aggressor's."""
        ended = self._roll(recv_us)
        take_trade(self._state, price, quantity, float(side))
        return ended

    def save(self) -> bytes:
        """All it knows, as JSON: a stream loaded from it makes the very bars this one would have made."""
        return json.dumps({"state": self._state.tolist(), "late": self._late}).encode()

    @staticmethod
    def load(saved: bytes) -> BarStream:
        """The inverse of `save`.

        Raises:
            ValueError: for anything `save` did not write.
        """
        said = json.loads(saved)
        if not isinstance(said, dict) or len(said.get("state", ())) != SIZE:
            raise ValueError(f"not a saved bar stream of {SIZE} values; start a fresh BarStream instead")
        stream = BarStream(1)
        stream._state = np.array(said["state"], np.float64)
        stream._late = [float(value) for value in said["late"]]
        return stream

    def advance(self, now_us: int) -> list[Bar]:
        """Close every bar that ended at or before `now_us`."""
        if self._state[BOOKS] == 0.0:
            return []
        clock_us = int(self._state[CLOCK])
        n = (now_us - int(self._state[END])) // clock_us + 1
        return [self._one() for _ in range(n)]

    def _roll(self, t: int) -> list[Bar]:
        return [self._one() for _ in range(bars_due(self._state, t))]

    def _one(self) -> Bar:
        row = np.empty(len(BAR_COLUMNS) - 1)
        end = int(self._state[END])
        close_bar(self._state, np.array(self._late), row)
        self._state[END] = end + self._state[CLOCK]
        self._late.clear()
        return end // 1_000, row
