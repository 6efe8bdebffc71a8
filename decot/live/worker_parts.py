"""The pieces a worker is made of: its settings, how it ends, how long its stages take. Knows no feed and no hand."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from decot.live.reconcile import Flat
from decot.live.snapshot import State

Array = npt.NDArray[np.float64]
STAGES = ("bar", "read", "decide", "order")
N_TIMED = 4_096


class MindLike(Protocol):
    """A `live.mind.Mind`, or a stand-in for drills."""

    def read(self, timestamp_ms: int, bar_row: Array) -> Array: ...
    def decide(self, row: Array, position: int) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerConfig:
    """How a session runs."""

    session: str
    symbol: str
    mode: str = "paper"
    venue: str = ""
    clock_ms: int = 1_000
    latency_ms: float = 300.0
    """paper: from a decision to the book"""
    warm_bars: int = 0
    """bars seen before the first decision may act, counted from the first bar of the past"""
    max_bars: int = 0
    """end after so many; 0 runs until it is stopped"""
    quiet_s: float = 0.0
    """end after so long without any quote; 0 never does (a replayed tape has an end, a market has none)"""
    reconcile_s: float = 30.0
    show_s: float = 0.5
    watch_s: float = 0.01
    """how often switch, feed and hand are looked at"""


@dataclass(slots=True)
class Ended:
    """How a session ended."""

    state: State
    why: str
    flat: Flat | None = None
    stop_s: float = math.nan
    """from the moment the reason was seen to flat and confirmed"""
    n_bars: int = 0


@dataclass(slots=True)
class Timings:
    """The last latencies of each stage, µs."""

    kept: dict[str, deque[float]] = field(
        default_factory=lambda: {stage: deque(maxlen=N_TIMED) for stage in STAGES}
    )

    def add(self, stage: str, us: float) -> None:
        self.kept[stage].append(us)

    def told(self) -> dict[str, tuple[float, float]]:
        """stage → (p50, p99)"""
        return {
            stage: (float(np.percentile(seen, 50)), float(np.percentile(seen, 99)))
            for stage, seen in self.kept.items()
            if seen
        }


def allowed(wanted: int, held: int, state: State) -> int:
    """The target the limits let through: anything, or nothing new, or nothing."""
    if state == "running" or (state == "reduced" and wanted == held):
        return wanted
    return 0
