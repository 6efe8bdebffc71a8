"""Markets whose answer is known, to try the gate on: six kinds without any edge, and one with an edge of declared size.

Knows returns, spreads and signal columns; knows no agent and no verdict. In every edge-free kind the signals
are independent of
what the market does next, so whatever a search finds in them is luck; the kinds differ in how luck looks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from decot.gate.bootstrap import Floats
from decot.market.tape import Tape

N_SIGNALS = 8
PERSISTENCE = 0.95
"""of the signals, per bar: half of one is forgotten after 14 bars"""
ENTER, LEAVE = 1.0, 0.0
"""the ideal rule: enter when the true signal is this strong, leave when it is this weak"""
VOLATILITY_BPS = 1.0
"""per bar; the recorded 1-s tapes have 0.4 to 1.5"""


@dataclass(frozen=True, slots=True, eq=False)
class Base:
    """A stretch of recorded market that the resampled kinds draw from."""

    returns_bps: Floats
    """(T,) of mid, bar to bar"""
    half_spread_bps: Floats
    signals: Floats
    """(T, K) columns known at the end of the bar"""


@dataclass(frozen=True, slots=True, eq=False)
class Day:
    """One stretch of a market: where orders meet the book, and what is known when."""

    tape: Tape
    signals: Floats
    """(T, K)"""


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """Three stretches of one market, independent of each other."""

    kind: str
    edge_bps: float
    """gross per trade of the ideal rule; 0 where there is none"""
    train: Day
    validation: Day
    other_day: Day


@njit(cache=True)
def ar1(shocks: Floats, persistence: float) -> Floats:
    """(T, K) unit-variance autoregressions driven by standard shocks."""
    out = np.empty_like(shocks)
    scale = np.sqrt(1.0 - persistence * persistence)
    for k in range(shocks.shape[1]):
        out[0, k] = shocks[0, k]
        for t in range(1, shocks.shape[0]):
            out[t, k] = persistence * out[t - 1, k] + scale * shocks[t, k]
    return out


@njit(cache=True)
def hysteresis(score: Floats, enter: float, leave: float) -> NDArray[np.int8]:
    """(T,) targets: in at |score| ≥ enter, out when it falls to `leave` on its own side."""
    targets = np.zeros(score.size, dtype=np.int8)
    position = 0
    for t in range(score.size):
        if position * score[t] <= leave:
            position = 0
        if position == 0 and abs(score[t]) >= enter:
            position = 1 if score[t] > 0 else -1
        targets[t] = position
    return targets


@njit(cache=True)
def garch(shocks: Floats, volatility: float) -> Floats:
    """(T,) returns with volatility clusters (GARCH(1,1), 0.08/0.9) of the given long-run spread."""
    out = np.empty_like(shocks)
    variance = 1.0
    for t in range(shocks.size):
        out[t] = np.sqrt(variance) * shocks[t]
        variance = 0.02 + 0.08 * out[t] * out[t] + 0.9 * variance
    return out * volatility


def signals(n: int, rng: np.random.Generator) -> Floats:
    """(n, K) independent persistent columns."""
    return ar1(rng.standard_normal((n, N_SIGNALS)), PERSISTENCE)


def day(returns_bps: Floats, columns: Floats, half_spread_bps: Floats | float, latency_ms: int = 100) -> Day:
    """A day at 1-s bars, priced around 60,000."""
    mid = 60_000.0 * np.exp(np.cumsum(returns_bps) * 1e-4)
    half = mid * np.broadcast_to(half_spread_bps, mid.shape) * 1e-4
    time = np.arange(mid.size, dtype=np.int64) * 1_000 + 1_767_571_200_000
    return Day(Tape.of(time, mid - half, mid + half, latency_ms=latency_ms), columns)


# -- kinds without an edge --


def _random_walk(n: int, rng: np.random.Generator, base: Base) -> Day:
    return day(rng.standard_normal(n) * VOLATILITY_BPS, signals(n, rng), 0.01)


def _fat_tails(n: int, rng: np.random.Generator, base: Base) -> Day:
    shocks = rng.standard_t(3, n) / np.sqrt(3.0)
    return day(garch(shocks, VOLATILITY_BPS), signals(n, rng), 0.01)


def _drifting(n: int, rng: np.random.Generator, base: Base) -> Day:
    """Every day trends by its own luck, about 2 daily standard deviations, unrelated to the day before."""
    drift = rng.normal() * 2.0 * VOLATILITY_BPS / np.sqrt(n)
    return day(drift + rng.standard_normal(n) * VOLATILITY_BPS, signals(n, rng), 0.01)


def _block_bootstrap(n: int, rng: np.random.Generator, base: Base) -> Day:
    """Blocks of recorded returns; blocks of recorded signals drawn apart from them."""
    rows, other = _blocks(base.returns_bps.size, n, rng), _blocks(base.returns_bps.size, n, rng)
    return day(base.returns_bps[rows], base.signals[other], base.half_spread_bps[rows])


def _permuted(n: int, rng: np.random.Generator, base: Base) -> Day:
    """Recorded returns in random order under recorded signals in theirs."""
    start = int(rng.integers(0, base.returns_bps.size - n + 1))
    rows = rng.permutation(base.returns_bps.size)[:n]
    return day(base.returns_bps[rows], base.signals[start : start + n], base.half_spread_bps[rows])


def _shuffled_signal(n: int, rng: np.random.Generator, base: Base) -> Day:
    """A recorded stretch as it was, under the signals of another time."""
    start = int(rng.integers(0, base.returns_bps.size - n + 1))
    shift = int(rng.integers(base.returns_bps.size // 4, 3 * base.returns_bps.size // 4))
    rows = np.arange(start, start + n)
    columns = base.signals[(rows + shift) % base.returns_bps.size]
    return day(base.returns_bps[rows], columns, base.half_spread_bps[rows])


KINDS: dict[str, Callable[[int, np.random.Generator, Base], Day]] = {
    "random_walk": _random_walk,
    "fat_tails": _fat_tails,
    "drifting": _drifting,
    "block_bootstrap": _block_bootstrap,
    "permuted": _permuted,
    "shuffled_signal": _shuffled_signal,
}


def _blocks(n_source: int, n: int, rng: np.random.Generator, mean: float = 300.0) -> NDArray[np.int64]:
    """(n,) rows in blocks of random length, as in the stationary bootstrap."""
    jumps = rng.random(n) < 1.0 / mean
    jumps[0] = True
    starts = rng.integers(0, n_source, int(jumps.sum()))
    since = np.arange(n) - np.maximum.accumulate(np.where(jumps, np.arange(n), 0))
    return (starts[np.cumsum(jumps) - 1] + since) % n_source


# -- one with an edge --


def edge_per_beta(rng: np.random.Generator, n: int = 400_000) -> float:
    """Gross bps per trade of the ideal rule when one unit of signal moves the next bar by 1 bps; by Monte Carlo."""
    s = ar1(rng.standard_normal((n, 1)), PERSISTENCE)[:, 0]
    held = hysteresis(s, ENTER, LEAVE)
    # decided at t, filled at t+1, and return t+1→t+2 is driven by s[t+1]
    earned = float((held[:-1] * s[1:]).sum())
    n_trades = int((np.diff(held, prepend=np.int8(0)) != 0)[held != 0].sum())
    return earned / n_trades


def planted(
    n: int, edge_bps: float, per_beta: float, rng: np.random.Generator, half_spread_bps: float
) -> Day:
    """A day whose next bar moves with a hidden signal; two of the columns see it through noise."""
    s = ar1(rng.standard_normal((n, 1)), PERSISTENCE)[:, 0]
    noise = garch(rng.standard_t(4, n) / np.sqrt(2.0), VOLATILITY_BPS)
    returns = np.r_[0.0, s[:-1]] * (edge_bps / per_beta) + noise
    columns = signals(n, rng)
    for k in (0, 1):
        columns[:, k] = 0.9 * s + np.sqrt(1 - 0.81) * columns[:, k]
    return day(returns, columns, half_spread_bps)


def base_market(n: int, rng: np.random.Generator) -> Base:
    """A stand-in for a recorded stretch: clustered, fat-tailed, and moved by its first two signals."""
    columns = signals(n, rng)
    push = np.r_[0.0, 0.1 * (columns[:-1, 0] + columns[:-1, 1])]
    returns = push + garch(rng.standard_t(4, n) / np.sqrt(2.0), VOLATILITY_BPS)
    return Base(returns, np.full(n, 0.01) * np.exp(0.3 * rng.standard_normal(n)), columns)


def make_market(
    kind: str,
    *,
    seed: int,
    bars: int,
    edge_bps: float = 0.0,
    per_beta: float = 1.0,
    half_spread_bps: float = 0.05,
    base: Base | None = None,
) -> Market:
    """Three independent days of one kind; `planted` has an edge, all of `KINDS` have none."""
    rng = np.random.default_rng([seed, 11])
    if kind == "planted":
        days = [planted(bars, edge_bps, per_beta, rng, half_spread_bps) for _ in range(3)]
        return Market(kind, edge_bps, *days)
    source = base if base is not None else base_market(4 * bars, np.random.default_rng(5))
    return Market(kind, 0.0, *[KINDS[kind](bars, rng, source) for _ in range(3)])
