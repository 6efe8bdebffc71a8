"""A hand with orders: a broker that is told where to go, one thing at a time; only the newest wish counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from decot.errors import OrderRefused, RiskHalt, VenueUnavailable
from decot.live import reconcile
from decot.live.books import Tracked
from decot.live.broker import Broker
from decot.live.hands import OnFill
from decot.live.reconcile import Flat
from decot.market.account import Account
from decot.market.desk import plan


class LiveHand:
    """A broker that is told where to go; one thing at a time, and only the newest wish counts."""

    def __init__(
        self,
        broker: Broker,
        account: Account,
        *,
        touch: Callable[[], tuple[float, float]],
        on_sent: Callable[[int, bool], None] | None = None,
        poll_s: float = 1.0,
    ) -> None:
        self.broker, self.account, self.touch, self.poll_s = broker, account, touch, poll_s
        self.on_sent = on_sent or (lambda t_ms, was_refused: None)
        self.broken: BaseException | None = None
        self.latency_us: Callable[[float], None] = lambda us: None
        self._target: int | None = None
        self._wake = asyncio.Event()

    @property
    def on_fill(self) -> OnFill:
        return self.broker.on_fill

    @on_fill.setter
    def on_fill(self, listener: OnFill) -> None:
        self.broker.on_fill = listener

    @property
    def position(self) -> int:
        return int(np.sign(self.broker.books.holding.lots))

    @property
    def quantity(self) -> float:
        return self.broker.books.base

    @property
    def entry_price(self) -> float:
        return self.broker.books.entry_price

    @property
    def n_orders(self) -> int:
        return self.broker.books.n_orders

    @property
    def halted(self) -> str:
        return self.broker.books.halted

    @property
    def stands_at(self) -> int:
        return self.position

    def equity(self, mid: float) -> float:
        return self.broker.books.equity(mid)

    def on_bar(self, t_ms: int, bid: float, ask: float, bid_qty: float, ask_qty: float) -> None:
        return None

    def aim(self, target: int, bid: float, ask: float, latency_ms: float) -> None:
        self._target = target
        if target != self.position or self._resting():
            self._wake.set()

    def stop_entries(self, why: str) -> None:
        self.broker.entries_stopped = why

    def halt(self, why: str) -> None:
        self.broker.halt(why)

    def remember(self, kind: str, said: Mapping[str, Any]) -> None:
        self.broker.note(kind, "", said)

    def recall(self, kind: str) -> Mapping[str, Any]:
        event = self.broker.journal.last(kind)
        return event.payload if event else {}

    def release(self, who: str) -> None:
        self.broker.release(who)

    async def open(self) -> list[str]:
        return await reconcile.start(self.broker)

    async def reconcile(self, why: str) -> list[str]:
        return await reconcile.reconcile(self.broker, why)

    async def flatten(self, why: str, *, by_venue: bool = False) -> Flat:
        self._target = 0
        return await reconcile.flatten(self.broker, why, self.touch, by_venue=by_venue)

    async def work(self) -> None:
        """Go where it is aimed, and ask after what rests."""
        while True:
            try:
                async with asyncio.timeout(self.poll_s):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            try:
                if self._resting():
                    await self.broker.poll()
                if self._target is not None:
                    await self._go(self._target)
            except (OrderRefused, VenueUnavailable):
                continue
            except RiskHalt as halt:
                self.broken = halt
                return

    async def _go(self, target: int) -> None:
        bid, ask = self.touch()
        if not (bid > 0 and ask > 0):
            return
        for order in self._resting():
            wanted = bid if order.side > 0 else ask
            serves = order.side == (target or -self.position)
            if serves and abs((order.limit or 0.0) - wanted) < self.broker.rules.tick / 2:
                return
            if serves:
                await self.broker.replace(order.client_id, wanted, bid, ask)
                return
            await self.broker.cancel(order.client_id)
        orders, _ = plan(target, self.broker.books.holding, bid, ask, self.broker.rules, self.account)
        for order_out in orders:
            if target != self._target:
                return
            sent = await self.broker.submit(order_out, bid, ask, why=f"target {target}")
            if isinstance(sent, Tracked):
                self.on_sent(self.broker.now_ms(), sent.status == "rejected")

    def _resting(self) -> list[Tracked]:
        return [order for order in self.broker.books.unclosed if order.limit is not None and order.order_id]
