"""What is put before the judge: plain numbers and arrays, nothing that acts. Knows no market, no model, no verdict.

Whoever gathers them (`gate/evidence.py`, or a calibration on synthetic worlds) answers for them; the judge only reads.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def _none() -> Floats:
    return np.empty(0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stretch:
    """One account walked over one stretch of market, under one level of stress."""

    name: str
    period_bps: Floats
    """(P,) net P&L per period, bps of the capital at the start; periods as in the trial ledger"""
    gross_bps: Floats = field(default_factory=_none)
    """(n,) per round trip, mid to mid, bps of its notional, before spread and fees"""
    cost_bps: Floats = field(default_factory=_none)
    """(n,) per round trip: half-spreads and fees of both sides"""
    net_usdt: float = 0.0
    capital_usdt: float = 19.0
    oracle_usdt: float = float("inf")
    """the most that hindsight could have made with the same quantity, tape, fees and latency"""
    refused_orders: int = 0
    """orders the venue would not take"""
    worst_drawdown: float = 0.0
    """largest fall from a peak, share of the capital, ≥ 0"""
    n_actions: int = 3
    """different targets that were asked for: 1 = always the same"""

    @property
    def key(self) -> str:
        """The name as part of a rule's name."""
        return self.name.replace(" ", "_")

    @property
    def n_trades(self) -> int:
        return int(self.gross_bps.size)

    @property
    def trade_bps(self) -> Floats:
        """(n,) net per round trip, bps of notional."""
        return self.gross_bps - self.cost_bps

    @property
    def net_bps(self) -> float:
        """Net of the whole stretch, bps of capital."""
        return float(self.period_bps.sum())

    @property
    def mean_bps(self) -> float:
        return float(self.period_bps.mean()) if self.period_bps.size else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadFigure:
    """Whether one head of the agent works."""

    name: str
    statistic: float
    """its skill over a constant, out of sample"""
    p_value: float
    """permutation test of that skill"""
    alive: bool
    """non-constant, gradient not zero"""
    entropy: float
    """of its output over rows, nats"""
    ablation_change: float
    """share of decisions (or words) that change when it is replaced by a constant"""


@dataclass(frozen=True, slots=True, kw_only=True)
class WordFigures:
    """Whether the words are true."""

    accuracy: float
    """share of present-tense words that agree with the columns they name, held out"""
    intervention: float
    """share of do(step = answer) that move the action the way the word says"""
    stability: float
    """share of words unchanged under small noise"""
    shuffled: float
    """the accuracy of shuffled words: the chance level"""
    reparse: float
    """share of sentences that parse back to the same words"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """An anomaly planted in the tape, and what it cost."""

    name: str
    loss: float
    """fall of equity from its value before the anomaly, share of the capital, ≥ 0"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stress:
    """The same decisions under other fees and latency."""

    fee_x: float
    latency_x: float
    net_usdt: float
    net_bps: float
    n_trades: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Baselines:
    """What needs no agent, on the other day, same costs."""

    buy_hold: Stretch
    random_bps: Floats
    """(R,) net of agents that trade as often as this one, at random times and sides"""
    least_squares_bps: float | None = None
    """net of a linear rule fitted on the training part; shown, not judged"""
    least_squares: Stretch | None = None
    """the same, walked"""
    validation_hold: Stretch | None = None
    """buy and hold on the part the search chose on"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One rule that needs no agent, and how sure it is that the agent, or the search, beats it. Shown, not judged."""

    name: str
    net_bps: float
    """on the other day, bps of capital"""
    sharpe: float
    """per period"""
    p_agent: float
    """that the agent is no better on the other day"""
    p_search: float
    """that no trial of the whole search is better on validation (Hansen's SPA); NaN where it was not asked"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """Everything a verdict rests on."""

    capital_usdt: float
    validation: Stretch
    """the part the search chose on, at fees ×1, latency ×2"""
    other_day: Stretch
    """a day the search never saw, same stress"""
    delayed: Stretch
    """the other day, every decision acted on one bar later"""
    baselines: Baselines
    trials: Floats
    """(P, N) per-period P&L on validation of every trial in the ledger that has one"""
    n_trials: int
    """all trials ever counted in the ledger, those without P&L too"""
    attempt: int = 1
    """which attempt at the gate this is for this data, counted in the ledger, from 1"""
    other_market: Stretch | None = None
    seed_bps: tuple[float, ...] = ()
    """net on the other day of the same genome retrained from scratch, one per seed"""
    drills: tuple[Drill, ...] = ()
    heads: tuple[HeadFigure, ...] = ()
    words: WordFigures | None = None
    stress: tuple[Stress, ...] = ()
    ladder: tuple[Rung, ...] = ()
    """beside rules that need no agent; shown, not judged"""
    decision_p99_us: float = float("nan")
    reproduced: bool | None = None
    """the artefact, loaded anew, gave the very same P&L bit for bit"""
    ledger_intact: bool = True
    feature_leaks: tuple[str, ...] | None = None
    """columns that changed when the future did; None if nobody looked, which the judge refuses"""
    manifest_faults: tuple[str, ...] = ()
    """differences between what the artefact was made from (schema, data versions, code) and what is here"""
    ruin_probability: float | None = None
    clock_ms: int = 1_000
    notes: dict[str, str] = field(default_factory=dict)
    """facts for the card: symbol, venue, run, ledger head…"""
