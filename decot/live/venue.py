"""What a broker may ask of a venue, and the three ways an answer can fail. Knows no journal and no strategy.

Whoever sends must know which of three things happened: `Rejected` and `Busy` mean that nothing was done, `Unclear` means
that it may have been done. Every request carries its time; a venue refuses what arrives later than `recv_window_ms`
after it, so an order that is still unknown after that time will never be known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from decot.errors import VenueUnavailable

Status = Literal["open", "filled", "canceled", "expired", "rejected"]
FINAL = ("filled", "canceled", "expired", "rejected")


class Rejected(VenueUnavailable):
    """The venue said no: nothing was done."""


class Busy(VenueUnavailable):
    """The venue asks us to wait: nothing was done."""


class Unclear(VenueUnavailable):
    """No answer: it may have been done. Ask by client id, never send again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An order as it is sent."""

    client_id: str
    side: int
    qty: float
    limit: float | None = None
    is_post_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """One fill as the venue numbered it."""

    trade_id: int
    order_id: str
    side: int
    qty: float
    price: float
    fee: float
    fee_in: Literal["base", "quote", "other"]
    is_maker: bool
    time_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How far an order came, in the venue's own words."""

    client_id: str
    order_id: str
    status: Status
    side: int
    qty: float
    filled: float
    trades: tuple[Trade, ...] = ()
    """those the answer carried; never the only source"""


@dataclass(frozen=True, slots=True)
class Balances:
    """What the account has in all, free or locked."""

    base: float
    quote: float


class VenuePort(Protocol):
    """A venue, for one symbol. Every method may raise Busy or Unclear."""

    recv_window_ms: int

    async def place(self, request: Request) -> Report:
        """Send an order; raises Rejected when the venue refuses it."""
        ...

    async def cancel(self, client_id: str) -> None:
        """Take it back; raises Rejected when there is nothing to take back."""
        ...

    async def query(self, client_id: str) -> Report | None:
        """The order by our own id, None when the venue knows none."""
        ...

    async def open_orders(self) -> list[Report]: ...

    async def balances(self) -> Balances: ...

    async def my_trades(self, *, order_id: str = "", from_id: int = 0) -> list[Trade]:
        """Fills of one order, or all with a trade id ≥ from_id, oldest first."""
        ...

    async def close(self) -> None: ...
