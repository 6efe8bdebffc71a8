"""The market's WebSocket side: who listens to what, each frame as it goes out, and what the weather does to it."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from decot import clock
from decot.data.exchange.answers import INTERVALS, Clerk
from decot.data.exchange.faults import Weather, garble
from decot.data.exchange.feed import BOOK, DEPTH, LADDER, SECOND, SECOND_US, TRADE, Feed, text
from decot.data.exchange.ladder import Level
from decot.data.exchange.sockets import Socket, send


@dataclass
class Slow:
    """What the once-a-second depth stream has not said yet."""

    first: int
    """number of the first update in it"""
    second: int
    bids: dict[float, float] = field(default_factory=dict)
    asks: dict[float, float] = field(default_factory=dict)


class Streams:
    """Public streams: trade, aggTrade, bookTicker, depth, kline_*, miniTicker, ticker."""

    def __init__(self, clerk: Clerk, weather: Weather, *, book_time: bool, wait_streams: int) -> None:
        self.clerk, self.weather, self.book_time, self.wait_streams = clerk, weather, book_time, wait_streams
        self.sockets: list[Socket] = []
        self.sent: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self._numbers: Counter[str] = Counter()
        self._subscribed: set[str] = set()
        self._by_stream: defaultdict[str, list[Socket]] = defaultdict(list)
        self._slow_depth: dict[str, Slow] = {}
        self._rng = random.Random(weather.faults.seed ^ 0x6A5B)

    # ---- listening -----------------------------------------------------------------------------------

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """One connection, from its first SUBSCRIBE to its end."""
        ws = web.WebSocketResponse(compress=False, autoping=True)
        await ws.prepare(request)
        named = request.query.get("streams", "") or request.match_info.get("names", "")
        socket = Socket(ws, request.transport, combined="streams" in request.query)
        self.sockets.append(socket)
        self._join(socket, {name for name in named.split("/") if "@" in name})
        try:
            with suppress(ConnectionError):
                async for message in ws:
                    if message.type is WSMsgType.TEXT:
                        await self._answer(socket, message.data)
        finally:
            self._leave(socket, set(socket.streams))
            self.sockets.remove(socket)
        return ws

    async def _answer(self, socket: Socket, line: str) -> None:
        try:
            ask = json.loads(line)
            method, names, number = ask["method"], ask.get("params") or [], ask.get("id")
        except (ValueError, TypeError, KeyError, AttributeError):
            await socket.ws.send_str('{"error":{"code":3,"msg":"Invalid JSON or missing method"},"id":null}')
            return
        reply: dict[str, Any] = {"result": None, "id": number}
        if method == "SUBSCRIBE":
            await socket.ws.send_str(json.dumps(reply))
            self._join(socket, set(names))
            return
        if method == "UNSUBSCRIBE":
            self._leave(socket, set(names))
        elif method == "LIST_SUBSCRIPTIONS":
            reply["result"] = sorted(socket.streams)
        else:
            reply = {"error": {"code": 2, "msg": f"Invalid request: unknown method {method}"}, "id": number}
        await socket.ws.send_str(json.dumps(reply))

    def _join(self, socket: Socket, names: set[str]) -> None:
        for name in names - socket.streams:
            socket.streams.add(name)
            self._by_stream[name].append(socket)
        self._subscribed |= names
        if names and len(self._subscribed) >= self.wait_streams:
            self.clerk.replay.started.set()

    def _leave(self, socket: Socket, names: set[str]) -> None:
        for name in names:
            if socket in self._by_stream[name]:
                self._by_stream[name].remove(socket)
        socket.streams -= names

    # ---- speaking ------------------------------------------------------------------------------------

    async def on_event(self, feed: Feed, kind: int, index: int, when: int) -> None:
        """Say what an event of the tape means on every stream somebody follows."""
        low, replay = feed.wire.lower(), self.clerk.replay
        if kind == TRADE:
            ms = replay.stamp_ms(int(feed.trade_ts[index]))
            if self._by_stream.get(f"{low}@trade"):
                await self._say(f"{low}@trade", index, feed.trade_frame(index, ms))
            is_last = index + 1 == len(feed.price) or feed.agg_of[index + 1] != feed.agg_of[index]
            if is_last and self._by_stream.get(f"{low}@aggTrade"):
                agg = feed.agg_json(int(feed.agg_of[index]), index + 1, ms)
                frame = json.dumps({"e": "aggTrade", "E": ms, "s": feed.wire, **agg}, separators=(",", ":"))
                await self._say(f"{low}@aggTrade", int(feed.agg_of[index]), frame)
        elif kind == BOOK:
            if self._by_stream.get(f"{low}@bookTicker"):
                ms = replay.stamp_ms(int(feed.book_ts[index]))
                await self._say(
                    f"{low}@bookTicker", index, feed.book_frame(index, ms, with_time=self.book_time)
                )
        elif kind in (DEPTH, LADDER):
            await self._on_depth(feed, low, index if kind == DEPTH else len(feed.rows) + index, when)
        elif kind == SECOND:
            await self._on_second(feed, low, index)

    async def _on_depth(self, feed: Feed, low: str, number: int, when: int) -> None:
        fast, slow = f"{low}@depth@100ms", f"{low}@depth"
        shallow = [(f"{low}@depth{n}{speed}", n) for n in (5, 10, 20) for speed in ("", "@100ms")]
        shallow = [(name, n) for name, n in shallow if self._by_stream.get(name)]
        if not self._by_stream.get(slow):
            self._slow_depth.pop(low, None)
        if not shallow and not self._by_stream.get(fast) and not self._by_stream.get(slow):
            return
        ladder = self.clerk.replay.ladder(feed)
        bids, asks = ladder.changes
        if self._by_stream.get(fast):
            await self._say(fast, number, self._diff(feed, ladder.first, bids, asks))
        if self._by_stream.get(slow):
            waiting = self._slow_depth.setdefault(low, Slow(ladder.first, -1))
            waiting.bids.update(bids)
            waiting.asks.update(asks)
            if when // SECOND_US != waiting.second:
                self._slow_depth[low] = Slow(ladder.update + 1, when // SECOND_US)
                frame = self._diff(feed, waiting.first, [*waiting.bids.items()], [*waiting.asks.items()])
                await self._say(slow, number, frame)
        for name, levels in shallow:
            best = [[[text(p), text(q)] for p, q in side] for side in ladder.best(levels)]
            said = {"lastUpdateId": ladder.update, "bids": best[0], "asks": best[1]}
            await self._say(name, number, json.dumps(said))

    def _diff(self, feed: Feed, first: int, bids: list[Level], asks: list[Level]) -> str:
        ladder, stamp_ms = self.clerk.replay.ladder(feed), self.clerk.replay.stamp_ms
        sides = [[[text(p), text(q)] for p, q in side] for side in (bids, asks)]
        frame = {
            "e": "depthUpdate",
            "E": stamp_ms(ladder.ts_us),
            "s": feed.wire,
            "U": first,
            "u": ladder.update,
            "b": sides[0],
            "a": sides[1],
        }
        return json.dumps(frame, separators=(",", ":"))

    async def _on_second(self, feed: Feed, low: str, when: int) -> None:
        second = when // SECOND_US
        for name in [n for n, who in self._by_stream.items() if who and n.startswith(f"{low}@kline_")]:
            interval = name.rsplit("_", 1)[1]
            if interval in INTERVALS:
                await self._say_candle(feed, name, interval, when, second)
        for name, event in ((f"{low}@miniTicker", "24hrMiniTicker"), (f"{low}@ticker", "24hrTicker")):
            if self._by_stream.get(name):
                await self._say(name, second, self._ticker(feed, event))

    async def _say_candle(self, feed: Feed, name: str, interval: str, when: int, second: int) -> None:
        step = INTERVALS[interval] * SECOND_US
        opened = (when - 1) // step * step
        until = self.clerk.replay.traded[feed.wire]
        rows = feed.candles(step, until, opened, opened, 1)
        if not rows:
            return
        _, o, h, low, c, volume, quote, count, taker = rows[0]
        stamp = self.clerk.replay.stamp_ms
        candle = {
            "t": stamp(opened),
            "T": stamp(opened + step) - 1,
            "s": feed.wire,
            "i": interval,
            "f": -1,
            "L": int(feed.trade_ids[until - 1]),
            **dict(zip("ohlc", map(text, (o, h, low, c)))),
            "v": f"{volume:.8f}",
            "n": int(count),
            "x": when == opened + step,
            "q": f"{quote:.8f}",
            "V": f"{taker:.8f}",
            "Q": "0",
            "B": "0",
        }
        frame = {"e": "kline", "E": stamp(when), "s": feed.wire, "k": candle}
        await self._say(name, second, json.dumps(frame, separators=(",", ":")))

    def _ticker(self, feed: Feed, event: str) -> str:
        day = self.clerk.ticker({"symbol": feed.wire})
        names = {
            "c": "lastPrice",
            "o": "openPrice",
            "h": "highPrice",
            "l": "lowPrice",
            "v": "volume",
            "q": "quoteVolume",
            "b": "bidPrice",
            "B": "bidQty",
            "a": "askPrice",
            "A": "askQty",
            "p": "priceChange",
            "P": "priceChangePercent",
            "w": "weightedAvgPrice",
            "C": "closeTime",
            "O": "openTime",
            "n": "count",
        }
        short = "coqhlv" if event == "24hrMiniTicker" else names
        return json.dumps(
            {"e": event, "E": self.clerk.replay.market_ms(), "s": feed.wire}
            | {k: day[names[k]] for k in short}
        )

    async def _say(self, stream: str, number: int, frame: str) -> None:
        """Send one frame to everyone on its stream, through the weather."""
        hit = self.weather.frame(stream, number)
        self.sent[stream] += 1
        for socket in list(self._by_stream[stream]):
            await self._pass(socket, stream, frame, hit)

    async def _pass(self, socket: Socket, stream: str, frame: str, hit: dict[str, float]) -> None:
        now = clock.stopwatch()
        if "stall" in hit:
            socket.silent_until = now + self.weather.faults.stall_s
        if "gap" in hit:
            self._numbers[stream] = self.weather.faults.gap_frames
        if "disconnect" in hit:
            self.lost[stream] += 1
            for name in list(socket.streams):
                self._by_stream[name].remove(socket)
            socket.cut()
            return
        if self._numbers[stream] > 0:
            self._numbers[stream] -= 1
            self.lost[stream] += 1
            return
        if "drop" in hit or now < socket.silent_until:
            self.lost[stream] += 1
            return
        if "garbage" in hit:
            await send(socket, garble(frame, self._rng))
        line = f'{{"stream":"{stream}","data":{frame}}}' if socket.combined else frame
        if "reorder" in hit:
            socket.held.append((1 + int(hit["reorder"] * 3), line))
            return
        await send(socket, line)
        if "dup" in hit:
            await send(socket, line)
        if socket.held:
            waiting = [(left - 1, late) for left, late in socket.held]
            socket.held = [(left, late) for left, late in waiting if left > 0]
            for left, late in waiting:
                if left <= 0:
                    await send(socket, late)
