"""How the venue treats a client's order: funds, fills, fees, reports. Knows no sockets and no simulator.

All sums are decimal. A taker walks the displayed levels, and what it took is gone until the book's next row. A resting order
stands behind the quantity displayed at its price; trades at its price consume that queue first, trades or quotes
through its price fill it. The tape itself never reacts: accounts here are small.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import ROUND_DOWN, Decimal
from typing import Any

from decot.data.exchange.orders import BPS, OPEN, ZERO, Order, Reject, Top, integer, needs, read_order
from decot.data.exchange.telling import execution, position, view

Report = Callable[[dict[str, Any]], None]


class Desk:
    """One client's account at the venue: balances, orders, fills."""

    def __init__(self, balances: Mapping[str, Any], now_ms: Callable[[], int], report: Report) -> None:
        self.free = {asset: Decimal(str(amount)) for asset, amount in balances.items()}
        self.locked: dict[str, Decimal] = {}
        self.now_ms, self.report = now_ms, report
        self.tops: dict[str, Top] = {}
        self.orders: dict[int, Order] = {}
        self.fills: list[dict[str, Any]] = []

    def open_market(self, top: Top) -> None:
        """Open trading in a symbol."""
        self.tops[top.symbol] = top
        for asset in (top.base, top.quote):
            self.free.setdefault(asset, ZERO)

    # ---- orders --------------------------------------------------------------------------------------

    def place(self, params: Mapping[str, Any], *, test: bool = False) -> dict[str, Any]:
        """Accept an order and match it at once as far as it goes.

        Raises:
            Reject: with Binance's code for the first filter it breaks.
        """
        order, top = self._admitted(params)
        if test:
            return {}
        self.orders[order.id] = order
        self._lock(order, top)
        self._say(order, "NEW")
        fills = [] if order.kind == "LIMIT_MAKER" else self._take(order, top)
        if order.left > 0 and (order.kind == "MARKET" or order.time_in_force in ("IOC", "FOK")):
            self._end(order, top, "EXPIRED")
        elif order.left > 0:
            own = top.bids if order.is_buy else top.asks
            order.ahead = next((size for price, size in own if price == order.price), ZERO)
        return {**view(order), "fills": fills}

    def cancel(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Take an open order back."""
        order = self.find(params, missing=(-2011, "Unknown order sent."))
        if order.status not in OPEN:
            raise Reject(-2011, "Unknown order sent.")
        self._end(order, self.tops[order.symbol], "CANCELED")
        return {**view(order), "origClientOrderId": order.client_id}

    def find(
        self, params: Mapping[str, Any], missing: tuple[int, str] = (-2013, "Order does not exist.")
    ) -> Order:
        """The order a client means, by id or by its own id (the newest that carries it)."""
        self.top(params)
        if params.get("orderId"):
            order = self.orders.get(integer(params["orderId"], "orderId"))
        elif params.get("origClientOrderId"):
            wanted = params["origClientOrderId"]
            order = next((o for o in reversed(self.orders.values()) if o.client_id == wanted), None)
        else:
            raise Reject(
                -1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"
            )
        if order is None or order.symbol != params.get("symbol"):
            raise Reject(*missing)
        return order

    def top(self, params: Mapping[str, Any]) -> Top:
        """The market a request names."""
        if not params.get("symbol"):
            raise Reject(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
        if params["symbol"] not in self.tops:
            raise Reject(-1121, "Invalid symbol.")
        return self.tops[params["symbol"]]

    def open_orders(self, symbol: str | None = None) -> list[Order]:
        return [o for o in self.orders.values() if o.status in OPEN and symbol in (None, o.symbol)]

    # ---- the tape moves ------------------------------------------------------------------------------

    def on_book(self, symbol: str, bids: list[list[Decimal]], asks: list[list[Decimal]]) -> None:
        """A new book row: liquidity returns, and quotes through a resting price fill it."""
        top = self.tops[symbol]
        top.bids, top.asks = bids, asks
        for order in self.open_orders(symbol):
            for level in top.asks if order.is_buy else top.bids:
                crossed = level[0] <= order.price if order.is_buy else level[0] >= order.price
                if not crossed or order.left <= 0:
                    break
                take = min(order.left, level[1])
                if take > 0:
                    level[1] -= take
                    self._fill(order, top, take, order.price, maker=True)

    def on_trade(self, symbol: str, price: Decimal, quantity: Decimal, side: int) -> None:
        """A trade on the tape: at a resting price it eats the queue, then us; through it, us at once."""
        top = self.tops[symbol]
        for order in self.open_orders(symbol):
            if side and (side > 0) == order.is_buy:
                continue
            through = price < order.price if order.is_buy else price > order.price
            if not through and price != order.price:
                continue
            queue = ZERO if through else min(order.ahead, quantity)
            order.ahead = ZERO if through else order.ahead - queue
            take = min(order.left, (quantity - queue).quantize(top.rules.lot, ROUND_DOWN))
            if take > 0:
                quantity -= take
                self._fill(order, top, take, order.price, maker=True)

    # ---- inside --------------------------------------------------------------------------------------

    def _admitted(self, params: Mapping[str, Any]) -> tuple[Order, Top]:
        top = self.top(params)
        taken = {order.client_id for order in self.open_orders()}
        order = read_order(params, top, number=len(self.orders) + 1, taken=taken, now_ms=self.now_ms())
        need, asset = needs(order, top)
        if self.free[asset] < need:
            raise Reject(-2010, "Account has insufficient balance for requested action.")
        return order, top

    def _lock(self, order: Order, top: Top) -> None:
        need, asset = needs(order, top)
        order.locked = need
        self.free[asset] -= need
        self.locked[asset] = self.locked.get(asset, ZERO) + need

    def _release(self, order: Order, top: Top, amount: Decimal, *, spent: bool) -> None:
        asset = top.quote if order.is_buy else top.base
        order.locked -= amount
        self.locked[asset] -= amount
        if not spent:
            self.free[asset] += amount

    def _take(self, order: Order, top: Top) -> list[dict[str, Any]]:
        levels = top.asks if order.is_buy else top.bids

        def reachable(price: Decimal) -> bool:
            return order.kind == "MARKET" or (price <= order.price if order.is_buy else price >= order.price)

        there = sum((size for price, size in levels if reachable(price)), ZERO)
        if order.time_in_force == "FOK" and order.kind != "MARKET" and there < order.quantity:
            return []
        fills = []
        for level in levels:
            take = min(order.left, level[1].quantize(top.rules.lot, ROUND_DOWN))
            if order.left <= 0 or not reachable(level[0]):
                break
            if take > 0:
                level[1] -= take
                fills.append(self._fill(order, top, take, level[0], maker=False))
        return fills

    def _fill(
        self, order: Order, top: Top, quantity: Decimal, price: Decimal, *, maker: bool
    ) -> dict[str, Any]:
        rate = (top.rules.maker_bps if maker else top.rules.taker_bps) / BPS
        value = quantity * price
        if order.is_buy:
            reserved = min(order.locked, quantity * (order.price or price))
            self._release(order, top, reserved, spent=True)
            self.free[top.quote] += reserved - value
            fee, fee_asset = quantity * rate, top.base
            self.free[top.base] += quantity - fee
        else:
            self._release(order, top, quantity, spent=True)
            fee, fee_asset = value * rate, top.quote
            self.free[top.quote] += value - fee
        order.filled += quantity
        order.quote_filled += value
        order.status = "FILLED" if order.left <= 0 else "PARTIALLY_FILLED"
        order.updated_ms = self.now_ms()
        if order.left <= 0 and order.locked:
            self._release(order, top, order.locked, spent=False)
        fill = {
            "price": f"{price:.8f}",
            "qty": f"{quantity:.8f}",
            "commission": f"{fee:.8f}",
            "commissionAsset": fee_asset,
            "tradeId": len(self.fills) + 1,
        }
        self.fills.append(
            {k: v for k, v in fill.items() if k != "tradeId"}
            | {
                "symbol": top.symbol,
                "id": fill["tradeId"],
                "orderId": order.id,
                "orderListId": -1,
                "quoteQty": f"{value:.8f}",
                "time": order.updated_ms,
                "isBuyer": order.is_buy,
                "isMaker": maker,
                "isBestMatch": True,
            }
        )
        self._say(order, "TRADE", fill, maker=maker)
        return fill

    def _end(self, order: Order, top: Top, status: str) -> None:
        self._release(order, top, order.locked, spent=False)
        order.status, order.updated_ms = status, self.now_ms()
        self._say(order, status)

    # ---- how it is told ------------------------------------------------------------------------------

    def balances(self) -> list[dict[str, str]]:
        return [
            {"asset": asset, "free": f"{free:.8f}", "locked": f"{self.locked.get(asset, ZERO):.8f}"}
            for asset, free in self.free.items()
        ]

    def _say(
        self, order: Order, event: str, fill: dict[str, Any] | None = None, *, maker: bool = False
    ) -> None:
        self.report(execution(order, event, fill, maker=maker))
        self.report(position(self.balances(), order.updated_ms))
