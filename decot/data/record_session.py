"""The moving parts of a recording: followers, watchdog, back-fill, heartbeat, flush. The settings are in record.py."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from statistics import median
from typing import Any

from decot import clock
from decot.data.record import Progress, RecordConfig, RecordReport, SymbolReport
from decot.data.record_backfill import Backfill
from decot.data.record_client import BINANCE_FAMILY, Gate, hang_up, leave, listen, open_client
from decot.data.record_commit import DAY_US, Kept, commit, prune
from decot.data.record_decode import Change, Event, Quote, Refused, Trade, decode
from decot.data.record_station import STREAMS, Station, unified_quote, unified_trade
from decot.data.record_store import Lines
from decot.errors import ConfigError, FeedStalled, VenueUnavailable


class Session:
    """One recording from open to closed."""

    def __init__(
        self, config: RecordConfig, prepare: Callable[[Any], Any] | None, progress: Progress
    ) -> None:
        self.config, self.progress = config, progress
        client = open_client(config.exchange, {"newUpdates": True, **config.client})
        self.client = prepare(client) if prepare else client
        self.gate = Gate(self.client, say=lambda text: self.tell(text))
        is_family = config.exchange in BINANCE_FAMILY
        self.reads_frames = is_family if config.read_frames is None else config.read_frames
        self.is_numbered = is_family
        self.frames, self.refused_lines = Lines(config.folder / "frames"), Lines(config.folder / "refused")
        self.stations: dict[str, Station] = {}
        self.backfills: dict[str, Backfill] = {}
        self.refused: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.stall_noticed_after = 0.0
        self.skews: list[float] = []
        self._synced: dict[str, tuple[int, float]] = {}
        self._sums: dict[str, tuple[int, tuple[float, float, float, float]]] = {}
        self._full, self._writing = asyncio.Event(), asyncio.Lock()
        self._farewells: set[asyncio.Task[None]] = set()

    def tell(self, note: str = "") -> None:
        rows = sum(
            s.counts["trades"] + s.counts["filled"] + s.counts["quotes"] for s in self.stations.values()
        )
        self.progress("record", rows, 0, note)

    # ---- from open to closed -------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event, ready: Callable[[], None]) -> RecordReport:
        """Everything `record` promises."""
        began = clock.stopwatch()
        tasks: list[asyncio.Task[None]] = []
        try:
            await self._open()
            tasks = [asyncio.create_task(work) for work in self._works()]
            ready()
            stopped = asyncio.create_task(stop.wait())
            await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
            for task in tasks:
                if task.done() and not task.cancelled() and task.exception():
                    raise task.exception()  # type: ignore[misc]
            await self._finish(tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, *self._farewells, return_exceptions=True)
            async with self._writing:
                self._flush()
            await self.client.close()
        kept = {symbol: self._commit(station) for symbol, station in self.stations.items()}
        return self._report(kept, clock.stopwatch() - began)

    async def _open(self) -> None:
        import ccxt

        try:
            await self.gate.patiently(self.client.load_markets, "reading the venue's markets", attempts=8)
        except ccxt.BaseError as error:
            raise VenueUnavailable(f"{self.config.exchange}: {error!s:.200}") from error
        unknown = [s for s in self.config.symbols if s not in self.client.markets]
        if unknown:
            raise ConfigError([f"symbol {s!r} is not listed at {self.config.exchange}" for s in unknown])
        for symbol in self.config.symbols:
            market = self.client.market(symbol)
            station = Station(
                symbol,
                str(market["id"]),
                self.config.folder,
                is_numbered=self.is_numbered,
                depth=partial(self._depth_sums, symbol),
            )
            self.stations[symbol] = station
            self.backfills[symbol] = Backfill(station, self.client, self.gate, self.config.grace_s, self.tell)
            now = clock.stopwatch()
            station.heard = dict.fromkeys(self._streams(), now)
            station.heard_us = dict.fromkeys(self._streams(), clock.now_us())
            await self.backfills[symbol].anchor()
        await self._compare_clocks(5)
        if self.reads_frames:
            listen(self.client, self._on_frame, lambda reason: self._refuse("", reason))

    def _streams(self) -> tuple[str, ...]:
        return STREAMS if self.config.has_depth else STREAMS[:2]

    def _works(self) -> list[Coroutine[Any, Any, None]]:
        follow = [self._follow(s, stream) for s in self.stations.values() for stream in self._streams()]
        fill = [self._keep_filling(backfill) for backfill in self.backfills.values()]
        return [
            *follow,
            *fill,
            self._watch_silence(),
            self._beat(),
            self._keep_flushing(),
            self._keep_committing(),
        ]

    async def _finish(self, tasks: list[asyncio.Task[None]]) -> None:
        """Ask for what is still missing while the sockets still run, then stop them."""
        with suppress(asyncio.TimeoutError, VenueUnavailable):
            async with asyncio.timeout(self.config.close_s):
                for backfill in self.backfills.values():
                    await backfill.complete()
        for task in tasks:
            task.cancel()
        for backfill in self.backfills.values():
            backfill.write_off()

    # ---- frames --------------------------------------------------------------------------------------

    def _on_frame(self, url: str, line: str | bytes) -> bool:
        """Read a frame before ccxt does; True lets ccxt see it too."""
        recv_us = clock.now_us()
        event = decode(line)
        self.counts["frames"] += 1
        refusal = event if isinstance(event, Refused) else self._take(event, recv_us, url)
        if refusal is not None:
            self._refuse(line, refusal.reason, recv_us)
            return False
        if self.config.keep_frames:
            self.frames.waiting.append(f"{recv_us * 1000} {_one_line(line)}")
        self._bound_memory()
        return not isinstance(event, Trade | Quote)

    def _take(self, event: Event, recv_us: int, url: str) -> Refused | None:
        if not isinstance(event, Trade | Quote | Change):
            return None
        station = next((s for s in self.stations.values() if s.wire == event.symbol), None)
        if station is None:
            return Refused(f"symbol {event.symbol!r:.40} was not asked for")
        if isinstance(event, Trade):
            refusal, stream = station.on_trade(event, recv_us), "trades"
        elif isinstance(event, Quote):
            refusal, stream = station.on_quote(event, recv_us), "quotes"
        else:
            refusal, stream = station.on_change(event, recv_us), "depth"
        if refusal is None:
            station.address[stream] = url
        return refusal

    def _refuse(self, line: str | bytes, reason: str, recv_us: int = 0) -> None:
        self.refused[_kind_of(reason)] += 1
        shown = _one_line(line)[:2000]
        self.refused_lines.waiting.append(f"{(recv_us or clock.now_us()) * 1000} {reason} | {shown}")

    def _depth_sums(self, symbol: str) -> tuple[float, float, float, float] | None:
        """Quantities of the best 5 and 20 levels as ccxt keeps them; None while its book is not in step."""
        book = self.client.orderbooks.get(symbol)
        nonce = book.get("nonce") if book else None
        if nonce is None or not book["bids"]:
            return None
        known = self._sums.get(symbol)
        if known is None or known[0] != nonce:
            bids, asks = ([level[1] for level in book[side][:20]] for side in ("bids", "asks"))
            known = (nonce, (sum(bids[:5]), sum(asks[:5]), sum(bids), sum(asks)))
            self._sums[symbol] = known
        return known[1]

    # ---- following -----------------------------------------------------------------------------------

    async def _follow(self, station: Station, stream: str) -> None:
        """Keep one stream open for ever."""
        import ccxt

        pause = 0.05
        while True:
            began = clock.stopwatch()
            try:
                answer = await self._watch(station, stream)
                if not self.reads_frames:
                    self._digest(station, stream, answer)
                await asyncio.sleep(0)
            except ccxt.ChecksumError:
                self.counts["resyncs"] += 1
                station.note_gap("depth", "book", station.heard_us["depth"])
                await self._breathe()
            except ccxt.OperationFailed as error:
                self.counts["reconnects"] += 1
                if not isinstance(error.__cause__, FeedStalled) and "silent" not in str(error):
                    station.note_gap(stream, "disconnect", station.heard_us[stream])
                self.backfills[station.symbol].wanted.set()
                pause = 0.05 if clock.stopwatch() - began > 1 else min(pause * 2, 5.0)
                await self._breathe(pause)
            except ccxt.BaseError as error:
                raise ConfigError(
                    [
                        f"{stream} of {station.symbol} at {self.config.exchange}: {type(error).__name__}: {error!s:.160}"
                    ]
                ) from error

    async def _breathe(self, pause: float = 0.01) -> None:
        """Let others run, then drop futures ccxt has left behind already refused: it would hand them out for ever."""
        for socket in self.client.clients.values():
            for key in [key for key, future in socket.futures.items() if future.done()]:
                del socket.futures[key]
        await asyncio.sleep(pause)

    async def _watch(self, station: Station, stream: str) -> Any:
        if stream == "trades":
            return await self.client.watch_trades(station.symbol)
        if stream == "quotes" and self.client.has.get("watchBidsAsks"):
            return await self.client.watch_bids_asks([station.symbol])
        return await self.client.watch_order_book(station.symbol)

    def _digest(self, station: Station, stream: str, answer: Any) -> None:
        """ccxt's own structures, for venues whose frames we cannot read."""
        recv_us = clock.now_us()
        self.counts["frames"] += 1
        if stream == "trades":
            for raw in answer:
                trade = unified_trade(raw, station.wire)
                refusal = trade if isinstance(trade, Refused) else station.on_trade(trade, recv_us)
                if refusal is not None:
                    self._refuse(str(raw.get("info")), refusal.reason, recv_us)
        elif stream == "quotes" and self.client.has.get("watchBidsAsks"):
            quote = answer[station.symbol]
            sides = (quote["bid"], quote["bidVolume"], quote["ask"], quote["askVolume"])
            self._digest_quote(station, sides, quote.get("timestamp"), recv_us)
        else:
            station.heard[stream] = clock.stopwatch()
            station.heard_us[stream] = recv_us
            if stream == "quotes" and answer["bids"] and answer["asks"]:
                sides = (*answer["bids"][0][:2], *answer["asks"][0][:2])
                self._digest_quote(station, sides, answer.get("timestamp"), recv_us)
        self._bound_memory()

    def _digest_quote(self, station: Station, sides: tuple[Any, ...], ts_ms: Any, recv_us: int) -> None:
        quote = unified_quote(sides, station.wire, ts_ms, station.counts["quotes"])
        refusal = quote if isinstance(quote, Refused) else station.on_quote(quote, recv_us)
        if refusal is not None:
            self._refuse(str(sides), refusal.reason, recv_us)

    # ---- keeping watch -------------------------------------------------------------------------------

    async def _watch_silence(self) -> None:
        """A silent stream is a broken one: reconnect it."""
        limit = self.config.stale_after_s
        while True:
            await asyncio.sleep(limit / 4)
            now = clock.stopwatch()
            for station in self.stations.values():
                self._note_book(station, now)
                for stream in self._streams():
                    silent = now - station.heard[stream]
                    if silent > limit:
                        self.stall_noticed_after = max(self.stall_noticed_after, silent / limit)
                        self._revive(station, stream, silent)

    def _note_book(self, station: Station, now: float) -> None:
        """A depth stream that talks while ccxt's book stands still counts as silent."""
        if "depth" not in self._streams():
            return
        book = self.client.orderbooks.get(station.symbol)
        nonce = (book.get("nonce") if book else None) or 0
        last = self._synced.get(station.symbol, (-1, now))
        self._synced[station.symbol] = last if last[0] == nonce else (nonce, now)
        station.heard["depth"] = min(station.heard["depth"], self._synced[station.symbol][1])

    def _revive(self, station: Station, stream: str, silent: float) -> None:
        self.counts["stalls"] += 1
        station.note_gap(stream, "stall", station.heard_us[stream])
        reason = FeedStalled(
            f"{stream} of {station.symbol} silent for {silent:.2f} s (limit {self.config.stale_after_s} s); reconnecting"
        )
        self.tell(str(reason))
        station.heard[stream] = clock.stopwatch()
        self._synced.pop(station.symbol, None)
        url = station.address.get(stream)
        for address in [url] if url in self.client.clients else list(self.client.clients):
            socket = leave(self.client, str(address), reason)
            if socket is not None:
                farewell = asyncio.create_task(hang_up(socket))
                self._farewells.add(farewell)
                farewell.add_done_callback(self._farewells.discard)
        self.backfills[station.symbol].wanted.set()

    async def _keep_filling(self, backfill: Backfill) -> None:
        while True:
            try:
                await backfill.round(self.config.heartbeat_s)
            except VenueUnavailable as error:
                self.tell(str(error))
                await asyncio.sleep(1.0)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self.config.heartbeat_s)
            with suppress(VenueUnavailable):
                await self._compare_clocks(1)
            open_gaps = sum(s.ids.missing for s in self.stations.values())
            skew = f", venue clock {self.skew_ms:+.0f} ms" if self.skew_ms is not None else ""
            self.tell(f"{open_gaps} trades missing{skew}")

    @property
    def skew_ms(self) -> float | None:
        return median(self.skews) if self.skews else None

    async def _compare_clocks(self, times: int) -> None:
        if not self.client.has.get("fetchTime"):
            return
        for _ in range(times):
            sent = clock.now_us()
            theirs = await self.gate.patiently(self.client.fetch_time, "asking the venue's time", attempts=6)
            back = clock.now_us()
            if back - sent < 2_000_000:  # one that waited at the gate says nothing
                self.skews = [*self.skews, theirs - (sent + back) / 2000][-31:]

    # ---- putting away --------------------------------------------------------------------------------

    def _bound_memory(self) -> None:
        """Wake the writer when enough waits; when it cannot keep up, write here and let the venue wait."""
        waiting = sum(station.waiting_rows() for station in self.stations.values())
        most = max(waiting, len(self.frames.waiting), len(self.refused_lines.waiting))
        if most >= self.config.flush_rows:
            self._full.set()
        if most >= 4 * self.config.flush_rows:
            self._flush()

    def _writers(self) -> list[Callable[[], None]]:
        stations = [write for station in self.stations.values() for write in station.take()]
        return [*stations, self.frames.take(), self.refused_lines.take()]

    def _flush(self) -> None:
        for write in self._writers():
            write()

    async def _flush_aside(self) -> None:
        """Write without holding up the sockets: a slow disk must not look like a silent venue."""
        async with self._writing:
            for write in self._writers():
                await asyncio.to_thread(write)

    async def _keep_flushing(self) -> None:
        while True:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._full.wait(), self.config.flush_s)
            self._full.clear()
            await asyncio.shield(self._flush_aside())

    async def _keep_committing(self) -> None:
        while True:
            await asyncio.sleep(self.config.commit_s)
            await asyncio.shield(self._commit_aside())

    async def _commit_aside(self) -> None:
        await self._flush_aside()
        async with self._writing:
            for station in self.stations.values():
                await asyncio.to_thread(self._commit, station)
                if self.config.lake is not None:
                    prune(station, clock.now_us() // DAY_US * DAY_US)

    def _commit(self, station: Station) -> Kept:
        meta = {
            "exchange": self.config.exchange,
            "skew_ms": self.skew_ms,
            "depth_known": self.config.has_depth,
        }
        return commit(station, self.config.lake, self.config.folder, self.config.exchange, meta)

    def _report(self, kept: dict[str, Kept], seconds: float) -> RecordReport:
        symbols = []
        for symbol, station in self.stations.items():
            tables, causes = kept[symbol], Counter(kept[symbol].gaps["cause"].to_list())
            missing = int(tables.coverage["n_missing"].sum()) if tables.coverage.height else 0
            known = tables.trades.height + missing
            symbols.append(
                SymbolReport(
                    symbol=symbol,
                    trades=tables.trades.height,
                    filled=station.counts["filled"],
                    quotes=tables.book.height,
                    missing=missing,
                    coverage_pct=100 * tables.trades.height / known if known else 100.0,
                    uptime_pct=min(tables.coverage["uptime_pct"].to_list(), default=100.0),
                    duplicates=station.ids.duplicates + station.counts["old_quotes"],
                    late=station.ids.late,
                    gaps=dict(sorted(causes.items())),
                    tape=str(tables.tape),
                )
            )
        return RecordReport(
            symbols=tuple(symbols),
            frames=self.counts["frames"],
            refused=dict(self.refused.most_common()),
            reconnects=self.counts["reconnects"],
            stalls=self.counts["stalls"],
            stall_noticed_after=self.stall_noticed_after,
            resyncs=self.counts["resyncs"],
            requests=self.gate.requests,
            requests_refused=self.gate.refused,
            skew_ms=self.skew_ms,
            seconds=seconds,
            refs=tuple(ref for tables in kept.values() for ref in tables.refs),
        )


def _one_line(line: str | bytes) -> str:
    text = line if isinstance(line, str) else line.decode("utf-8", "backslashreplace")
    return text.replace("\r", " ").replace("\n", " ")


def _kind_of(reason: str) -> str:
    """The reason without its values, so that counts stay few."""
    plain = re.sub(r" = .* is ", " is ", reason)
    return re.sub(r"'[^']*'?|[\d.,]+", "…", plain)[:60].strip()
