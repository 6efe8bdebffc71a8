"""Anomalies planted in a stretch of bars: flash crash, gap, spread blow-out, stale feed. Knows bars, no agent.

They are planted in the bars, not in the tape, so that the features and the fills see the same event; whoever drills an agent
builds its features from these bars anew and lets it decide on what it would have seen.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
from numpy.typing import NDArray

_PRICES = ("open", "high", "low", "close", "price", "vwap", "bid_price", "ask_price")
CRASH_BPS, GAP_BPS, SPREAD_BPS = 500.0, 300.0, 100.0
"""how deep, how far, how wide"""


def flash_crash(bars: pl.DataFrame, at: int) -> pl.DataFrame:
    """Down 5 % over 5 bars, back to where it was over the next 20."""
    depth = np.zeros(bars.height)
    down, up = min(5, bars.height - at), min(25, bars.height - at)
    depth[at : at + down] = np.linspace(CRASH_BPS / 5, CRASH_BPS, 5)[:down]
    depth[at + down : at + up] = np.linspace(CRASH_BPS * 0.95, 0.0, 20)[: up - down]
    return _scaled(bars, 1.0 - depth * 1e-4)


def gap(bars: pl.DataFrame, at: int) -> pl.DataFrame:
    """From one bar to the next everything is 3 % lower, and stays there."""
    return _scaled(bars, np.where(np.arange(bars.height) >= at, 1.0 - GAP_BPS * 1e-4, 1.0))


def gap_up(bars: pl.DataFrame, at: int) -> pl.DataFrame:
    """From one bar to the next everything is 3 % higher, and stays there."""
    return _scaled(bars, np.where(np.arange(bars.height) >= at, 1.0 + GAP_BPS * 1e-4, 1.0))


def spread_blow_out(bars: pl.DataFrame, at: int) -> pl.DataFrame:
    """For 60 bars the touch stands 1 % apart around the same mid, with a hundredth of the quantity."""
    wide = _between(bars.height, at, at + 60)
    mid = (bars["bid_price"].to_numpy() + bars["ask_price"].to_numpy()) / 2
    half = mid * SPREAD_BPS * 1e-4 / 2
    out = bars.with_columns(
        pl.Series("bid_price", np.where(wide, mid - half, bars["bid_price"].to_numpy())),
        pl.Series("ask_price", np.where(wide, mid + half, bars["ask_price"].to_numpy())),
    )
    sizes = [name for name in bars.columns if name.startswith(("bid_volume", "ask_volume"))]
    return out.with_columns(
        pl.Series(name, np.where(wide, bars[name].to_numpy() * 0.01, bars[name].to_numpy())) for name in sizes
    )


def stale_feed(bars: pl.DataFrame, at: int) -> pl.DataFrame:
    """For 120 bars nothing is heard: the book is carried, no trade is printed, staleness grows; then it jumps to now."""
    silent = _between(bars.height, at, at + 120)
    start = max(at - 1, 0)
    out = bars
    for name in _PRICES + tuple(n for n in bars.columns if n.startswith(("bid_volume", "ask_volume"))):
        if name not in bars.columns:
            continue
        held = bars["close"][start] if name in ("open", "high", "low", "vwap") else bars[name][start]
        out = out.with_columns(pl.Series(name, np.where(silent, held, bars[name].to_numpy())))
    for name in ("volume", "buy_volume", "sell_volume", "ofi", "n_trades"):
        if name in bars.columns:
            column = bars[name].to_numpy()
            out = out.with_columns(pl.Series(name, np.where(silent, 0, column).astype(column.dtype)))
    if "stale_ms" in bars.columns:
        waited = bars["timestamp"].to_numpy() - bars["timestamp"][start]
        out = out.with_columns(
            pl.Series("stale_ms", np.where(silent, waited.astype(float), bars["stale_ms"].to_numpy()))
        )
    return out


DRILLS: dict[str, Callable[[pl.DataFrame, int], pl.DataFrame]] = {
    "flash_crash": flash_crash,
    "gap_down": gap,
    "gap_up": gap_up,
    "spread_blow_out": spread_blow_out,
    "stale_feed": stale_feed,
}


def drill_bars(bars: pl.DataFrame, name: str, at: int | None = None) -> pl.DataFrame:
    """The same bars with the anomaly `name` at row `at` (default: the middle); same rows, same columns."""
    return DRILLS[name](bars, bars.height // 2 if at is None else at)


def _scaled(bars: pl.DataFrame, factor: NDArray[np.float64]) -> pl.DataFrame:
    return bars.with_columns(
        pl.Series(name, bars[name].to_numpy() * factor) for name in _PRICES if name in bars.columns
    )


def _between(n: int, start: int, stop: int) -> NDArray[np.bool_]:
    rows = np.arange(n)
    return (rows >= start) & (rows < stop)
