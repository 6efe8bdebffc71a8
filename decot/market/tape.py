"""The book an account walks along: the touch at each bar, and when orders arrive. Knows no account."""

from __future__ import annotations

from dataclasses import dataclass

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
        return cls(time, sides[0], sides[1], sizes[0], sizes[1], arrivals(time, delay), delay)

    def __len__(self) -> int:
        return len(self.timestamp)

    @property
    def mid(self) -> np.ndarray:
        """(T,) halfway between bid and ask."""
        return (self.bid + self.ask) / 2

    def slice(self, start: int, stop: int) -> Tape:
        """Rows start…stop as a tape of its own; orders that would arrive later never do."""
        part = [x[start:stop] for x in (self.timestamp, self.bid, self.ask, self.bid_qty, self.ask_qty)]
        delay = self.latency_ms[start:stop]
        return Tape(part[0], part[1], part[2], part[3], part[4], arrivals(part[0], delay), delay)

    def stressed(self, latency: float = 1.0, spread: float = 1.0) -> Tape:
        """The same market, slower or dearer: delays and half-spreads multiplied (≥ 0)."""
        half = (self.ask - self.bid) / 2 * spread
        delay = self.latency_ms * latency
        return Tape(
            self.timestamp,
            self.mid - half,
            self.mid + half,
            self.bid_qty,
            self.ask_qty,
            arrivals(self.timestamp, delay),
            delay,
        )

    def delayed(self, rows: int) -> Tape:
        """The same market with every decision acted on `rows` bars later (the look-ahead drill)."""
        step = int(np.median(np.diff(self.timestamp))) if len(self) > 1 else 0
        delay = self.latency_ms + rows * step
        return Tape(
            self.timestamp,
            self.bid,
            self.ask,
            self.bid_qty,
            self.ask_qty,
            arrivals(self.timestamp, delay),
            delay,
        )


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
    ):
        if bad.any():
            raise DataFault(
                f"tape: {name} at row {int(np.argmax(bad))} ({int(bad.sum())} rows); repair the bars first"
            )
