"""A real process on the loopback venue, killed at random moments, stopped by the switch, and asked what it holds."""

from __future__ import annotations

import asyncio
import base64
import json
import multiprocessing
import os
import random
import signal
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from decot.data.exchange.venue import Venue, serve
from decot.data.worlds import WorldConfig, make_world
from decot.live import kill
from decot.live.journal import Journal, verify
from decot.live.snapshot import read_lines

KEY, SECRET = "CANARYkey4f1d9b7c2a", "CANARYsecret8e3b6a5d0f"
SPEED = 20.0


@dataclass
class Found:
    """What the drills on processes saw."""

    kills: int = 0
    unrecovered: int = 0
    duplicate_orders: int = 0
    untracked_positions: int = 0
    lost_fills: int = 0
    twin_trades: int = 0
    twins_refused: int = 0
    orders: int = 0
    fills: int = 0
    restart_max_s: float = 0.0
    switch_s: list[float] = field(default_factory=list)
    stale_s: list[float] = field(default_factory=list)
    loss_s: list[float] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Drill:
    """A venue, a home, and a way to start workers in it."""

    def __init__(self, venue: Venue, home: Path, seed: int) -> None:
        self.venue, self.home, self.rng = venue, home, random.Random(seed)
        self.context = multiprocessing.get_context("forkserver")
        self.n = 0

    def start(self, **order: Any) -> Any:
        from benchmarks.fault_worker import life

        self.n += 1
        whole = {
            "home": str(self.home),
            "port": self.venue.port,
            "key": KEY,
            "secret": SECRET,
            "seed": self.rng.randrange(1 << 30),
            "speed": SPEED,
            "origin_us": self.venue.replay.now_us,
            "limits": {},
            **order,
        }
        process = self.context.Process(target=life, args=(whole,))
        process.start()
        return process

    @property
    def folder(self) -> Path:
        return self.home / "live" / "drill"

    async def until(
        self, is_so: Callable[[], bool], patience_s: float = 20.0, every_s: float = 0.002
    ) -> bool:
        began = time.monotonic()
        while not is_so():
            if time.monotonic() - began > patience_s:
                return False
            await asyncio.sleep(every_s)
        return True

    async def gone(self, process: Any, patience_s: float = 20.0) -> bool:
        found = await self.until(lambda: not process.is_alive(), patience_s, 0.01)
        if not found:
            os.kill(process.pid, signal.SIGKILL)
        process.join()
        return found

    def held(self) -> float:
        """Base currency the venue says we have, free or locked."""
        return float(self.venue.desk.free["BTC"] + self.venue.desk.locked.get("BTC", 0))

    def n_orders(self) -> int:
        return len(self.venue.desk.orders)

    def events(self) -> list[dict[str, Any]]:
        return read_lines(self.home, "drill", "events")


@asynccontextmanager
async def stage(seed: int, *, speed: float = SPEED) -> AsyncIterator[Drill]:
    """A venue with an endless-enough tape and an empty home."""
    multiprocessing.get_context("forkserver").set_forkserver_preload(["benchmarks.fault_worker"])
    tape = make_world(WorldConfig(seed=seed, days=1, seconds_per_day=80_000))
    rules = {"taker_bps": 1, "maker_bps": 1}
    with tempfile.TemporaryDirectory() as folder:
        async with serve(tape, rules, speed=speed, wait_streams=0, keys={KEY: SECRET}) as venue:
            home = Path(folder) / "home"
            home.mkdir()
            yield Drill(venue, home, seed)


async def kills(n: int, seed: int, say: Callable[[str], None]) -> Found:
    """SIGKILL at n random moments of a trading process, each followed by a start; then the last account."""
    found = Found()
    async with stage(seed) as drill:
        for k in range(n):
            if k % 10 == 5:
                drill.venue.arm("lost_reply")
            await _instant(drill, process := drill.start(eager=0.6), k % 4)
            if not process.is_alive():
                found.unrecovered += 1
                found.notes.append(f"life {k} ended by itself: {drill.events()[-1:]}")
            else:
                os.kill(process.pid, signal.SIGKILL)
            process.join()
            found.kills += 1
            if (drill.folder / "journal.sqlite").exists():
                verify(drill.folder / "journal.sqlite")
            if k % 20 == 19:
                await _twin(drill, found)
            say(f"kill {k + 1} of {n}")
        began = time.monotonic()
        process = drill.start(max_bars=20)
        if not await drill.gone(process, 60.0):
            found.unrecovered += 1
            found.notes.append("the last life did not end")
        found.restart_max_s = time.monotonic() - began
        found.orders, found.fills = compare(drill, found)
    return found


async def _instant(drill: Drill, process: Any, kind: int) -> None:
    """Until the moment of the next kill: three in four wait for what a busy machine delays, one takes whatever comes."""
    before, lines, rng = drill.n_orders(), n_lines(drill), drill.rng
    if kind == 0:  # as an order arrives at the venue, or in the middle of what follows
        await drill.until(lambda: drill.n_orders() > before or not process.is_alive(), 12.0)
        await asyncio.sleep(rng.uniform(0, 0.03))
    elif kind == 1:  # as an order is meant but perhaps not sent
        meant, more = n_lines(drill, "intent"), rng.randint(1, 4)
        await drill.until(lambda: n_lines(drill, "intent") >= meant + more or not process.is_alive(), 12.0)
        await asyncio.sleep(rng.uniform(0, 0.01))
    elif kind == 2:  # at any line of the journal, those of the start and of filling among them
        more = rng.randint(1, 30)
        await drill.until(lambda: n_lines(drill) >= lines + more or not process.is_alive(), 12.0)
    else:
        await asyncio.sleep(rng.uniform(0.02, 1.6))


def n_lines(drill: Drill, kind: str = "") -> int:
    """Lines of the journal, of one kind or all."""
    path = drill.folder / "journal.sqlite"
    if not path.exists():
        return 0
    where, what = (" WHERE kind = ?", (kind,)) if kind else ("", ())
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=1.0)
    try:
        return int(db.execute(f"SELECT count(*) FROM events{where}", what).fetchone()[0])
    except sqlite3.OperationalError:  # not made yet, or being made
        return 0
    finally:
        db.close()


async def _twin(drill: Drill, found: Found) -> None:
    """A second worker in the same home while the first one trades."""
    first = drill.start(eager=0.6)
    before = drill.n_orders()
    await drill.until(lambda: drill.n_orders() > before, 8.0)
    twin = drill.start(eager=0.6)
    ended = await drill.gone(twin, 10.0)
    found.twins_refused += int(ended and twin.exitcode == 3)
    if not ended or twin.exitcode != 3:
        found.twin_trades += 1
    os.kill(first.pid, signal.SIGKILL)
    first.join()


def compare(drill: Drill, found: Found) -> tuple[int, int]:
    """The venue's own record against the journal, after the last life; gives its orders and fills."""
    desk = drill.venue.desk
    path = drill.folder / "journal.sqlite"
    found.notes.append(f"{verify(path)} events in the journal")
    journal = Journal.open(path, "judge", now_ms=0)
    try:
        intents = {event.client_id for event in journal.events("intent")}
        fills = {event.payload["trade_id"] for event in journal.events("fill")}
        done = {event.client_id for event in journal.events("done")}
        mismatches = journal.events("mismatch")
    finally:
        journal.close()
    ids = [order.client_id for order in desk.orders.values()]
    theirs = {fill["id"] for fill in desk.fills}
    found.duplicate_orders += len(ids) - len(set(ids))
    found.untracked_positions += len(set(ids) - intents) + len(desk.open_orders())
    found.untracked_positions += int(drill.held() * 90_000 > 5.0) + len(intents - done)
    found.lost_fills += len(theirs ^ fills)
    found.unrecovered += len(mismatches)
    return len(ids), len(theirs)


async def stops(n: int, seed: int, kind: str, found: Found, say: Callable[[str], None]) -> None:
    """n times: a worker that holds something is stopped by the switch, by a silent feed, or by the loss of the day."""
    into = {"switch": found.switch_s, "stale": found.stale_s, "loss": found.loss_s}[kind]
    async with stage(seed) as drill:
        for k in range(n):
            limits = {"daily_loss_usdt": 0.0015} if kind == "loss" else {}
            if kind == "loss":  # a home remembers that its day is lost
                drill.home = drill.home.parent / f"loss-{k}"
                drill.home.mkdir()
            seen, n_flat = len(drill.events()), len(_flats(drill))
            process = drill.start(
                eager=0.02 if kind == "stale" else 0.3, stale_s=0.5, limits=limits | {"stale_s": 1.0}
            )
            holds = await drill.until(lambda: drill.held() * 90_000 > 5, 90.0)
            if kind != "loss":
                await asyncio.sleep(drill.rng.uniform(0, 0.4))
            began = time.monotonic()
            if kind == "switch":
                kill.pull(drill.home, who="drill", why=f"drill {k}")
            elif kind == "stale":
                drill.venue.replay.paused.set()

            def is_out(seen: int = seen) -> bool:
                flats = [e for e in drill.events()[seen:] if e["state"] in ("flat", "halted")]
                return bool(flats) and drill.held() * 90_000 < 5 and not drill.venue.desk.open_orders()

            out = await drill.until(is_out, 30.0 if kind == "loss" else 10.0)
            took = time.monotonic() - began
            if kind == "stale":
                took -= 1.0  # the bound itself
            if kind == "loss":
                out = await drill.until(lambda n_flat=n_flat: len(_flats(drill)) > n_flat, 5.0)  # type: ignore[misc]
                took = _flats(drill)[-1] if out else 99.0
            into.append(took if out and holds else 99.0)
            if into[-1] > 1.0:
                found.notes.append(f"{kind} drill {k}: held {holds}, out {out}, {drill.events()[seen:]}")
            drill.venue.replay.paused.clear()
            if kind == "switch":
                ended = await drill.gone(process)
                last = (drill.events() or [{}])[-1]
                if not ended or last.get("is_flat") is not True:
                    found.notes.append(f"switch drill {k}: {last}")
                    into[-1] = 99.0
                kill.release(drill.home)
                _release(drill)
            else:
                os.kill(process.pid, signal.SIGTERM)
                await drill.gone(process)
            say(f"{kind} drill {k + 1} of {n}: {into[-1]:.3f} s")


def _flats(drill: Drill) -> list[float]:
    """How long each leaving of the market took, from its reason to the venue's confirmation, s."""
    path = drill.folder / "journal.sqlite"
    if not path.exists():
        return []
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    rows = db.execute("SELECT payload FROM events WHERE kind = 'flat' ORDER BY seq").fetchall()
    db.close()
    return [json.loads(text)["took_ms"] / 1_000 for (text,) in rows]


def _release(drill: Drill) -> None:
    """What a person does after a halt."""
    journal = Journal.open(drill.folder / "journal.sqlite", "person", now_ms=0)
    journal.append("release", 0, payload={"who": "drill"})
    journal.close()


async def canary(seed: int, say: Callable[[str], None]) -> tuple[int, list[str]]:
    """Every way a key could get out: wrong secret, lost replies, refusals, a key that may withdraw, a crash.

    Returns:
        how many files hold the key or the secret in any spelling, and their names.
    """
    async with stage(seed) as drill:
        for order in ({"max_bars": 30}, {"secret": SECRET + "x"}, {"max_bars": 30, "eager": 0.9}):
            process, before = drill.start(**order), drill.n_orders()
            if order.get("eager"):
                await drill.until(lambda before=before: drill.n_orders() > before, 10.0)  # type: ignore[misc]
                for kind in ("lost_reply", "http_503", "http_429", "lost_reply"):
                    drill.venue.arm(kind)
            await drill.gone(process, 40.0)
        await asyncio.sleep(1.5)  # the ban that was provoked ends
        drill.venue.clerk.withdrawals = True
        process = drill.start(check_key=True)
        await drill.gone(process, 20.0)
        hits = leaks(drill.home)
        log = (drill.home / "worker.log").read_text()
        say(f"{len(log):,} characters of log, {sum(1 for _ in drill.home.rglob('*'))} files searched")
        if "refused" not in log or "enableWithdrawals" not in log:
            hits.append(
                f"worker.log: {log[-600:]} the provoked refusals are not there, so the search proves nothing"
            )
        return len(hits), hits


def leaks(home: Path) -> list[str]:
    """Files under a home that hold the planted key or secret, plain, in base64 or in hex."""
    spellings = []
    for word in (KEY, SECRET):
        plain = word.encode()
        spellings += [plain, base64.b64encode(plain)[:-3], plain.hex().encode(), word[::-1].encode()]
    found = []
    for path in sorted(home.rglob("*")):
        if path.is_file() and any(spelling in path.read_bytes() for spelling in spellings):
            found.append(str(path.relative_to(home)))
    return found
