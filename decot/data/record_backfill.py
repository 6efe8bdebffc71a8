"""Missing trades, asked for by REST until they are here or known to be out of reach. Knows no sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from decot import clock
from decot.data.record_client import Gate
from decot.data.record_decode import Refused, Trade
from decot.data.record_ids import Hole
from decot.data.record_station import Station, unified_trade

PAGE = 1_000
TRIES = 4
"""answers without a wanted trade after which it is given up"""


class Backfill:
    """The asking for one symbol. `wanted` is set by whoever suspects a loss."""

    def __init__(
        self, station: Station, client: Any, gate: Gate, grace_s: float, tell: Callable[[str], None]
    ) -> None:
        self.station, self.client, self.gate, self.grace_s, self.tell = station, client, gate, grace_s, tell
        self.wanted = asyncio.Event()
        self._checked = clock.stopwatch()
        self._tries: dict[tuple[int, int], int] = {}
        self._since_ms = 0

    async def anchor(self) -> None:
        """Before the first frame: everything the venue has now is before us, all that follows must be had."""
        station = self.station
        if not station.is_numbered or station.is_anchored:
            return
        recent = await self._recent(1)
        if recent:
            station.ids.next_id = recent[-1].id + 1
            station.anchor(recent[-1].id + 1)

    async def round(self, heartbeat_s: float) -> None:
        """One turn: look for a loss if there is reason to, fill what is due."""
        station, now = self.station, clock.stopwatch()
        silent = now - station.heard.get("trades", now)
        if self.wanted.is_set() or (silent > heartbeat_s / 2 and now - self._checked > heartbeat_s):
            self.wanted.clear()
            self._checked = now
            await self.look()
        await self._anchor_late()
        for hole in station.ids.due(clock.stopwatch(), self.grace_s):
            await self.fill(hole)
        await asyncio.sleep(max(self.grace_s / 2, 0.02))

    async def look(self) -> None:
        """Compare with the venue's latest trade; what lies between becomes a hole (or is taken, if unnumbered)."""
        station = self.station
        if not station.is_numbered:
            return await self._take_since()
        recent = await self._recent(1)
        if recent and station.ids.next_id is not None:
            station.ids.expect(recent[-1].id + 1, clock.stopwatch(), "silence")
        elif recent:
            station.ids.next_id = recent[-1].id + 1
            await self._anchor_late(recent[-1].id + 1)

    async def complete(self) -> None:
        """At the end: nothing the venue has may be missing here."""
        await self.look()
        await self._anchor_late()
        while holes := self.station.ids.due(clock.stopwatch(), 0.0):
            for hole in holes:
                await self.fill(hole)

    async def fill(self, hole: Hole) -> None:
        """Ask for the trades of a hole, page by page; a hole the venue does not know is given up and noted."""
        station, since_us = self.station, clock.now_us()
        before = station.counts["filled"]
        first = hole.first
        while first <= hole.last:
            page = [t for t in await self._page(first, hole.last - first + 1) if first <= t.id <= hole.last]
            recv_us = clock.now_us()
            for trade in page:
                refusal = station.on_trade(trade, recv_us, asked=True)
                if refusal is not None:
                    self.tell(f"an answer was refused: {refusal.reason}")
            if not page:
                break
            first = page[-1].id + 1
        filled = station.counts["filled"] - before
        rest = [h for h in station.ids.holes if h.first >= hole.first and h.last <= hole.last]
        if filled:
            station.note_gap(
                "trades",
                "ids",
                since_us,
                ids=(hole.first, hole.last),
                missing=filled,
                filled=filled,
            )
        for left in rest:
            key = (left.first, left.last)
            self._tries[key] = self._tries.get(key, 0) + 1
            if self._tries[key] >= TRIES:
                self._lose(left)

    def write_off(self) -> None:
        """What is still missing when the recording ends goes into the gap table as lost."""
        for hole in list(self.station.ids.holes):
            self._lose(hole)

    def _lose(self, hole: Hole) -> None:
        station = self.station
        station.ids.give_up(hole)
        station.note_gap("trades", "ids", clock.now_us(), ids=(hole.first, hole.last), missing=len(hole))
        self.tell(f"{len(hole)} trades of {station.symbol} from id {hole.first} are out of reach")

    async def _anchor_late(self, upcoming: int | None = None) -> None:
        """A venue that had no trade before us: its very first one is our beginning."""
        station = self.station
        if station.is_anchored or station.ids.next_id is None or not station.is_numbered:
            return
        here = station.ids.next_id if station.first_id is None else station.first_id
        begin = upcoming if upcoming is not None else here
        oldest = await self._page(0, PAGE)
        if oldest and oldest[0].id < begin:
            station.ids.holes.insert(0, Hole(oldest[0].id, begin - 1, clock.stopwatch(), "start"))
        station.anchor(min(begin, oldest[0].id) if oldest else begin)

    # ---- asking --------------------------------------------------------------------------------------

    async def _page(self, first: int, n: int) -> list[Trade]:
        """Trades from an id on, oldest first: the last thousand without a key, older ones with one."""
        limit = max(1, min(n, PAGE))
        if not self.client.apiKey or first == 0:
            recent = await self._recent(PAGE)
            if not self.client.apiKey or (recent and len(recent) < PAGE):
                return [trade for trade in recent if trade.id >= first]
        params = {"fetchTradesMethod": self._method("HistoricalTrades"), "fromId": first}
        return await self._ask(limit, params, f"asking for trades from id {first}")

    async def _recent(self, limit: int) -> list[Trade]:
        return await self._ask(
            limit, {"fetchTradesMethod": self._method("Trades")}, "asking for the latest trades"
        )

    async def _ask(
        self, limit: int, params: dict[str, Any], what: str, since: int | None = None
    ) -> list[Trade]:
        symbol, wire = self.station.symbol, self.station.wire
        raw = await self.gate.patiently(lambda: self.client.fetch_trades(symbol, since, limit, params), what)
        trades = [unified_trade(one, wire) for one in raw]
        return sorted((t for t in trades if not isinstance(t, Refused)), key=lambda trade: trade.id)

    def _method(self, name: str) -> str:
        market = self.client.market(self.station.symbol)
        door = "fapiPublic" if market.get("linear") else "dapiPublic" if market.get("inverse") else "public"
        return f"{door}Get{name}"

    async def _take_since(self) -> None:
        """Where trades are not numbered in a row: everything since the last one we had, repetitions dropped."""
        station = self.station
        if not self.client.has.get("fetchTrades") or not station.venue_us:
            return
        since, before = station.venue_us // 1000 - 1, station.counts["filled"]
        for trade in await self._ask(PAGE, {}, "asking for the latest trades", since):
            station.on_trade(trade, clock.now_us(), asked=True)
        if filled := station.counts["filled"] - before:
            station.note_gap("trades", "ids", station.heard_us["trades"], missing=filled, filled=filled)
