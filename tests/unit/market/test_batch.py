"""Batch: many accounts are one account many times, whole or step by step."""

from __future__ import annotations

import numpy as np
import pytest

from decot.errors import MarketFault
from decot.market.batch import Accounts, simulate_many
from decot.market.rules import load_rules
from decot.market.simulate import Account, simulate


@pytest.mark.parametrize("account", [Account(), Account(execution="post_only", patience_rows=4)])
@pytest.mark.parametrize("venue", ["standx-like", "zero-fee"])
def test_a_batch_is_the_simulator_many_times(world, account, venue):
    """Every account of a batch has the simulator's equity, trades and refusals, bit for bit."""
    rules, tape = load_rules(venue, "BTC-USD"), world(300, 1, funding_every=50)
    targets = np.random.default_rng(2).integers(-1, 2, (8, 300))
    many = simulate_many(tape, targets, rules, account, has_equity=True)
    for i, row in enumerate(targets):
        run = simulate(tape, row, rules, account)
        np.testing.assert_array_equal(many.equity_usdt[i], run.equity_usdt)
        assert many.n_trades[i] == run.n_trades
        assert many.fees_usdt[i] == pytest.approx(run.fees_usdt)
        assert many.refused[i].sum() == sum(run.refused.values())
    assert many.refusals().keys() <= set(many.refusals())


@pytest.mark.parametrize("is_continuous", [False, True])
@pytest.mark.parametrize("latency", [1, 2500, np.random.default_rng(0).integers(1, 9000, 300)])
def test_stepping_is_walking(world, is_continuous, latency):
    """Accounts stepped one row at a time, under any latency, have the walk's equity until its closing row."""
    rules, tape = load_rules("demo", "BTC-USD"), world(300, 3, latency_ms=latency)
    rng = np.random.default_rng(4)
    targets = rng.uniform(-1, 1, (4, 300)) if is_continuous else rng.integers(-1, 2, (4, 300))
    accounts = Accounts(tape, rules, Account(), 4, is_continuous=is_continuous)
    equity = [accounts.equity()]
    for t in range(298):
        accounts.step(targets[:, t])
        equity.append(accounts.equity())
    for i in range(4):
        run = simulate(tape, targets[i], rules, is_continuous=is_continuous)
        np.testing.assert_allclose(np.array(equity)[:, i], run.equity_usdt[:299], rtol=0, atol=1e-12)


def test_continuous_targets_are_quantised(world):
    """Half a target holds half the lots, and a change inside the band is not traded."""
    rules, tape = load_rules("demo", "BTC-USD"), world(50, 5, vol_bps=0.01)
    held = [simulate(tape, np.full(50, x), rules, is_continuous=True).lots[10] for x in (1.0, 0.5, -0.5)]
    assert held == [21, 10, -10]
    wobble = 0.8 + 0.02 * (-1) ** np.arange(50)
    still = simulate(tape, wobble, rules, Account(band=0.1), is_continuous=True)
    busy = simulate(tape, wobble, rules, Account(band=0.0), is_continuous=True)
    assert len(still.fills) == 2 < len(busy.fills)


def test_ruin_is_known(world):
    """An account that is liquidated, or flat with less than any entry costs, is ruined."""
    accounts = Accounts(world(50), load_rules("demo", "BTC-USD"), Account(), 2)
    assert accounts.ruined().tolist() == [False, False]
    accounts.states[1, 0] = 3.0
    assert accounts.ruined().tolist() == [False, True]


def test_wrong_shapes_are_refused(world):
    """Targets must be (N, T), and a tape of two rows cannot be stepped."""
    rules = load_rules("demo", "BTC-USD")
    with pytest.raises(MarketFault, match="50 rows"):
        simulate_many(world(50), np.zeros((2, 49)), rules)
    with pytest.raises(MarketFault, match="too few"):
        Accounts(world(2), rules, Account(), 1)
    accounts = Accounts(world(3), rules, Account(), 2)
    for _ in range(2):
        accounts.step(np.zeros(2))
    with pytest.raises(MarketFault, match="last row"):
        accounts.step(np.zeros(2))
