"""Does the agent still reason as it did in training? Reduce when it no longer does, then go flat.

Eight channels, each O(1) per tick, each one number against two bounds that were calibrated on clean data:
  chain       surprise of the nine words, given those before them, against a table counted on training words
  contradiction  how often a reading says other than its own columns do, worst question, against its usual rate
  heads       two forecasts that look as if they had changed places (see `kinship`)
  conduct     acting otherwise than it used to at this position with this outlook stated: against its own outlook
  forecasts   the 10 s forecast times what then happened: its realised accuracy; and times the 5 s one: their accord
  drift       PSI of the worst column against its own usual PSI · breadth: of all columns together
  frozen      a column that has not moved for longer than it ever did
Knows words, columns and one price; knows no order, no account and no venue. Never adjusts itself while it watches.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from decot.features.observation import OBSERVED, observe_row
from decot.features.scaler import Scaler
from decot.live.context_buffer import ToldStep
from decot.live.drift import Fading
from decot.live.habits import (
    CHANNELS,
    FORECAST_10S,
    OF_HEADS,
    OF_READINGS,
    READINGS,
    SCORES,
    WATCHED,
    Array,
    Baseline,
    Level,
    MonitorConfig,
    Words,
    contradictions,
    discord,
    misconduct,
    surprise,
    weights_of,
)
from decot.live.kinship import PAIR_NAMES
from decot.live.snapshot import State
from decot.model.stream import Step
from decot.model.vocabulary import N_QUESTIONS, NAMES, QUESTIONS

__all__ = [
    "CHANNELS",
    "READINGS",
    "SCORES",
    "Baseline",
    "Monitor",
    "MonitorConfig",
    "Verdict",
    "latched",
    "watching",
]

_FUTURE = {"future_return_10s": np.zeros(1), "future_max_dd": np.zeros(1)}
_NEEDED = sorted({name for question in QUESTIONS for name in question.columns} - set(_FUTURE))
_AT = {name: OBSERVED.index(name) for name in _NEEDED}


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
        scores = self._scores(row, seen, decided, mid, told)
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

    def _scores(
        self, row: Array, seen: npt.NDArray[np.float32], decided: Step, mid: float, told: Words | None
    ) -> Array:
        columns = {name: row[place : place + 1] for name, place in _AT.items()}
        grounded = self.base.grounding.label(columns | _FUTURE)[0]
        out = np.empty(len(SCORES))
        is_told = told is not None and bool((told >= 0).any())
        out[0] = (
            self.base.mean[0] if is_told else surprise(self.base.table, self._words_before, decided.words)
        )
        out[OF_READINGS] = contradictions(decided.words, grounded, told)
        out[OF_HEADS] = self.base.kin.exchanged(decided.forecasts, seen)
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
            "contradiction": float(mean[OF_READINGS].max()),
            "heads": float(mean[OF_HEADS].max()),
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
        rates = self._mean[OF_READINGS]
        pair = PAIR_NAMES[int(self._mean[OF_HEADS].argmax())]
        name = NAMES[READINGS[int(rates.argmax())]]
        still = (self._run / self.base.longest_run).argmax()
        words = {
            "chain": f"its chain of words is unlike training (perplexity {self._facts()['perplexity']:.2f}, "
            f"taught {self.base.taught['perplexity']:.2f})",
            "contradiction": f"what it says of {name} contradicts the columns more often than usual",
            "heads": f"{pair} look as if they had changed places",
            "conduct": "what it does is unlike what it used to do with the outlook it states",
            "forecasts": "its forecasts no longer come true, or no longer agree with each other",
            "drift": f"{self._worst} is not distributed as in training",
            "breadth": "the market as a whole is not distributed as in training",
            "frozen": f"{WATCHED[int(still)]} has stood still for {int(self._run[still])} bars",
        }
        return f"{words[channel]} ({channel} {value:.2f}, {share:.2f} of its bound)"


class Watching:
    """What a worker asks after each decision: (columns, decision, mid) → the state it allows, and why."""

    def __init__(self, monitor: Monitor, scaler: Scaler) -> None:
        self.monitor, self.scaler = monitor, scaler
        self.figures: dict[str, tuple[float, float, bool]] = {}
        """per channel (value, reduce bound, whether it holds), of the last bar"""

    def __call__(self, row: Array, decided: Step, mid: float) -> tuple[State, str]:
        told = decided.told if isinstance(decided, ToldStep) else None
        seen = self.scaler.apply(observe_row(row)[None])[0]
        verdict = self.monitor.step(row, seen, decided, mid, told)
        self.figures = verdict.figures
        return _STATES[verdict.level], verdict.why


_STATES: dict[Level, State] = {"normal": "running", "reduce": "reduced", "flat": "flat"}


def watching(monitor: Monitor, scaler: Scaler) -> Watching:
    """The monitor as a worker asks it."""
    return Watching(monitor, scaler)


def latched(base: Baseline, is_latched: bool) -> Baseline:
    """The same baseline with another rule for leaving flat; the bounds do not depend on it."""
    return replace(base, cfg=replace(base.cfg, is_latched=is_latched))
