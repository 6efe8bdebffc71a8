"""The context columns one bar at a time, from servers that are asked behind the session's back.

A bar takes what has arrived and never waits. A reading that comes in after a bar was judged counts from the millisecond
after it, whatever the clock says, and is kept with that stamp: a table made later from the kept readings has the
very rows that were seen live. Knows readings and lines to servers; knows no bar but its end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Event, Lock, Thread
from typing import Protocol

import numpy as np

from decot.context.mcp_readings import N_CONTEXT, McpConfig, Reading

Keep = Callable[[McpConfig, Reading], None]


class Line(Protocol):
    """Something that answers with a reading within its own time box: `McpFeed`, or a test's."""

    def read(self) -> Reading:
        """The newest reading, or a masked one that says why."""

    def close(self) -> None:
        """Hang up."""


class LiveReadings:
    """`merged_columns` for a session: readings come in, rows go out; both may be on different threads."""

    def __init__(self, servers: Sequence[McpConfig], keep: Keep | None = None) -> None:
        self._servers = tuple(servers)
        self._keep = keep
        self._known: list[list[Reading]] = [[] for _ in self._servers]
        self._newest = [Reading(-1, why="not asked yet") for _ in self._servers]
        self._judged_ms = -1
        self._lock = Lock()

    def hear(self, server: int, reading: Reading, *, is_new: bool = True) -> Reading:
        """Take a reading of the numbered server; gives it as it counts, and hands a new one to whoever keeps it."""
        with self._lock:
            stamped = replace(reading, available_ms=max(reading.available_ms, self._judged_ms + 1))
            if reading.known:
                self._known[server].append(stamped)
                self._known[server].sort(key=lambda one: one.available_ms)
            self._newest[server] = stamped
        if self._keep is not None and is_new:
            self._keep(self._servers[server], stamped)
        return stamped

    def newest(self) -> tuple[Reading, ...]:
        """Per server the last that was heard, masked ones with their reason."""
        with self._lock:
            return tuple(self._newest)

    def row(self, timestamp_ms: int) -> np.ndarray:
        """(5,) context_0 … context_3 and context_known of the bar that ends then; bars come in order."""
        out = np.zeros(N_CONTEXT + 1)
        with self._lock:
            self._judged_ms = timestamp_ms
            for cfg, known in zip(self._servers, self._known, strict=True):
                while len(known) > 1 and known[1].available_ms <= timestamp_ms:
                    known.pop(0)
                if not known or known[0].available_ms > timestamp_ms:
                    continue
                if timestamp_ms - known[0].available_ms > cfg.memory_s * 1e3:
                    continue
                for column in cfg.columns:
                    out[column.column] = known[0].values[column.column]
                out[N_CONTEXT] = 1.0
        return out


class Askers:
    """One thread per server that asks again and again; leaving the block hangs up without waiting."""

    def __init__(self, live: LiveReadings, servers: Sequence[McpConfig], lines: Sequence[Line]) -> None:
        self._live, self._stop = live, Event()
        self._lines = tuple(lines)
        self._threads = [
            Thread(target=self._ask, args=(k, cfg, line), name=f"decot-mcp-ask-{k}", daemon=True)
            for k, (cfg, line) in enumerate(zip(servers, lines, strict=True))
        ]

    def __enter__(self) -> Askers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for line in self._lines:
            Thread(target=line.close, name="decot-mcp-hang-up", daemon=True).start()

    def _ask(self, server: int, cfg: McpConfig, line: Line) -> None:
        """Ask, pass on what is new, rest: as long as an answer is fresh, or a moment after a failure."""
        told: Reading | None = None
        while not self._stop.is_set():
            reading = line.read()
            if told is None or (reading.known and reading != told) or (reading.why != told.why):
                self._live.hear(server, reading)
            told = reading
            rest_s = cfg.fresh_s if reading.known else min(cfg.retry_s, 1.0)
            self._stop.wait(max(rest_s, 0.05))
