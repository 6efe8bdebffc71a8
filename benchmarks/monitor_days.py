"""How often the monitor cries wolf over many clean days of the embedded world, counted in pieces.

    python -m benchmarks.monitor_days --kept FOLDER --days 30 --for-s 330 --json

A day is 86,400 bars: four six-hour days of further seeds, watched by one monitor from the first bar to the last. A line per
finished day is kept in FOLDER; called again, it makes the same agent and baseline anew and goes on where it was. Seeds begin
at 10,000: nothing was ever tuned on these days. While false alarms are counted, flat is lifted like reduce.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

import decot.live
from benchmarks.monitor import DAY, Setting, Tally, clean_day, say, table_of, watchable, world
from decot.live.monitor import Monitor, latched

SEED = 10_000
PER_DAY = 4
_WATCHED = ("monitor.py", "monitor_fit.py", "habits.py", "drift.py", "kinship.py")


def stamp() -> str:
    """Which monitor this is: figures of another one are never added up with these."""
    parts = [Path(decot.live.__file__).parent / name for name in _WATCHED] + [
        Path(__file__).with_name("monitor.py")
    ]
    return hashlib.sha256(b"".join(path.read_bytes() for path in parts if path.is_file())).hexdigest()[:12]


def day(at: Setting, number: int) -> Tally:
    """One day of 86,400 bars under one monitor."""
    tally, monitor = Tally(), Monitor(latched(at.base, False))
    for k in range(PER_DAY):
        bars = clean_day(SEED + number * PER_DAY + k)
        for tick in watchable(at.agent, at.scaler, table_of(bars, at.regimes)).ticks():
            verdict = monitor.step(*tick)
            tally.take(verdict.level, verdict.why)
    return tally


def finished(kept: Path) -> dict[int, dict[str, Any]]:
    """Every day that was counted so far, by number, whoever counted it."""
    lines = [line for book in kept.glob(f"days-{stamp()}*.jsonl") for line in book.read_text().splitlines()]
    return {line["number"]: line for line in map(json.loads, lines)}


def summed(lines: list[dict[str, Any]]) -> Tally:
    """All days in one."""
    whole = Tally()
    for line in lines:
        for name in ("bars", "reduce", "flat", "restricted"):
            setattr(whole, name, getattr(whole, name) + line[name])
        whole.blamed += Counter(line["blamed"])
    return whole


def at_most(count: int) -> float:
    """Upper end of the exact 95 % interval of a Poisson mean of which `count` were seen (one-sided)."""
    low, high = 0.0, 10.0 + 4.0 * count
    for _ in range(60):
        middle = (low + high) / 2
        below = sum(math.exp(-middle) * middle**k / math.factorial(k) for k in range(count + 1))
        low, high = (middle, high) if below > 0.05 else (low, middle)
    return low


def main() -> int:
    """0 when both rates are at most what was declared."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kept", type=Path, required=True, help="folder of what was counted so far")
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument(
        "--part",
        default="0/1",
        help="k/n: only every n-th day, from the k-th, so that n may run side by side",
    )
    parser.add_argument("--for-s", type=float, default=1e9, help="end this piece after so long")
    parser.add_argument("--env-steps", type=int, default=200_000)
    parser.add_argument("--made", type=int, default=12, help="whole days put together for calibration")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    began = time.monotonic()
    asked.kept.mkdir(parents=True, exist_ok=True)
    part, parts = (int(word) for word in asked.part.split("/"))
    at, done = world(asked.env_steps, asked.made, 0), finished(asked.kept)
    for number in range(part, asked.days, parts):
        if number in done or time.monotonic() - began > asked.for_s:
            continue
        found = day(at, number)
        line = asdict(found) | {"blamed": dict(found.blamed), "number": number}
        with (asked.kept / f"days-{stamp()}-{part}.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
        say(f"day {number}: {found.reduce} reduce, {found.flat} flat {dict(found.blamed)}")
    lines = [line for number, line in sorted(finished(asked.kept).items()) if number < asked.days]
    tally, cfg = summed(lines), at.base.cfg
    if not tally.bars:
        return 1
    days = tally.bars / DAY
    bounds = {
        f"{name}_per_day_at_most": round(at_most(getattr(tally, name)) / days, 3)
        for name in ("reduce", "flat")
    }
    told = tally.told(cfg)
    met = told["reduce_per_day"] <= cfg.reduce_per_day and told["flat_per_day"] <= cfg.flat_per_day
    result = {
        "name": "monitor_days",
        "days": round(days, 2),
        **told,
        **bounds,
        "is_whole": len(lines) >= asked.days,
        "met": met,
    }
    print(json.dumps(result) if asked.json else json.dumps(result, indent=1))
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
