"""The book an account walks along: the touch at each bar, and when orders arrive. Knows no account."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from decot.errors import DataFault


@dataclass(frozen=True, slots=True, eq=False)
class Tape:
    """Touch prices per bar, T rows, oldest first.

    `fill_index[t]` is the row at which an order decided at row t meets the book: always later than t, never
    before the order sent earlier (one connection, in order), −1 when the tape ends first.
    """

    timestamp: np.ndarray
    """(T,) int64 ms, end of bar, strictly increasing"""
    bid: np.ndarray
    ask: np.ndarray
    bid_qty: np.ndarray
    ask_qty: np.ndarray
    fill_index: np.ndarray
    latency_ms: np.ndarray
    """(T,) the delay each order was given"""
    prints: np.ndarray
    """(M, 3) trades: price, quantity, aggressor (+1 buy, −1 sell, 0 unknown); only resting orders look at them"""
    offsets: np.ndarray
    """(T + 1,) prints offsets[t]…offsets[t+1] happened in bar t"""
    funding: np.ndarray
    """(T,) fraction of its notional a long pays at that row; zero almost everywhere"""

    @classmethod
    def of(
        cls,
        timestamp: np.ndarray,
        bid: np.ndarray,
        ask: np.ndarray,
        bid_qty: np.ndarray | None = None,
        ask_qty: np.ndarray | None = None,
        latency_ms: int | float | np.ndarray = 1,
    ) -> Tape:
        """A tape whose orders take `latency_ms` (one number, or one per row) to arrive.

        Raises:
            DataFault: rows of different length, time that does not increase, a crossed or non-positive book.
        """
        time = np.ascontiguousarray(timestamp, np.int64)
        sides = [np.ascontiguousarray(x, np.float64) for x in (bid, ask)]
        sizes = [
            np.full(len(time), np.inf) if x is None else np.ascontiguousarray(x, np.float64)
            for x in (bid_qty, ask_qty)
        ]
        delay = np.ascontiguousarray(np.broadcast_to(np.asarray(latency_ms, np.float64), time.shape))
        _check(time, *sides, *sizes)
        return cls(
            timestamp=time,
            bid=sides[0],
            ask=sides[1],
            bid_qty=sizes[0],
            ask_qty=sizes[1],
            fill_index=arrivals(time, delay),
            latency_ms=delay,
            prints=np.empty((0, 3)),
            offsets=np.zeros(len(time) + 1, np.int64),
            funding=np.zeros(len(time)),
        )

    def with_prints(
        self, timestamp: np.ndarray, price: np.ndarray, quantity: np.ndarray, side: np.ndarray
    ) -> Tape:
        """The same tape with its trades, oldest first; a trade belongs to the first bar that ends at or after it."""
        if (np.diff(timestamp) < 0).any():
            row = int(np.argmax(np.diff(timestamp) < 0)) + 1
            raise DataFault(f"prints: time goes back at row {row}; sort the trades first")
        ends = np.searchsorted(timestamp, self.timestamp, side="right")
        kept = slice(0, int(ends[-1]))
        prints = np.stack([np.asarray(x, np.float64)[kept] for x in (price, quantity, side)], 1)
        return replace(self, prints=prints, offsets=np.concatenate([[0], ends]).astype(np.int64))

    def with_funding(self, timestamp: np.ndarray, rate: np.ndarray) -> Tape:
        """The same tape with funding payments (fraction of notional, a long pays) at the first bar at or after each."""
        row = np.searchsorted(self.timestamp, timestamp)
        paid, is_inside = np.zeros(len(self)), (row < len(self)) & (np.asarray(timestamp) > self.timestamp[0])
        np.add.at(paid, row[is_inside], np.asarray(rate, np.float64)[is_inside])
        return replace(self, funding=paid)

    def with_latency(self, latency_ms: int | float | np.ndarray) -> Tape:
        """The same tape with other delays."""
        delay = np.ascontiguousarray(
            np.broadcast_to(np.asarray(latency_ms, np.float64), self.timestamp.shape)
        )
        return replace(self, latency_ms=delay, fill_index=arrivals(self.timestamp, delay))

    def sampled_latency(self, delays_ms: np.ndarray, seed: int) -> Tape:
        """The same tape, each order's delay drawn from delays that were seen (a tape's own receive − exchange time)."""
        seen = np.asarray(delays_ms, np.float64)
        seen = seen[np.isfinite(seen)]
        if not len(seen):
            raise DataFault("latency: no finite delay to draw from; give a constant latency instead")
        return self.with_latency(np.random.default_rng(seed).choice(np.maximum(seen, 1.0), len(self)))

    def book(self) -> np.ndarray:
        """(T, 6) bid, ask, bid_qty, ask_qty, mid, funding: one row as the kernels read it."""
        columns = (self.bid, self.ask, self.bid_qty, self.ask_qty, self.mid, self.funding)
        return np.ascontiguousarray(np.stack(columns, 1))

    def __len__(self) -> int:
        return len(self.timestamp)

    @property
    def mid(self) -> np.ndarray:
        """(T,) halfway between bid and ask."""
        return (self.bid + self.ask) / 2

    def slice(self, start: int, stop: int) -> Tape:
        """Rows start…stop as a tape of its own; orders that would arrive later never do."""
        start, stop, _ = slice(start, stop).indices(len(self))
        part = {
            name: getattr(self, name)[start:stop]
            for name in ("timestamp", "bid", "ask", "bid_qty", "ask_qty", "latency_ms", "funding")
        }
        ends = self.offsets[start : stop + 1]
        return Tape(
            **part,
            fill_index=arrivals(part["timestamp"], part["latency_ms"]),
            prints=self.prints[ends[0] : ends[-1]],
            offsets=ends - ends[0],
        )

    def stressed(self, latency: float = 1.0, spread: float = 1.0) -> Tape:
        """The same market, slower or dearer: delays and half-spreads multiplied (≥ 0)."""
        half = (self.ask - self.bid) / 2 * spread
        wide = replace(self, bid=self.mid - half, ask=self.mid + half)
        return wide.with_latency(self.latency_ms * latency)

    def delayed(self, rows: int) -> Tape:
        """The same market with every decision acted on `rows` bars later (the look-ahead drill)."""
        step = int(np.median(np.diff(self.timestamp))) if len(self) > 1 else 0
        return self.with_latency(self.latency_ms + rows * step)


def arrivals(timestamp: np.ndarray, delay_ms: np.ndarray) -> np.ndarray:
    """(T,) int64: first row at or after timestamp + delay (≥ 1 ms), never decreasing, −1 past the end."""
    due = timestamp + np.maximum(np.ceil(delay_ms), 1).astype(np.int64)
    row = np.maximum.accumulate(np.searchsorted(timestamp, due, side="left"))
    return np.where(row < len(timestamp), row, -1).astype(np.int64)


def _check(
    time: np.ndarray, bid: np.ndarray, ask: np.ndarray, bid_qty: np.ndarray, ask_qty: np.ndarray
) -> None:
    lengths = {len(x) for x in (time, bid, ask, bid_qty, ask_qty)}
    if len(lengths) != 1 or not len(time):
        raise DataFault(f"tape: columns of lengths {sorted(lengths)}; give every column one value per bar")
    for name, bad in (
        ("timestamp does not increase", np.r_[False, np.diff(time) <= 0]),
        ("bid is not a price", ~(np.isfinite(bid) & (bid > 0))),
        ("ask is not a price", ~np.isfinite(ask)),
        ("book is crossed (bid > ask)", bid > ask),
        ("bid_qty is not a quantity", ~(bid_qty >= 0)),
        ("ask_qty is not a quantity", ~(ask_qty >= 0)),
    ):
        if bad.any():
            raise DataFault(
                f"tape: {name} at row {int(np.argmax(bad))} ({int(bad.sum())} rows); repair the bars first"
            )
