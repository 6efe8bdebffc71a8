"""What happens next: the five columns that look ahead. The only file in this room that may read a later row.

future_return_5s, future_return_10s — ln(mid[t + h] / mid[t]), h in bars of the clock, at least 1.
future_signal — sign of the 10-second return where it is beyond the threshold, else 0.
future_max_dd — the worst log move of a long held from t over 10 seconds, ≤ 0.
target_profit — max(|10-second return| − round-trip cost, 0), log units.
Where the tape (or a stretch without holes) ends sooner, its last mid stands in for the missing one; the last row has zeros.
"""

from __future__ import annotations

import numpy as np

from decot.features.config import FeatureConfig


def horizon_bars(seconds: float, clock_ms: int) -> int:
    """Seconds in bars of the clock, rounded, at least 1."""
    return max(1, round(seconds * 1_000 / clock_ms))


def targets(
    mid: np.ndarray, clock_ms: int, cfg: FeatureConfig, timestamp: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """The five target columns.

    Args:
        mid: (T,) mid price at the end of each bar.
        timestamp: (T,) ms; given, no horizon reaches across a hole longer than `cfg.gap_bars` bars.
    Returns:
        float64 arrays (T,), `future_signal` int8.
    """
    log = np.log(np.asarray(mid, float))
    starts = [0]
    if timestamp is not None and len(log):
        starts += list(np.flatnonzero(np.diff(timestamp) > cfg.gap_bars * clock_ms) + 1)
    near, far = horizon_bars(5, clock_ms), horizon_bars(10, clock_ms)
    five, ten, worst = np.zeros_like(log), np.zeros_like(log), np.zeros_like(log)
    for start, stop in zip(starts, [*starts[1:], len(log)]):
        part = log[start:stop]
        five[start:stop] = _ahead(part, near) - part
        ten[start:stop] = _ahead(part, far) - part
        worst[start:stop] = np.minimum(_lowest_ahead(part, far) - part, 0.0)
    beyond = np.abs(ten) > cfg.signal_threshold_bps * 1e-4
    return {
        "future_return_5s": five,
        "future_return_10s": ten,
        "future_signal": np.where(beyond, np.sign(ten), 0).astype(np.int8),
        "future_max_dd": worst,
        "target_profit": np.maximum(np.abs(ten) - cfg.round_trip_cost_bps * 1e-4, 0.0),
    }


def _ahead(log: np.ndarray, bars: int) -> np.ndarray:
    """The value so many bars later, or the last one."""
    return log[np.minimum(np.arange(len(log)) + bars, len(log) - 1)]


def _lowest_ahead(log: np.ndarray, bars: int) -> np.ndarray:
    """The lowest value from this row to so many bars later: minima over 1, 2, 4 … rows, then two that overlap."""
    lowest, span = log.copy(), 1
    while span * 2 <= bars + 1:
        lowest = np.minimum(lowest, _ahead(lowest, span))
        span *= 2
    return np.minimum(lowest, _ahead(lowest, bars + 1 - span))
