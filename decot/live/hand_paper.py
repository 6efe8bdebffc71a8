"""A hand on paper: the simulator's own desk, every fill written into the journal. Knows no venue and sends nothing."""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from decot.errors import VenueUnavailable
from decot.live.books import Books
from decot.live.hands import OnFill
from decot.live.journal import Journal
from decot.live.reconcile import Flat
from decot.market.account import Account
from decot.market.desk import Desk
from decot.market.orders import Fill
from decot.market.rules import VenueRules

PRICE_S = 10.0
"""how long leaving waits for a first quote"""


class PaperHand:
    """The simulator's desk, with a journal."""

    def __init__(
        self,
        journal: Journal,
        rules: VenueRules,
        account: Account,
        *,
        session: str,
        now_ms: Callable[[], int],
        touch: Callable[[], tuple[float, float]] = lambda: (math.nan, math.nan),
    ) -> None:
        self.journal, self.now_ms, self.touch = journal, now_ms, touch
        self.desk = Desk(rules, account)
        self.books = Books.of(rules, journal.events())
        self.on_fill: OnFill = lambda fill: None
        self.broken: BaseException | None = None
        self._prefix = f"pp{hashlib.sha256(session.encode()).hexdigest()[:8]}"
        self._n = self._t_ms = 0
        self._standing = 0

    @property
    def position(self) -> int:
        return self.desk.position

    @property
    def quantity(self) -> float:
        return self.desk.holding.lots * self.desk.rules.lot

    @property
    def entry_price(self) -> float:
        return self.desk.entry_price

    @property
    def n_orders(self) -> int:
        return self.books.n_orders

    @property
    def halted(self) -> str:
        return self.books.halted

    @property
    def stands_at(self) -> int:
        return self._standing

    def equity(self, mid: float) -> float:
        """At the desk's own last touch, as the simulator counts it."""
        if self.desk.position and not self.desk.has_touch:
            return self.books.equity(mid)
        return self.desk.equity_usdt if math.isfinite(self.desk.equity_usdt) else self.books.quote

    def on_bar(self, t_ms: int, bid: float, ask: float, bid_qty: float, ask_qty: float) -> None:
        self._t_ms = t_ms
        self._write(self.desk.advance(t_ms, bid, ask, bid_qty, ask_qty), t_ms)

    def aim(self, target: int, bid: float, ask: float, latency_ms: float) -> None:
        self._standing = target
        self.desk.decide(target, latency_ms)

    def stop_entries(self, why: str) -> None:
        """The worker aims a desk at nothing it may not have; nothing here acts by itself."""

    def halt(self, why: str) -> None:
        if not self.books.halted:
            self._note("halt", "", {"why": why})

    def remember(self, kind: str, said: Mapping[str, Any]) -> None:
        self.journal.append(kind, self.now_ms(), "", said)

    def recall(self, kind: str) -> Mapping[str, Any]:
        event = self.journal.last(kind)
        return event.payload if event else {}

    def release(self, who: str) -> None:
        self._note("release", "", {"who": who})

    async def open(self) -> list[str]:
        """Take up where the journal ends: cash, holding and open trade; what was on its way is gone."""
        saved = self.journal.last("desk")
        if self.books.opening is None:
            self._note("opening", "", {"base": 0.0, "quote": self.desk.account.capital_usdt, "trade_id": 0})
        if saved is not None:
            self.desk.state[:] = np.array(saved.payload["state"])
            self.desk.see(*saved.payload.get("touch", (0.0, 0.0)))
            self._standing = self.desk.position
        return self._differences()

    async def work(self) -> None:
        await asyncio.Event().wait()

    async def reconcile(self, why: str) -> list[str]:
        return self._differences()

    async def flatten(self, why: str, *, by_venue: bool = False) -> Flat:
        began, self._standing = self.now_ms(), 0
        await self._price()
        if self.desk.position:
            self._write(self.desk.close(), self._t_ms or began)
        else:
            self.desk.close()
        found = self._differences()
        flat = Flat(
            is_flat=self.desk.position == 0 and not found,
            lots=self.desk.holding.lots,
            took_ms=self.now_ms() - began,
            left="; ".join(found),
        )
        self._note("flat", "", {"why": why, "flat": flat.is_flat, "lots": flat.lots, "took_ms": flat.took_ms})
        return flat

    async def _price(self) -> None:
        """Taken over from a dead worker, before the first bar: leave at a price of now, not of then, if one comes."""
        if not self.desk.position or self._t_ms:
            return
        for _ in range(round(PRICE_S / 0.02)):
            bid, ask = self.touch()
            if bid > 0 and ask > 0:
                return self.desk.see(bid, ask)
            await asyncio.sleep(0.02)
        if not self.desk.has_touch:
            raise VenueUnavailable(f"no quote for {PRICE_S:.0f} s, so nobody knows what this is worth")

    def _write(self, fills: list[Fill], t_ms: int) -> None:
        for fill in fills:
            self._n += 1
            client_id = f"{self._prefix}-{self.journal.token:x}-{self._n:x}"
            trade_id = self.books.last_trade_id + 1
            intent = {
                "side": fill.side,
                "qty": fill.qty,
                "limit": None,
                "post": fill.is_maker,
                "why": "paper",
            }
            said: dict[str, Any] = {
                "trade_id": trade_id,
                "side": fill.side,
                "qty": fill.qty,
                "price": fill.price,
                "fee": fill.fee_usdt,
                "fee_in": "quote",
                "maker": fill.is_maker,
                "time_ms": t_ms,
            }
            lines: list[tuple[str, int, str, dict[str, Any]]] = [
                ("intent", t_ms, client_id, intent),
                ("ack", t_ms, client_id, {"order_id": str(trade_id), "filled": fill.qty}),
                ("fill", t_ms, client_id, said),
                ("done", t_ms, client_id, {"status": "filled", "why": "", "filled": fill.qty}),
                ("desk", t_ms, "", {"state": self.desk.state.tolist(), "touch": self.desk.touch[:2]}),
            ]
            self.journal.append_all(lines)
            for kind, when, name, payload in lines:
                self.books.take(kind, when, name, payload, self.journal.token)
            self.on_fill({"client_id": client_id, **said})

    def _note(self, kind: str, client_id: str, said: dict[str, Any]) -> None:
        t_ms = self.now_ms()
        self.journal.append(kind, t_ms, client_id, said)
        self.books.take(kind, t_ms, client_id, said, self.journal.token)

    def _differences(self) -> list[str]:
        """Desk against journal."""
        desk, books = self.desk.holding, self.books
        pairs = (("lots", desk.lots, books.holding.lots), ("cash", desk.cash_usdt, books.quote))
        return [
            f"{name}: the desk says {ours:.8f}, the journal {theirs:.8f}"
            for name, ours, theirs in pairs
            if abs(ours - theirs) > 1e-6
        ]
