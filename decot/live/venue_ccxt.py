"""A Binance-compatible spot venue through ccxt: requests out, answers and the three kinds of failure in. Knows no journal.

No exception leaves with ccxt's own text chained to it: that text may hold the address with its signature. What is told
is the kind of failure and the venue's words, with key, secret and signature struck out.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from decot.data.record_client import Gate, open_client
from decot.errors import ConfigError, RiskHalt
from decot.live.venue import Balances, Busy, Rejected, Report, Request, Status, Trade, Unclear
from decot.market.rules import VenueRules

Answer = TypeVar("Answer")

STATUS: dict[str, Status] = {
    "NEW": "open",
    "PENDING_NEW": "open",
    "PARTIALLY_FILLED": "open",
    "FILLED": "filled",
    "CANCELED": "canceled",
    "PENDING_CANCEL": "open",
    "EXPIRED": "expired",
    "EXPIRED_IN_MATCH": "expired",
    "REJECTED": "rejected",
}
PAGE = 1_000
OPEN_ATTEMPTS = 6
UNKNOWN = ("-2013", "Order does not exist")


class CcxtVenue:
    """`VenuePort` over ccxt.pro; `prepare` turns the client towards another address (the loopback venue)."""

    def __init__(
        self,
        symbol: str,
        *,
        key: str,
        secret: str,
        exchange: str = "binance",
        prepare: Callable[[Any], Any] | None = None,
        timeout_ms: int = 1_500,
        recv_window_ms: int = 1_000,
    ) -> None:
        self.symbol, self.recv_window_ms = symbol, recv_window_ms
        self._secrets = tuple(text for text in (key, secret) if len(text) > 3)
        client = open_client(
            exchange,
            {
                "apiKey": key,
                "secret": secret,
                "timeout": timeout_ms,
                "enableRateLimit": prepare is None,
                "options": {
                    "recvWindow": recv_window_ms,
                    "adjustForTimeDifference": True,
                    "defaultType": "spot",
                    "warnOnFetchOpenOrdersWithoutSymbol": False,
                },
            },
        )
        self.client = prepare(client) if prepare else client
        self.client.verbose = False
        self._gate = Gate(self.client)
        self.base, self.quote, self.wire = "", "", ""

    def __repr__(self) -> str:
        return f"CcxtVenue({self.symbol})"

    async def open(self) -> None:
        """Markets and the venue's clock.

        Raises:
            ConfigError: the symbol is not listed.
            VenueUnavailable: no answer.
        """
        for attempt in range(OPEN_ATTEMPTS):
            try:
                await self._asked(self.client.load_markets)
                await self.sync_clock()
                break
            except (Busy, Unclear):
                if attempt + 1 == OPEN_ATTEMPTS:
                    raise
                await asyncio.sleep(0.1 * 2**attempt)
        if self.symbol not in self.client.markets:
            raise ConfigError([f"symbol {self.symbol!r} is not listed at {self.client.id}"])
        market = self.client.market(self.symbol)
        self.base, self.quote, self.wire = market["base"], market["quote"], market["id"]

    async def sync_clock(self) -> float:
        """Ask the venue's time; gives how far ours is ahead, ms."""
        return float(await self._asked(self.client.load_time_difference))

    async def check_key(self) -> list[str]:
        """What about this key must not be: withdrawals, no trading, no address limit; empty when all is well."""
        said = await self._asked(self.client.sapiGetAccountApiRestrictions)
        faults = []
        for right in ("enableWithdrawals", "enableInternalTransfer", "permitsUniversalTransfer"):
            if _is_on(said.get(right)):
                faults.append(f"the key has {right}; make one that may only read and trade")
        if not _is_on(said.get("enableSpotAndMarginTrading")):
            faults.append("the key may not trade; allow spot trading for it")
        if not _is_on(said.get("ipRestrict")):
            faults.append("the key works from any address; restrict it to this one")
        account = await self._asked(self.client.privateGetAccount)
        if _is_on(account.get("canWithdraw")) and faults:
            faults.append("the account may withdraw through this key")
        return faults

    def unlike(self, rules: VenueRules) -> list[str]:
        """Where the venue's steps are not those of the rules; asked after `open`."""
        market = self.client.market(self.symbol)
        limits, precision = market["limits"], market["precision"]
        pairs = (
            ("tick", precision.get("price"), rules.tick),
            ("lot", precision.get("amount"), rules.lot),
            ("min_notional_usdt", limits["cost"].get("min"), rules.min_notional_usdt),
        )
        return [
            f"{name}: the venue says {theirs:g}, the rules {rules.name} say {ours:g}; take a newer snapshot"
            for name, theirs, ours in pairs
            if theirs is not None and abs(float(theirs) - ours) > 1e-9 * ours
        ]

    async def fees_bps(self) -> tuple[float, float]:
        """Maker and taker fee of this account, as its own endpoint says."""
        rows = await self._asked(lambda: self.client.sapiGetAssetTradeFee({"symbol": self.wire}))
        row = rows[0] if isinstance(rows, list) else rows
        return float(row["makerCommission"]) * 1e4, float(row["takerCommission"]) * 1e4

    # ---- the port ------------------------------------------------------------------------------------

    async def place(self, request: Request) -> Report:
        params: dict[str, Any] = {"newClientOrderId": request.client_id, "newOrderRespType": "FULL"}
        kind = "market" if request.limit is None else "limit"
        if request.is_post_only:
            params["postOnly"] = True
        side = "buy" if request.side > 0 else "sell"

        async def send() -> Any:
            return await self.client.create_order(self.symbol, kind, side, request.qty, request.limit, params)

        return self._report((await self._done(send))["info"])

    async def cancel(self, client_id: str) -> None:
        await self._done(
            lambda: self.client.cancel_order(None, self.symbol, {"origClientOrderId": client_id})
        )

    async def query(self, client_id: str) -> Report | None:
        try:
            said = await self._done(
                lambda: self.client.fetch_order(None, self.symbol, {"origClientOrderId": client_id})
            )
        except Rejected as refused:
            if any(word in str(refused) for word in UNKNOWN) or "OrderNotFound" in str(refused):
                return None
            raise Unclear(str(refused)) from None
        return self._report(said["info"])

    async def open_orders(self) -> list[Report]:
        said = await self._asked(lambda: self.client.fetch_open_orders(self.symbol))
        return [self._report(order["info"]) for order in said]

    async def balances(self) -> Balances:
        said = await self._asked(self.client.privateGetAccount)
        rows = {row["asset"]: float(row["free"]) + float(row["locked"]) for row in said["balances"]}
        return Balances(rows.get(self.base, 0.0), rows.get(self.quote, 0.0))

    async def my_trades(self, *, order_id: str = "", from_id: int = 0) -> list[Trade]:
        found: list[Trade] = []
        while True:
            ask: dict[str, Any] = {"symbol": self.wire, "limit": PAGE}
            if order_id:
                ask["orderId"] = order_id
            elif from_id or found:
                ask["fromId"] = found[-1].trade_id + 1 if found else from_id
            rows = await self._asked(lambda ask=ask: self.client.privateGetMyTrades(ask))  # type: ignore[misc]
            found += [self._trade(row) for row in rows]
            if len(rows) < PAGE or order_id:
                return found

    async def close(self) -> None:
        await self.client.close()

    # ---- inside --------------------------------------------------------------------------------------

    async def _done(self, call: Callable[[], Awaitable[Answer]]) -> Answer:
        """An answer, or which of the three failures it was."""
        import ccxt

        try:
            return await call()
        except (ccxt.DDoSProtection, ccxt.RateLimitExceeded) as error:
            raise Busy(self._words(error)) from None
        except ccxt.InvalidNonce as error:
            told = Rejected(self._words(error))
        except (ccxt.OperationFailed, ccxt.CancelPending) as error:
            raise Unclear(self._words(error)) from None
        except ccxt.ExchangeError as error:
            told = Rejected(self._words(error))
        except (TimeoutError, ccxt.BaseError, ConnectionError) as error:
            raise Unclear(self._words(error)) from None
        raise told

    async def _asked(self, call: Callable[[], Awaitable[Answer]]) -> Answer:
        """A question that changes nothing: whatever fails is no answer."""
        try:
            return await self._done(call)
        except Rejected as refused:
            if "Authentication" in str(refused) or "PermissionDenied" in str(refused):
                raise RiskHalt(f"the venue does not accept the key: {refused}") from None
            raise Unclear(str(refused)) from None

    def _words(self, error: BaseException) -> str:
        text = re.sub(r"https?://\S+", "", str(error))
        text = re.sub(r"(?i)(signature|apikey|secret|listenkey)[=:\"' ]+[\w%+/=-]+", r"\1=…", text)
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return f"{type(error).__name__}: {' '.join(text.split())[:200]}"

    def _report(self, info: dict[str, Any]) -> Report:
        order_id = str(info["orderId"])
        side = 1 if info["side"] == "BUY" else -1
        fills = info.get("fills") or []
        return Report(
            client_id=str(info.get("origClientOrderId") or info["clientOrderId"]),
            order_id=order_id,
            status=STATUS[str(info["status"])],
            side=side,
            qty=float(info["origQty"]),
            filled=float(info["executedQty"]),
            trades=tuple(self._fill(row, order_id, side, info) for row in fills),
        )

    def _fill(self, row: dict[str, Any], order_id: str, side: int, info: dict[str, Any]) -> Trade:
        return Trade(
            trade_id=int(row["tradeId"]),
            order_id=order_id,
            side=side,
            qty=float(row["qty"]),
            price=float(row["price"]),
            fee=float(row["commission"]),
            fee_in=self._asset(row["commissionAsset"]),
            is_maker=False,
            time_ms=int(info.get("transactTime") or 0),
        )

    def _trade(self, row: dict[str, Any]) -> Trade:
        return Trade(
            trade_id=int(row["id"]),
            order_id=str(row["orderId"]),
            side=1 if _is_on(row["isBuyer"]) else -1,
            qty=float(row["qty"]),
            price=float(row["price"]),
            fee=float(row["commission"]),
            fee_in=self._asset(row["commissionAsset"]),
            is_maker=_is_on(row["isMaker"]),
            time_ms=int(row["time"]),
        )

    def _asset(self, name: str) -> Any:
        return {self.base: "base", self.quote: "quote"}.get(name, "other")


def _is_on(value: object) -> bool:
    return value is True or str(value).lower() == "true"
