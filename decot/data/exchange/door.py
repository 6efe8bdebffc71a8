"""The venue's HTTP door: requests to answers, errors to codes, bans, and the loopback-only control page."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import WSMsgType, web

from decot import clock
from decot.data.exchange import signing
from decot.data.exchange.answers import Clerk
from decot.data.exchange.faults import Weather
from decot.data.exchange.orders import Reject
from decot.errors import ConfigError

Answer = Callable[[Mapping[str, Any]], Any]


class Door:
    """Everything that is asked by HTTP or over the WebSocket API."""

    def __init__(self, clerk: Clerk, weather: Weather, keys: Mapping[str, str]) -> None:
        self.clerk, self.weather, self.keys = clerk, weather, dict(keys)
        self.users: set[web.WebSocketResponse] = set()
        self.requests: Counter[str] = Counter()
        self.while_banned = 0
        self._banned_until, self._ban_status = 0.0, 429
        self._tasks: set[asyncio.Task[None]] = set()
        self.public: dict[str, Answer] = {
            "ping": lambda p: {},
            "time": lambda p: {"serverTime": clerk.now_ms()},
            "exchangeInfo": clerk.exchange_info,
            "depth": clerk.depth,
            "trades": clerk.trades,
            "historicalTrades": clerk.historical_trades,
            "aggTrades": clerk.agg_trades,
            "klines": clerk.klines,
            "ticker/bookTicker": clerk.book_ticker,
            "ticker/24hr": clerk.ticker_24h,
            "ticker/price": lambda p: {"symbol": p["symbol"], "price": clerk.ticker(p)["lastPrice"]},
        }
        self.signed: dict[tuple[str, str], Answer] = {
            ("POST", "order"): clerk.place,
            ("POST", "order/test"): clerk.place_test,
            ("GET", "order"): clerk.order,
            ("DELETE", "order"): clerk.cancel,
            ("GET", "openOrders"): clerk.open_orders,
            ("DELETE", "openOrders"): clerk.cancel_all,
            ("GET", "allOrders"): clerk.all_orders,
            ("GET", "myTrades"): clerk.my_trades,
            ("GET", "account"): clerk.account,
            ("GET", "account/apiRestrictions"): clerk.restrictions,
            ("GET", "asset/tradeFee"): clerk.trade_fee,
            ("GET", "capital/config/getall"): lambda p: [],
        }
        self.methods: dict[str, Answer] = {
            "order.place": clerk.place,
            "order.test": clerk.place_test,
            "order.cancel": clerk.cancel,
            "order.status": clerk.order,
            "openOrders.status": clerk.open_orders,
            "openOrders.cancelAll": clerk.cancel_all,
            "allOrders": clerk.all_orders,
            "myTrades": clerk.my_trades,
            "account.status": clerk.account,
        }

    # ---- REST ----------------------------------------------------------------------------------------

    async def rest(self, request: web.Request) -> web.StreamResponse:
        """One request, through the weather."""
        path, method = request.match_info["path"], request.method
        body = await request.text()
        raw = "&".join(part for part in (request.query_string, body) if part)
        params = dict(parse_qsl(raw, keep_blank_values=True))
        self.requests[f"{method} {path}"] += 1
        refused = self._refuse()
        if refused is not None:
            return refused
        try:
            answer = self._route(method, path, params, raw, request.headers.get("X-MBX-APIKEY"))
        except Reject as reject:
            return web.json_response({"code": reject.code, "msg": reject.message}, status=reject.status)
        if path == "order" and method in ("POST", "DELETE") and self.weather.request(("lost_reply",)):
            if request.transport is not None:
                request.transport.abort()
            raise asyncio.CancelledError
        weight = str(sum(self.requests.values()))
        return web.json_response(answer, headers={"X-MBX-USED-WEIGHT-1M": weight})

    def _refuse(self) -> web.Response | None:
        now, faults = clock.stopwatch(), self.weather.faults
        if now < self._banned_until:
            self.while_banned += 1
        else:
            kind = self.weather.request(("http_429", "http_418", "http_503"))
            if kind is None:
                return None
            if kind == "http_503":
                return web.json_response({"code": -1001, "msg": "Internal error; try again."}, status=503)
            self._ban_status = int(kind[-3:])
            self._banned_until = now + faults.retry_after_s
        wait = max(self._banned_until - now, 0.001)
        return web.json_response(
            {"code": -1003, "msg": f"Too many requests; retry after {wait:.3f} s."},
            status=self._ban_status,
            headers={"Retry-After": f"{wait:.3f}"},
        )

    def _route(self, method: str, path: str, params: dict[str, str], raw: str, key: str | None) -> Any:
        if method == "GET" and path in self.public:
            return self.public[path](params)
        if (method, path) not in self.signed:
            raise Reject(-1, f"{method} {path} is not part of the loopback venue", 404)
        if "signature" not in params:
            raise Reject(
                -1102, "Mandatory parameter 'signature' was not sent, was empty/null, or malformed.", 401
            )
        parts = [part for part in raw.split("&") if not part.startswith("signature=")]
        signing.check("&".join(parts), params["signature"], params, key, self.keys, self.clerk.now_ms())
        return self.signed[method, path](params)

    # ---- WebSocket API -------------------------------------------------------------------------------

    async def api(self, request: web.Request) -> web.WebSocketResponse:
        """One connection of the WebSocket API, which is also the way to the user's own stream."""
        ws = web.WebSocketResponse(compress=False)
        await ws.prepare(request)
        try:
            with suppress(ConnectionError):
                async for message in ws:
                    if message.type is WSMsgType.TEXT and not await self._call(ws, message.data):
                        if request.transport is not None:
                            request.transport.abort()
                        break
        finally:
            self.users.discard(ws)
        return ws

    async def _call(self, ws: web.WebSocketResponse, line: str) -> bool:
        """Answer one call; False when the weather swallows the reply."""
        try:
            ask = json.loads(line)
            number, method, params = ask.get("id"), ask["method"], dict(ask.get("params") or {})
        except (ValueError, TypeError, KeyError, AttributeError):
            await ws.send_json(
                {"id": None, "status": 400, "error": {"code": -1100, "msg": "Illegal request."}}
            )
            return True
        self.requests[f"WS {method}"] += 1
        try:
            result = self._serve(ws, method, params)
        except Reject as reject:
            error = {"code": reject.code, "msg": reject.message}
            await ws.send_json({"id": number, "status": reject.status, "error": error})
            return True
        if method in ("order.place", "order.cancel") and self.weather.request(("lost_reply",)):
            return False
        await ws.send_json({"id": number, "status": 200, "result": result})
        return True

    def _serve(self, ws: web.WebSocketResponse, method: str, params: dict[str, Any]) -> Any:
        if method in ("ping", "time"):
            return self.public[method](params)
        if method == "userDataStream.unsubscribe":
            self.users.discard(ws)
            return {}
        payload = signing.websocket_payload(params)
        if method != "userDataStream.subscribe.signature" and method not in self.methods:
            raise Reject(-1, f"unknown method {method}", 404)
        signing.check(
            payload, params.get("signature"), params, params.get("apiKey"), self.keys, self.clerk.now_ms()
        )
        if method in self.methods:
            return self.methods[method](params)
        self.users.add(ws)
        return {"subscriptionId": 0}

    def report(self, event: dict[str, Any]) -> None:
        """Tell the account's own stream; called by the desk in the order things happened."""
        for ws in list(self.users):
            task = asyncio.get_running_loop().create_task(
                self._tell(ws, {"subscriptionId": 0, "event": event})
            )
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _tell(self, ws: web.WebSocketResponse, message: dict[str, Any]) -> None:
        with suppress(ConnectionError, RuntimeError):
            await ws.send_json(message)

    # ---- control -------------------------------------------------------------------------------------

    async def control(self, request: web.Request) -> web.Response:
        """GET: where the replay is. POST {"faults": {…}, "arm": {kind: n}, "speed": x, "pause": bool}: change it."""
        replay = self.clerk.replay
        if request.method == "POST":
            try:
                wish = json.loads(await request.text() or "{}")
                self.weather.set(self.weather.faults.changed(wish.get("faults", {})))
                for kind, times in wish.get("arm", {}).items():
                    self.weather.arm(kind, int(times))
                replay.speed = float(wish.get("speed", replay.speed))
            except (ValueError, TypeError, AttributeError, ConfigError) as error:
                return web.json_response({"error": str(error)}, status=400)
            if "pause" in wish:
                (replay.paused.set if wish["pause"] else replay.paused.clear)()
            if wish.get("start"):
                replay.started.set()
        return web.json_response(self.state())

    def state(self) -> dict[str, Any]:
        """Where the tape is, what was asked, and what went wrong on purpose."""
        replay = self.clerk.replay
        return {
            "market_ms": replay.market_ms(),
            "started": replay.started.is_set(),
            "done": replay.done.is_set(),
            "events": replay.events,
            "speed": replay.speed if replay.speed != float("inf") else "max",
            "requests": dict(self.requests),
            "requests_while_banned": self.while_banned,
            "faults_seen": dict(self.weather.seen),
        }
