"""A whole frame of bars through the kernel. Knows frames; knows no formula."""

from __future__ import annotations

import numpy as np
import polars as pl

from decot.errors import TableRefused
from decot.features.kernel import (
    BAR_INPUTS,
    N_IN,
    OUT_NAMES,
    FeatureConfig,
    fresh_state,
    parameters,
    run,
    ten_columns,
)
from schemas.columns import INDICATORS

CHUNK = 16_384
"""rows gathered at a time: 21 columns of them stay in the second-level cache"""


def compute(
    bars: pl.DataFrame,
    cfg: FeatureConfig | None = None,
    *,
    state: np.ndarray | None = None,
    n_columns: int = len(OUT_NAMES),
) -> np.ndarray:
    """The kernel's columns for every bar.

    Args:
        bars: the `bars` table (contract of `data.bars`), sorted by time.
        state: where to start from and what to leave behind, changed in place; fresh by default.
        n_columns: only the first so many of `OUT_NAMES` (28 makes the base table).
    Returns:
        (T, n_columns) float64, column by column in memory; finite from row 0.
    Raises:
        TableRefused: a column is missing, a value is not finite, a price is not above 0, or time does not increase.
    """
    cfg = cfg or FeatureConfig()
    missing = [name for name in ("timestamp", *BAR_INPUTS) if name not in bars.columns]
    if missing:
        raise TableRefused("bars", [f"column {name} is missing; build it with data.bars" for name in missing])
    rows = bars.height
    ms = np.ascontiguousarray(bars["timestamp"].cast(pl.Int64).to_numpy())
    series = [bars[name].cast(pl.Float64).to_numpy() for name in BAR_INPUTS]
    faults = _faults(ms, series)
    if faults:
        raise TableRefused("bars", faults)

    state = fresh_state() if state is None else state
    params = parameters(cfg)
    columns = np.empty((n_columns, rows))
    for start in range(0, rows, CHUNK):
        stop = min(start + CHUNK, rows)
        block = np.empty((N_IN, stop - start))
        for k, values in enumerate(series):
            block[k] = values[start:stop]
        run(state, params, ms[start:stop], block, columns, start)
    return columns.T


def indicators(bars: pl.DataFrame, out: np.ndarray | None = None) -> np.ndarray:
    """The ten indicators alone, (T, 10), by the very code that fills the base table. Needs high, low and close only.

    Args:
        out: (10, ≥ T) float64 to write into, for who goes through many days; a new array by default.
    """
    high, low, close = (bars[name].cast(pl.Float64).to_numpy() for name in ("high", "low", "close"))
    columns = np.empty((len(INDICATORS), bars.height)) if out is None else out[:, : bars.height]
    ten_columns(fresh_state(), high, low, close, columns)
    return columns.T


def _faults(ms: np.ndarray, series: list[np.ndarray]) -> list[str]:
    found = []
    late = np.flatnonzero(np.diff(ms) <= 0)
    if late.size:
        found.append(f"timestamp, row {late[0] + 1}: not after the bar before; sort the bars")
    for name, values in zip(BAR_INPUTS, series):
        priced = name in ("open", "high", "low", "close", "price", "bid_price", "ask_price")
        if np.isfinite(values.sum()) and not (priced and len(values) and values.min() <= 0):
            continue
        bad = np.flatnonzero(~np.isfinite(values))
        if bad.size:
            found.append(f"{name}, row {bad[0]}: {values[bad[0]]} is not a number; fill it in data.bars")
        elif priced and (low := np.flatnonzero(values <= 0)).size:
            found.append(f"{name}, row {low[0]}: {values[low[0]]} is not above 0; refuse that tape")
    return found
