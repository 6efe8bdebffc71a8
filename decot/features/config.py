"""The choices behind the columns, and their form as one array for the kernel. Knows no formula."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from decot.errors import ConfigError
from decot.features import layout as at


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureConfig:
    clock_ms: int = 1_000
    """length of a bar; targets convert their seconds with it"""
    gap_bars: int = 600
    """a hole in time longer than this many bars starts every window anew"""
    spike_sigmas: float = 2.0
    """a volume spike is this many standard deviations above the mean of the 60 bars before"""
    reversal_low: float = 30.0
    """RSI rising back through this is a reversal upward"""
    reversal_high: float = 70.0
    """RSI falling back through this is a reversal downward"""
    trend_adx: float = 20.0
    """below this ADX there is no trend to have a direction"""
    vpin_bucket_bars: float = 10.0
    """size of a VPIN bucket, in bars of mean volume"""
    order_notional: float = 20.0
    """quote currency of the order whose slippage is estimated"""
    signal_threshold_bps: float = 1.0
    """a 10-second move beyond this makes `future_signal` ±1"""
    round_trip_cost_bps: float = 2.0
    """what `target_profit` subtracts from the size of the 10-second move"""

    def __post_init__(self) -> None:
        faults = []
        if self.clock_ms < 1 or self.clock_ms > 3_600_000:
            faults.append(f"features.clock_ms is {self.clock_ms}; it must be between 1 and 3,600,000")
        if not 0 < self.reversal_low < self.reversal_high < 100:
            faults.append(
                f"features.reversal_low {self.reversal_low:g} and reversal_high {self.reversal_high:g} "
                "must satisfy 0 < low < high < 100"
            )
        for name in ("gap_bars", "spike_sigmas", "vpin_bucket_bars", "order_notional"):
            if not getattr(self, name) > 0:
                faults.append(f"features.{name} is {getattr(self, name):g}; it must be above 0")
        for name in ("trend_adx", "signal_threshold_bps", "round_trip_cost_bps"):
            if not getattr(self, name) >= 0:
                faults.append(f"features.{name} is {getattr(self, name):g}; it must not be negative")
        if faults:
            raise ConfigError(faults)


def parameters(cfg: FeatureConfig) -> np.ndarray:
    """The choices and the calendar tables as the kernel reads them: float64, read-only."""
    p = np.zeros(at.PARAM_CELLS)
    p[at.P_GAP_MS] = cfg.gap_bars * cfg.clock_ms
    p[at.P_SPIKE] = cfg.spike_sigmas
    p[at.P_LOW_RSI], p[at.P_HIGH_RSI] = cfg.reversal_low, cfg.reversal_high
    p[at.P_TREND_ADX] = cfg.trend_adx
    p[at.P_BUCKET_BARS] = cfg.vpin_bucket_bars
    p[at.P_NOTIONAL] = cfg.order_notional
    for base, steps in ((at.P_DAY, 1_440), (at.P_HOUR, 3_600), (at.P_WEEK, 168)):
        for k in range(steps):
            angle = 2 * math.pi * k / steps
            p[base + k], p[base + steps + k] = math.sin(angle), math.cos(angle)
    p.setflags(write=False)
    return p
