"""What it costs to check a million rows: the door (pandera) and the day (Great Expectations), in time and memory.

    python -m benchmarks.validate [--json] [--rows 1000000]

One made 41-column table that obeys every law. Ours: `doors.admit`, which checks every fact of the schema on every row, and
`checks.plausible`, which judges the day's figures and its touch. Peer: the same column facts (names, nulls, ranges, order of
time) as row-wise expectations of Great Expectations, in pandas. Every part runs in a process of its own, so that peak memory
is its own; `poisoned` is the time to refuse the same table with one bad cell in each column: values were really looked at.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

import numpy as np
import polars as pl

from decot.data.checks import DayLimits, plausible
from decot.data.doors import admit
from decot.errors import TableRefused
from schemas.columns import BASE_COLUMNS, dtype_of
from schemas.tables import BaseTable

TARGETS = {"admit_s": 5.0, "admit_peak_mb": 2_000.0, "plausible_s": 15.0, "great-expectations": 3.0}
PARTS = ("admit", "poisoned", "plausible", "great-expectations")


def made_table(rows: int) -> pl.DataFrame:
    """A lawful base table: one bar a second, a walking mid, everything else in its range."""
    rng = np.random.default_rng(0)
    mid = 90_000 * np.exp(np.cumsum(1e-5 * rng.standard_normal(rows)))
    data: dict[str, Any] = {name: rng.random(rows) for name in BASE_COLUMNS}
    data["timestamp"] = 1_767_571_200_000 + 1_000 * np.arange(1, rows + 1)
    prices = ("price", "open", "close", "ema_9", "ema_21", "sma_50")
    data.update(dict.fromkeys(prices, mid))
    data.update({"high": mid + 1, "low": mid - 1, "bid_price": mid - 0.5, "ask_price": mid + 0.5})
    data.update({"bollinger_upper": mid + 9, "bollinger_lower": mid - 9, "rsi_14": 100 * data["adx"]})
    data["spread"] = data["ask_price"] - data["bid_price"]
    bids, asks = data["bid_volume"], data["ask_volume"]
    data["order_imbalance"] = (bids - asks) / (bids + asks)
    data.update({name: 1e-4 * data[name] for name in ("future_return_5s", "future_return_10s")})
    data["future_max_dd"] = -1e-4 * data["future_max_dd"]
    data["entry_price"] = np.zeros(rows)
    whole = [name for name in BASE_COLUMNS if dtype_of(name) == pl.Int8()]
    data.update({name: np.zeros(rows, np.int8) for name in whole})
    return pl.DataFrame({name: data[name] for name in BASE_COLUMNS})


def poisoned(frame: pl.DataFrame) -> pl.DataFrame:
    """One impossible value in each column but the clock, each in another row, the clock going back once."""
    changes = []
    for row, (name, dtype) in enumerate(frame.schema.items()):
        bad = 1 if name == "timestamp" else 99 if dtype == pl.Int8() else float("nan")
        at = pl.int_range(pl.len()) == frame.height - 2 * row - 2
        changes.append(pl.when(at).then(pl.lit(bad, dtype=dtype)).otherwise(pl.col(name)).alias(name))
    return frame.with_columns(changes)


def expectations(frame: pl.DataFrame, folder: Path) -> Callable[[], bool]:
    """The column facts of the schema as a Great Expectations checkpoint over a pandas frame."""
    import great_expectations as gx
    import pandas as pd

    project = gx.get_context(mode="file", project_root_dir=str(folder))
    project.variables.progress_bars = {"globally": False}
    asset = project.data_sources.add_pandas("memory").add_dataframe_asset("base")
    batch = asset.add_batch_definition_whole_dataframe("all")
    expect = gx.expectations
    wanted: list[Any] = [expect.ExpectTableColumnsToMatchOrderedList(column_list=list(BASE_COLUMNS))]
    for name in BASE_COLUMNS:
        wanted.append(expect.ExpectColumnValuesToNotBeNull(column=name))
        low, high = float(frame[name].min()), float(frame[name].max())  # type: ignore[arg-type]
        wanted.append(expect.ExpectColumnValuesToBeBetween(column=name, min_value=low, max_value=high))
    wanted.append(expect.ExpectColumnValuesToBeIncreasing(column="timestamp", strictly=True))
    wanted.append(
        expect.ExpectColumnPairValuesAToBeGreaterThanB(
            column_A="ask_price", column_B="bid_price", or_equal=True
        )
    )
    suite = project.suites.add(gx.ExpectationSuite(name="base", expectations=wanted))
    check = project.validation_definitions.add(gx.ValidationDefinition(name="base", data=batch, suite=suite))
    point = project.checkpoints.add(
        gx.Checkpoint(name="base", validation_definitions=[check], result_format="SUMMARY")
    )
    table = pd.DataFrame({column.name: column.to_numpy() for column in frame})
    return lambda: bool(point.run(batch_parameters={"dataframe": table}).success)


def peak_mb() -> float:
    """Largest resident memory since `forget_peak`, in MB."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1_024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024


def forget_peak() -> None:
    """Start counting peak memory anew, where the system can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def prepare(part: str, frame: pl.DataFrame, folder: Path) -> Callable[[], Any]:
    """What is to be measured, warmed up on few rows where it compiles or imports something."""
    few = frame.head(2_000)
    if part == "admit":
        admit(few, BaseTable, "warm-up")
        return lambda: admit(frame, BaseTable, "benchmark").height == frame.height
    if part == "poisoned":
        bad = poisoned(frame)
        return lambda: _refusals(bad) == len(BASE_COLUMNS)
    if part == "plausible":
        limits = DayLimits(zero_volume_share=1.0)
        plausible(few, docs_dir=folder / "warm", limits=limits)
        return lambda: plausible(frame, docs_dir=folder / "docs", limits=limits).success
    return expectations(frame, folder)


def run_part(part: str, rows: int) -> dict[str, float]:
    """One measurement in this process: seconds, CPU seconds, peak memory of it and above the table's own."""
    frame = made_table(rows)
    with tempfile.TemporaryDirectory() as folder:
        before = time.perf_counter()
        work = prepare(part, frame, Path(folder))
        first = time.perf_counter() - before
        forget_peak()
        start_mb, wall, cpu = peak_mb(), time.perf_counter(), time.process_time()
        ok = work()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    done = {"s": wall, "cpu_s": cpu, "peak_mb": peak_mb(), "peak_above_table_mb": peak_mb() - start_mb}
    if part == "plausible":
        done["first_call_with_import_s"] = first
    return {**{name: round(value, 3) for name, value in done.items()}, "ok": float(ok)}


def _refusals(bad: pl.DataFrame) -> int:
    """How many columns of the poisoned table the door names."""
    try:
        admit(bad, BaseTable, "benchmark")
    except TableRefused as refused:
        return sum(any(fault.startswith(f"{name}, row") for fault in refused.faults) for name in BASE_COLUMNS)
    return 0


def measure(rows: int) -> dict[str, Any]:
    """Every part in its own process; the peer is skipped by name when it is not installed."""
    found: dict[str, dict[str, float]] = {}
    for part in PARTS:
        print(f"{part}: {rows:,} rows …", file=sys.stderr, flush=True)
        command = [sys.executable, "-m", "benchmarks.validate", "--part", part, "--rows", str(rows)]
        ran = subprocess.run(command, capture_output=True, text=True)
        if ran.returncode:
            last = (ran.stderr.strip().splitlines() or ["no message"])[-1]
            print(f"{part}: skipped, {last}", file=sys.stderr)
            continue
        found[part] = json.loads(ran.stdout.strip().splitlines()[-1])
    ours: dict[str, float] = {"rows": float(rows)}
    for part in ("admit", "poisoned", "plausible"):
        ours.update({f"{part}_{name}": value for name, value in found.get(part, {}).items()})
    peer = found.get("great-expectations")
    ratios = {"great-expectations": round(peer["s"] / ours["admit_s"], 2)} if peer else {}
    met = all(ours.get(name, float("inf")) <= bound for name, bound in TARGETS.items() if name in ours)
    met = met and all(ours.get(f"{part}_ok") == 1.0 for part in ("admit", "poisoned", "plausible"))
    met = met and all(ratios[name] >= TARGETS[name] for name in ratios)
    return {
        "name": "validate",
        "ours": ours,
        "peers": {"great-expectations": peer} if peer else {},
        "ratios": ratios,
        "targets": TARGETS,
        "met": met,
    }


def main() -> None:
    words = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    words.add_argument("--json", action="store_true", help="only one JSON object on the last line of stdout")
    words.add_argument("--rows", type=int, default=1_000_000)
    words.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    args = words.parse_args()
    if args.part:
        print(json.dumps(run_part(args.part, args.rows)))
        return
    result = measure(args.rows)
    if not args.json:
        for name, value in {
            **result["ours"],
            **{f"peer {k} s": v["s"] for k, v in result["peers"].items()},
        }.items():
            print(f"{name:>40}  {value:,.3f}")
        print(f"{'met':>40}  {result['met']}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
