"""A session as a process that somebody else looks after: begun, looked at, begun again after a crash, stopped. Knows files.

    HOME/live/<session>/worker.json     pid and when it began; worker.out, what it reported; worker.log, what it said
    HOME/live/<session>/STOP            somebody wants it to end (`decot/live/wish.py`)

The process is `decot trade`, the very command a person types. Keys reach it through the environment and stand in no file,
no argument and no parameter. It goes on when whoever looks after it is killed; the next one finds it by its pid.
Nobody sends it a signal: a stop is written down, so that it holds for a worker that is only starting, or is begun again.
"""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from decot import clock
from decot.errors import ConfigError, VenueUnavailable
from decot.live import kill, wish
from decot.live.snapshot import live_folder, read_lines, read_snapshot, write_whole

HALTED = 3
"""exit code: a person must look"""
PROGRAM = (sys.executable, "-m", "decot")


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

    Args:
        n_starts: above 1 it is begun again after a crash, and a stop asked for meanwhile still holds: such a worker
            takes up its account, leaves the market and ends.
    Raises:
        ConfigError: what is ordered is no session.
    """
    if faults := wanted.faults():
        raise ConfigError(faults)
    home = Path(wanted.home)
    with _alone(home, wanted.name):
        if (pid := running(home, wanted.name)) is not None:
            return Kept(wanted, pid, n_starts)
        if n_starts == 1:  # ordered anew: what was wanted of the session before is over
            wish.forget(home, wanted.name)
        elif (last := Kept(wanted, -1, n_starts)).report():  # another worker has ended it meanwhile
            return last
        return _spawned(wanted, n_starts)


def _spawned(wanted: Wanted, n_starts: int) -> Kept:
    folder = live_folder(Path(wanted.home)) / wanted.name
    with (folder / "worker.out").open("wb") as out, (folder / "worker.log").open("ab") as log:
        process = subprocess.Popen(
            [*PROGRAM, *wanted.words()], stdout=out, stderr=log, start_new_session=True
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


def stop(
    home: Path,
    session: str,
    patience_s: float = 60.0,
    *,
    who: str = "prefect",
    why: str = "a stop was asked for",
) -> dict[str, Any]:
    """Ask a session to leave the market and end; waits until its process is gone.

    The wish holds for every worker of the session until one has ended with a report. One that went without a word may
    hold something: it is begun again once, with the wish standing, so that it leaves.

    Raises:
        VenueUnavailable: it is still there after that time (it was not killed, for it may hold something), or it could not
            be begun again; the wish stands.
    """
    if not (live_folder(home) / session).is_dir():
        return look(home, session)
    told: int | None = -1
    mine: Kept | None = None
    began = clock.stopwatch()
    while True:
        with _alone(home, session):
            pid = running(home, session) or _by_hand(home, session)
            if pid is None and _is_over(home, session):
                wish.forget(home, session)
                return look(home, session)
            if pid != told:  # also a worker that somebody begins anew while we wait: the stop wins
                wish.ask(home, session, who=who, why=why)
            if pid is None and mine is not None:
                raise VenueUnavailable(
                    f"{session}: it went without a word and does not start again, so nobody knows what it holds: "
                    f"{mine.last_words()}"
                )
            if pid is None:
                mine = _spawned(_ordered(home, session), 2)
                pid = mine.pid
            told = pid
        if clock.stopwatch() - began > patience_s:
            raise VenueUnavailable(
                f"{session}: its worker ({told}) was asked to stop {patience_s:.0f} s ago and is still there; "
                "look at its worker.log, then: decot kill"
            )
        time.sleep(0.05)
        if mine is not None and mine.process is not None:
            mine.process.poll()  # a child of our own is buried by us


def want_stopped(wanted: Wanted, why: str, who: str = "prefect") -> None:
    """The next worker of this session leaves the market and ends; does not wait."""
    wish.ask(Path(wanted.home), wanted.name, who=who, why=why)


def pull(home: Path, why: str, who: str = "prefect") -> dict[str, Any]:
    """The kill switch: every session of this home goes flat and stays out, until a person takes the switch away."""
    return asdict(kill.pull(home, who=who, why=why))


@contextmanager
def _alone(home: Path, session: str) -> Iterator[None]:
    """One at a time looks whether a worker is there and begins one; the kernel lets go when its holder dies."""
    folder = live_folder(home) / session
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "begin.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _ordered(home: Path, session: str) -> Wanted:
    """The session as it was ordered last."""
    said = json.loads((live_folder(home) / session / "worker.json").read_text())
    return Wanted(**said["wanted"])


def _is_over(home: Path, session: str) -> bool:
    """Whether nothing can be held that nobody has told of: it never traded, or its last worker left a report."""
    folder = live_folder(home) / session
    if not (folder / "worker.json").is_file() or not (folder / "journal.sqlite").is_file():
        return True
    return bool(Kept(_ordered(home, session), -1).report())


def _by_hand(home: Path, session: str) -> int | None:
    """The pid of a worker that somebody typed: the process that has the session's lease open."""
    path = live_folder(home) / session / "lease"
    try:
        pid = int(json.loads(path.read_text())["pid"])
        is_open = any(Path(one).samefile(path) for one in Path(f"/proc/{pid}/fd").iterdir() if one.exists())
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return pid if is_open else None


def _since(pid: int) -> str:
    """When a process began, as the kernel counts it; empty when there is none or it is only waiting to be buried."""
    try:
        said = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if said[0] in ("Z", "X") else said[19]
