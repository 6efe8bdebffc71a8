"""The loopback venue as one thing: opened with a tape, rules and faults; closed without a trace. Listens on 127.0.0.1 only.

async with serve(tape, faults=Faults(drop=0.01), speed=20) as venue:
    client = point(ccxt.pro.binance({"apiKey": "loopback", "secret": "loopback"}), venue.port)
"""

from __future__ import annotations

import asyncio
import math
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiohttp import web

from decot import clock
from decot.data.depth import Depth
from decot.data.exchange.answers import Clerk
from decot.data.exchange.door import Door
from decot.data.exchange.faults import Faults, Weather
from decot.data.exchange.feed import Feed, TapeFrames
from decot.data.exchange.matching import Desk
from decot.data.exchange.orders import Top
from decot.data.exchange.replay import Replay
from decot.data.exchange.rules import Rules, wire_symbol
from decot.data.exchange.streams import Streams
from decot.errors import ConfigError, VenueUnavailable

HOST = "127.0.0.1"
KEYS = {"loopback": "loopback"}


class Venue:
    """A running venue. `done` is set when the tape has ended; the venue then still answers."""

    def __init__(
        self, feeds: Sequence[Feed], rules: Mapping[str, Rules], faults: Faults, settings: Mapping[str, Any]
    ) -> None:
        self.weather = Weather(faults)
        self.feeds = {feed.wire: feed for feed in feeds}
        self.desk = Desk(
            settings["balances"], lambda: self.replay.market_ms(), lambda event: self.door.report(event)
        )
        for feed in feeds:
            self.desk.open_market(Top(feed.wire, feed.base, feed.quote, rules[feed.wire]))
        self.replay = Replay(
            feeds,
            self.desk,
            lambda *event: self.streams.on_event(*event),
            speed=settings["speed"],
            stamp=settings["stamp"],
            lead_s=settings["lead_s"],
        )
        self.clerk = Clerk(
            self.feeds, dict(rules), self.desk, self.replay, self.now_ms, settings["withdrawals"]
        )
        self.door = Door(self.clerk, self.weather, settings["keys"])
        self.streams = Streams(
            self.clerk, self.weather, book_time=settings["book_time"], wait_streams=settings["wait_streams"]
        )
        self.port = 0
        if settings["wait_streams"] == 0:
            self.replay.started.set()

    @property
    def done(self) -> asyncio.Event:
        return self.replay.done

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def now_ms(self) -> int:
        """The venue's own clock: true time and the skew it was told to have."""
        return clock.now_us() // 1000 + self.weather.faults.skew_ms

    def arm(self, kind: str, times: int = 1) -> None:
        """Make the next `times` chances of one fault happen for certain."""
        self.weather.arm(kind, times)

    def cut(self) -> None:
        """Cut every market socket now."""
        for socket in list(self.streams.sockets):
            socket.cut()

    def state(self) -> dict[str, Any]:
        """What the control page shows, and how many frames were said and lost."""
        sent, lost = self.streams.sent, self.streams.lost
        depth = {feed.name: feed.recorded_share for feed in self.feeds.values()}
        return {
            **self.door.state(),
            "frames": dict(sent),
            "frames_lost": dict(lost),
            "depth_recorded_share": depth,
        }

    def app(self) -> web.Application:
        """Routes of REST, streams, WebSocket API and control."""
        app = web.Application()
        app.router.add_get("/stream", self.streams.serve)
        app.router.add_get("/stream/ws", self.streams.serve)
        app.router.add_get("/stream/ws/{n:[0-9]+}", self.streams.serve)
        app.router.add_get("/ws", self.streams.serve)
        app.router.add_get("/ws/{names:.+@.+}", self.streams.serve)
        app.router.add_get("/ws-api/v3", self.door.api)
        app.router.add_route("*", "/_control", self.door.control)
        app.router.add_route("*", "/{room:s?api}/v{version:[0-9]}/{path:.+}", self.door.rest)
        return app


@asynccontextmanager
async def serve(
    tape: TapeFrames | Sequence[TapeFrames],
    rules: Rules | Mapping[str, Any] | object | None = None,
    faults: Faults | None = None,
    speed: float = 1.0,
    *,
    depth: Mapping[str, Depth | None] | None = None,
    balances: Mapping[str, Any] | None = None,
    keys: Mapping[str, str] | None = None,
    port: int = 0,
    stamp: str = "tape",
    lead_s: float = 0.0,
    wait_streams: int = 1,
    book_time: bool = True,
    withdrawals: bool = False,
) -> AsyncIterator[Venue]:
    """Open the venue on 127.0.0.1 and replay the tape.

    Args:
        tape: one or several tapes (symbol, trades, book); a RawTape will do.
        rules: filters and fees of every symbol: Rules, a mapping, or a VenueRules-like object.
        speed: tape seconds per wall second, 1…1000; `math.inf` or 0: as fast as the listeners read.
        depth: recorded ladders by the symbol of their tape (`data.depth`); where there is none, or its recording has a
            hole, the depth is synthetic (see `feed.py`).
        balances: what the client owns, by asset; by default 19 of the quote currency.
        keys: API key → secret; by default `loopback` → `loopback`.
        stamp: "tape" shows recorded times on the wire, "now" moves them so that the tape begins now.
        lead_s: this much of the tape has already happened when the doors open.
        wait_streams: replay starts when so many streams have been subscribed; 0 starts at once.
        book_time: bookTicker frames carry E and T (as on USD-M; real spot frames do not).
    Raises:
        ConfigError: all faults of the settings.
        VenueUnavailable: the port is taken.
    """
    tapes: list[TapeFrames] = list(tape) if isinstance(tape, Sequence) else [tape]
    faulty = [] if tapes else ["tape: none given; name at least one"]
    if stamp not in ("tape", "now"):
        faulty.append(f"stamp = {stamp!r} must be 'tape' or 'now'")
    if not speed >= 0:
        faulty.append(f"speed = {speed} must be 0 (as fast as possible) or above")
    if faulty:
        raise ConfigError(faulty)
    common = Rules.of(rules)
    known = depth or {}
    feeds = [Feed(one, tick=float(common.tick), depth=known.get(one.symbol)) for one in tapes]
    settings = {
        "balances": balances if balances is not None else {feeds[0].quote: "19"},
        "speed": speed or math.inf,
        "stamp": stamp,
        "lead_s": lead_s,
        "withdrawals": withdrawals,
        "keys": keys or KEYS,
        "book_time": book_time,
        "wait_streams": wait_streams,
    }
    venue = Venue(feeds, {wire_symbol(one.symbol): common for one in tapes}, faults or Faults(), settings)
    runner = web.AppRunner(venue.app(), access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, port).start()
    except OSError as error:
        await runner.cleanup()
        raise VenueUnavailable(f"port {port} on {HOST}: {error.strerror}; choose another or 0") from error
    venue.port = runner.addresses[0][1]
    replay = asyncio.create_task(venue.replay.run())
    try:
        yield venue
    finally:
        replay.cancel()
        with suppress(asyncio.CancelledError):
            await replay
        await runner.cleanup()


def run(
    tape: TapeFrames | Sequence[TapeFrames],
    *,
    on_ready: Callable[[Venue], None] | None = None,
    until_done: bool = False,
    **settings: Any,
) -> dict[str, Any]:
    """Serve until Ctrl-C or SIGTERM (or until the tape has ended); blocks. Returns the venue's last state."""

    async def main() -> dict[str, Any]:
        closing, loop = asyncio.Event(), asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, closing.set)
        async with serve(tape, **settings) as venue:
            if on_ready:
                on_ready(venue)
            waits = [asyncio.create_task(closing.wait())]
            if until_done:
                waits.append(asyncio.create_task(venue.done.wait()))
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
            return venue.state()

    return asyncio.run(main())


def point(client: Any, port: int) -> Any:
    """Turn an unmodified ccxt or ccxt.pro Binance client towards the loopback venue; returns it.

    The market-stream address holds `/stream`, by which ccxt tells spot from swap.
    """
    http, sockets, urls = f"http://{HOST}:{port}", f"ws://{HOST}:{port}", client.urls["api"]
    urls.update(public=f"{http}/api/v3", private=f"{http}/api/v3", v1=f"{http}/api/v1")
    urls.update(
        {f"sapi{name}": f"{http}/sapi/v{n}" for name, n in (("", 1), ("V2", 2), ("V3", 3), ("V4", 4))}
    )
    if "ws" in urls:
        urls["ws"]["spot"] = f"{sockets}/stream/ws"
        urls["ws"]["ws-api"]["spot"] = f"{sockets}/ws-api/v3"
    client.options.update(fetchMarkets={"types": ["spot"]}, fetchMargins=False)
    client.has["fetchCurrencies"] = False
    return client
