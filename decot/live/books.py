"""What the journal adds up to: orders, fills, cash and holding. Knows events; sends nothing and asks nobody.

Kept up event by event while a worker runs, and rebuilt from the journal when one starts: the same function either way.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from decot.live.journal import Event
from decot.live.venue import FINAL, Balances
from decot.market.orders import Holding
from decot.market.rules import VenueRules

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
    by_order_id: dict[str, str] = field(default_factory=dict)
    fills: list[dict[str, Any]] = field(default_factory=list)
    base: float = math.nan
    quote: float = math.nan
    opening: Balances | None = None
    first_trade_id: int = 0
    """trades up to here were before our time"""
    last_trade_id: int = 0
    halted: str = ""
    """why trading is stopped until a person releases it; survives a restart"""

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
            self.orders[client_id] = Tracked(
                client_id, said["side"], said["qty"], said["limit"], said["post"], said["why"], t_ms, token
            )
        elif kind == "ack":
            order = self.orders[client_id]
            order.order_id, order.filled = said["order_id"], max(order.filled, said["filled"])
            order.status = "open"
            self.by_order_id[order.order_id] = client_id
        elif kind == "fill":
            self._fill(client_id, said)
        elif kind == "done":
            self.orders[client_id].status = said["status"]
        elif kind == "halt":
            self.halted = said["why"]
        elif kind == "release":
            self.halted = ""

    def _fill(self, client_id: str, said: Any) -> None:
        self.orders[client_id].booked += said["qty"]
        self.fills.append({"client_id": client_id, **said})
        self.last_trade_id = max(self.last_trade_id, said["trade_id"])
        self.base += said["side"] * said["qty"] - (said["fee"] if said["fee_in"] == "base" else 0.0)
        self.quote -= said["side"] * said["qty"] * said["price"]
        self.quote -= said["fee"] if said["fee_in"] == "quote" else 0.0

    @property
    def holding(self) -> Holding:
        """Cash, and whole lots of what is held; less than a lot is dust."""
        return Holding(cash_usdt=self.quote, lots=whole_lots(self.base, self.rules))

    @property
    def unclosed(self) -> list[Tracked]:
        """Orders whose end is not known."""
        return [order for order in self.orders.values() if not order.is_closed]

    def equity(self, price: float) -> float:
        """Cash + everything held at a price, quote currency."""
        return self.quote + self.base * price

    @property
    def entry_price(self) -> float:
        """Mean price of the open position, 0 when flat."""
        lots, cost = 0.0, 0.0
        for fill in self.fills:
            signed = fill["side"] * fill["qty"]
            if lots * signed >= 0:
                cost += signed * fill["price"]
            elif abs(signed) < abs(lots):
                cost *= 1 + signed / lots
            else:
                cost = (lots + signed) * fill["price"]
            lots += signed
            if abs(lots) < self.rules.lot / 2:
                lots = cost = 0.0
        return cost / lots if lots and self.holding.lots else 0.0


def whole_lots(base: float, rules: VenueRules) -> int:
    """Lots in a quantity, towards zero."""
    return int(math.copysign(math.floor(abs(base) / rules.lot + 1e-6), base)) if math.isfinite(base) else 0
