"""The tape's hand: moves every feed forward in time and tells whoever listens. Knows no sockets.

`speed` is tape seconds per wall second; `math.inf` is as fast as the listeners drain.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal

import numpy as np

from decot import clock
from decot.data.exchange.feed import BOOK, DEPTH, LADDER, SECOND, TRADE, Feed, text
from decot.data.exchange.ladder import Ladder
from decot.data.exchange.matching import Desk

Listener = Callable[[Feed, int, int, int], Awaitable[None]]
BATCH = 64
LEVELS = 100
"""how deep an order can look into a recorded ladder"""


class Replay:
    """Where each feed is on its tape, and what its next event is."""

    def __init__(
        self, feeds: Sequence[Feed], desk: Desk, listen: Listener, *, speed: float, stamp: str, lead_s: float
    ) -> None:
        self.feeds, self.desk, self.listen, self.speed, self.stamp = feeds, desk, listen, speed, stamp
        self.rows = {feed.wire: 0 for feed in feeds}
        """current book row of each symbol"""
        self.traded = {feed.wire: 0 for feed in feeds}
        """how many trades of each symbol have happened"""
        self._ladders = {feed.wire: Ladder() for feed in feeds}
        self._waiting: dict[str, int] = {feed.wire: 0 for feed in feeds}
        """book row of the latest synthetic step nobody has asked for yet, −1: none"""
        self.now_us = min(feed.start_us for feed in feeds)
        self.first_us = self.now_us
        self.wall0_us = clock.now_us()
        self.started, self.done, self.paused = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.events = 0
        at = np.concatenate([feed.at for feed in feeds])
        owner = np.concatenate([np.full(len(feed.at), k) for k, feed in enumerate(feeds)])
        place = np.concatenate([np.arange(len(feed.at)) for feed in feeds])
        order = np.lexsort((place, owner, at))
        self._at, self._owner, self._place = at[order], owner[order], place[order]
        self._next = 0
        self.has_moved = [False] * len(feeds)
        for feed in feeds:
            self._show(feed, 0)
            self._catch_up(feed)
        self._skip_to(self.first_us + int(lead_s * 1e6))

    def _skip_to(self, when: int) -> None:
        """Live through the lead without telling anyone."""
        while self._next < len(self._at) and self._at[self._next] < when:
            self._apply()
        self.now_us = max(self.now_us, when if self._next else self.now_us)

    def stamp_ms(self, tape_us: int) -> int:
        """A moment of the tape as the wire shows it."""
        if self.stamp == "tape" or math.isinf(self.speed):
            return tape_us // 1000
        return (self.wall0_us + int((tape_us - self.first_us) / self.speed)) // 1000

    def tape_us(self, wire_ms: int) -> int:
        """The inverse: the first microsecond of the tape shown as `wire_ms`."""
        if self.stamp == "tape" or math.isinf(self.speed):
            return wire_ms * 1000
        return self.first_us + int((wire_ms * 1000 - self.wall0_us) * self.speed)

    def market_ms(self) -> int:
        """Now, on the market's clock."""
        return self.stamp_ms(self.now_us)

    async def run(self) -> None:
        """Replay to the end; waits for `started`, stands still while `paused`."""
        await self.started.wait()
        wall0, tape0, total = clock.stopwatch(), self.now_us, len(self._at)
        self.wall0_us = clock.now_us() - int((tape0 - self.first_us) / self.speed)
        speed = self.speed
        while self._next < total:
            if self.paused.is_set() or speed != self.speed:
                await asyncio.sleep(0.005)
                wall0, tape0, speed = clock.stopwatch(), self.now_us, self.speed
                continue
            due = math.inf if math.isinf(speed) else tape0 + (clock.stopwatch() - wall0) * speed * 1e6
            moved = 0
            while self._next < total and self._at[self._next] <= due and moved < BATCH:
                feed, kind, index, when = self._apply()
                await self.listen(feed, kind, index, when)
                moved += 1
            if moved < BATCH and not math.isinf(due):
                self.now_us = max(self.now_us, int(due))
                wait = (self._at[self._next] - due) / speed / 1e6 if self._next < total else 0
                await asyncio.sleep(min(max(wait, 0.001), 0.05))
            else:
                await asyncio.sleep(0)
        self.done.set()

    def _apply(self) -> tuple[Feed, int, int, int]:
        k = self._next
        owner, place = int(self._owner[k]), int(self._place[k])
        feed = self.feeds[owner]
        kind, index, when = int(feed.kind[place]), int(feed.index[place]), int(self._at[k])
        self._next, self.now_us = k + 1, max(self.now_us, when)
        self.events += 1
        if kind == BOOK:
            self._show(feed, index)
        elif kind == TRADE:
            self.traded[feed.wire] = index + 1
            if self.desk.open_orders(feed.wire):
                price, quantity = Decimal(text(feed.price[index])), Decimal(text(feed.quantity[index]))
                self.desk.on_trade(feed.wire, price, quantity, feed.side[index])
        elif kind == DEPTH:
            self._waiting[feed.wire] = index
            self._ladders[feed.wire].is_recorded = False
        elif kind == LADDER:
            self._step(feed, index)
        return feed, kind, index, when

    def _catch_up(self, feed: Feed) -> None:
        """A tape cut out of a longer recording may begin among diffs: what they change is walked through silently."""
        steps = feed.index[feed.kind == LADDER]
        if feed.depth is not None and len(steps) and not feed.depth.is_whole[steps[0]]:
            whole = feed.depth.is_whole[: steps[0]].nonzero()[0]
            for k in range(int(whole[-1]), int(steps[0])):
                self._step(feed, k)

    def _step(self, feed: Feed, index: int) -> None:
        """A recorded step of the depth."""
        depth, ladder = feed.depth, self._ladders[feed.wire]
        assert depth is not None
        move = ladder.show if depth.is_whole[index] else ladder.change
        self._waiting[feed.wire] = -1
        move(depth.read(index), int(feed.depth_update[index]), int(depth.ts_us[index]))
        ladder.is_recorded = True

    def ladder(self, feed: Feed) -> Ladder:
        """The book as the depth stream tells it now; a synthetic step is made here, when somebody asks."""
        ladder, row = self._ladders[feed.wire], self._waiting[feed.wire]
        if row >= 0:
            self._waiting[feed.wire] = -1
            ladder.show(feed.levels(row), int(feed.update[row]), int(feed.book_ts[row]))
        return ladder

    def _show(self, feed: Feed, row: int) -> None:
        self.rows[feed.wire] = row
        self.desk.tops[feed.wire].stale = True
        if self.desk.open_orders(feed.wire):
            self.refresh(feed)

    def refresh(self, feed: Feed) -> None:
        """Bring the desk's ladder to the current row; done only when an order needs it."""
        top = self.desk.tops[feed.wire]
        if top.stale:
            row, ladder = self.rows[feed.wire], self._ladders[feed.wire]
            bid, bid_qty, ask, ask_qty = feed.rows[row][:4]
            known = ladder.is_recorded
            sides = ladder.behind((bid, bid_qty), (ask, ask_qty), LEVELS) if known else feed.levels(row)
            top.stale = False
            bids, asks = ([[Decimal(text(p)), Decimal(text(q))] for p, q in side] for side in sides)
            self.desk.on_book(feed.wire, bids, asks)


__all__ = ["BOOK", "DEPTH", "LADDER", "SECOND", "TRADE", "Listener", "Replay"]
