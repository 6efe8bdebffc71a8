"""Markets with a known answer: no signal foretells anything where none should, and the planted edge is as
large as declared."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from decot.gate.evidence import Scene, walked
from decot.gate.nulls import KINDS, base_market, edge_per_beta, hysteresis, make_market, planted
from decot.gate.search import search
from decot.market.account import Account
from decot.market.rules import load_rules

FREE = replace(load_rules("zero-fee", "BTC-USD"), taker_bps=0.0, maker_bps=0.0)


@pytest.mark.parametrize("kind", KINDS)
def test_no_signal_foretells_anything(kind):
    """Over many days the correlation of every signal with the next return is what chance gives, and no more."""
    found = []
    for seed in range(12):
        market = make_market(kind, seed=seed, bars=4_000)
        for day in (market.train, market.validation, market.other_day):
            returns = np.diff(np.log(day.tape.mid))
            for k in range(day.signals.shape[1]):
                found.append(np.corrcoef(day.signals[:-1, k], returns)[0, 1] * np.sqrt(returns.size))
    z = np.array(found)
    assert abs(z.mean()) < 4 / np.sqrt(z.size)
    assert 0.6 < z.std() < 1.6


def test_the_base_does_have_an_edge():
    """The stretch that the resampled kinds draw from is predictable, so that destroying it is worth testing."""
    base = base_market(20_000, np.random.default_rng(0))
    assert np.corrcoef(base.signals[:-1, 0], base.returns_bps[1:])[0, 1] > 0.05


@pytest.mark.parametrize("edge_bps", [2.0, 6.0])
def test_the_planted_edge_is_as_declared(edge_bps):
    """Who sees the hidden signal exactly earns the declared bps a trade before costs (here: sees it through no noise)."""
    per_beta = edge_per_beta(np.random.default_rng(1))
    rng = np.random.default_rng(2)
    day = planted(120_000, edge_bps, per_beta, rng, 0.0)
    # the two seeing columns are 0.9·s + noise; the hidden signal itself is drawn first from the same generator
    again = np.random.default_rng(2).standard_normal((120_000, 1))
    s = np.empty(120_000)
    s[0] = again[0, 0]
    for t in range(1, s.size):
        s[t] = 0.95 * s[t - 1] + np.sqrt(1 - 0.95**2) * again[t, 0]
    stretch = walked("day", Scene(day.tape, hysteresis(s, 1.0, 0.0)), FREE, Account(), 240, latency_x=1.0)
    error = stretch.gross_bps.std() / np.sqrt(stretch.n_trades)
    assert stretch.gross_bps.mean() == pytest.approx(edge_bps, abs=4 * error + 0.05 * edge_bps)


def test_days_are_not_alike():
    """The three days of a market share no row, and the same seed gives the same market."""
    one, two = (make_market("permuted", seed=3, bars=500) for _ in range(2))
    assert np.array_equal(one.train.tape.bid, two.train.tape.bid)
    assert not np.array_equal(np.diff(one.train.tape.bid), np.diff(one.validation.tape.bid))


def test_hysteresis_by_hand():
    """In at the threshold, out when the score falls to the other, over to the other side when it is strong there."""
    score = np.array([0.0, 0.9, 1.1, 0.5, 0.1, -0.2, -1.5, -0.3, 0.2, 2.0])
    assert hysteresis(score, 1.0, 0.0).tolist() == [0, 0, 1, 1, 1, 0, -1, -1, 0, 1]


def test_the_search_overfits_as_searches_do():
    """On a market without edge the best of 32 rules looks good on validation, and is nothing on another day."""
    chosen, after = [], []
    for seed in range(10):
        market = make_market("random_walk", seed=seed, bars=2_400)
        found = search(market, n_trials=32, rules=FREE, account=Account(), period_bars=60, seed=seed)
        assert found.trials.shape == (40, 32)
        chosen.append((found.trials.mean(0) / found.trials.std(0)).max())
        scene = Scene(market.other_day.tape, found.best.targets(market.other_day))
        pnl = walked("day", scene, FREE, Account(), 60).period_bps
        after.append(pnl.mean() / pnl.std())
    assert np.mean(chosen) > 0.2
    assert abs(np.mean(after)) < 0.15
