"""Ingest killed with −9 at random moments: does the lake end as if nothing had happened, digest for digest.

    python -m benchmarks.ingest --kills 100 --json

A worker fetches a small made-up world, stages, refines and lands it; it is killed at a random moment of a random phase
and started again; after every tenth kill it may get through. After each kill the lake may hold fewer tables, never others.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import shutil
import signal
import tempfile
import time
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

PHASES = ("fetch", "stage raw", "refine", "stage refined", "land")


def ingest(home: str, days: int, began: Any) -> None:
    """What the tasks do, without their scheduler; tells when each phase begins, and when all is done."""
    from decot.experiment import ingest as core
    from decot.experiment.config import Experiment
    from decot.experiment.order import Order
    from decot.experiment.place import Place

    began.send(0)
    order = Order(home=home)
    experiment = Experiment.of(order)
    experiment = replace(experiment, world=replace(experiment.world, days=days, seconds_per_day=900))
    place = Place(home)
    tape = core.fetch(experiment, order)
    began.send(1)
    raw = place.stage(tape.symbol, core.raw_tables(tape))
    began.send(2)
    tables, _ = core.refine(experiment, place, tape.symbol, place.staged(raw))
    began.send(3)
    refined = place.stage(tape.symbol, tables)
    began.send(4)
    place.land(tape.symbol, {**raw, **refined})
    began.send(5)


def held(home: Path) -> dict[str, tuple[int, int, int, str]]:
    """Every table of the lake, its rows read and their digest computed again."""
    from decot.data.lake import Lake

    lake = Lake(home / "lake")
    refs = lake.refs()
    for ref in refs:
        lake.check(ref)
    return {ref.table: (ref.version, ref.rows, ref.columns, ref.digest) for ref in refs}


def kills(times: int, seed: int = 0, days: int = 2) -> dict[str, Any]:
    """Kill `times` times; how the lake compared with an uninterrupted one after each kill and at each end."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["great_expectations", "polars", "deltalake", "decot.experiment.ingest", "decot.experiment.place"]
    )
    rng, began = random.Random(seed), time.perf_counter()
    killed: Counter[str] = Counter()
    strange = halfway = 0
    ends: list[bool] = []
    with tempfile.TemporaryDirectory() as folder:
        whole, home = Path(folder) / "whole", Path(folder) / "killed"
        for alone in (Path(folder) / "first", whole):  # the first one also pays for what is compiled once
            lasts = _through(context, alone, days)
        want = held(whole)
        if set(want) != {"raw_trades", "raw_book", "headlines", "bars", "base"}:
            raise SystemExit(f"the uninterrupted ingest landed {sorted(want)}")
        while killed.total() < times:
            phase = rng.randrange(len(PHASES))
            if not _killed(context, home, days, phase, rng.uniform(0.0, lasts[phase])):
                continue
            killed[PHASES[phase]] += 1
            found = held(home)
            strange += any(want.get(name) != entry for name, entry in found.items())
            halfway += 0 < len(found) < len(want)
            if killed.total() % 10 == 0 or killed.total() == times or found == want:
                _through(context, home, days)
                ends.append(held(home) == want)
                shutil.rmtree(home)
    return {
        "kills": killed.total(),
        "kills_by_phase": dict(killed),
        "kills_between_tables": halfway,
        "ends": len(ends),
        "ends_equal": sum(ends),
        "strange_tables": strange,
        "seconds_alone": round(sum(lasts), 2),
        "seconds": round(time.perf_counter() - began, 1),
        "digests": {name: entry[3][:16] for name, entry in want.items()},
    }


def _start(context: Any, home: Path, days: int) -> tuple[Any, Any]:
    mine, theirs = context.Pipe()
    worker = context.Process(target=ingest, args=(str(home), days, theirs))
    worker.start()
    theirs.close()
    return worker, mine


def _through(context: Any, home: Path, days: int) -> list[float]:
    """Let it end; how long each phase took."""
    worker, says = _start(context, home, days)
    stamps = []
    for _ in range(len(PHASES) + 1):
        says.recv()
        stamps.append(time.perf_counter())
    worker.join()
    return [end - begin for begin, end in pairwise(stamps)]


def _killed(context: Any, home: Path, days: int, phase: int, delay_s: float) -> bool:
    """Kill it `delay_s` after a phase began; False when it had ended by then."""
    worker, says = _start(context, home, days)
    while says.recv() < phase:
        pass
    time.sleep(delay_s)
    is_alive = worker.is_alive()
    if is_alive:
        os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    return is_alive


def main() -> None:
    """The command."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--kills", type=int, default=100)
    ask.add_argument("--seed", type=int, default=0)
    ask.add_argument("--json", action="store_true")
    asked = ask.parse_args()
    figures = kills(asked.kills, asked.seed)
    met = figures["ends"] == figures["ends_equal"] and not figures["strange_tables"]
    result = {
        "name": "ingest",
        "ours": figures,
        "peers": {},
        "ratios": {},
        "targets": {"strange_tables": 0, "ends_equal": "all"},
        "met": bool(met and figures["kills"] >= asked.kills),
    }
    print(json.dumps(result) if asked.json else json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
