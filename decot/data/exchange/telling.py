"""How orders and balances read on the wire, REST and the account's own stream. Knows their words only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from decot.data.exchange.orders import OPEN, Order


def view(order: Order) -> dict[str, Any]:
    """An order as REST shows it."""
    return {
        "symbol": order.symbol,
        "orderId": order.id,
        "orderListId": -1,
        "clientOrderId": order.client_id,
        "transactTime": order.updated_ms,
        "time": order.time_ms,
        "updateTime": order.updated_ms,
        "workingTime": order.time_ms,
        "price": f"{order.price:.8f}",
        "origQty": f"{order.quantity:.8f}",
        "executedQty": f"{order.filled:.8f}",
        "cummulativeQuoteQty": f"{order.quote_filled:.8f}",
        "origQuoteOrderQty": "0.00000000",
        "status": order.status,
        "timeInForce": order.time_in_force,
        "type": order.kind,
        "side": order.side,
        "stopPrice": "0.00000000",
        "icebergQty": "0.00000000",
        "isWorking": True,
        "selfTradePreventionMode": "NONE",
    }


def execution(
    order: Order, event: str, fill: Mapping[str, Any] | None = None, *, maker: bool = False
) -> dict[str, Any]:
    """What the account's own stream says when something happens to an order."""
    now = order.updated_ms
    return {
        "e": "executionReport",
        "E": now,
        "s": order.symbol,
        "c": order.client_id,
        "S": order.side,
        "o": order.kind,
        "f": order.time_in_force,
        "q": f"{order.quantity:.8f}",
        "p": f"{order.price:.8f}",
        "P": "0.00000000",
        "F": "0.00000000",
        "g": -1,
        "C": order.client_id if event == "CANCELED" else "",
        "x": event,
        "X": order.status,
        "r": "NONE",
        "i": order.id,
        "l": fill["qty"] if fill else "0.00000000",
        "z": f"{order.filled:.8f}",
        "L": fill["price"] if fill else "0.00000000",
        "n": fill["commission"] if fill else "0",
        "N": fill["commissionAsset"] if fill else None,
        "T": now,
        "t": fill["tradeId"] if fill else -1,
        "w": order.status in OPEN,
        "m": maker,
        "M": False,
        "O": order.time_ms,
        "Z": f"{order.quote_filled:.8f}",
        "Y": f"{Decimal(fill['price']) * Decimal(fill['qty']):.8f}" if fill else "0.00000000",
        "Q": "0.00000000",
        "W": order.time_ms,
        "V": "NONE",
    }


def position(balances: Sequence[Mapping[str, str]], now_ms: int) -> dict[str, Any]:
    """What the account's own stream says about its balances."""
    return {
        "e": "outboundAccountPosition",
        "E": now_ms,
        "u": now_ms,
        "B": [{"a": one["asset"], "f": one["free"], "l": one["locked"]} for one in balances],
    }
