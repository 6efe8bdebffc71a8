"""The moving parts of a recording: followers, watchdog, back-fill, heartbeat. The settings are in record.py.

What comes in is record_intake.py's, what is put away record_keeper.py's.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from statistics import median
from typing import Any

from decot import clock
from decot.data.record import Progress, RecordConfig, RecordReport
from decot.data.record_backfill import Backfill
from decot.data.record_client import BINANCE_FAMILY, Gate, hang_up, leave, listen, open_client
from decot.data.record_intake import Intake
from decot.data.record_keeper import Keeper
from decot.data.record_report import reported
from decot.data.record_station import STREAMS, Station
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
        self.stations: dict[str, Station] = {}
        self.intake = Intake(
            config.folder,
            self.client,
            self.stations,
            keep_frames=config.keep_frames,
            after=lambda: self.keeper.bound_memory(),
        )
        self.keeper = Keeper(config, self.stations, self.intake, lambda: self.skew_ms)
        self.backfills: dict[str, Backfill] = {}
        self.counts: Counter[str] = Counter()
        self.stall_noticed_after = 0.0
        self.skews: list[float] = []
        self._synced: dict[str, tuple[int, float]] = {}
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
            async with self.keeper.writing:
                self.keeper.flush()
            await self.client.close()
        kept = {symbol: self.keeper.commit(station) for symbol, station in self.stations.items()}
        return reported(self, kept, clock.stopwatch() - began)

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
                depth=partial(self.intake.depth_sums, symbol),
            )
            self.stations[symbol] = station
            self.backfills[symbol] = Backfill(station, self.client, self.gate, self.config.grace_s, self.tell)
            now = clock.stopwatch()
            station.heard = dict.fromkeys(self._streams(), now)
            station.heard_us = dict.fromkeys(self._streams(), clock.now_us())
            await self.backfills[symbol].anchor()
        await self._compare_clocks(5)
        if self.reads_frames:
            listen(self.client, self.intake.on_frame, lambda reason: self.intake.refuse("", reason))

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
            self.keeper.keep_flushing(),
            self.keeper.keep_committing(),
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
                    self.intake.digest(station, stream, answer)
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
