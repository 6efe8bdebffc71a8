"""A session as a process that somebody else looks after: begun, looked at, begun again after a crash, stopped. Knows files.

    HOME/live/<session>/worker.json     pid and when it began; worker.out, what it reported; worker.log, what it said

The process is `decot trade`, the very command a person types. Keys reach it through the environment and stand in no file,
no argument and no parameter. It goes on when whoever looks after it is killed; the next one finds it by its pid.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from decot import clock
from decot.errors import ConfigError, VenueUnavailable
from decot.live import kill
from decot.live.snapshot import live_folder, read_lines, read_snapshot, write_whole

HALTED = 3
"""exit code: a person must look"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A session as somebody orders it; everything in it may be shown to anybody."""

    home: str
    digest: str
    mode: str = "paper"
    session: str = ""
    profile: str = "demo"
    symbol: str = ""
    rules: str = ""
    exchange: str = "binance"
    venue_port: int = 0
    minutes: float = 0.0
    speed: float = 1.0
    warm_bars: int = 2_000

    def faults(self) -> list[str]:
        """Everything wrong with it."""
        found = [] if self.mode in ("paper", "live") else [f"mode {self.mode!r} is neither paper nor live"]
        if len(self.digest) < 6:
            found.append(f"digest {self.digest!r}: give at least six characters (decot agents lists them)")
        if any(sign in self.session for sign in "/\\") or self.session.startswith("."):
            found.append(f"session {self.session!r} is no name of a folder")
        return found

    @property
    def name(self) -> str:
        """The session's name."""
        return self.session or f"{self.mode}-{self.digest[:8]}"

    def words(self) -> list[str]:
        """The command."""
        said = ["trade", self.digest, "--live" if self.mode == "live" else "--feed", "--home", self.home]
        said += [
            "--session",
            self.name,
            "--profile",
            self.profile,
            "--exchange",
            self.exchange,
            "--json",
            "--quiet",
        ]
        said += [
            "--minutes",
            str(self.minutes),
            "--speed",
            str(self.speed),
            "--warm-bars",
            str(self.warm_bars),
        ]
        for option, value in (("--symbol", self.symbol), ("--rules", self.rules)):
            said += [option, value] if value else []
        return [*said, *(["--venue-port", str(self.venue_port)] if self.venue_port else [])]


@dataclass(slots=True)
class Kept:
    """A worker that is looked after."""

    wanted: Wanted
    pid: int
    n_starts: int = 1
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    """None when it was begun by somebody else"""

    @property
    def folder(self) -> Path:
        return live_folder(Path(self.wanted.home)) / self.wanted.name

    @property
    def is_alive(self) -> bool:
        if self.process is not None:
            return self.process.poll() is None
        return running(Path(self.wanted.home), self.wanted.name) == self.pid

    def report(self) -> dict[str, Any]:
        """What it said at its end; empty when it did not come to that."""
        try:
            said = json.loads((self.folder / "worker.out").read_text().strip().splitlines()[-1])
        except (FileNotFoundError, IndexError, ValueError):
            return {}
        return dict(said) if isinstance(said, dict) else {}

    def last_words(self) -> str:
        """The end of its log."""
        path = self.folder / "worker.log"
        return path.read_text(errors="replace")[-1_500:].strip() if path.is_file() else ""


def begin(wanted: Wanted, *, n_starts: int = 1) -> Kept:
    """Start it, or find it when it is running already.

    Raises:
        ConfigError: what is ordered is no session.
    """
    if faults := wanted.faults():
        raise ConfigError(faults)
    home = Path(wanted.home)
    if (pid := running(home, wanted.name)) is not None:
        return Kept(wanted, pid, n_starts)
    folder = live_folder(home) / wanted.name
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "worker.out").open("wb") as out, (folder / "worker.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "decot", *wanted.words()], stdout=out, stderr=log, start_new_session=True
        )
    said = {"pid": process.pid, "began": clock.now().isoformat(), "since": _since(process.pid)}
    write_whole(folder / "worker.json", json.dumps(said | {"wanted": asdict(wanted)}) + "\n")
    return Kept(wanted, process.pid, n_starts, process)


def running(home: Path, session: str) -> int | None:
    """The pid of a session's worker, None when there is none; a pid that went to another process does not count."""
    try:
        said = json.loads((live_folder(home) / session / "worker.json").read_text())
    except (FileNotFoundError, ValueError):
        return None
    pid = int(said["pid"])
    return pid if _since(pid) not in ("", None) and _since(pid) == said["since"] else None


def look(home: Path, session: str) -> dict[str, Any]:
    """A session as it shows itself, in a few figures."""
    shown, pid = read_snapshot(home, session), running(home, session)
    events = read_lines(home, session, "events", 1)
    told: dict[str, Any] = {"session": session, "pid": pid, "is_running": pid is not None}
    told["last_event"] = events[-1] if events else None
    if shown is not None:
        names = ("state", "why", "position", "quantity", "equity_usdt", "day_pnl_usdt", "drawdown_bps",
                 "n_bars", "n_orders", "n_fills", "sentence_en", "time_ms")  # fmt: skip
        told |= {name: getattr(shown, name) for name in names}
    return told


def stop(home: Path, session: str, patience_s: float = 60.0) -> dict[str, Any]:
    """Ask a session to leave the market and end; waits until its process is gone.

    Raises:
        VenueUnavailable: it is still there after that time; it was not killed, for it may hold something.
    """
    pid = running(home, session)
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
        began = clock.stopwatch()
        while running(home, session) == pid:
            if clock.stopwatch() - began > patience_s:
                raise VenueUnavailable(
                    f"{session}: its worker ({pid}) was asked to stop {patience_s:.0f} s ago and is still there; "
                    "look at its worker.log, then: decot kill"
                )
            _reap(pid)
            time.sleep(0.05)
    return look(home, session)


def pull(home: Path, why: str, who: str = "prefect") -> dict[str, Any]:
    """The kill switch: every session of this home goes flat and stays out, until a person takes the switch away."""
    return asdict(kill.pull(home, who=who, why=why))


def _since(pid: int) -> str:
    """When a process began, as the kernel counts it; empty when there is none or it is only waiting to be buried."""
    try:
        said = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if said[0] in ("Z", "X") else said[19]


def _reap(pid: int) -> None:
    """Bury a child of our own; somebody else's is none of our business."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
