"""Ingest killed with −9 at random moments: does the lake end as if nothing had happened, digest for digest.

    python -m benchmarks.ingest --kills 100 --json

A worker fetches a small made-up world, stages, refines and lands it; it is killed at a random moment and started again,
until it gets through. After every kill the lake may hold fewer tables than it should, never other ones.
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
from dataclasses import replace
from pathlib import Path
from typing import Any


def ingest(home: str, days: int) -> None:
    """What the tasks do, without their scheduler."""
    from decot.experiment import ingest as core
    from decot.experiment.config import Experiment
    from decot.experiment.order import Order
    from decot.experiment.place import Place

    order = Order(home=home)
    experiment = Experiment.of(order)
    experiment = replace(experiment, world=replace(experiment.world, days=days, seconds_per_day=900))
    place = Place(home)
    tape = core.fetch(experiment, order)
    raw = place.stage(tape.symbol, core.raw_tables(tape))
    tables, _ = core.refine(experiment, place, tape.symbol, place.staged(raw))
    place.land(tape.symbol, {**raw, **place.stage(tape.symbol, tables)})


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
    killed = strange = halfway = 0
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole"
        for home in (Path(folder) / "first", whole):  # the first one also pays for what is compiled once
            alone = time.perf_counter()
            _run(context, home, days).join()
            alone = time.perf_counter() - alone
        want, home, through = held(whole), Path(folder) / "killed", []
        if set(want) != {"raw_trades", "raw_book", "headlines", "bars", "base"}:
            raise SystemExit(f"the uninterrupted ingest landed {sorted(want)}")
        while killed < times or not through:
            worker = _run(context, home, days)
            worker.join(rng.uniform(0.0, alone * 1.02) if killed < times else None)
            if worker.is_alive():
                os.kill(worker.pid, signal.SIGKILL)
                killed += 1
            worker.join()
            found = held(home)
            strange += any(want.get(name) != entry for name, entry in found.items())
            halfway += 0 < len(found) < len(want)
            if worker.exitcode == 0:
                through.append(found == want)
                shutil.rmtree(home)
    return {
        "kills": killed,
        "kills_between_tables": halfway,
        "ends": len(through),
        "ends_equal": sum(through),
        "strange_tables": strange,
        "seconds_alone": round(alone, 2),
        "seconds": round(time.perf_counter() - began, 1),
        "digests": {name: entry[3][:16] for name, entry in want.items()},
    }


def _run(context: Any, home: Path, days: int) -> Any:
    worker = context.Process(target=ingest, args=(str(home), days))
    worker.start()
    return worker


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
