"""Gathers what the judge reads: accounts walked over judged stretches, their stresses, baselines and drills.

Knows the market's simulator and the targets an agent asked for; knows nothing of the agent itself.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from decot import clock
from decot.gate.bootstrap import ruin_probability
from decot.gate.config import GateConfig
from decot.gate.figures import (
    Baselines,
    Drill,
    Evidence,
    Floats,
    HeadFigure,
    Stress,
    Stretch,
    WordFigures,
)
from decot.market.account import Account
from decot.market.batch import simulate_many
from decot.market.oracle import bound_of
from decot.market.rules import VenueRules
from decot.market.simulate import Run, simulate
from decot.market.tape import Tape

__all__ = ["Drill", "Evidence", "HeadFigure", "Ledgered", "Scene", "Stretch", "WordFigures", "gather"]

FEES_X = (1.0, 1.5, 2.0)
LATENCIES_X = (1.0, 2.0, 5.0)
JUDGED_LATENCY_X = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A tape and the positions an agent asked for on it, (T,) −1, 0, 1."""

    tape: Tape
    targets: NDArray[np.int8]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ledgered:
    """What the trial ledger says of the search."""

    trials: Floats
    """(P, N) per-period P&L on validation, bps"""
    n_trials: int
    attempt: int = 1
    intact: bool = True


def gather(
    *,
    validation: Scene,
    other_day: Scene,
    rules: VenueRules,
    account: Account,
    ledger: Ledgered,
    period_bars: int,
    clock_ms: int,
    heads: Sequence[HeadFigure],
    words: WordFigures | None,
    drills: Mapping[str, Scene],
    decision_p99_us: float,
    reproduced: bool | None,
    other_market: Scene | None = None,
    seed_scenes: Sequence[Scene] = (),
    least_squares: Scene | None = None,
    feature_leaks: Sequence[str] | None = None,
    manifest_faults: Sequence[str] = (),
    notes: Mapping[str, str] | None = None,
    cfg: GateConfig | None = None,
    random_draws: int = 200,
) -> Evidence:
    """Everything the judge wants, from decisions already made.

    Args:
        validation, other_day: judged at fees ×1 and latency ×2.
        period_bars: bars in one period; the same as in the ledger's trials.
        drills: tapes with a planted anomaly and what the agent decided on them (`gate/drills.py` makes them).
        feature_leaks: columns the causality check caught, () when it caught none; None (not run) is refused.
        seed_scenes: the other day as decided by the same genome retrained from scratch, one per seed.
    """
    cfg = cfg or GateConfig()
    day = walked("other day", other_day, rules, account, period_bars)
    rng = np.random.default_rng([cfg.seed, 1])
    horizon = max(1, round(cfg.ruin_horizon * day.period_bps.size))
    return Evidence(
        capital_usdt=account.capital_usdt,
        validation=walked("validation", validation, rules, account, period_bars),
        other_day=day,
        delayed=walked("one bar later", other_day, rules, account, period_bars, late_bars=1),
        other_market=None
        if other_market is None
        else walked("other market", other_market, rules, account, period_bars),
        baselines=_baselines(
            validation, other_day, rules, account, period_bars, least_squares, random_draws, rng
        ),
        trials=ledger.trials,
        n_trials=ledger.n_trials,
        attempt=ledger.attempt,
        ledger_intact=ledger.intact,
        seed_bps=tuple(walked("seed", scene, rules, account, period_bars).net_bps for scene in seed_scenes),
        drills=tuple(Drill(name=name, loss=drill_loss(s, rules, account)) for name, s in drills.items()),
        heads=tuple(heads),
        words=words,
        stress=stress_table(other_day, rules, account),
        decision_p99_us=decision_p99_us,
        reproduced=reproduced,
        feature_leaks=None if feature_leaks is None else tuple(feature_leaks),
        manifest_faults=tuple(manifest_faults),
        ruin_probability=ruin_probability(
            day.period_bps,
            ruin_fraction=cfg.ruin_fraction,
            horizon=horizon,
            draws=cfg.bootstrap_draws,
            rng=rng,
        ),
        clock_ms=clock_ms,
        notes=dict(notes or {}),
    )


def walked(
    name: str,
    scene: Scene,
    rules: VenueRules,
    account: Account,
    period_bars: int,
    *,
    fee_x: float = 1.0,
    latency_x: float = JUDGED_LATENCY_X,
    late_bars: int = 0,
) -> Stretch:
    """One account over one scene under one stress, in the figures the judge reads."""
    tape, dearer = stressed(scene.tape, rules, fee_x, latency_x, late_bars)
    run = simulate(tape, scene.targets, dearer, account)
    gross, cost = trade_edges(run, tape)
    return Stretch(
        name=name,
        period_bps=periods(run.net_bps, period_bars),
        gross_bps=gross,
        cost_bps=cost,
        net_usdt=run.pnl_usdt,
        capital_usdt=account.capital_usdt,
        oracle_usdt=float(bound_of(run, tape, dearer)),
        refused_orders=sum(run.refused.values()),
        worst_drawdown=float(-run.drawdown_usdt.min(initial=0.0)) / account.capital_usdt,
        n_actions=int(np.unique(scene.targets).size),
    )


def stressed(
    tape: Tape, rules: VenueRules, fee_x: float, latency_x: float, late_bars: int = 0
) -> tuple[Tape, VenueRules]:
    """The same market, slower and dearer."""
    slower = tape.stressed(latency=latency_x) if latency_x != 1.0 else tape
    if late_bars:
        slower = slower.delayed(late_bars)
    dearer = replace(rules, taker_bps=rules.taker_bps * fee_x, maker_bps=rules.maker_bps * fee_x)
    return slower, dearer


def trade_edges(run: Run, tape: Tape) -> tuple[Floats, Floats]:
    """(n,) gross edge mid to mid and (n,) cost of each round trip, bps of its notional; gross − cost = net."""
    trades, mid = run.trades, tape.mid
    gross = trades["direction"] * (mid[trades["exit_row"]] - mid[trades["entry_row"]]) / trades["entry_price"]
    gross = np.asarray(gross * 1e4, dtype=np.float64)
    return gross, gross - trades["pnl_bps"]


def periods(net_bps: Floats, period_bars: int) -> Floats:
    """Sums of consecutive bars; a remainder shorter than half a period joins the last one."""
    edges = np.arange(0, net_bps.size, period_bars)
    if edges.size > 1 and net_bps.size - edges[-1] < period_bars / 2:
        edges = edges[:-1]
    return np.add.reduceat(net_bps, edges) if net_bps.size else np.empty(0)


def trials_matrix(period_pnl: Iterable[Sequence[float]]) -> Floats:
    """(P, N) of all trials with the commonest number of periods; shorter ones (pruned) are left out."""
    rows = [np.asarray(row, dtype=np.float64) for row in period_pnl if len(row)]
    if not rows:
        return np.empty((0, 0))
    common = Counter(row.size for row in rows).most_common(1)[0][0]
    return np.column_stack([row for row in rows if row.size == common])


def stress_table(scene: Scene, rules: VenueRules, account: Account) -> tuple[Stress, ...]:
    """The same decisions at fees × {1, 1.5, 2} and latency × {1, 2, 5}."""
    table = []
    for fee_x in FEES_X:
        for latency_x in LATENCIES_X:
            tape, dearer = stressed(scene.tape, rules, fee_x, latency_x)
            run = simulate(tape, scene.targets, dearer, account)
            table.append(
                Stress(
                    fee_x=fee_x,
                    latency_x=latency_x,
                    net_usdt=run.pnl_usdt,
                    net_bps=run.total_bps,
                    n_trades=run.n_trades,
                )
            )
    return tuple(table)


def drill_loss(scene: Scene, rules: VenueRules, account: Account, at: int | None = None) -> float:
    """Fall of equity within 600 bars of the anomaly at row `at` (default: the middle), share of the capital."""
    start = len(scene.tape) // 2 if at is None else at
    equity = simulate(scene.tape, scene.targets, rules, account).equity_usdt
    before = float(equity[start - 1]) if start else account.capital_usdt
    lowest = float(equity[start : start + 600].min(initial=before))
    return (before - lowest) / account.capital_usdt


def _baselines(
    validation: Scene,
    scene: Scene,
    rules: VenueRules,
    account: Account,
    period_bars: int,
    least_squares: Scene | None,
    draws: int,
    rng: np.random.Generator,
) -> Baselines:
    held, before = (Scene(one.tape, np.ones(len(one.tape), np.int8)) for one in (scene, validation))
    tape, same = stressed(scene.tape, rules, 1.0, JUDGED_LATENCY_X)
    drawn = np.stack([shuffled_targets(scene.targets, rng) for _ in range(draws)])
    random_bps = simulate_many(tape, drawn, same, account).total_bps
    linear = None
    if least_squares is not None:
        linear = walked("least squares", least_squares, rules, account, period_bars)
    return Baselines(
        buy_hold=walked("buy and hold", held, rules, account, period_bars),
        random_bps=random_bps,
        least_squares_bps=None if linear is None else linear.net_bps,
        least_squares=linear,
        validation_hold=walked("buy and hold", before, rules, account, period_bars),
    )


def shuffled_targets(targets: NDArray[np.int8], rng: np.random.Generator) -> NDArray[np.int8]:
    """The same holding times in random order with random sides: as much turnover, no opinion."""
    starts = np.flatnonzero(np.diff(targets, prepend=targets[0] + 1))
    lengths = np.diff(np.r_[starts, targets.size])
    order = rng.permutation(starts.size)
    sides = targets[starts][order] * rng.choice(np.array([-1, 1], np.int8), size=starts.size)
    return np.repeat(sides, lengths[order]).astype(np.int8)


def pnl_digest(run: Run) -> str:
    """sha256 over the very bytes of a run's equity and positions: equal only if equal bit for bit."""
    digest = hashlib.sha256(np.ascontiguousarray(run.equity_usdt, "<f8").tobytes())
    digest.update(np.ascontiguousarray(run.position, "<i1").tobytes())
    return digest.hexdigest()


def p99_us(decide: Callable[[int], object], n: int) -> float:
    """99th percentile of the time `decide(i)` takes for i in 0…n−1, microseconds; the first tenth warms up."""
    took = np.empty(n)
    for i in range(n):
        start = clock.stopwatch()
        decide(i)
        took[i] = clock.stopwatch() - start
    return float(np.quantile(took[n // 10 :], 0.99) * 1e6)
