"""Everything that may go wrong between an order and its fill, on purpose, counted.

    python -m benchmarks.faults --profile quick --json

quick: part of `make test`. full: the figures of docs/faults.md. All seeds are fixed; a bad schedule is named by its seed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from dataclasses import dataclass
from typing import Any

from benchmarks import fault_canary, fault_disk, fault_kills, fault_schedules


@dataclass(frozen=True)
class Profile:
    """How much of each."""

    schedules: int
    kills: int
    switches: int
    others: int
    """stale-feed and daily-loss drills, each"""
    disks: int
    """times a real file system is filled"""
    in_prefect: bool
    """whether the canary is also sent through Prefect and W&B (a minute or two)"""


PROFILES = {
    "quick": Profile(schedules=2_000, kills=20, switches=10, others=2, disks=1, in_prefect=False),
    "full": Profile(schedules=20_000, kills=200, switches=100, others=20, disks=20, in_prefect=True),
}
SEEDS = {
    "schedules": 1,
    "kills": 101,
    "switch": 202,
    "stale": 303,
    "loss": 404,
    "canary": 505,
    "disk": 606,
    "prefect": 707,
}


def measure(profile: Profile, say: Any) -> dict[str, Any]:
    """Run all drills; every figure, and whether all of them are as they must be."""
    began = time.monotonic()
    tally = fault_schedules.run(
        profile.schedules,
        SEEDS["schedules"],
        on_done=lambda i, n: say(f"schedule {i} of {n}") if i % 500 == 0 else None,
    )
    found = asyncio.run(fault_kills.kills(profile.kills, SEEDS["kills"], say))
    asyncio.run(fault_kills.stops(profile.switches, SEEDS["switch"], "switch", found, say))
    asyncio.run(fault_kills.stops(profile.others, SEEDS["stale"], "stale", found, say))
    asyncio.run(fault_kills.stops(profile.others, SEEDS["loss"], "loss", found, say))
    disk = asyncio.run(fault_disk.drill(profile.disks, SEEDS["disk"], found, say))
    n_leaks, where = asyncio.run(fault_kills.canary(SEEDS["canary"], say))
    searched: dict[str, int] = {}
    if profile.in_prefect:
        n_more, more, searched = asyncio.run(fault_canary.drill(SEEDS["prefect"], say))
        n_leaks, where = n_leaks + n_more, where + more
    zeros = {
        "duplicate_orders": tally.duplicate_orders + found.duplicate_orders,
        "untracked_positions": tally.untracked_positions + found.untracked_positions,
        "lost_fills": tally.lost_fills + found.lost_fills,
        "twin_trades": tally.twin_trades + found.twin_trades,
        "unrecovered": tally.unrecovered + tally.foreign_missed + found.unrecovered,
        "secret_leaks": n_leaks,
    }
    slowest = max(found.switch_s)
    is_met = not any(zeros.values()) and slowest <= 1.0 and max(found.stale_s + found.loss_s) <= 1.0
    return {
        "schedules": tally.schedules,
        **zeros,
        "kills": found.kills,
        "kill_switch_max_s": round(slowest, 3),
        "met": is_met,
        "kill_switch_drills": len(found.switch_s),
        "stale_stop_max_s": round(max(found.stale_s), 3),
        "daily_loss_stop_max_s": round(max(found.loss_s), 3),
        "schedule_crashes": tally.crashes,
        "schedule_twins": tally.twins,
        "schedule_orders": tally.orders,
        "schedule_fills": tally.fills,
        "by_kind": dict(tally.by_kind),
        "twins_refused": found.twins_refused,
        "kill_orders": found.orders,
        "kill_fills": found.fills,
        "last_restart_s": round(found.restart_max_s, 2),
        "bad_seeds": tally.bad_seeds[:20],
        "leaks": where,
        "disk": disk,
        "searched": searched,
        "notes": found.notes[:20],
        "seeds": SEEDS,
        "seconds": round(time.monotonic() - began, 1),
    }


def killed(n: int, say: Any) -> dict[str, Any]:
    """The kills alone."""
    found = asyncio.run(fault_kills.kills(n, SEEDS["kills"], say))
    zeros = {
        name: getattr(found, name)
        for name in ("duplicate_orders", "untracked_positions", "lost_fills", "twin_trades", "unrecovered")
    }
    return {
        "kills": found.kills,
        **zeros,
        "met": not any(zeros.values()),
        "twins_refused": found.twins_refused,
        "kill_orders": found.orders,
        "kill_fills": found.fills,
        "last_restart_s": round(found.restart_max_s, 2),
        "notes": found.notes[:20],
    }


def main(words: list[str] | None = None) -> int:
    """0 when every figure is as it must be."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--profile", choices=sorted(PROFILES), default="quick")
    parser.add_argument("--kills", type=int, default=0, metavar="N", help="only: N kills of a real worker")
    parser.add_argument("--json", action="store_true", help="the last line of stdout is one JSON object")
    asked = parser.parse_args(words)
    say = lambda text: print(text, file=sys.stderr, flush=True)  # noqa: E731
    report = killed(asked.kills, say) if asked.kills else measure(PROFILES[asked.profile], say)
    print(json.dumps(report) if asked.json else json.dumps(report, indent=1))
    return 0 if report["met"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
