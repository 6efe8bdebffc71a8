"""A venue made of dice, on a clock that costs nothing: for drills by the ten thousand. Knows no sockets and no tape.

It behaves as `venue.py` says a venue may, and as badly as it allows: answers are lost after the order was taken, requests
arrive late or never, fills come in pieces and late, lists are old, doubled or out of order, the line is dead for a while.
What it never does: take a request after its window, or forget what it took. Its own record is the truth of a drill.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from decot.live.venue import FINAL, Balances, Busy, Rejected, Report, Request, Status, Trade, Unclear
from decot.market.rules import VenueRules

Answer = TypeVar("Answer")


def drive(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Run a coroutine that never really waits."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    work.close()
    raise RuntimeError("the drill waited for something outside its own clock")


class FastClock:
    """Time that passes when somebody sleeps; what was due happens on the way."""

    def __init__(self, start_ms: int = 1_767_000_000_000) -> None:
        self.ms = float(start_ms)
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._n = 0

    def now_ms(self) -> int:
        return int(self.ms)

    async def sleep(self, ms: float) -> None:
        self.advance(ms)

    def advance(self, ms: float) -> None:
        until = self.ms + ms
        while self._due and self._due[0][0] <= until:
            at, _, act = heapq.heappop(self._due)
            self.ms = max(self.ms, at)
            act()
        self.ms = until

    def after(self, ms: float, act: Callable[[], None]) -> None:
        self._n += 1
        heapq.heappush(self._due, (self.ms + ms, self._n, act))


@dataclass(frozen=True, slots=True, kw_only=True)
class Troubles:
    """Probabilities per call."""

    lost_reply: float = 0.08
    lost_request: float = 0.05
    late: float = 0.06
    """the request arrives after we have stopped waiting for it"""
    busy: float = 0.05
    silent: float = 0.06
    """a question gets no answer"""
    old: float = 0.10
    """an answer from a moment ago"""
    doubled: float = 0.15
    """fills listed twice and out of order"""
    pieces: float = 0.5
    """a market order fills in several pieces"""
    expired: float = 0.1
    """its last piece never comes"""
    dead: float = 0.02
    """the line is cut for up to `dead_ms`"""
    dead_ms: float = 3_000.0
    lag_ms: float = 300.0
    """lists may be this old"""
    timeout_ms: float = 250.0


@dataclass(slots=True)
class Placed:
    """An order as the venue has it."""

    request: Request
    order_id: str
    accepted_ms: float
    signed_ms: float
    status: Status = "open"
    filled: float = 0.0
    versions: list[tuple[float, Report]] = field(default_factory=list)


class Scripted:
    """A `VenuePort` with one account, spot, fee of a buy taken in base."""

    def __init__(
        self,
        rng: random.Random,
        clock: FastClock,
        rules: VenueRules,
        *,
        troubles: Troubles | None = None,
        base: float = 0.0,
        quote: float = 19.0,
        price: float = 90_000.0,
        recv_window_ms: int = 1_000,
        on_step: Callable[[str], None] | None = None,
    ) -> None:
        self.rng, self.clock, self.rules = rng, clock, rules
        self.troubles = troubles or Troubles()
        self.price, self.recv_window_ms = price, recv_window_ms
        self.on_step = on_step or (lambda name: None)
        self.orders: list[Placed] = []
        self.trades: list[Trade] = []
        self._seen: list[tuple[float, Balances]] = [(clock.ms, Balances(base, quote))]
        self._dead_until = 0.0

    # ---- the port ------------------------------------------------------------------------------------

    async def place(self, request: Request) -> Report:
        signed = self.clock.ms
        try:
            self.on_step("place")
        except BaseException:
            if self.rng.random() < 0.5:  # whoever sent it is gone, what it sent may still arrive
                self._arrive_later(request, signed)
            raise
        self._line()
        self._busy()
        if self._falls(self.troubles.lost_request):
            self._no_answer("the request was lost")
        if self._falls(self.troubles.late):
            self._arrive_later(request, signed)
            self._no_answer("the request is late")
        self.clock.advance(self.rng.uniform(1, 30))
        placed = self._accept(request, signed)
        self.on_step("placed")
        if self._falls(self.troubles.lost_reply):
            self._no_answer("the answer was lost")
        report = self._report(placed)
        mine = tuple(trade for trade in self.trades if trade.order_id == placed.order_id)
        return replace(report, trades=mine if self._falls(0.7) else ())

    async def cancel(self, client_id: str) -> None:
        self.on_step("cancel")
        self._line()
        self._busy()
        placed = self._find(client_id)
        if placed is None or placed.status in FINAL:
            raise Rejected(f"{client_id}: unknown order")
        if self._falls(self.troubles.lost_request):
            self._no_answer("the cancel was lost")
        self._end(placed, "canceled")
        if self._falls(self.troubles.lost_reply):
            self._no_answer("the answer to a cancel was lost")

    async def query(self, client_id: str) -> Report | None:
        await self._ask("query")
        placed = self._find(client_id)
        if placed is None:
            return None
        if not self._falls(self.troubles.old):
            return self._report(placed)
        seen = self.clock.ms - self.rng.uniform(0, self.troubles.lag_ms)
        older = [report for at, report in placed.versions if at <= seen]
        return older[-1] if older else None

    async def open_orders(self) -> list[Report]:
        await self._ask("open_orders")
        still = [self._report(placed) for placed in self.orders if placed.status == "open"]
        return self._shuffled(still)

    async def balances(self) -> Balances:
        await self._ask("balances")
        if not self._falls(self.troubles.old):
            return self._seen[-1][1]
        moment = self.clock.ms - self.rng.uniform(0, self.troubles.lag_ms)
        return next((money for at, money in reversed(self._seen) if at <= moment), self._seen[0][1])

    async def my_trades(self, *, order_id: str = "", from_id: int = 0) -> list[Trade]:
        await self._ask("my_trades")
        moment = self.clock.ms - (
            self.rng.uniform(0, self.troubles.lag_ms) if self._falls(self.troubles.old) else 0
        )
        found = [
            trade
            for trade in self.trades
            if trade.trade_id >= from_id and order_id in ("", trade.order_id) and trade.time_ms <= moment
        ]
        return self._shuffled(found)

    async def close(self) -> None:
        return None

    # ---- what the drill may do -------------------------------------------------------------------------

    def foreign_trade(self, side: int, qty: float) -> None:
        """Somebody trades on the account by hand."""
        request = Request(client_id=f"hand-{len(self.orders)}", side=side, qty=qty)
        self._accept(request, self.clock.ms)

    @property
    def money(self) -> Balances:
        """The truth."""
        return self._seen[-1][1]

    def settle_all(self) -> None:
        """Let everything under way happen, and the line come back."""
        self.clock.advance(20_000)
        self._dead_until = 0.0

    # ---- inside --------------------------------------------------------------------------------------

    async def _ask(self, name: str) -> None:
        self.on_step(name)
        self._line()
        self._busy()
        self.clock.advance(self.rng.uniform(1, 20))
        if self._falls(self.troubles.silent):
            self._no_answer(f"no answer to {name}")

    def _line(self) -> None:
        if self.clock.ms >= self._dead_until and self._falls(self.troubles.dead):
            self._dead_until = self.clock.ms + self.rng.uniform(0, self.troubles.dead_ms)
        if self.clock.ms < self._dead_until:
            self.clock.advance(10)
            raise Unclear("the line is dead")

    def _busy(self) -> None:
        if self._falls(self.troubles.busy):
            raise Busy("too many requests")

    def _no_answer(self, why: str) -> None:
        self.clock.advance(self.troubles.timeout_ms)
        raise Unclear(why)

    def _falls(self, chance: float) -> bool:
        return self.rng.random() < chance

    def _shuffled(self, rows: list[Any]) -> list[Any]:
        if self._falls(self.troubles.doubled):
            rows = rows + rows[: self.rng.randint(0, len(rows))]
            self.rng.shuffle(rows)
        return rows

    def _arrive_later(self, request: Request, signed: float) -> None:
        def arrive() -> None:
            try:
                self._accept(request, signed)
            except Rejected:
                return

        self.clock.after(self.rng.uniform(0, 2 * self.recv_window_ms), arrive)

    def _accept(self, request: Request, signed: float) -> Placed:
        if self.clock.ms - signed > self.recv_window_ms:
            raise Rejected("timestamp outside of the recvWindow")
        money, cost = self.money, request.qty * (request.limit or self.price)
        if cost < self.rules.min_notional_usdt:
            raise Rejected("filter failure: NOTIONAL")
        if (request.side > 0 and cost > money.quote) or (
            request.side < 0 and request.qty > money.base + 1e-12
        ):
            raise Rejected("insufficient balance")
        if any(p.request.client_id == request.client_id and p.status == "open" for p in self.orders):
            raise Rejected("duplicate order sent")
        placed = Placed(request, str(len(self.orders) + 1), self.clock.ms, signed)
        self.orders.append(placed)
        self._version(placed)
        self._plan(placed)
        return placed

    def _plan(self, placed: Placed) -> None:
        """When which part fills."""
        lots = round(placed.request.qty / self.rules.lot)
        n = self.rng.randint(2, 3) if self._falls(self.troubles.pieces) and lots >= 3 else 1
        cuts = sorted(self.rng.sample(range(1, lots), n - 1)) if n > 1 else []
        parts = [b - a for a, b in zip([0, *cuts], [*cuts, lots])]
        if placed.request.limit is not None:
            for part in parts:
                if self._falls(0.6):
                    self.clock.after(self.rng.uniform(10, 4_000), lambda p=part: self._fill(placed, p, True))  # type: ignore[misc]
            return
        ends_early = n > 1 and self._falls(self.troubles.expired)
        self._fill(placed, parts[0], False)
        wait = 0.0
        for part in parts[1:-1] if ends_early else parts[1:]:
            wait += self.rng.uniform(5, 300)
            self.clock.after(wait, lambda p=part: self._fill(placed, p, False))  # type: ignore[misc]
        if ends_early:
            self.clock.after(wait + 1, lambda: self._end(placed, "expired"))

    def _fill(self, placed: Placed, lots: int, is_maker: bool) -> None:
        if placed.status in FINAL:
            return
        request, price = placed.request, placed.request.limit or self.price
        qty = lots * self.rules.lot
        rate = (self.rules.maker_bps if is_maker else self.rules.taker_bps) * 1e-4
        is_buy = request.side > 0
        fee = round(qty * rate if is_buy else qty * price * rate, 8)
        money = self.money
        base = money.base + request.side * qty - (fee if is_buy else 0.0)
        quote = money.quote - request.side * qty * price - (0.0 if is_buy else fee)
        self._seen.append((self.clock.ms, Balances(base, quote)))
        self.trades.append(
            Trade(
                trade_id=len(self.trades) + 1,
                order_id=placed.order_id,
                side=request.side,
                qty=qty,
                price=price,
                fee=fee,
                fee_in="base" if is_buy else "quote",
                is_maker=is_maker,
                time_ms=int(self.clock.ms),
            )
        )
        placed.filled += qty
        if placed.filled > request.qty - self.rules.lot / 2:
            placed.status = "filled"
        self._version(placed)

    def _end(self, placed: Placed, status: Status) -> None:
        if placed.status not in FINAL:
            placed.status = status
            self._version(placed)

    def _version(self, placed: Placed) -> None:
        placed.versions.append((self.clock.ms, self._report(placed)))

    def _report(self, placed: Placed) -> Report:
        request = placed.request
        return Report(
            client_id=request.client_id,
            order_id=placed.order_id,
            status=placed.status,
            side=request.side,
            qty=request.qty,
            filled=placed.filled,
        )

    def _find(self, client_id: str) -> Placed | None:
        return next((p for p in reversed(self.orders) if p.request.client_id == client_id), None)
