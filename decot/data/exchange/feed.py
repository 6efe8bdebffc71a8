"""A tape as the venue's own past: what happened, in which order, and how it reads on the wire. Knows no clients.

Events are numbered once, when the tape is opened: book rows, trades, steps of the depth and one tick per second.

Depth is replayed as recorded wherever `data.depth` finds it beside the tape: every recorded ladder or diff is one step.
Elsewhere IT IS SYNTHETIC: one step per 100 ms with a change, level 1 as recorded, levels 2–5 and 6–20 each with an equal
share of the recorded size sums at one tick's distance (only level 1 where the sums are unknown). Tapes without
contiguous trade ids are numbered from 1; without update ids, book rows and recorded ladders are numbered as they came.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import polars as pl

from decot.data.depth import Depth
from decot.data.exchange.ladder import Sides
from decot.data.exchange.rules import split_symbol, wire_symbol
from decot.errors import TapeRefused

BOOK, TRADE, DEPTH, SECOND, LADDER = 0, 1, 2, 3, 4
"""kinds of events; DEPTH is a synthetic step, LADDER a recorded one"""
DEPTH_US = 100_000
SECOND_US = 1_000_000


class TapeFrames(Protocol):
    """Anything with a name and the two raw frames, e.g. a RawTape."""

    @property
    def symbol(self) -> str: ...
    @property
    def trades(self) -> pl.DataFrame: ...
    @property
    def book(self) -> pl.DataFrame: ...


@dataclass(frozen=True)
class Frames:
    """The least a venue needs to replay one symbol."""

    symbol: str
    trades: pl.DataFrame
    """raw_trades columns"""
    book: pl.DataFrame
    """raw_book columns; a column `update_id`, if there is one, becomes the wire's u"""
    meta: Mapping[str, Any] = field(default_factory=dict)


def text(number: float) -> str:
    """A number as venues write it: at least 8 decimals, never an exponent, and read back to the same float."""
    short = f"{number:.8f}"
    return short if float(short) == number else np.format_float_positional(number, trim="k")


class Feed:
    """One symbol's tape, ready to be replayed and asked about."""

    def __init__(self, tape: TapeFrames, *, tick: float, depth: Depth | None = None) -> None:
        trades, book = tape.trades, tape.book
        if book.is_empty():
            raise TapeRefused(tape.symbol, "the book is empty", "give a tape with best bid and ask")
        book = book.sort("recv_us", maintain_order=True)
        trades = trades.sort("trade_id", maintain_order=True)
        self.base, self.quote = split_symbol(tape.symbol)
        self.name, self.wire, self.tick = f"{self.base}/{self.quote}", wire_symbol(tape.symbol), tick

        self.trade_ids = _contiguous(trades["trade_id"].to_numpy())
        self.price, self.quantity = trades["price"].to_list(), trades["quantity"].to_list()
        self.side = trades["side"].to_list()
        self.trade_ts = trades["ts_us"].to_numpy()
        # ids may not run against arrival, or the wire would show a gap that never was
        self.trade_at = np.maximum.accumulate(trades["recv_us"].to_numpy()) if len(trades) else self.trade_ts
        columns = ("bid", "bid_qty", "ask", "ask_qty", "bid_qty_5", "ask_qty_5", "bid_qty_20", "ask_qty_20")
        known = [name if name in book.columns else name.rsplit("_", 1)[0] for name in columns]
        self.rows = book.select(known[:4]).rows() if known[4] == "bid_qty" else book.select(known).rows()
        self.book_ts, self.book_at = book["ts_us"].to_numpy(), book["recv_us"].to_numpy()
        self.depth = depth
        self.update, self.depth_update = _updates(book, depth)
        self.first_agg, self.agg_of = self._aggregate()
        self.at, self.kind, self.index = self._timeline()
        self.start_us, self.end_us = int(self.at[0]), int(self.at[-1])

    def _aggregate(self) -> tuple[np.ndarray, np.ndarray]:
        """Index of the first trade of every aggregate, and the aggregate of every trade."""
        n = len(self.price)
        if not n:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        keys = np.stack([np.asarray(self.price), np.asarray(self.side, float), self.trade_ts // 1000], axis=1)
        new = np.ones(n, bool)
        new[1:] = (keys[1:] != keys[:-1]).any(axis=1)
        return np.flatnonzero(new), np.cumsum(new) - 1

    def _timeline(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All events in order of arrival: (time µs, kind, index within the kind)."""
        bucket = self.book_at // DEPTH_US
        last = np.flatnonzero(np.append(bucket[1:] != bucket[:-1], True))
        depth_at = (bucket[last] + 1) * DEPTH_US
        begin = int(min(self.book_at[0], self.trade_at[0] if len(self.trade_at) else self.book_at[0]))
        end = int(max(self.book_at[-1], self.trade_at[-1] if len(self.trade_at) else self.book_at[-1]))
        seconds = np.arange(begin // SECOND_US + 1, end // SECOND_US + 2, dtype=np.int64) * SECOND_US
        kinds = {
            BOOK: (self.book_at, np.arange(len(self.book_at))),
            TRADE: (self.trade_at, np.arange(len(self.trade_at))),
            DEPTH: (depth_at, last),
            SECOND: (seconds, seconds),
        }
        if self.depth is not None:
            made_up = np.ones(len(last), bool)
            for first, until in self.depth.spans:
                made_up &= (depth_at < first) | (depth_at >= until)
            ladders = np.flatnonzero((self.depth.at_us >= begin) & (self.depth.at_us <= end))
            kinds[DEPTH] = (depth_at[made_up], last[made_up])
            kinds[LADDER] = (self.depth.at_us[ladders], ladders)
        at = np.concatenate([when for when, _ in kinds.values()])
        index = np.concatenate([which for _, which in kinds.values()])
        kind = np.concatenate([np.full(len(when), k, np.int8) for k, (when, _) in kinds.items()])
        order = np.lexsort((kind, at))
        return at[order], kind[order], index[order]

    # ---- what the wire says --------------------------------------------------------------------------

    def trade_frame(self, i: int, ms: int) -> str:
        maker = "true" if self.side[i] < 0 else "false"
        return (
            f'{{"e":"trade","E":{ms},"s":"{self.wire}","t":{self.trade_ids[i]},"p":"{text(self.price[i])}",'
            f'"q":"{text(self.quantity[i])}","T":{ms},"m":{maker},"M":true}}'
        )

    def book_frame(self, row: int, ms: int, *, with_time: bool) -> str:
        bid, bid_qty, ask, ask_qty = self.rows[row][:4]
        time = f',"T":{ms},"E":{ms}' if with_time else ""
        return (
            f'{{"u":{self.update[row]},"s":"{self.wire}","b":"{text(bid)}","B":"{text(bid_qty)}",'
            f'"a":"{text(ask)}","A":"{text(ask_qty)}"{time}}}'
        )

    def trade_json(self, i: int, ms: int) -> dict[str, Any]:
        price, quantity = self.price[i], self.quantity[i]
        return {
            "id": int(self.trade_ids[i]),
            "price": text(price),
            "qty": text(quantity),
            "quoteQty": f"{price * quantity:.8f}",
            "time": ms,
            "isBuyerMaker": self.side[i] < 0,
            "isBestMatch": True,
        }

    def agg_json(self, agg: int, until: int, ms: int) -> dict[str, Any]:
        """Aggregate number `agg` as far as trades before index `until` have happened."""
        first = int(self.first_agg[agg])
        last = int(self.first_agg[agg + 1]) if agg + 1 < len(self.first_agg) else len(self.price)
        last = min(last, until) - 1
        return {
            "a": int(agg + 1),
            "p": text(self.price[first]),
            "q": text(float(f"{sum(self.quantity[first : last + 1]):.8f}")),
            "f": int(self.trade_ids[first]),
            "l": int(self.trade_ids[last]),
            "T": ms,
            "m": self.side[first] < 0,
            "M": True,
        }

    def levels(self, row: int) -> Sides:
        """The synthetic ladder at a book row, best first; its top is what was recorded."""
        values = self.rows[row]
        bid, bid_qty, ask, ask_qty = values[:4]
        bid5, ask5, bid20, ask20 = values[4:] if len(values) == 8 else (bid_qty, ask_qty, bid_qty, ask_qty)
        return (
            self._side(bid, -self.tick, bid_qty, bid5, bid20),
            self._side(ask, self.tick, ask_qty, ask5, ask20),
        )

    @staticmethod
    def _side(
        best: float, step: float, first: float, five: float, twenty: float
    ) -> list[tuple[float, float]]:
        sizes = [first]
        for total, so_far, n in ((five, first, 4), (twenty, five, 15)):
            share = round((total - so_far) / n, 8)
            if share > 0:
                sizes += [share] * (n - 1) + [round(total - so_far - share * (n - 1), 8)]
        return [
            (round(best + k * step, 10), size)
            for k, size in enumerate(sizes)
            if best + k * step > 0 and size > 0
        ]

    @property
    def recorded_share(self) -> float:
        """The share of the tape's time whose depth is the recorded one; the rest is synthetic."""
        spans = self.depth.spans if self.depth is not None else ()
        known = sum(max(min(b, self.end_us) - max(a, self.start_us), 0) for a, b in spans)
        return round(known / max(self.end_us - self.start_us, 1), 4)

    # ---- what the past was ---------------------------------------------------------------------------

    def trade_index(self, trade_id: int) -> int:
        """Where a trade id is, or would be, among all trades."""
        return max(0, trade_id - int(self.trade_ids[0])) if len(self.trade_ids) else 0

    def whole_aggregates(self, until: int) -> int:
        """How many aggregates are complete when trades before index `until` have happened."""
        if not until:
            return 0
        is_whole = until == len(self.price) or self.agg_of[until] != self.agg_of[until - 1]
        return int(self.agg_of[until - 1]) + int(is_whole)

    def candles(
        self, step_us: int, until: int, begin_us: int, end_us: int, limit: int
    ) -> list[tuple[float, ...]]:
        """(open time µs, open, high, low, close, volume, quote volume, count, taker buy base) of traded intervals.

        Args:
            until: trades before this index have happened.
            begin_us, end_us: open times wanted, both included.
        """
        stamps = self.trade_ts[:until]
        low, high = np.searchsorted(stamps, [begin_us - begin_us % step_us, end_us + step_us])
        if low >= high:
            return []
        frame = pl.DataFrame(
            {
                "open_us": stamps[low:high] // step_us * step_us,
                "price": self.price[low:high],
                "qty": self.quantity[low:high],
                "side": self.side[low:high],
            }
        )
        price, qty = pl.col("price"), pl.col("qty")
        rows = (
            frame.group_by("open_us", maintain_order=True)
            .agg(
                price.first().alias("o"),
                price.max().alias("h"),
                price.min().alias("l"),
                price.last().alias("c"),
                qty.sum().alias("v"),
                (price * qty).sum().alias("q"),
                pl.len().alias("n"),
                qty.filter(pl.col("side") > 0).sum().alias("b"),
            )
            .filter(pl.col("open_us").is_between(begin_us, end_us))
            .sort("open_us")
            .rows()
        )
        return rows[:limit]


def _contiguous(ids: np.ndarray) -> np.ndarray:
    steps = np.diff(ids)
    return ids if (steps == 1).all() and (len(ids) == 0 or ids[0] > 0) else np.arange(1, len(ids) + 1)


def _updates(book: pl.DataFrame, depth: Depth | None) -> tuple[np.ndarray, np.ndarray]:
    """Update ids of book rows and of recorded depth: the venue's own where both have them, else in order of arrival."""
    at = book["recv_us"].to_numpy()
    ids = book["update_id"].to_numpy() if "update_id" in book.columns else np.zeros(len(book), np.int64)
    is_own = bool(len(ids) and ids[0] > 0 and (np.diff(ids) > 0).all())
    if depth is None:
        return (ids if is_own else np.arange(1_001, 1_001 + len(book), dtype=np.int64)), np.zeros(0, np.int64)
    if is_own and (depth.update > 0).all():
        return ids, depth.update
    place = np.empty(len(at) + len(depth), np.int64)
    place[np.argsort(np.concatenate([at, depth.at_us]), kind="stable")] = np.arange(1_001, 1_001 + len(place))
    return place[: len(at)], place[len(at) :]


def position_at(stamps: np.ndarray, when: int) -> int:
    """How many of the ordered stamps are ≤ `when`."""
    return bisect_right(stamps, when)
