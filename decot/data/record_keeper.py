"""How a recording is put away: segments now, the lake now and then, without holding up the sockets. Knows no network."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

from decot import clock
from decot.data.record import RecordConfig
from decot.data.record_commit import DAY_US, Kept, commit, prune
from decot.data.record_intake import Intake
from decot.data.record_station import Station


class Keeper:
    """Writes what waits in stations and intake; whoever writes holds `writing`."""

    def __init__(
        self,
        config: RecordConfig,
        stations: Mapping[str, Station],
        intake: Intake,
        skew_ms: Callable[[], float | None],
    ) -> None:
        self.config, self.stations, self.intake, self.skew_ms = config, stations, intake, skew_ms
        self._full, self.writing = asyncio.Event(), asyncio.Lock()

    def bound_memory(self) -> None:
        """Wake the writer when enough waits; when it cannot keep up, write here and let the venue wait."""
        waiting = sum(station.waiting_rows() for station in self.stations.values())
        most = max(waiting, len(self.intake.frames.waiting), len(self.intake.refused_lines.waiting))
        if most >= self.config.flush_rows:
            self._full.set()
        if most >= 4 * self.config.flush_rows:
            self.flush()

    def _writers(self) -> list[Callable[[], None]]:
        stations = [write for station in self.stations.values() for write in station.take()]
        return [*stations, self.intake.frames.take(), self.intake.refused_lines.take()]

    def flush(self) -> None:
        for write in self._writers():
            write()

    async def _flush_aside(self) -> None:
        """Write without holding up the sockets: a slow disk must not look like a silent venue."""
        async with self.writing:
            for write in self._writers():
                await asyncio.to_thread(write)

    async def keep_flushing(self) -> None:
        while True:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._full.wait(), self.config.flush_s)
            self._full.clear()
            await asyncio.shield(self._flush_aside())

    async def keep_committing(self) -> None:
        while True:
            await asyncio.sleep(self.config.commit_s)
            await asyncio.shield(self._commit_aside())

    async def _commit_aside(self) -> None:
        await self._flush_aside()
        async with self.writing:
            for station in self.stations.values():
                await asyncio.to_thread(self.commit, station)
                if self.config.lake is not None:
                    prune(station, clock.now_us() // DAY_US * DAY_US)

    def commit(self, station: Station) -> Kept:
        meta = {
            "exchange": self.config.exchange,
            "skew_ms": self.skew_ms(),
            "depth_known": self.config.has_depth,
        }
        return commit(station, self.config.lake, self.config.folder, self.config.exchange, meta)
