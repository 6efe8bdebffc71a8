"""Does the agent still reason as it did in training? Reduce when it no longer does, then go flat.

Seven channels, each O(1) per tick, each one number against two bounds that were calibrated on clean data:
  chain       surprise of the nine words, given those before them, against a table counted on training words
  contradiction  how often a reading says other than its own columns do, worst question, against its usual rate
  conduct     acting otherwise than it used to at this position with this outlook stated: against its own outlook
  forecasts   the 10 s forecast times what then happened: its realised accuracy; and times the 5 s one: their accord
  drift       PSI of the worst column against its own usual PSI · breadth: of all columns together
  frozen      a column that has not moved for longer than it ever did
Knows words, columns and one price; knows no order, no account and no venue. Never adjusts itself while it watches.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from decot.errors import CheckpointRefused, ConfigError
from decot.features.observation import OBSERVATION, OBSERVED, observe_row
from decot.features.scaler import Scaler
from decot.live.context_buffer import ToldStep
from decot.live.drift import Bins, Fading
from decot.live.snapshot import State, write_whole
from decot.model.stream import Step
from decot.model.thoughts import Grounding
from decot.model.vocabulary import FORECASTS, N_QUESTIONS, NAMES, OUTLOOK, QUESTIONS

Array = npt.NDArray[np.float64]
Words = npt.NDArray[np.int8]
Level = Literal["normal", "reduce", "flat"]

READINGS = tuple(k for k, question in enumerate(QUESTIONS) if not question.is_forecast)
CHANNELS = ("chain", "contradiction", "conduct", "forecasts", "drift", "breadth", "frozen")
SCORES = ("chain", *(f"contradiction:{NAMES[k]}" for k in READINGS), "conduct", "forecasts", "accord")
WATCHED = (*OBSERVATION, *FORECASTS)
"""what drift and frozen look at: the scaled observation, then the forecasts"""
FORECAST_10S = FORECASTS.index("future_return_10s")
FORECAST_5S = FORECASTS.index("future_return_5s")
_FUTURE = {"future_return_10s": np.zeros(1), "future_max_dd": np.zeros(1)}
_NEEDED = sorted({name for question in QUESTIONS for name in question.columns} - set(_FUTURE))
_AT = {name: OBSERVED.index(name) for name in _NEEDED}


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


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the monitor says after one bar."""

    level: Level
    why: str
    """the channel that is furthest over its bound, in words; empty when normal"""
    figures: dict[str, tuple[float, float, bool]] = field(default_factory=dict)
    """channel → (value, reduce bound, whether it holds)"""
    facts: dict[str, float] = field(default_factory=dict)
    """perplexity and forecast correlation now, for people"""

    def target(self, wanted: int, held: int) -> int:
        """What may be held: anything; or what is held already, else nothing; or nothing."""
        if self.level == "normal" or (self.level == "reduce" and wanted == held):
            return wanted
        return 0


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
    slow = [name in ("conduct", "forecasts", "accord") for name in SCORES]
    return np.asarray(1.0 - 0.5 ** (1.0 / np.where(slow, cfg.slow_half_life, cfg.half_life)), np.float64)


class Monitor:
    """Feed it every bar, after the decision and before the order."""

    def __init__(self, base: Baseline) -> None:
        self.base = base
        self.reset()

    def reset(self) -> None:
        """Forget everything seen and lift every restriction; a person does this."""
        base, n = self.base, len(WATCHED)
        self._weight = weights_of(base.cfg)
        self._mean = np.zeros(len(SCORES))
        self._fading = Fading(base.bins, base.cfg.drift_half_life)
        self._drift = (0.0, 0.0)
        self._worst = ""
        self._kept = np.array([WATCHED.index(name) for name in base.bins.names if ":" not in name])
        self._words_before = np.full(N_QUESTIONS, -2, np.int8)
        self._watched_before, self._run = np.full(n, np.nan), np.zeros(n)
        horizon = max(1, round(10_000 / base.clock_ms))
        self._past = np.full((horizon, 2), np.nan)
        self._moments = np.zeros(3)
        self._n, self._over, self._quiet = 0, 0, 0
        self._level: Level = "normal"
        self._why = ""

    @property
    def level(self) -> Level:
        """What it said last."""
        return self._level

    def step(
        self, row: Array, seen: npt.NDArray[np.float32], decided: Step, mid: float, told: Words | None = None
    ) -> Verdict:
        """One bar.

        Args:
            row: (97,) the columns, in the order of `OBSERVED`; seen: (F,) what the agent was given of them.
            told: (9,) answers that came from outside, −1 elsewhere: those are not the agent's own.
        """
        scores = self._scores(row, decided, mid, told)
        self._mean += self._weight * ((scores - self.base.mean) / self.base.spread - self._mean)
        watched = np.concatenate([seen, decided.forecasts])
        self._run = np.where(watched == self._watched_before, self._run + 1, 0)
        self._watched_before = watched
        self._fading.add(self.base.bins.codes(watched[None, self._kept], decided.words[None]))
        if self._n % self.base.cfg.every == 0:
            excess = self._fading.psi()[0] / self.base.usual_psi
            self._drift = float(excess.max()), float(np.minimum(excess, 3.0).mean())
            self._worst = self.base.bins.names[int(excess.argmax())]
        self._n += 1
        return self._judge(self._channels())

    def _scores(self, row: Array, decided: Step, mid: float, told: Words | None) -> Array:
        columns = {name: row[place : place + 1] for name, place in _AT.items()}
        grounded = self.base.grounding.label(columns | _FUTURE)[0]
        out = np.empty(len(SCORES))
        is_told = told is not None and bool((told >= 0).any())
        out[0] = (
            self.base.mean[0] if is_told else surprise(self.base.table, self._words_before, decided.words)
        )
        out[1 : 1 + len(READINGS)] = contradictions(decided.words, grounded, told)
        out[-3] = misconduct(self.base.acts, decided.words, decided.position, decided.action)
        out[-2] = self._missed(float(decided.forecasts[FORECAST_10S]), mid)
        out[-1] = discord(decided.forecasts, self.base.forecast)
        self._words_before = decided.words
        return out

    def _missed(self, forecast: float, mid: float) -> float:
        """−(forecast × what happened), each in its usual spread: the running mean is minus a correlation."""
        mean, spread, ahead, _, _ = self.base.forecast
        place = self._n % len(self._past)
        then, price = self._past[place]
        self._past[place] = forecast, mid
        if np.isnan(then):
            return float(self.base.mean[-2])
        x, y = (then - mean) / spread, float(np.log(mid / price)) / ahead
        self._moments += self._weight[-1] * (np.array([x * y, x * x, y * y]) - self._moments)
        return -min(4.0, max(-4.0, x * y))

    def _channels(self) -> dict[str, float]:
        base, mean = self.base, self._mean
        return {
            "chain": float(mean[0]),
            "contradiction": float(mean[1 : 1 + len(READINGS)].max()),
            "conduct": float(mean[-3]),
            "forecasts": float(mean[-2:].max()),
            "drift": self._drift[0],
            "breadth": self._drift[1],
            "frozen": float((self._run / base.longest_run).max()),
        }

    def _judge(self, values: dict[str, float]) -> Verdict:
        cfg, bounds = self.base.cfg, self.base.bounds
        over = {name: value / bounds[name][0] for name, value in values.items()}
        worst = max(over, key=lambda name: over[name])
        is_flat = any(value > bounds[name][1] for name, value in values.items())
        self._quiet = self._quiet + 1 if over[worst] < cfg.relief else 0
        self._over = self._over + 1 if over[worst] >= cfg.relief and self._level == "reduce" else 0
        before = self._level
        if is_flat or self._over > cfg.patience or (before == "flat" and cfg.is_latched):
            self._level = "flat"
        elif over[worst] > 1.0 and before == "normal":
            self._level = "reduce"
        elif before != "normal" and self._quiet > cfg.calm:
            self._level, self._why = "normal", ""
        if self._level != before and self._level != "normal":
            self._why = self._said(worst, values[worst], over[worst])
        figures = {name: (value, bounds[name][0], value <= bounds[name][0]) for name, value in values.items()}
        return Verdict(self._level, self._why, figures, self._facts())

    def _facts(self) -> dict[str, float]:
        chain = self.base.mean[0] + self._mean[0] * self.base.spread[0]
        xy, xx, yy = self._moments
        return {
            "perplexity": float(np.exp(chain)),
            "perplexity_taught": float(self.base.taught["perplexity"]),
            "forecast_correlation": float(xy / np.sqrt(xx * yy)) if xx > 0 and yy > 0 else 0.0,
        }

    def _said(self, channel: str, value: float, share: float) -> str:
        rates = self._mean[1 : 1 + len(READINGS)]
        name = NAMES[READINGS[int(rates.argmax())]]
        still = (self._run / self.base.longest_run).argmax()
        words = {
            "chain": f"its chain of words is unlike training (perplexity {self._facts()['perplexity']:.2f}, "
            f"taught {self.base.taught['perplexity']:.2f})",
            "contradiction": f"what it says of {name} contradicts the columns more often than usual",
            "conduct": "what it does is unlike what it used to do with the outlook it states",
            "forecasts": "its forecasts no longer come true, or no longer agree with each other",
            "drift": f"{self._worst} is not distributed as in training",
            "breadth": "the market as a whole is not distributed as in training",
            "frozen": f"{WATCHED[int(still)]} has stood still for {int(self._run[still])} bars",
        }
        return f"{words[channel]} ({channel} {value:.2f}, {share:.2f} of its bound)"


def watching(monitor: Monitor, scaler: Scaler) -> Callable[[Array, Step, float], tuple[State, str]]:
    """What a worker asks after each decision: (columns, decision, mid) → the state it allows, and why."""
    states: dict[Level, State] = {"normal": "running", "reduce": "reduced", "flat": "flat"}

    def watch(row: Array, decided: Step, mid: float) -> tuple[State, str]:
        told = decided.told if isinstance(decided, ToldStep) else None
        verdict = monitor.step(row, scaler.apply(observe_row(row)[None])[0], decided, mid, told)
        return states[verdict.level], verdict.why

    return watch


def latched(base: Baseline, is_latched: bool) -> Baseline:
    """The same baseline with another rule for leaving flat; the bounds do not depend on it."""
    return replace(base, cfg=replace(base.cfg, is_latched=is_latched))
