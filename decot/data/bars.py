"""Trades and book updates become bars on an exact clock. Knows nothing of files, features or fills.

A bar stamped `end` holds the events of (end − clock, end]. Batch and stream run the very same compiled steps,
so their bars are equal to the bit. Order flow imbalance is that of Cont, Kukanov and Stoikov, "The Price
Impact of Order Book Events" (2014), eq. 4–5, summed over the bar's updates of the best quotes.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import polars as pl
from numba import njit
from numpy.typing import NDArray

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

# Slots of the state: the clock, the current book, the bar under way, what is carried.
_END, _CLOCK, _BOOKS, _TRADED, _LATE = 0, 1, 2, 3, 4
_BID, _BQ, _ASK, _AQ = 5, 6, 7, 8  # _BID + 4 … + 7 hold the 5- and 20-level sums
_UPDATED = 13
_OPEN, _HIGH, _LOW, _CLOSE, _NEW, _OFI = 14, 15, 16, 17, 18, 19
_PRICE, _VOLUME, _BUY, _SELL, _N, _QUOTE = 20, 21, 22, 23, 24, 25
_STARTED = 26
_SIZE = 27


@njit(cache=True)
def _close(s: Any, late: Any, out: Any) -> None:
    """Write the bar under way into `out` (21 values) and start the next one."""
    if s[_NEW] == 0.0:
        s[_OPEN] = s[_HIGH] = s[_LOW] = s[_CLOSE]
    else:
        s[_LATE] = np.median(late)
    out[0], out[1], out[2], out[3] = s[_OPEN], s[_HIGH], s[_LOW], s[_CLOSE]
    out[4] = s[_PRICE] if s[_TRADED] > 0.0 else s[_CLOSE]
    out[5], out[6], out[7], out[8] = s[_VOLUME], s[_BUY], s[_SELL], s[_N]
    out[9] = s[_QUOTE] / s[_VOLUME] if s[_VOLUME] > 0.0 else s[_CLOSE]
    out[10], out[11], out[12], out[13] = s[_BID], s[_ASK], s[_BQ], s[_AQ]
    for k in range(4):
        out[14 + k] = s[_BID + 4 + k]
    out[18] = s[_OFI]
    out[19] = (s[_END] - s[_UPDATED]) / 1000.0
    out[20] = s[_LATE]
    _begin(s)


@njit(cache=True)
def _begin(s: Any) -> None:
    s[_NEW] = s[_OFI] = s[_VOLUME] = s[_BUY] = s[_SELL] = s[_N] = s[_QUOTE] = 0.0


@njit(cache=True)
def _end_of(t: int, clock_us: int) -> int:
    """The end of the bar in which the moment t lies."""
    return -(-t // clock_us) * clock_us


@njit(cache=True)
def _due(s: Any, t: int) -> int:
    """How many bars must be closed before an event at t; moves an unstarted clock instead."""
    end, clock_us = int(s[_END]), int(s[_CLOCK])
    if t <= end:
        return 0
    if s[_BOOKS] == 0.0:
        if s[_STARTED] > 0.0:
            _begin(s)
        s[_STARTED] = 1.0
        s[_END] = float(_end_of(t, clock_us))
        return 0
    return (_end_of(t, clock_us) - end) // clock_us


@njit(cache=True)
def _book(s: Any, t: int, row: Any) -> None:
    bid, bq, ask, aq = row[0], row[1], row[2], row[3]
    if s[_BOOKS] > 0.0:
        flow = 0.0
        if bid >= s[_BID]:
            flow += bq
        if bid <= s[_BID]:
            flow -= s[_BQ]
        if ask <= s[_ASK]:
            flow -= aq
        if ask >= s[_ASK]:
            flow += s[_AQ]
        s[_OFI] += flow
    for k in range(8):
        s[_BID + k] = row[k]
    mid = 0.5 * (bid + ask)
    if s[_NEW] == 0.0:
        s[_OPEN] = s[_HIGH] = s[_LOW] = mid
    s[_HIGH] = max(s[_HIGH], mid)
    s[_LOW] = min(s[_LOW], mid)
    s[_CLOSE] = mid
    s[_NEW] += 1.0
    s[_BOOKS] = 1.0
    s[_UPDATED] = float(t)


@njit(cache=True)
def _trade(s: Any, price: float, quantity: float, side: float) -> None:
    s[_PRICE] = price
    s[_TRADED] = 1.0
    s[_VOLUME] += quantity
    s[_QUOTE] += price * quantity
    s[_N] += 1.0
    if side > 0.0:
        s[_BUY] += quantity
    elif side < 0.0:
        s[_SELL] += quantity


@njit(cache=True)
def _walk(
    s: Any,
    book_t: Any,
    late: Any,
    books: Any,
    trade_t: Any,
    prices: Any,
    quantities: Any,
    sides: Any,
    out: Any,
    ends: Any,
) -> int:
    """Merge both streams in time, closing bars as they end; returns how many bars were written."""
    i = j = n = first = 0
    while i < len(book_t) or j < len(trade_t):
        is_book = j == len(trade_t) or (i < len(book_t) and book_t[i] <= trade_t[j])
        t = book_t[i] if is_book else trade_t[j]
        for _ in range(_due(s, t)):
            ends[n] = int(s[_END])
            _close(s, late[first:i], out[n])
            s[_END] += s[_CLOCK]
            first = i
            n += 1
        if is_book:
            _book(s, t, books[i])
            i += 1
        else:
            _trade(s, prices[j], quantities[j], sides[j])
            j += 1
    ends[n] = int(s[_END])
    _close(s, late[first:i], out[n])
    return n + 1


def _fresh(clock_ms: int) -> NDArray[np.float64]:
    if clock_ms < 1:
        raise ValueError(f"clock_ms is {clock_ms}; a bar lasts at least 1 ms")
    state = np.zeros(_SIZE)
    state[_CLOCK] = clock_ms * 1_000
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
    n = _walk(
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
        _book(self._state, recv_us, row)
        self._late.append((recv_us - ts_us) / 1_000.0)
        return ended

    def on_trade(self, ts_us: int, recv_us: int, price: float, quantity: float, side: int) -> list[Bar]:
        """Take one trade; `side` is the aggressor's."""
        ended = self._roll(recv_us)
        _trade(self._state, price, quantity, float(side))
        return ended

    def advance(self, now_us: int) -> list[Bar]:
        """Close every bar that ended at or before `now_us`."""
        if self._state[_BOOKS] == 0.0:
            return []
        clock_us = int(self._state[_CLOCK])
        n = (now_us - int(self._state[_END])) // clock_us + 1
        return [self._one() for _ in range(n)]

    def _roll(self, t: int) -> list[Bar]:
        return [self._one() for _ in range(_due(self._state, t))]

    def _one(self) -> Bar:
        row = np.empty(len(BAR_COLUMNS) - 1)
        end = int(self._state[_END])
        _close(self._state, np.array(self._late), row)
        self._state[_END] = end + self._state[_CLOCK]
        self._late.clear()
        return end // 1_000, row
