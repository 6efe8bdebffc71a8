"""Headlines that come while a session runs: a file that grows is looked at again and again, in a thread of its own.

Knows a file, the lake and whoever hears. A decision never waits for it; a file that cannot be read is said once and tried
again with the next look.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from decot.context.headlines import HeadlinesConfig, read_headlines
from decot.errors import DecotError
from decot.experiment.config import NewsConfig
from decot.experiment.place import Place

_DAY_MS = 86_400_000
LOOK_S = 2.0


@dataclass(slots=True)
class Ears:
    """A context manager: hears everything there is at once, then what is added."""

    hear: Callable[[pl.DataFrame], int]
    file: Path | None
    cfg: NewsConfig
    since_ms: int
    """headlines older than `cfg.history_days` before this moment say nothing any more"""
    before: pl.DataFrame | None = None
    """headlines of the lake"""
    every_s: float = LOOK_S
    n_heard: int = 0
    trouble: str = ""
    """why the last look failed; empty when it did not"""
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _stamp: tuple[int, int] = (0, 0)

    def __enter__(self) -> Ears:
        """Raises CheckpointRefused when the encoder here is not the one the context was learnt with; TapeRefused."""
        if self.before is not None:
            self._take(self.before)
        if self.file is not None:
            self.look()
            self._thread = threading.Thread(target=self._keep_looking, name="decot-ears", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *why: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=10)

    def look(self) -> int:
        """Read the file if it has changed; how many headlines were new. A file that is not there yet has none."""
        if self.file is None or not self.file.is_file():
            return 0
        told = self.file.stat()
        if self._stamp == (told.st_mtime_ns, told.st_size):
            return 0
        cfg = HeadlinesConfig(assumed_delay_s=self.cfg.assumed_delay_s, repeat_hours=self.cfg.repeat_hours)
        found = self._take(read_headlines(self.file, cfg).frame)
        self._stamp = (told.st_mtime_ns, told.st_size)
        return found

    def _take(self, headlines: pl.DataFrame) -> int:
        first = self.since_ms - round(self.cfg.history_days * _DAY_MS)
        found = self.hear(headlines.filter(pl.col("available_ms") >= first))
        self.n_heard += found
        return found

    def _keep_looking(self) -> None:
        while not self._stop.wait(self.every_s):
            try:
                self.look()
                self.trouble = ""
            except DecotError as error:
                self.trouble = f"{type(error).__name__}: {error}"


def headlines_of(place: Place, symbol: str) -> pl.DataFrame | None:
    """What the lake holds for this market."""
    if "headlines" not in place.lake.tables() or symbol not in place.lake.symbols("headlines"):
        return None
    return place.lake.get("headlines", symbol=symbol)
