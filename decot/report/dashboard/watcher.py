"""What a session has shown so far, read from its files: the newest moment and the lines behind it. Knows no server."""

from __future__ import annotations

import json
import time
from collections import deque
from pathlib import Path
from typing import Any

from decot.live.kill import pulled
from decot.live.snapshot import Snapshot, live_folder, read_lines, sessions

MOST_POINTS = 7_200
MOST_LINES = 400


class Watcher:
    """Looks at one home; `session` names one session, else the newest is followed."""

    def __init__(self, home: Path, session: str = "") -> None:
        self.home, self.wanted = home, session
        self.session = ""
        self.snapshot: Snapshot | None = None
        self.points: deque[tuple[int, float, float, int]] = deque(maxlen=MOST_POINTS)
        """(time_ms, mid, equity, position) of every snapshot seen"""
        self._stamp = (0, 0)
        self._lines: dict[str, tuple[tuple[int, int], list[dict[str, Any]]]] = {}

    def look(self) -> bool:
        """Read what is new; whether there was anything."""
        session = self.wanted or next(reversed(sessions(self.home)), "")
        if session != self.session:
            self.session, self.snapshot, self._stamp = session, None, (0, 0)
            self.points.clear()
            self._lines.clear()
        file = live_folder(self.home) / session / "snapshot.json"
        stamp = _stamp(file)
        if not session or stamp in ((0, 0), self._stamp):
            return False
        try:
            found = Snapshot.from_json(file.read_text())
        except (OSError, ValueError, KeyError, TypeError):
            return False  # not ours, or of another version: the page keeps what it has and shows its age
        self._stamp = stamp
        self.add(found)
        return True

    def add(self, snapshot: Snapshot) -> None:
        """Take a moment in."""
        self.snapshot = snapshot
        self.session = snapshot.session
        mid = (snapshot.bid + snapshot.ask) / 2
        if not self.points or snapshot.time_ms > self.points[-1][0]:
            self.points.append((snapshot.time_ms, mid, snapshot.equity_usdt, snapshot.position))

    def age_s(self) -> float:
        """Seconds since the session last wrote; endless when it never did."""
        file = live_folder(self.home) / self.session / "snapshot.json"
        stamp = _stamp(file)
        return max(0.0, time.time() - stamp[0] / 1e9) if stamp != (0, 0) else float("inf")

    def now(self) -> dict[str, Any]:
        """What changes from moment to moment, as JSON values."""
        killed = pulled(self.home)
        return {
            "session": self.session,
            "snapshot": json.loads(self.snapshot.to_json()) if self.snapshot is not None else None,
            "age_s": round(min(self.age_s(), 1e9), 2),
            "kill": {"when": killed.when, "who": killed.who, "why": killed.why}
            if killed is not None
            else None,
            "decisions": self.lines("decisions")[-30:],
            "fills": self.lines("fills"),
            "events": self.lines("events")[-20:],
        }

    def history(self) -> dict[str, Any]:
        """The lines behind the moment."""
        names = ("t_ms", "mid", "equity", "position")
        columns = zip(*self.points) if self.points else ([] for _ in names)
        return {"session": self.session, **{name: list(column) for name, column in zip(names, columns)}}

    def lines(self, kind: str) -> list[dict[str, Any]]:
        """The last lines of a kind; a file that has not changed is not read again."""
        stamp = _stamp(live_folder(self.home) / self.session / f"{kind}.jsonl")
        known = self._lines.get(kind)
        if known is None or known[0] != stamp:
            known = (stamp, read_lines(self.home, self.session, kind, MOST_LINES) if self.session else [])
            self._lines[kind] = known
        return known[1]


def _stamp(file: Path) -> tuple[int, int]:
    try:
        told = file.stat()
    except OSError:
        return (0, 0)
    return told.st_mtime_ns, told.st_size
