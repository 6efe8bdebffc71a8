"""An hour of a fast replay on the loopback venue: does the worker grow, is a subscription left, how long is a decision.

    DECOT_TAPES=… python -m benchmarks.soak --minutes 60 --speed 20 --json

The worker is a process of its own (real ccxt.pro, certified agent, reasoning monitor, signed orders), the venue replays a
recorded StandX day beside it and cuts every market socket every five minutes. Memory is the worker's resident set, its
slope a least-squares line from a tenth of the time on.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import live_home
from decot.data.exchange.venue import Venue, serve
from decot.data.tapes import open_tape
from decot.data.worlds import WorldConfig, make_world
from decot.live.snapshot import read_lines, read_snapshot

CUT_EVERY_S = 300.0
LOOK_EVERY_S = 5.0
SESSION = "soak"
TARGETS = {"slope_mb_per_hour": 20.0, "orphan_subscriptions": 0, "decision_p99_ms": 25.0}


def resident(pid: int) -> tuple[float, int, int]:
    """MB, threads, open files of a process."""
    said = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
    )
    return int(said["VmRSS"].split()[0]) / 1024, int(said["Threads"]), len(os.listdir(f"/proc/{pid}/fd"))


def listened(venue: Venue) -> Counter[str]:
    """How many sockets listen to each stream."""
    return Counter(name for socket in list(venue.streams.sockets) for name in socket.streams)


async def soak(tape: Any, minutes: float, speed: float, say: Any) -> dict[str, Any]:
    """Run it; every figure."""
    stretch = live_home.Stretch.of(tape, 200, 60 * 24)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        digest = live_home.make(home, stretch.before)
        say("the home is made")
        async with serve(stretch.now, live_home.FREE, speed=speed, wait_streams=3) as venue:
            order = {
                "digest": digest, "mode": "live", "home": str(home), "venue": "binance-spot/BTC-USDT", "speed": speed,
                "symbol": next(iter(venue.feeds.values())).name, "session": SESSION, "origin_us": venue.replay.now_us,
                "port": venue.port, "limits": live_home.WILD | {"stale_s": 30.0}, "minutes": 0.0,
            }  # fmt: skip
            process = await live_home.start(order, Path(folder) / "log")
            report = asyncio.create_task(process.stdout.read())  # type: ignore[union-attr]
            shown = await _watch(venue, process, home, minutes, say)
            if process.returncode is None:
                process.terminate()
            await asyncio.wait_for(process.wait(), 120)
            ended = (
                json.loads((await report).decode().strip().splitlines()[-1] or "{}")
                if process.returncode == 0
                else {}
            )
            await asyncio.sleep(1.0)
            left = sum(listened(venue).values())
            log = (Path(folder) / "log").read_text()[-2_000:]
            events = read_lines(home, SESSION, "events", 10**6)
            states = Counter(f"{one['state']}: {one['why'][:60]}" for one in events)
            n_orders, n_fills = len(venue.desk.orders), len(venue.desk.fills)
    return _figures(shown, ended, left, log, states, n_orders, n_fills) | {"minutes": minutes, "speed": speed}


async def _watch(venue: Venue, process: Any, home: Path, minutes: float, say: Any) -> dict[str, Any]:
    rows: list[Any] = []
    opened = began = last_cut = time.monotonic()
    cuts = 0
    doubled, at_most = 0, Counter[str]()
    while time.monotonic() - began < minutes * 60 and process.returncode is None:
        await asyncio.sleep(LOOK_EVERY_S)
        at = time.monotonic()
        try:
            mb, threads, files = resident(process.pid)
        except (FileNotFoundError, ProcessLookupError):
            break
        now, shot = listened(venue), read_snapshot(home, SESSION)
        if shot is not None:
            told = {stage: shot.latency_us[stage][1] for stage in shot.latency_us}
            rows.append((at - began, mb, threads, files, told, shot.n_bars, shot.n_orders))
        if at - last_cut > 20:  # what was cut has had its time to come back
            doubled += sum(n > 1 for n in now.values())
            at_most |= now
        if at - last_cut > CUT_EVERY_S and at - began < minutes * 60 - 60:
            venue.cut()
            last_cut, cuts = at, cuts + 1
        if not rows or not rows[-1][5]:  # the clock of the soak begins with its first bar
            began, rows = time.monotonic(), []
            if time.monotonic() - opened > 900:
                break
        elif int(at - began) % 60 < LOOK_EVERY_S:
            say(
                f"{(at - began) / 60:.0f} min: {mb:.0f} MB, {threads} threads, {files} files, {rows[-1][5]} bars"
            )
    return {
        "rows": rows,
        "cuts": cuts,
        "doubled": doubled,
        "streams": dict(at_most),
        "wall_s": time.monotonic() - began,
    }


def _figures(
    shown: dict[str, Any],
    ended: dict[str, Any],
    left: int,
    log: str,
    states: Counter[str],
    n_orders: int,
    n_fills: int,
) -> dict[str, Any]:
    rows = shown["rows"]
    t, mb = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    settled = t > t[-1] / 10
    slope, at_start = np.polyfit(t[settled] / 3_600, mb[settled], 1)
    half = t > t[-1] / 2
    late = np.polyfit(t[half] / 3_600, mb[half], 1)[0]
    stages = {
        stage: {"p99_ms_worst": max(row[4][stage] for row in rows if stage in row[4]) / 1e3,
                "p99_ms_median": float(np.median([row[4][stage] for row in rows if stage in row[4]])) / 1e3}
        for stage in rows[-1][4]
    }  # fmt: skip
    p99 = stages["read"]["p99_ms_median"] + stages["decide"]["p99_ms_median"]
    orphans = shown["doubled"] + left
    replay = ended.get("replay") or {}
    met = bool(
        slope <= TARGETS["slope_mb_per_hour"] and orphans == 0 and p99 <= TARGETS["decision_p99_ms"]
        and ended.get("is_flat") is True and replay.get("n_same") == replay.get("n_decisions")
    )  # fmt: skip
    return {
        "name": "soak", "wall_s": round(shown["wall_s"], 1), "bars": rows[-1][5], "orders": n_orders, "fills": n_fills,
        "slope_mb_per_hour": round(float(slope), 2), "slope_second_half_mb_per_hour": round(float(late), 2),
        "mb_at_start": round(float(at_start), 1), "mb_first": round(float(mb[0]), 1), "mb_last": round(float(mb[-1]), 1),
        "threads": [rows[0][2], max(row[2] for row in rows), rows[-1][2]],
        "files": [rows[0][3], max(row[3] for row in rows), rows[-1][3]],
        "socket_cuts": shown["cuts"], "doubled_subscriptions": shown["doubled"], "subscriptions_left": left,
        "orphan_subscriptions": orphans, "streams": shown["streams"], "decision_p99_ms": round(p99, 3),
        "latency": {k: {n: round(x, 3) for n, x in v.items()} for k, v in stages.items()},
        "ended": {k: ended.get(k) for k in ("state", "why", "is_flat", "stop_s", "bars", "fills", "net_usdt", "monitor")},
        "replay": {k: replay.get(k) for k in ("n_decisions", "n_same", "covers_all")},
        "states": dict(states.most_common(12)),
        "log": "" if ended else log, "targets": TARGETS, "met": met,
        "series": [[round(row[0]), round(row[1], 1)] for row in rows[:: max(1, len(rows) // 60)]],
    }  # fmt: skip


def main() -> int:
    """0 when it neither grew nor left anything behind."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=60.0, help="of wall time")
    parser.add_argument("--speed", type=float, default=20.0)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    if "DECOT_TAPES" in os.environ:
        tape = open_tape(Path(os.environ["DECOT_TAPES"]) / "standx-btcusd")
    else:
        tape = make_world(WorldConfig(days=1, seconds_per_day=86_000, seed=11))
    told = asyncio.run(
        soak(tape, asked.minutes, asked.speed, lambda text: print(text, file=sys.stderr, flush=True))
    )
    told["tape"] = "standx-btcusd" if "DECOT_TAPES" in os.environ else "made up"
    print(json.dumps(told) if asked.json else json.dumps(told, indent=1))
    return 0 if told["met"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
