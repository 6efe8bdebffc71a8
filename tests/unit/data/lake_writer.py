"""A process that fills a lake, to be killed: argv = root, prefix of the symbols, rows a day, days."""

from __future__ import annotations

import sys

import numpy as np
import polars as pl

from decot.data.lake import Lake

DAY_MS = 86_400_000


def day_frame(symbol: str, day: int, rows: int) -> pl.DataFrame:
    """One day's rows, the same for the same arguments."""
    rng = np.random.default_rng([*symbol.encode(), day])
    stamps = day * DAY_MS + np.arange(rows) * 1_000
    return pl.DataFrame({"timestamp": stamps, **{f"x{k}": rng.random(rows) for k in range(8)}})


def fill(root: str, prefix: str, rows: int, days: int) -> None:
    """Two symbols, day by day, then a second table of each whole: what an ingest does."""
    lake = Lake(root)
    for symbol in (f"{prefix}-1", f"{prefix}-2"):
        frames = [day_frame(symbol, day, rows) for day in range(20_000, 20_000 + days)]
        for frame in frames:
            ref = lake.put("base", frame, symbol=symbol, keep_other_days=True)
        lake.put("features", pl.concat(frames), symbol=symbol, sources=[ref])


if __name__ == "__main__":
    print("ready", flush=True)
    fill(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    print("done", flush=True)
