"""What is gathered: figures that add up, stresses that hurt, baselines that trade as much."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decot.gate.evidence import (
    Ledgered,
    Scene,
    drill_loss,
    gather,
    p99_us,
    periods,
    pnl_digest,
    shuffled_targets,
    stress_table,
    trials_matrix,
    walked,
)
from decot.gate.nulls import hysteresis, planted
from decot.gate.rules import judge
from decot.market.account import Account
from decot.market.rules import load_rules
from decot.market.simulate import simulate
from decot.market.tape import Tape

RULES = replace(load_rules("zero-fee", "BTC-USD"), taker_bps=0.5)
ACCOUNT = Account()


def scene(seed: int, n: int = 6_000, edge_bps: float = 4.0) -> Scene:
    """A day with an edge, and the decisions of one who sees most of it."""
    day = planted(n, edge_bps, 25.0, np.random.default_rng(seed), 0.1)
    return Scene(day.tape, hysteresis(np.ascontiguousarray(day.signals[:, 0]), 1.0, 0.0))


def test_a_round_trip_adds_up():
    """Gross minus cost is the net of the simulator, trade by trade, and cost is what fees and spread say."""
    found = walked("other day", scene(1), RULES, ACCOUNT, 240)
    run = simulate(scene(1).tape.stressed(latency=2.0), scene(1).targets, RULES, ACCOUNT)
    np.testing.assert_allclose(found.trade_bps, run.trades["pnl_bps"], atol=1e-9)
    assert found.cost_bps.mean() == pytest.approx(2 * (0.5 + 0.1), abs=0.02)
    assert found.period_bps.sum() == pytest.approx(run.total_bps)
    assert found.net_usdt == pytest.approx(run.pnl_usdt)
    assert 0 < found.net_usdt < found.oracle_usdt


@given(st.integers(1, 500), st.integers(1, 90))
def test_periods_keep_the_sum(n, size):
    """However it is cut, no basis point is lost, and no period is shorter than half (but the only one)."""
    x = np.random.default_rng(n).normal(size=n)
    cut = periods(x, size)
    assert cut.sum() == pytest.approx(x.sum())
    assert cut.size == max(1, int(np.floor(n / size + 0.5)))


def test_stresses_hurt():
    """More fees never help; the table has all nine cells."""
    table = stress_table(scene(2), RULES, ACCOUNT)
    assert {(s.fee_x, s.latency_x) for s in table} == {
        (f, x) for f in (1.0, 1.5, 2.0) for x in (1.0, 2.0, 5.0)
    }
    for latency in (1.0, 2.0, 5.0):
        nets = [s.net_bps for s in table if s.latency_x == latency]
        assert nets == sorted(nets, reverse=True)


def test_random_agents_trade_as_much():
    """Shuffled decisions hold for the same times, so they pay about the same costs, and have no opinion."""
    rng = np.random.default_rng(3)
    targets = scene(3).targets
    drawn = [shuffled_targets(targets, rng) for _ in range(200)]
    assert all((np.abs(d).sum() == np.abs(targets).sum()) for d in drawn)
    changes = np.mean([np.abs(np.diff(d)).sum() for d in drawn])
    assert changes == pytest.approx(np.abs(np.diff(targets)).sum(), rel=0.25)
    assert abs(np.mean([d.mean() for d in drawn])) < 0.02


def test_trials_of_another_length_are_left_out():
    """The matrix holds the trials of the commonest length; an empty ledger gives an empty matrix."""
    rows = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0]]
    np.testing.assert_array_equal(trials_matrix(rows), [[1, 4], [2, 5], [3, 6]])
    assert trials_matrix([]).size == 0


def test_a_drill_costs_what_is_held():
    """A long account loses the gap it sits through; a flat one loses nothing."""
    n = 1_000
    mid = np.where(np.arange(n) >= n // 2, 58_200.0, 60_000.0)
    tape = Tape.of(np.arange(n, dtype=np.int64) * 1_000, mid, mid, latency_ms=100)
    held, flat = np.ones(n, np.int8), np.zeros(n, np.int8)
    assert drill_loss(Scene(tape, held), RULES, ACCOUNT) == pytest.approx(0.03, rel=0.05)
    assert drill_loss(Scene(tape, flat), RULES, ACCOUNT) == 0.0


def test_reproduction_is_to_the_bit():
    """The same run has the same digest; one decision more has another."""
    one = scene(4)
    changed = one.targets.copy()
    changed[100:130] = 1 - np.abs(changed[100:130])
    first, again, other = (
        pnl_digest(simulate(one.tape, targets, RULES, ACCOUNT))
        for targets in (one.targets, one.targets, changed)
    )
    assert first == again != other


def test_p99_is_a_time():
    """Every decision is timed once, and the figure is positive."""
    seen: list[int] = []
    assert p99_us(seen.append, 200) > 0
    assert seen == list(range(200))


def test_gathered_evidence_is_judged(evidence):
    """From tapes and decisions to a verdict: what is missing is refused by name, what is there is figured."""
    rng = np.random.default_rng(5)
    whole = gather(
        validation=scene(6, 14_400),
        other_day=scene(7, 14_400),
        rules=RULES,
        account=ACCOUNT,
        ledger=Ledgered(trials=rng.normal(size=(60, 20)), n_trials=20),
        period_bars=240,
        clock_ms=1_000,
        heads=evidence().heads,
        words=evidence().words,
        drills={"held": scene(8)},
        decision_p99_us=100.0,
        reproduced=True,
        feature_leaks=(),
        seed_scenes=[scene(7, 14_400)] * 5,
        random_draws=50,
    )
    assert whole.validation.period_bps.size == 60
    verdict = judge(replace(whole, trials=np.c_[whole.validation.period_bps, whole.trials], n_trials=21))
    assert verdict.verdict == "promoted", verdict.reasons
    assert whole.baselines.random_bps.size == 50
    blind = judge(replace(whole, heads=(), words=None))
    assert {rule.name for rule in blind.rules if rule.refuses and not rule.passed} >= {"heads", "words"}


def test_makers_are_held_against_the_makers_bound():
    """Resting orders can earn the spread, which no taker can: they are held against the looser bound."""
    from decot.market.account import Account
    from decot.market.oracle import bound_of, maker_oracle, oracle
    from decot.market.rules import load_rules
    from decot.market.simulate import simulate
    from decot.market.tape import Tape

    n = 600
    time = np.arange(n, dtype=np.int64) * 1_000 + 1_767_571_200_000
    mid = np.full(n, 60_000.0)
    tape = Tape.of(time, mid - 10, mid + 10, np.ones(n), np.ones(n), latency_ms=100)
    side = np.where(np.arange(n) % 2, 1, -1)
    tape = tape.with_prints(time, mid + 10 * side, np.full(n, 5.0), side)
    rules = load_rules("zero-fee", "BTC-USD")
    account = Account(execution="post_only", queue=0.0)
    targets = np.where(np.arange(n) // 20 % 2, 1, 0).astype(np.int8)
    stretch = walked("other day", Scene(tape, targets), rules, account, 60, latency_x=1.0)
    run = simulate(tape, targets, rules, account)
    assert run.fills["is_maker"].any()
    qty = float(np.abs(run.lots).max()) * rules.lot
    assert stretch.net_usdt > oracle(tape, rules, qty).bound_bps
    assert stretch.net_usdt <= stretch.oracle_usdt == bound_of(run, tape, rules)
    assert stretch.oracle_usdt == pytest.approx(maker_oracle(tape, rules, qty), rel=0.3)
