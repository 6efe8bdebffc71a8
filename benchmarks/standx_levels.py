"""What the 20 recorded levels of 06 add to the sums of 5 and 20: where in the book the size stands. Knows no agent.

Every column changes its sign when the sides are swapped, so the mirror of a row is its negative. 07 has no levels.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

FILE = "l2_20_2026-01-06.parquet"
TOPS = (1, 2, 3, 10)
"""imbalance of the first so many levels"""
DECAYS_BPS = (0.3, 1.0, 3.0)
"""imbalance of sizes that weigh e^(−distance from the mid / this)"""
REACH_BTC = 2.0
"""how far, in bps, a side must be walked to fill this much, ask against bid"""
NAMES = (
    *(f"top_{k}" for k in TOPS),
    *(f"near_{d:g}" for d in DECAYS_BPS),
    "reach",
    *(f"near_{d:g}_mean_30" for d in DECAYS_BPS),
)


def level_inputs(folder: Path, ends_ms: np.ndarray) -> np.ndarray:
    """(T, 11) columns `NAMES`, each in about −1…1, of the last ladder received by each bar's end."""
    frame = pl.read_parquet(folder / FILE).sort("recv_us", maintain_order=True)
    at = np.searchsorted(frame["recv_us"].to_numpy(), ends_ms * 1_000, side="right") - 1
    seen = frame[np.maximum(at, 0)]
    bid, bid_qty, ask, ask_qty = (
        np.stack(seen[name].to_numpy()).astype(np.float64)
        for name in ("bid_px_x10", "bid_qty_x1e4", "ask_px_x10", "ask_qty_x1e4")
    )
    mid = (bid[:, :1] + ask[:, :1]) / 2
    below, above = (mid - bid) / mid * 1e4, (ask - mid) / mid * 1e4
    near = [
        _lean((bid_qty * np.exp(-below / d)).sum(1), (ask_qty * np.exp(-above / d)).sum(1))
        for d in DECAYS_BPS
    ]
    columns = [_lean(bid_qty[:, :k].sum(1), ask_qty[:, :k].sum(1)) for k in TOPS]
    columns += [
        *near,
        _lean(_reach(above, ask_qty), _reach(below, bid_qty)),
        *(_trailing(x, 30) for x in near),
    ]
    found = np.stack(columns, 1)
    found[at < 0] = 0
    return found


def _lean(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.asarray((x - y) / np.maximum(x + y, 1e-12))


def _reach(distance: np.ndarray, quantity: np.ndarray) -> np.ndarray:
    """(T,) distance at which a side has given `REACH_BTC`; its last level where it never does."""
    enough = np.cumsum(quantity, 1) >= REACH_BTC * 1e4
    first = np.where(enough.any(1), enough.argmax(1), quantity.shape[1] - 1)
    return np.asarray(np.maximum(distance[np.arange(len(first)), first], 0) + 1e-3)


def _trailing(x: np.ndarray, window: int) -> np.ndarray:
    total = np.concatenate([[0.0], np.cumsum(x)])
    rows = np.arange(1, len(x) + 1)
    start = np.maximum(rows - window, 0)
    return np.asarray((total[rows] - total[start]) / (rows - start))
