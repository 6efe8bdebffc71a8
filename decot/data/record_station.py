"""One symbol being recorded: what was taken in, what was turned away, what is missing. Knows no network.

Rows keep the order in which they reached us (`recv_us`); a trade that had to be asked for again carries the moment
the answer came, because before that nobody here knew it.
"""

from __future__ import annotations

import json
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import polars as pl

from decot import clock
from decot.data.record_decode import Change, Quote, Refused, Trade
from decot.data.record_ids import Hole, Ids
from decot.data.record_store import Segments, slug, write_text, write_whole
from decot.data.tape import BOOK, TRADES

GAPS: Final[dict[str, pl.DataType]] = {
    "symbol": pl.String(),
    "stream": pl.String(),
    "cause": pl.String(),
    "from_us": pl.Int64(),
    "to_us": pl.Int64(),
    "first_id": pl.Int64(),
    "last_id": pl.Int64(),
    "n_missing": pl.Int64(),
    "n_filled": pl.Int64(),
}
STREAMS: Final = ("trades", "quotes", "depth")
MAX_RATIO: Final = 2.0
"""a price this many times the last one, or its inverse, is an error of the feed"""
MAX_LEAP_US: Final = 7 * 86_400_000_000
"""a time this far from the last one is an error of the feed"""
REMEMBERED: Final = 200_000
"""ids kept to find repetitions where a venue does not number its trades in a row"""

Depth = Callable[[], tuple[float, float, float, float] | None]


class Lateness:
    """When a quote without a time was made: as long ago as the trade before it was; as `frames.py` has it."""

    def __init__(self) -> None:
        self._late = self._next_late = self._next_at = self._latest_us = 0

    def heard(self, ts_us: int, recv_us: int) -> None:
        """A trade that says its time; it tells of quotes that come after it, not beside it."""
        if recv_us > self._next_at:
            self._late, self._next_at = self._next_late, recv_us
        self._next_late = recv_us - ts_us

    def of_quote(self, recv_us: int) -> int:
        """Its likely time, never before an earlier quote's."""
        if recv_us > self._next_at:
            self._late = self._next_late
        self._latest_us = max(self._latest_us, recv_us - self._late)
        return self._latest_us


class Station:
    """The book-keeping of one symbol.

    Args:
        folder: where its segments go; an earlier recording there is continued.
        is_numbered: trade ids run without holes.
        depth: sums of the best 5 and 20 levels (bid 5, ask 5, bid 20, ask 20), None while unknown.
    """

    def __init__(self, symbol: str, wire: str, folder: Path, *, is_numbered: bool, depth: Depth) -> None:
        self.symbol, self.wire, self.is_numbered, self.depth = symbol, wire, is_numbered, depth
        self.trades = Segments(folder / "trades" / slug(symbol), TRADES)
        self.book = Segments(folder / "book" / slug(symbol), BOOK)
        self.gaps = Segments(folder / "gaps" / slug(symbol), GAPS)
        self.ids = Ids()
        self.counts: Counter[str] = Counter()
        self.heard: dict[str, float] = {}
        """stopwatch of the last frame of each stream"""
        self.heard_us: dict[str, int] = {}
        self.address: dict[str, str] = {}
        """which socket each stream comes from"""
        self.is_anchored = False
        self._anchor = folder / "anchors" / f"{slug(symbol)}.json"
        self.first_id: int | None = None
        """lowest id of this run"""
        self.venue_us = 0
        """latest time the venue has shown"""
        self.lateness = Lateness()
        self._update = -1
        self._price = 0.0
        self._known: OrderedDict[str, None] = OrderedDict()
        self._resume()

    def _resume(self) -> None:
        """Take up where an earlier recording ended, holes included."""
        held = self.trades.read()["trade_id"] if self.trades.files() else pl.Series([], dtype=pl.Int64)
        begin = json.loads(self._anchor.read_text(encoding="utf-8")) if self._anchor.is_file() else None
        if held.is_empty():
            self.ids.next_id, self.is_anchored = begin, begin is not None
            return
        self.counts["resumed"] = len(held)
        if not self.is_numbered:
            self._known.update((str(number), None) for number in held.tail(REMEMBERED))
            return
        ordered = held.unique().sort()
        if begin is not None and begin < ordered[0]:
            ordered = pl.concat([pl.Series([begin - 1]), ordered])
        steps = ordered.diff().fill_null(1)
        now = clock.stopwatch()
        self.ids.next_id = int(ordered[-1]) + 1
        for row in (steps > 1).arg_true():
            self.ids.holes.append(Hole(int(ordered[row - 1]) + 1, int(ordered[row]) - 1, now, "down"))
        self.is_anchored = True

    def anchor(self, begin: int) -> None:
        """All trades from id `begin` on belong to this recording, whatever happens; kept on disk."""
        write_whole(self._anchor, lambda path: write_text(path, json.dumps(begin)))
        self.is_anchored = True

    # ---- taking in -----------------------------------------------------------------------------------

    def on_trade(self, trade: Trade, recv_us: int, *, asked: bool = False) -> Refused | None:
        """Take one trade; Refused when it cannot be true. A repetition is counted and dropped.

        Args:
            asked: it comes from REST, to fill a hole.
        """
        if self._price and not 1 / MAX_RATIO <= trade.price / self._price <= MAX_RATIO:
            return Refused(f"price {trade.price} after {self._price}")
        if self.venue_us and abs(trade.ts_us - self.venue_us) > MAX_LEAP_US:
            return Refused(f"time {trade.ts_us} µs is days away from {self.venue_us} µs")
        if not asked:
            self._hear("trades", recv_us)
        how = self._place(trade, asked=asked)
        if how == "wild":
            return Refused(f"trade id {trade.id} is far beyond {self.ids.next_id}")
        if how != "dup":
            if not asked or not self._price:
                self._price = trade.price
            self.venue_us = max(self.venue_us, trade.ts_us)
            if not asked:
                self.lateness.heard(trade.ts_us, recv_us)
            self.counts["filled" if asked else "trades"] += 1
            self.trades.rows.append((trade.ts_us, recv_us, trade.id, trade.price, trade.quantity, trade.side))
        return None

    def _place(self, trade: Trade, *, asked: bool) -> str:
        if self.is_numbered:
            before = self.ids.duplicates, self.ids.late
            how = self.ids.take(trade.id, clock.stopwatch())
            if how in ("new", "late"):  # one dropped before the anchor is known must be asked for again
                self.first_id = trade.id if self.first_id is None else min(self.first_id, trade.id)
            if asked:  # answers overlap by nature; only repeated frames count as duplicates
                self.ids.duplicates, self.ids.late = before
            return how
        key = str(trade.id)
        if key in self._known:
            self.ids.duplicates += not asked
            return "dup"
        self._known[key] = None
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return "new"

    def on_quote(self, quote: Quote, recv_us: int) -> Refused | None:
        """Take a best bid and ask; an older or repeated one is counted and dropped."""
        if self._price and not 1 / MAX_RATIO <= quote.bid / self._price <= MAX_RATIO:
            return Refused(f"bid {quote.bid} after a price of {self._price}")
        if quote.update - self._update > 1 << 40 and self._update >= 0:
            return Refused(f"update {quote.update} is far beyond {self._update}")
        self._hear("quotes", recv_us)
        if quote.update <= self._update:
            self.counts["old_quotes"] += 1
            return None
        self._update = quote.update
        if quote.ts_us is not None:
            self.venue_us = max(self.venue_us, quote.ts_us)
        if not self._price:
            self._price = (quote.bid + quote.ask) / 2
        sums = self.depth() or (quote.bid_qty, quote.ask_qty) * 2
        best = (quote.bid_qty, quote.ask_qty) * 2
        ts_us = quote.ts_us if quote.ts_us is not None else self.lateness.of_quote(recv_us)
        self.book.rows.append(
            (ts_us, recv_us, quote.bid, quote.bid_qty, quote.ask, quote.ask_qty, *map(max, sums, best))
        )
        self.counts["quotes"] += 1
        return None

    def on_change(self, change: Change, recv_us: int) -> Refused | None:
        """Note a depth diff (ccxt keeps the book itself)."""
        if self.venue_us and abs(change.ts_us - self.venue_us) > MAX_LEAP_US:
            return Refused(f"time {change.ts_us} µs is days away from {self.venue_us} µs")
        self._hear("depth", recv_us)
        self.venue_us = max(self.venue_us, change.ts_us)
        self.counts["changes"] += 1
        return None

    def _hear(self, stream: str, recv_us: int) -> None:
        self.heard[stream] = clock.stopwatch()
        self.heard_us[stream] = recv_us

    # ---- what is missing -----------------------------------------------------------------------------

    def note_gap(
        self,
        stream: str,
        cause: str,
        since_us: int,
        *,
        ids: tuple[int, int] = (-1, -1),
        missing: int = 0,
        filled: int = 0,
    ) -> None:
        """A line of the gap table, ending now."""
        until = clock.now_us()
        self.counts[f"gap_{cause}"] += 1
        self.gaps.rows.append((self.symbol, stream, cause, since_us or until, until, *ids, missing, filled))

    def waiting_rows(self) -> int:
        return len(self.trades.rows) + len(self.book.rows)

    def take(self) -> list[Callable[[], None]]:
        """Writers of what waits; gaps last, so a gap is never claimed closed before its rows are kept."""
        return [self.trades.take(), self.book.take(), self.gaps.take()]


def unified_trade(raw: dict[str, Any], wire: str) -> Trade | Refused:
    """A ccxt trade structure as ours; an id that is no number becomes a stable 62-bit one.

    Where a venue gives no id its place is taken by time, price, quantity and side: two trades equal in all four count
    as one.
    """
    try:
        content = (raw["timestamp"], raw["price"], raw["amount"], raw.get("side"))
        text = str(raw["id"]) if raw.get("id") is not None else repr(content)
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else _named(text)
        trade = Trade(
            symbol=wire,
            ts_us=int(raw["timestamp"]) * 1000,
            id=number,
            price=float(raw["price"]),
            quantity=float(raw["amount"]),
            side={"buy": 1, "sell": -1}.get(str(raw.get("side")), 0),
        )
    except (KeyError, TypeError, ValueError) as error:
        return Refused(f"a trade of ccxt cannot be read: {error!r:.80}")
    if not (0 < trade.price < float("inf") and 0 < trade.quantity < float("inf") and trade.ts_us > 0):
        return Refused(f"a trade with price {trade.price}, quantity {trade.quantity}, time {trade.ts_us}")
    return trade


def unified_quote(sides: Sequence[Any], wire: str, ts_ms: Any, update: int) -> Quote | Refused:
    """(bid, bid quantity, ask, ask quantity) of ccxt as ours."""
    try:
        bid, bid_qty, ask, ask_qty = (float(value) for value in sides)
        ts_us = int(ts_ms) * 1000 if ts_ms else None
    except (TypeError, ValueError) as error:
        return Refused(f"a quote of ccxt cannot be read: {error!r:.80}")
    if not 0 < bid <= ask < float("inf") or not (bid_qty >= 0 and ask_qty >= 0):
        return Refused(f"a quote with bid {bid} × {bid_qty}, ask {ask} × {ask_qty}")
    return Quote(wire, ts_us, update, bid, bid_qty, ask, ask_qty)


def _named(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") >> 2
