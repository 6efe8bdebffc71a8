"""What the venue answers to each request, REST and WebSocket API alike: here what only the account's owner may ask.

What anybody may ask is in answers_public.py. Knows nothing of HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from decot.data.exchange.answers_public import INTERVALS, Params, PublicClerk, limited, whole
from decot.data.exchange.orders import Reject
from decot.data.exchange.telling import view

__all__ = ["INTERVALS", "Clerk"]


@dataclass
class Clerk(PublicClerk):
    """Everything a request can ask for."""

    def account(self, params: Params) -> dict[str, Any]:
        rules = next(iter(self.rules.values()))
        maker, taker = rules.maker_bps / 10_000, rules.taker_bps / 10_000
        return {
            "makerCommission": int(rules.maker_bps),
            "takerCommission": int(rules.taker_bps),
            "buyerCommission": 0,
            "sellerCommission": 0,
            "commissionRates": {
                "maker": f"{maker:.8f}",
                "taker": f"{taker:.8f}",
                "buyer": "0",
                "seller": "0",
            },
            "canTrade": True,
            "canWithdraw": self.withdrawals,
            "canDeposit": True,
            "updateTime": self.replay.market_ms(),
            "accountType": "SPOT",
            "balances": self.desk.balances(),
            "permissions": ["SPOT"],
            "uid": 1,
        }

    def place(self, params: Params) -> dict[str, Any]:
        self._ladder(params)
        return self.desk.place(params)

    def place_test(self, params: Params) -> dict[str, Any]:
        self._ladder(params)
        return self.desk.place(params, test=True)

    def order(self, params: Params) -> dict[str, Any]:
        return view(self.desk.find(params))

    def cancel(self, params: Params) -> dict[str, Any]:
        return self.desk.cancel(params)

    def cancel_all(self, params: Params) -> list[dict[str, Any]]:
        wire = self.desk.top(params).symbol
        return [
            self.desk.cancel({"symbol": wire, "orderId": order.id}) for order in self.desk.open_orders(wire)
        ] or _refuse(-2011, "Unknown order sent.")

    def open_orders(self, params: Params) -> list[dict[str, Any]]:
        wire = self.desk.top(params).symbol if params.get("symbol") else None
        return [view(order) for order in self.desk.open_orders(wire)]

    def all_orders(self, params: Params) -> list[dict[str, Any]]:
        wire, limit = self.desk.top(params).symbol, limited(params, 500, 1000)
        orders = [o for o in self.desk.orders.values() if o.symbol == wire]
        if params.get("orderId"):
            return [view(o) for o in orders if o.id >= whole(params, "orderId")][:limit]
        orders = [o for o in orders if o.time_ms >= whole(params, "startTime", 0)]
        return [view(o) for o in orders[-limit:]]

    def my_trades(self, params: Params) -> list[dict[str, Any]]:
        wire, limit = self.desk.top(params).symbol, limited(params, 500, 1000)
        fills = [
            f for f in self.desk.fills if f["symbol"] == wire and f["time"] >= whole(params, "startTime", 0)
        ]
        if params.get("orderId"):
            fills = [f for f in fills if f["orderId"] == whole(params, "orderId")]
        if params.get("fromId") not in (None, ""):
            return [f for f in fills if f["id"] >= whole(params, "fromId")][:limit]
        return fills[-limit:]

    def trade_fee(self, params: Params) -> list[dict[str, Any]]:
        return [
            {
                "symbol": wire,
                "makerCommission": f"{rules.maker_bps / 10_000}",
                "takerCommission": f"{rules.taker_bps / 10_000}",
            }
            for wire, rules in self.rules.items()
            if params.get("symbol") in (None, wire)
        ]

    def restrictions(self, params: Params) -> dict[str, Any]:
        """What the key may do: trade, and by default never withdraw."""
        return {
            "ipRestrict": True,
            "createTime": self.now_ms(),
            "enableReading": True,
            "enableWithdrawals": self.withdrawals,
            "enableInternalTransfer": False,
            "enableMargin": False,
            "enableFutures": False,
            "permitsUniversalTransfer": False,
            "enableVanillaOptions": False,
            "enableSpotAndMarginTrading": True,
        }

    def _ladder(self, params: Params) -> None:
        self.replay.refresh(self.feed(params))


def _refuse(code: int, message: str) -> Any:
    raise Reject(code, message)
