"""Quotes and trades of one symbol as they come in, through ccxt.pro, and the clock they are stamped with. Knows no bars.

A frame is read by our own decoder before ccxt sees it; what is older than what we have is dropped and counted. A stream
that is silent for too long is given up and opened again, and whoever listens is told, because the account must then be
compared with the venue before anything is sent.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from decot import clock
from decot.data.record_client import Gate, hang_up, leave, listen, open_client
from decot.data.record_decode import Notice, Quote, Refused, Trade, decode
from decot.data.record_station import Lateness
from decot.errors import ConfigError, FeedStalled, VenueUnavailable

STREAMS = ("trades", "quotes", "depth")
N_SKEWS = 15


class Pace(Protocol):
    """What time it is for a session."""

    runs_by_itself: bool
    """whether time passes when nothing is heard"""

    def now_us(self) -> int: ...

    def heard(self, ts_us: int | None) -> int:
        """The receive time of something that says it was made at `ts_us`."""
        ...


class WallPace:
    """The local clock, or a faster one that runs alongside a replay.

    Args:
        origin_us: what it shows at its first reading; None for the true time.
        speed: market seconds per second.
    """

    runs_by_itself = True

    def __init__(self, speed: float = 1.0, origin_us: int | None = None) -> None:
        self.speed, self._began = speed, clock.stopwatch()
        self._origin = clock.now_us() if origin_us is None else origin_us

    def now_us(self) -> int:
        return self._origin + int((clock.stopwatch() - self._began) * self.speed * 1e6)

    def heard(self, ts_us: int | None) -> int:
        return self.now_us()


class EventPace:
    """A clock that only frames move: for replays as fast as they are read, the same every time."""

    runs_by_itself = False

    def __init__(self, origin_us: int = 0) -> None:
        self._us = origin_us

    def now_us(self) -> int:
        return self._us

    def heard(self, ts_us: int | None) -> int:
        self._us = max(self._us, ts_us or 0)
        return self._us


class Ear(Protocol):
    """Who listens to a feed."""

    def on_quote(
        self, ts_us: int, recv_us: int, quote: Quote, sums: tuple[float, float, float, float]
    ) -> None: ...

    def on_trade(self, recv_us: int, trade: Trade) -> None: ...

    def on_trouble(self, why: str) -> None:
        """A stream broke or fell silent; it is being opened again."""
        ...


class Feed(Protocol):
    """A source of quotes and trades for one symbol."""

    counts: Counter[str]

    async def run(self, ear: Ear) -> None:
        """Until cancelled."""
        ...

    @property
    def silent_s(self) -> float:
        """Since the last quote."""
        ...

    @property
    def skew_ms(self) -> float: ...

    async def close(self) -> None: ...


class CcxtFeed:
    """`Feed` over an unmodified ccxt.pro client; public streams only, so it is given no key."""

    def __init__(
        self,
        symbol: str,
        pace: Pace,
        *,
        exchange: str = "binance",
        prepare: Callable[[Any], Any] | None = None,
        has_depth: bool = True,
        stale_s: float = 2.0,
        compare_clocks_s: float = 30.0,
    ) -> None:
        client = open_client(exchange, {"newUpdates": True, "enableRateLimit": prepare is None})
        self.client = prepare(client) if prepare else client
        self.symbol, self.pace, self.has_depth, self.stale_s = symbol, pace, has_depth, stale_s
        self.compare_s = compare_clocks_s
        self.gate = Gate(self.client)
        self.counts: Counter[str] = Counter()
        self.wire = ""
        self._update, self._trade_id = -1, -1
        self._late = Lateness()
        self._quoted = clock.stopwatch()
        self._heard: dict[str, float] = {}
        self._sums: tuple[int, tuple[float, float, float, float]] | None = None
        self._skews: list[float] = []
        self._farewells: set[asyncio.Task[None]] = set()

    @property
    def silent_s(self) -> float:
        return clock.stopwatch() - self._quoted

    @property
    def skew_ms(self) -> float:
        return sorted(self._skews)[len(self._skews) // 2] if self._skews else 0.0

    async def run(self, ear: Ear) -> None:
        """Listen until cancelled.

        Raises:
            ConfigError: the symbol is not listed there.
            VenueUnavailable: the venue's markets cannot be read.
        """
        await self.gate.patiently(self.client.load_markets, "reading the venue's markets", attempts=8)
        if self.symbol not in self.client.markets:
            raise ConfigError([f"symbol {self.symbol!r} is not listed at {self.client.id}"])
        self.wire = str(self.client.market(self.symbol)["id"])
        listen(self.client, lambda url, line: self._on_frame(ear, line), self._undigested)
        streams = STREAMS if self.has_depth else STREAMS[:2]
        self._heard = dict.fromkeys(streams, clock.stopwatch())
        self._quoted = clock.stopwatch()
        tasks = [asyncio.create_task(self._follow(ear, stream)) for stream in streams]
        tasks += [asyncio.create_task(self._watch_silence(ear)), asyncio.create_task(self._compare_clocks())]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, *self._farewells, return_exceptions=True)

    async def close(self) -> None:
        await self.client.close()

    # ---- frames --------------------------------------------------------------------------------------

    def _on_frame(self, ear: Ear, line: str | bytes) -> bool:
        """Read a frame; quotes and trades stay with us, so ccxt keeps no copy of them."""
        event = decode(line)
        self.counts["frames"] += 1
        if isinstance(event, Refused):
            self.counts["refused"] += 1
            return False
        if isinstance(event, Trade):
            self._on_trade(ear, event)
            return False
        if isinstance(event, Quote):
            self._on_quote(ear, event)
            return False
        if not isinstance(event, Notice) and event.symbol == self.wire:
            self._heard["depth"] = clock.stopwatch()
        return True

    def _on_trade(self, ear: Ear, trade: Trade) -> None:
        if trade.symbol != self.wire:
            return
        self._heard["trades"] = clock.stopwatch()
        if trade.id <= self._trade_id:
            self.counts["old_trades"] += 1
            return
        if self._trade_id >= 0:
            self.counts["missing_trades"] += trade.id - self._trade_id - 1
        self._trade_id = trade.id
        recv_us = self.pace.heard(trade.ts_us)
        self._late.heard(trade.ts_us, recv_us)
        self.counts["trades"] += 1
        ear.on_trade(recv_us, trade)

    def _on_quote(self, ear: Ear, quote: Quote) -> None:
        if quote.symbol != self.wire:
            return
        self._heard["quotes"] = self._quoted = clock.stopwatch()
        if quote.update <= self._update:
            self.counts["old_quotes"] += 1
            return
        self._update = quote.update
        recv_us = self.pace.heard(quote.ts_us)
        ts_us = quote.ts_us if quote.ts_us is not None else self._late.of_quote(recv_us)
        self.counts["quotes"] += 1
        top = quote.bid_qty, quote.ask_qty, quote.bid_qty, quote.ask_qty
        found = tuple(map(max, self._depth() or top, top))
        ear.on_quote(ts_us, recv_us, quote, (found[0], found[1], found[2], found[3]))

    def _depth(self) -> tuple[float, float, float, float] | None:
        """Sums of the best 5 and 20 levels as ccxt keeps them; None while its book is not in step."""
        book = self.client.orderbooks.get(self.symbol)
        nonce = book.get("nonce") if book else None
        if nonce is None or not book["bids"]:
            return None
        if self._sums is None or self._sums[0] != nonce:
            bids, asks = ([level[1] for level in book[side][:20]] for side in ("bids", "asks"))
            self._sums = (nonce, (sum(bids[:5]), sum(asks[:5]), sum(bids), sum(asks)))
        return self._sums[1]

    def _undigested(self, why: str) -> None:
        self.counts["undigested"] += 1

    # ---- keeping the streams open ----------------------------------------------------------------------

    async def _follow(self, ear: Ear, stream: str) -> None:
        import ccxt

        pause = 0.05
        while True:
            began = clock.stopwatch()
            try:
                await self._watch(stream)
                await asyncio.sleep(0)
            except ccxt.ChecksumError:
                self.counts["resyncs"] += 1
                await self._breathe(0.01)
            except ccxt.OperationFailed as error:
                self.counts["reconnects"] += 1
                ear.on_trouble(f"{stream}: {type(error).__name__}")
                pause = 0.05 if clock.stopwatch() - began > 1 else min(pause * 2, 5.0)
                await self._breathe(pause)
            except ccxt.BaseError as error:
                raise ConfigError([f"{stream} of {self.symbol}: {type(error).__name__}"]) from None

    async def _watch(self, stream: str) -> Any:
        if stream == "trades":
            return await self.client.watch_trades(self.symbol)
        if stream == "quotes":
            return await self.client.watch_bids_asks([self.symbol])
        return await self.client.watch_order_book(self.symbol)

    async def _breathe(self, pause: float) -> None:
        """Let others run, and drop futures ccxt has left behind already refused: it would hand them out for ever."""
        for socket in self.client.clients.values():
            for key in [key for key, future in socket.futures.items() if future.done()]:
                del socket.futures[key]
        await asyncio.sleep(pause)

    async def _watch_silence(self, ear: Ear) -> None:
        while True:
            await asyncio.sleep(self.stale_s / 4)
            if clock.stopwatch() - self._heard["quotes"] > self.stale_s:
                self.counts["stalls"] += 1
                self._heard["quotes"] = clock.stopwatch()
                reason = FeedStalled(
                    f"quotes of {self.symbol} silent for {self.silent_s:.1f} s; reconnecting"
                )
                ear.on_trouble(str(reason))
                for url in list(self.client.clients):
                    socket = leave(self.client, url, reason)
                    if socket is not None:
                        farewell = asyncio.create_task(hang_up(socket))
                        self._farewells.add(farewell)
                        farewell.add_done_callback(self._farewells.discard)

    async def _compare_clocks(self) -> None:
        while True:
            with suppress(VenueUnavailable):
                sent = clock.now_us()
                theirs = await self.gate.patiently(self.client.fetch_time, "asking the time", attempts=2)
                back = clock.now_us()
                if back - sent < 1_000_000:
                    self._skews = [*self._skews, theirs - (sent + back) / 2000][-N_SKEWS:]
            await asyncio.sleep(self.compare_s)
