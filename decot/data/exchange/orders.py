"""What an order is, and whether a request may become one: the venue's filters. Knows no account and no fills."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal
from typing import Any

from decot.data.exchange.rules import Rules

ZERO = Decimal(0)
OPEN = ("NEW", "PARTIALLY_FILLED")
BPS = Decimal(10_000)


class Reject(Exception):
    """An answer with a code, as the venue words it."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        self.code, self.message, self.status = code, message, status
        super().__init__(message)


@dataclass
class Top:
    """One symbol as the venue sees it now."""

    symbol: str
    base: str
    quote: str
    rules: Rules
    bids: list[list[Decimal]] = field(default_factory=list)
    """[price, quantity still there], best first"""
    asks: list[list[Decimal]] = field(default_factory=list)
    stale: bool = True
    """the tape has moved on since the ladder was read"""


@dataclass
class Order:
    """A client's order and how far it came."""

    id: int
    client_id: str
    symbol: str
    side: str
    kind: str
    time_in_force: str
    price: Decimal
    quantity: Decimal
    time_ms: int
    status: str = "NEW"
    filled: Decimal = ZERO
    quote_filled: Decimal = ZERO
    ahead: Decimal = ZERO
    """quantity standing before us at our price"""
    locked: Decimal = ZERO
    updated_ms: int = 0

    @property
    def left(self) -> Decimal:
        return self.quantity - self.filled

    @property
    def is_buy(self) -> bool:
        return self.side == "BUY"


def read_order(
    params: Mapping[str, Any], top: Top, *, number: int, taken: Container[str], now_ms: int
) -> Order:
    """The order a request asks for, as far as the venue's filters let it be one.

    Args:
        number: the id it gets.
        taken: names the client has given to orders still open.
    Raises:
        Reject: with Binance's code for the first filter it breaks.
    """
    rules, side, kind = top.rules, params.get("side"), params.get("type")
    if side not in ("BUY", "SELL"):
        raise Reject(-1117, "Invalid side.")
    if kind not in ("LIMIT", "MARKET", "LIMIT_MAKER"):
        raise Reject(-1116, "Invalid orderType.")
    tif = params.get("timeInForce") or "GTC"
    if tif not in ("GTC", "IOC", "FOK"):
        raise Reject(-1115, "Invalid timeInForce.")
    opposite = top.asks if side == "BUY" else top.bids
    if not opposite:
        raise Reject(-2010, "This symbol is halted.")
    price = decimal(params.get("price"), "price") if kind != "MARKET" else ZERO
    worth = price or opposite[0][0]
    if kind == "MARKET" and params.get("quoteOrderQty"):
        quantity = (decimal(params["quoteOrderQty"], "quoteOrderQty") / worth).quantize(rules.lot, ROUND_DOWN)
    else:
        quantity = decimal(params.get("quantity"), "quantity")
    if kind != "MARKET" and (price <= 0 or price % rules.tick):
        raise Reject(-1013, "Filter failure: PRICE_FILTER")
    if quantity < rules.min_qty or quantity > rules.max_qty or quantity % rules.lot:
        raise Reject(-1013, "Filter failure: LOT_SIZE")
    if worth * quantity < rules.min_notional:
        raise Reject(-1013, "Filter failure: NOTIONAL")
    client_id = str(params.get("newClientOrderId") or f"loop-{number}")
    if len(client_id) > 36:
        raise Reject(-1100, "Illegal characters found in parameter 'newClientOrderId'.")
    if client_id in taken:
        raise Reject(-2010, "Duplicate order sent.")
    crosses = price >= opposite[0][0] if side == "BUY" else price <= opposite[0][0]
    if kind == "LIMIT_MAKER" and crosses:
        raise Reject(-2010, "Order would immediately match and take.")
    return Order(
        id=number,
        client_id=client_id,
        symbol=top.symbol,
        side=str(side),
        kind=str(kind),
        time_in_force=tif,
        price=price,
        quantity=quantity,
        time_ms=now_ms,
        updated_ms=now_ms,
    )


def needs(order: Order, top: Top) -> tuple[Decimal, str]:
    """How much of which asset an order may cost at most."""
    if not order.is_buy:
        return order.quantity, top.base
    if order.kind != "MARKET":
        return order.quantity * order.price, top.quote
    left, cost = order.quantity, ZERO
    for price, size in top.asks:
        take = min(left, size)
        left, cost = left - take, cost + take * price
    return cost, top.quote


def decimal(value: object, name: str) -> Decimal:
    """A parameter as a finite decimal, or Binance's complaint about it."""
    try:
        number = Decimal(str(value))
    except ArithmeticError:
        raise Reject(
            -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
        ) from None
    if not number.is_finite():
        raise Reject(-1100, f"Illegal characters found in parameter '{name}'.")
    return number


def integer(value: object, name: str) -> int:
    """A parameter as a whole number, or Binance's complaint about it."""
    try:
        return int(str(value))
    except ValueError:
        raise Reject(-1100, f"Illegal characters found in parameter '{name}'.") from None
