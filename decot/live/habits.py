"""How an agent usually reasons: the baseline its monitor compares with, and the scores both are measured in.

Knows words, forecasts and shares; watches nothing itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from decot.errors import CheckpointRefused, ConfigError
from decot.features.observation import OBSERVATION
from decot.live.drift import Bins
from decot.live.kinship import PAIR_NAMES, Kin
from decot.live.snapshot import write_whole
from decot.model.thoughts import Grounding
from decot.model.vocabulary import FORECASTS, N_QUESTIONS, NAMES, OUTLOOK, QUESTIONS

Array = npt.NDArray[np.float64]
Words = npt.NDArray[np.int8]
Level = Literal["normal", "reduce", "flat"]

READINGS = tuple(k for k, question in enumerate(QUESTIONS) if not question.is_forecast)
CHANNELS = ("chain", "contradiction", "heads", "conduct", "forecasts", "drift", "breadth", "frozen")
SCORES = (
    "chain",
    *(f"contradiction:{NAMES[k]}" for k in READINGS),
    *(f"heads:{name}" for name in PAIR_NAMES),
    "conduct",
    "forecasts",
    "accord",
)
OF_READINGS = slice(1, 1 + len(READINGS))
OF_HEADS = slice(OF_READINGS.stop, OF_READINGS.stop + len(PAIR_NAMES))
WATCHED = (*OBSERVATION, *FORECASTS)
"""what drift and frozen look at: the scaled observation, then the forecasts"""
FORECAST_10S = FORECASTS.index("future_return_10s")
FORECAST_5S = FORECASTS.index("future_return_5s")


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorConfig:
    """How fast it forgets, how often it may cry wolf, and what follows when it cries."""

    reduce_per_day: float = 1.0
    """false alarms per day of clean data that calibration aims at, all channels together"""
    flat_per_day: float = 0.1
    half_life: float = 120.0
    """bars over which the scores of words are averaged"""
    slow_half_life: float = 900.0
    """the same for conduct and forecasts, which say little at any one bar"""
    margin: float = 1.25
    """how much further out than estimated the bounds are put: a few hours tell little of other days"""
    drift_half_life: float = 900.0
    """bars over which histograms fade"""
    every: int = 20
    """bars between two looks at the histograms"""
    patience: int = 3_600
    """bars in reduce without a moment's relief before it becomes flat"""
    calm: int = 300
    """bars below every bound before reduce is lifted"""
    relief: float = 0.85
    """below means below this share of the bound"""
    is_latched: bool = True
    """flat stays until a person resets it; otherwise it is lifted like reduce"""
    skipped: tuple[str, ...] = ("hour_", "weekday_", "text_", "sentiment_", "news_", "context_")
    """beginnings of column names whose shares are no sign of anything: clocks, and news that are meant to be new"""

    def __post_init__(self) -> None:
        object.__setattr__(self, "skipped", tuple(self.skipped))
        low = [name for name in ("reduce_per_day", "flat_per_day", "half_life", "slow_half_life", "drift_half_life", "every")
               if getattr(self, name) <= 0]  # fmt: skip
        faults = [f"monitor.{name}: {getattr(self, name)} is not above 0" for name in low]
        if self.flat_per_day > self.reduce_per_day:
            faults.append(
                f"monitor.flat_per_day {self.flat_per_day} is above reduce_per_day {self.reduce_per_day}"
            )
        if faults:
            raise ConfigError(faults)


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """What was usual when the agent was made; lies as `monitor.json` beside its weights."""

    cfg: MonitorConfig
    clock_ms: int
    grounding: Grounding
    table: Array
    """(9, own word before + 2, word of the step before + 2, word + 2) surprise in nats; −1 and absent are places 0"""
    acts: Array
    """(position, outlook + 1, action) surprise of what is done, nats; positions and actions −1, 0, 1"""
    mean: Array
    """(S,) of each score on clean rows the agent was not taught on"""
    spread: Array
    """(S,)"""
    taught: Mapping[str, float]
    """rates and perplexity on training rows, for people"""
    bins: Bins
    usual_psi: Array
    """(C,) what each column's PSI reaches on clean rows"""
    longest_run: Array
    """(W,) bars each watched column may stand still; +inf where it often does"""
    forecast: tuple[float, float, float, float, float]
    """mean and spread of the 10 s forecast, spread of what then happens, mean and spread of the 5 s forecast"""
    kin: Kin
    """what each forecast makes of the columns"""
    bounds: Mapping[str, tuple[float, float]]
    """channel → (reduce, flat)"""

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        run = [float(x) if np.isfinite(x) else None for x in self.longest_run]
        return {
            "cfg": asdict(self.cfg) | {"skipped": list(self.cfg.skipped)},
            "clock_ms": self.clock_ms,
            "grounding": self.grounding.to_json(),
            "table": np.round(self.table, 5).tolist(),
            "acts": np.round(self.acts, 5).tolist(),
            "mean": self.mean.tolist(),
            "spread": self.spread.tolist(),
            "taught": dict(self.taught),
            "bins": self.bins.to_json(),
            "usual_psi": self.usual_psi.tolist(),
            "longest_run": run,
            "forecast": list(self.forecast),
            "kin": self.kin.to_json(),
            "bounds": {name: list(pair) for name, pair in self.bounds.items()},
        }

    @classmethod
    def from_json(cls, whole: Mapping[str, Any]) -> Baseline:
        """The same baseline back."""
        ten, ten_spread, ahead, five, five_spread = whole["forecast"]
        return cls(
            cfg=MonitorConfig(**whole["cfg"]),
            clock_ms=int(whole["clock_ms"]),
            grounding=Grounding.from_json(whole["grounding"]),
            table=np.array(whole["table"], np.float64),
            acts=np.array(whole["acts"], np.float64),
            mean=np.array(whole["mean"], np.float64),
            spread=np.array(whole["spread"], np.float64),
            taught=dict(whole["taught"]),
            bins=Bins.from_json(whole["bins"]),
            usual_psi=np.array(whole["usual_psi"], np.float64),
            longest_run=np.array([np.inf if x is None else x for x in whole["longest_run"]], np.float64),
            forecast=(ten, ten_spread, ahead, five, five_spread),
            kin=Kin.from_json(whole["kin"]),
            bounds={name: (float(low), float(high)) for name, (low, high) in whole["bounds"].items()},
        )

    def save(self, path: Path) -> Path:
        """Write it, whole or not at all."""
        write_whole(path, json.dumps(self.to_json()) + "\n")
        return path

    @classmethod
    def open(cls, path: Path) -> Baseline:
        """Read it; CheckpointRefused when it is absent or not a baseline."""
        if not path.is_file():
            raise CheckpointRefused(
                f"{path.name} is not beside this artefact; fit the monitor (see docs/live.md)"
            )
        try:
            return cls.from_json(json.loads(path.read_text()))
        except (ValueError, KeyError, TypeError) as broken:
            raise CheckpointRefused(
                f"{path.name} is no baseline of a monitor ({broken!r}); fit it again"
            ) from broken


def surprise(table: Array, before: Words, words: Words) -> Array:
    """Mean surprise per asked word, nats: (…,) from words (…, 9) and those of the bar before."""
    neighbour = np.concatenate([np.full((*words.shape[:-1], 1), -2, np.int8), words[..., :-1]], axis=-1)
    nats = table[np.arange(N_QUESTIONS), before + 2, neighbour + 2, words + 2]
    asked = words >= 0
    return np.asarray((nats * asked).sum(-1) / np.maximum(1, asked.sum(-1)), np.float64)


def contradictions(said: Words, grounded: Words, told: Words | None = None) -> Array:
    """(…, readings) 1 where a reading says other than its columns; not where it was not asked, or was told what to say."""
    mine = said[..., READINGS] >= 0
    if told is not None:
        mine = mine & (told[..., READINGS] < 0)
    return np.asarray((said[..., READINGS] != grounded[..., READINGS]) & mine, np.float64)


def misconduct(acts: Array, words: Words, position: Any, action: Any) -> Array:
    """Surprise of the action, nats: (…,) from words (…, 9), the position held and the target; see `Baseline.acts`."""
    return np.asarray(
        acts[np.asarray(position) + 1, words[..., OUTLOOK] + 1, np.asarray(action) + 1], np.float64
    )


def discord(forecasts: npt.NDArray[np.float32], usual: tuple[float, ...]) -> Array:
    """(…,) minus the product of the 5 s and the 10 s forecast, each in its usual spread: low while they agree."""
    ten, ten_spread, _, five, five_spread = usual
    x = (forecasts[..., FORECAST_10S].astype(np.float64) - ten) / ten_spread
    y = (forecasts[..., FORECAST_5S].astype(np.float64) - five) / five_spread
    return np.asarray(-np.clip(x * y, -4.0, 4.0), np.float64)


def weights_of(cfg: MonitorConfig) -> Array:
    """(S,) what one bar counts for in the running mean of each score."""
    lives = np.full(len(SCORES), cfg.half_life)
    lives[-3:] = cfg.slow_half_life
    return np.asarray(1.0 - 0.5 ** (1.0 / lives), np.float64)
