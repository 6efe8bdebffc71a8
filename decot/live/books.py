"""What the journal adds up to: orders, fills, cash and holding. Knows events; sends nothing and asks nobody.

Kept up event by event while a worker runs, and rebuilt from the journal when one starts: the same function either way.
A session of any length costs the same per bar and per order: sums are carried along, and of what is over only the last
`KEPT` are at hand. The journal has all of it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from decot.live.journal import Event
from decot.live.venue import FINAL, Balances
from decot.market.orders import Holding
from decot.market.rules import VenueRules

KEPT = 2_000
"""orders that are over, and fills, kept in memory; what a venue tells late is of the last few"""
CLOSED = (*FINAL, "void")
"""void: it never reached the venue, and it is too late for it to do so"""


@dataclass(slots=True)
class Tracked:
    """One order of ours, from its intent on."""

    client_id: str
    side: int
    qty: float
    limit: float | None
    is_post_only: bool
    why: str
    sent_ms: int
    token: int
    order_id: str = ""
    status: str = "sent"
    filled: float = 0.0
    """as the venue says"""
    booked: float = 0.0
    """as fills in the journal add up"""

    @property
    def is_closed(self) -> bool:
        """Over, and every fill of it is written down."""
        return self.status in CLOSED


@dataclass(slots=True)
class Books:
    """The account as the journal has it."""

    rules: VenueRules
    orders: dict[str, Tracked] = field(default_factory=dict)
    """everything that is not over, and the last `KEPT` that are"""
    by_order_id: dict[str, str] = field(default_factory=dict)
    fills: deque[dict[str, Any]] = field(default_factory=deque)
    """the last `KEPT`"""
    n_orders: int = 0
    n_fills: int = 0
    base: float = math.nan
    quote: float = math.nan
    opening: Balances | None = None
    first_trade_id: int = 0
    """trades up to here were before our time"""
    last_trade_id: int = 0
    halted: str = ""
    """why trading is stopped until a person releases it; survives a restart"""
    _open: dict[str, Tracked] = field(default_factory=dict)
    _over: deque[str] = field(default_factory=deque)
    _known: set[int] = field(default_factory=set)
    _lots: float = 0.0
    _cost: float = 0.0

    @staticmethod
    def of(rules: VenueRules, events: Iterable[Event]) -> Books:
        """Everything a journal says."""
        books = Books(rules)
        for event in events:
            books.take(event.kind, event.t_ms, event.client_id, event.payload, event.token)
        return books

    def take(self, kind: str, t_ms: int, client_id: str, said: Any, token: int) -> None:
        """One event; kinds it does not know change nothing."""
        if kind == "opening":
            self.opening = Balances(said["base"], said["quote"])
            self.base, self.quote = self.opening.base, self.opening.quote
            self.first_trade_id = self.last_trade_id = said["trade_id"]
        elif kind == "intent":
            self.n_orders += 1
            self.orders[client_id] = self._open[client_id] = Tracked(
                client_id, said["side"], said["qty"], said["limit"], said["post"], said["why"], t_ms, token
            )
        elif kind == "ack":
            order = self.orders[client_id]
            order.order_id, order.filled = said["order_id"], max(order.filled, said["filled"])
            order.status, self._open[client_id] = "open", order
            self.by_order_id[order.order_id] = client_id
        elif kind == "fill":
            self._fill(client_id, said)
        elif kind == "done":
            self.orders[client_id].status = said["status"]
            self._over_with(client_id)
        elif kind == "halt":
            self.halted = said["why"]
        elif kind == "release":
            self.halted = ""

    def _over_with(self, client_id: str) -> None:
        if self._open.pop(client_id, None) is None:
            return
        self._over.append(client_id)
        if len(self._over) > KEPT:
            name = self._over.popleft()
            if name not in self._open and (old := self.orders.pop(name, None)) is not None:
                self.by_order_id.pop(old.order_id, None)

    def _fill(self, client_id: str, said: Any) -> None:
        self.orders[client_id].booked += said["qty"]
        self.n_fills += 1
        self.fills.append({"client_id": client_id, **said})
        self._known.add(said["trade_id"])
        if len(self.fills) > KEPT:
            self._known.discard(self.fills.popleft()["trade_id"])
        self.last_trade_id = max(self.last_trade_id, said["trade_id"])
        self.base += said["side"] * said["qty"] - (said["fee"] if said["fee_in"] == "base" else 0.0)
        self.quote -= said["side"] * said["qty"] * said["price"]
        self.quote -= said["fee"] if said["fee_in"] == "quote" else 0.0
        self._hold(said["side"] * said["qty"], said["price"])

    def _hold(self, signed: float, price: float) -> None:
        """What the open position cost, after so much more or less of it."""
        if self._lots * signed >= 0:
            self._cost += signed * price
        elif abs(signed) < abs(self._lots):
            self._cost *= 1 + signed / self._lots
        else:
            self._cost = (self._lots + signed) * price
        self._lots += signed
        if abs(self._lots) < self.rules.lot / 2:
            self._lots = self._cost = 0.0

    def is_known(self, trade_id: int) -> bool:
        """Whether this fill is among the last; of an older one the journal itself says that it was there."""
        return trade_id in self._known

    @property
    def holding(self) -> Holding:
        """Cash, and whole lots of what is held; less than a lot is dust."""
        return Holding(cash_usdt=self.quote, lots=whole_lots(self.base, self.rules))

    @property
    def unclosed(self) -> list[Tracked]:
        """Orders whose end is not known."""
        return [order for order in self._open.values() if not order.is_closed]

    def equity(self, price: float) -> float:
        """Cash + everything held at a price, quote currency."""
        return self.quote + self.base * price

    @property
    def entry_price(self) -> float:
        """Mean price of the open position, 0 when flat."""
        return self._cost / self._lots if self._lots and self.holding.lots else 0.0


def whole_lots(base: float, rules: VenueRules) -> int:
    """Lots in a quantity, towards zero."""
    return int(math.copysign(math.floor(abs(base) / rules.lot + 1e-6), base)) if math.isfinite(base) else 0
