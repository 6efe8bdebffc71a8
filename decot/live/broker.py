"""From an order to its fills: written down, sent once, asked after until it is known. Knows no strategy and no clock.

intent (on disk) → place → by answer: ack, fills, done · rejected: done · no answer: ask by client id. An order that the
venue does not know is asked for again until its time window is over; only then is it void. Nothing is sent twice, and
while one order is in doubt no other enters.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from decot.errors import OrderRefused
from decot.live.books import Books, Tracked
from decot.live.journal import Fenced, Journal
from decot.live.venue import FINAL, Busy, Rejected, Report, Request, Trade, Unclear, VenuePort
from decot.market.orders import Order, Refusal, validate
from decot.market.rules import VenueRules

NowMs = Callable[[], int]
Sleep = Callable[[float], Awaitable[None]]
"""milliseconds"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to ask, and how often."""

    poll_ms: float = 20.0
    settle_ms: float = 5_000.0
    """after this an order stays in doubt and the timer goes on asking"""
    lag_ms: float = 500.0
    """how long a venue may take to know in one place what it said in another"""


class Broker:
    """One symbol of one account. `halt` stops every entry at once; leaving stays possible."""

    def __init__(
        self,
        venue: VenuePort,
        journal: Journal,
        rules: VenueRules,
        *,
        now_ms: NowMs,
        sleep: Sleep,
        session: str,
        patience: Patience | None = None,
        on_fill: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        self.venue, self.journal, self.rules = venue, journal, rules
        self.now_ms, self.sleep, self.patience = now_ms, sleep, patience or Patience()
        self.books = Books.of(rules, journal.events())
        self.prefix = f"dc{hashlib.sha256(session.encode()).hexdigest()[:8]}"
        self.took_over_ms = now_ms()
        self.on_fill = on_fill or (lambda fill: None)
        self.is_ready = False
        """set once the account has been reconciled"""
        self.entries_stopped = ""
        """why nothing may enter now; set from anywhere, read right before sending"""
        self.one = asyncio.Lock()
        self._n_sent = 0

    # ---- what a worker asks --------------------------------------------------------------------------

    async def submit(self, order: Order, bid: float, ask: float, *, why: str) -> Tracked | Refusal:
        """Send one order and follow it until it rests, ends, or patience does.

        Raises:
            OrderRefused: entries are stopped, or another order is in doubt.
            RiskHalt: the journal cannot be written, or another worker holds it.
        """
        async with self.one:
            if not order.is_reduce_only:
                self._may_enter()
            if refused := validate(order, self.books.holding, bid, ask, self.rules):
                return refused
            return await self.send(order, why=why)

    async def cancel(self, client_id: str) -> Tracked:
        """Take an order back; what it filled before that is booked."""
        async with self.one:
            return await self.take_back(self.books.orders[client_id])

    async def replace(self, client_id: str, limit: float, bid: float, ask: float) -> Tracked | Refusal | None:
        """Cancel, then send what was left of it at another price; None when nothing was left."""
        async with self.one:
            old = await self.take_back(self.books.orders[client_id])
            left = old.qty - old.booked
            if not old.is_closed or left < self.rules.lot / 2:
                return None
            left = round(left / self.rules.lot) * self.rules.lot
            order = Order(side=old.side, qty=left, limit=limit, is_post_only=old.is_post_only)
            self._may_enter()
            if refused := validate(order, self.books.holding, bid, ask, self.rules):
                return refused
            return await self.send(order, why=old.why)

    async def poll(self) -> None:
        """Ask after everything that is not over."""
        async with self.one:
            for order in self.books.unclosed:
                await self.settle(order)

    def _may_enter(self) -> None:
        why = self.books.halted or self.entries_stopped
        if not why and not self.is_ready:
            why = "the account has not been reconciled yet"
        if not why and (doubtful := [o for o in self.books.unclosed if o.limit is None or not o.order_id]):
            why = f"order {doubtful[0].client_id} is in doubt"
        if why:
            raise OrderRefused(f"nothing may be sent now: {why}")

    # ---- one order; the caller holds `one` --------------------------------------------------------------

    async def send(self, order: Order, *, why: str) -> Tracked:
        """Write the intent, send, settle."""
        client_id = self._next_id()
        said = {
            "side": order.side,
            "qty": order.qty,
            "limit": order.limit,
            "post": order.is_post_only,
            "why": why,
            "leave": order.is_reduce_only,
        }
        self.note("intent", client_id, said)
        tracked = self.books.orders[client_id]
        if self.entries_stopped and not order.is_reduce_only:
            self._done(tracked, "rejected", f"stopped before it was sent: {self.entries_stopped}")
            return tracked
        self.must_be_newest()
        request = Request(
            client_id=client_id,
            side=order.side,
            qty=order.qty,
            limit=order.limit,
            is_post_only=order.is_post_only,
        )
        try:
            report = await self.venue.place(request)
        except (Rejected, Busy) as refused:
            self._done(tracked, "rejected", str(refused))
            return tracked
        except Unclear as unclear:
            self.note("unclear", client_id, {"why": str(unclear)})
        else:
            self.take(tracked, report)
        await self.settle(tracked)
        return tracked

    async def settle(self, tracked: Tracked) -> bool:
        """Ask by client id until the order is over with all its fills, or rests; False when patience ends first."""
        give_up = self.now_ms() + self.patience.settle_ms
        window = max(tracked.sent_ms, self.took_over_ms) + self.venue.recv_window_ms + self.patience.lag_ms
        while not tracked.is_closed:
            try:
                report = await self.venue.query(tracked.client_id)
                if report is not None:
                    self.take(tracked, report)
                    if report.status in FINAL and not tracked.is_closed:
                        self.book(tracked, await self.venue.my_trades(order_id=report.order_id))
                        self._close(tracked, report)
                    elif report.status == "open" and tracked.limit is not None:
                        if report.filled > tracked.booked + self._eps:
                            self.book(tracked, await self.venue.my_trades(order_id=report.order_id))
                        return True
                elif not tracked.order_id and self.now_ms() > window:
                    self._done(tracked, "void", "the venue does not know it, and its time is over")
            except (Busy, Unclear):
                pass
            if tracked.is_closed:
                break
            if self.now_ms() >= give_up:
                return False
            await self.sleep(self.patience.poll_ms)
        return True

    async def take_back(self, tracked: Tracked) -> Tracked:
        """Cancel until it is over; a cancel may be repeated, an order may not."""
        give_up = self.now_ms() + self.patience.settle_ms
        while not tracked.is_closed and self.now_ms() < give_up:
            self.must_be_newest()
            try:
                await self.venue.cancel(tracked.client_id)
            except (Rejected, Busy, Unclear):
                await self.sleep(self.patience.poll_ms)
            await self.settle(tracked)
        return tracked

    # ---- what the venue said --------------------------------------------------------------------------

    def take(self, tracked: Tracked, report: Report) -> None:
        """Write down an answer: its number, its fills, its end; saying the same again changes nothing."""
        if not tracked.order_id or report.filled > tracked.filled + self._eps:
            self.note("ack", tracked.client_id, {"order_id": report.order_id, "filled": report.filled})
        self.book(tracked, report.trades)
        self._close(tracked, report)

    def book(self, tracked: Tracked, trades: tuple[Trade, ...] | list[Trade]) -> None:
        """Write fills down, each once."""
        for trade in trades:
            if self.books.is_known(trade.trade_id) or trade.order_id != tracked.order_id:
                continue
            said = {
                "trade_id": trade.trade_id,
                "side": trade.side,
                "qty": trade.qty,
                "price": trade.price,
                "fee": trade.fee,
                "fee_in": trade.fee_in,
                "maker": trade.is_maker,
                "time_ms": trade.time_ms,
            }
            if self.note("fill", tracked.client_id, said):
                self.on_fill({"client_id": tracked.client_id, **said})

    def _close(self, tracked: Tracked, report: Report) -> None:
        """Over only when the fills add up to what the venue says was filled."""
        if (
            report.status in FINAL
            and abs(report.filled - tracked.booked) < self._eps
            and not tracked.is_closed
        ):
            self._done(tracked, report.status, "")

    def _done(self, tracked: Tracked, status: str, why: str) -> None:
        self.note("done", tracked.client_id, {"status": status, "why": why[:300], "filled": tracked.booked})

    def note(self, kind: str, client_id: str, said: Mapping[str, Any]) -> bool:
        """On disk first, then in mind; False for a fill that was there already."""
        t_ms = self.now_ms()
        is_new = self.journal.append(kind, t_ms, client_id, said)
        if is_new:
            self.books.take(kind, t_ms, client_id, said, self.journal.token)
        return is_new

    def halt(self, why: str) -> None:
        """Stop for good: a person must release it, a restart does not."""
        if not self.books.halted:
            self.entries_stopped = self.entries_stopped or why
            self.note("halt", "", {"why": why})

    def release(self, who: str) -> None:
        """A person has looked and lets it trade again."""
        self.note("release", "", {"who": who})
        self.entries_stopped = ""

    def must_be_newest(self) -> None:
        if not self.journal.is_newest():
            raise Fenced("another worker holds the journal; this one may not send any more")

    @property
    def _eps(self) -> float:
        return self.rules.lot / 100

    def _next_id(self) -> str:
        """Ours, ≤ 36 characters, never used before: the token is new for every start."""
        self._n_sent += 1
        return f"{self.prefix}-{self.journal.token:x}-{self._n_sent:x}"
