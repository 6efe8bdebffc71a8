"""A cheap strategy search, to stand in for evolution when the gate itself is tried. Knows signals and targets, no verdict.

It overfits the way a real search does: many rules fitted to the training part on random subsets of the signals, some plainly
guessed, every one of them walked over validation and counted, the best one chosen there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decot.gate.bootstrap import Floats
from decot.gate.evidence import JUDGED_LATENCY_X, periods, stressed
from decot.gate.nulls import Day, Market, hysteresis
from decot.market.account import Account
from decot.market.batch import simulate_many
from decot.market.rules import VenueRules


@dataclass(frozen=True, slots=True, eq=False)
class LinearRule:
    """In when a weighted sum of the signals is strong, out when it is weak."""

    weights: Floats
    enter: float
    leave: float

    def targets(self, day: Day) -> NDArray[np.int8]:
        return hysteresis(np.ascontiguousarray(day.signals @ self.weights), self.enter, self.leave)


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What a search brings to the gate."""

    best: LinearRule
    trials: Floats
    """(P, N) per-period P&L on validation of every rule tried"""


def search(
    market: Market, *, n_trials: int, rules: VenueRules, account: Account, period_bars: int, seed: int
) -> Found:
    """Try `n_trials` rules and choose the one with the best Sharpe on validation."""
    rng = np.random.default_rng([seed, 13])
    tape, same = stressed(market.validation.tape, rules, 1.0, JUDGED_LATENCY_X)
    tried = [
        _fitted(market.train, rng) if rng.random() < 0.7 else _guessed(market.train, rng)
        for _ in range(n_trials)
    ]
    wanted = np.stack([rule.targets(market.validation) for rule in tried])
    equity = simulate_many(tape, wanted, same, account, has_equity=True).equity_usdt
    start = np.full((n_trials, 1), account.capital_usdt)
    net_bps = np.diff(equity, prepend=start, axis=1) / account.capital_usdt * 1e4
    trials = np.column_stack([periods(row, period_bars) for row in net_bps])
    spread = trials.std(axis=0)
    sharpe = np.where(spread > 0, trials.mean(axis=0) / np.where(spread > 0, spread, 1.0), -np.inf)
    return Found(tried[int(sharpe.argmax())], trials)


def _fitted(day: Day, rng: np.random.Generator) -> LinearRule:
    """Least squares of a coming return on a random subset of the signals, on a random half of the training part."""
    n_bars, n_signals = day.signals.shape
    used = rng.random(size=(n_signals,)) < 0.5
    used[rng.integers(n_signals)] = True
    horizon = int(rng.choice([1, 5, 20]))
    start = int(rng.integers(0, n_bars // 2))
    rows = np.arange(start, start + n_bars // 2 - horizon)
    log_mid = np.log(day.tape.mid)
    y = (log_mid[rows + horizon] - log_mid[rows]) * 1e4
    weights = np.zeros(n_signals)
    weights[used] = np.linalg.lstsq(day.signals[rows][:, used], y, rcond=None)[0]
    return _scaled(day, weights, rng)


def _guessed(day: Day, rng: np.random.Generator) -> LinearRule:
    return _scaled(day, rng.standard_normal(size=(day.signals.shape[1],)), rng)


def _scaled(day: Day, weights: Floats, rng: np.random.Generator) -> LinearRule:
    """Weights such that the score has spread 1 on the training part, with random thresholds."""
    spread = float((day.signals @ weights).std())
    return LinearRule(
        weights / (spread if spread > 0 else 1.0), float(rng.uniform(0.5, 1.6)), float(rng.uniform(-0.2, 0.3))
    )
