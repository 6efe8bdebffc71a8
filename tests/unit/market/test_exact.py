"""Exact: the recursion against brute force, and sampling against the recursion."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from decot.market.exact import exact_advantages, hindsight, rollout
from decot.market.steps import Steps, walk_bps


def steps(n=6, seed=0, cost=0.4):
    rng = np.random.default_rng(seed)
    return Steps(
        ret_bps=rng.normal(size=n),
        cost_buy_bps=cost * rng.random(n),
        cost_sell_bps=cost * rng.random(n),
        n_tradable=n - 1,
    )


def policy(b, t, seed=0):
    pi = np.random.default_rng(seed).random((b, t, 3, 3))
    return pi / pi.sum(-1, keepdims=True)


def test_hindsight_is_the_best_of_all_walks():
    """Over all 3⁶ walks none earns more than the bound, and the walk it names earns it."""
    for seed in range(5):
        s = steps(seed=seed)
        best = max(walk_bps(s, np.array(w)).sum() for w in itertools.product((-1, 0, 1), repeat=6))
        found = hindsight(s)
        assert found.bound_bps == pytest.approx(best)
        assert walk_bps(s, found.positions).sum() == pytest.approx(best)


def test_without_edge_hindsight_stays_out():
    """Costs above every move make the best walk the idle one."""
    s = steps(cost=0.0)
    dear = Steps(
        ret_bps=s.ret_bps, cost_buy_bps=np.full(6, 99.0), cost_sell_bps=np.full(6, 99.0), n_tradable=5
    )
    assert hindsight(dear).bound_bps == 0
    assert not hindsight(dear).positions.any()


def test_advantages_weighted_by_the_policy_vanish():
    """Σ_a π·A = 0 at every row and position, and occupancy is a distribution."""
    s = steps(20)
    pi = policy(2, 20)
    x = np.tile(s.ret_bps, (2, 1)), np.tile(s.cost_buy_bps, (2, 1)), np.tile(s.cost_sell_bps, (2, 1))
    adv, occupancy, _ = exact_advantages(pi, *x, 0.99)
    np.testing.assert_allclose((pi * adv).sum(-1), 0, atol=1e-12)
    np.testing.assert_allclose(occupancy.sum(-1), 1)
    assert occupancy[0, 0].tolist() == [0, 1, 0]


def test_the_value_is_the_mean_of_many_walks():
    """The exact value from flat equals the mean reward of 20,000 sampled walks, within their error."""
    s, n = steps(12), 20_000
    pi = policy(1, 12)
    one = s.ret_bps[None], s.cost_buy_bps[None], s.cost_sell_bps[None]
    _, occupancy, values = exact_advantages(pi, *one, 1.0, last_values=s.close_bps[None])
    many = [np.repeat(x, n, 0) for x in one]
    walks = rollout(
        np.repeat(pi, n, 0),
        np.zeros((n, 12, 3)),
        *many,
        gamma=1.0,
        lam=1.0,
        seed=3,
        last_values=np.repeat(s.close_bps[None], n, 0),
    )
    reached = walks.advantages[:, 0]
    assert abs(reached.mean() - values[0, 0, 1]) < 4 * reached.std() / n**0.5
    np.testing.assert_allclose(
        (walks.positions[:, 5, None] == np.arange(3)).mean(0), occupancy[0, 5], atol=0.02
    )


def test_rollouts_repeat_with_their_seed():
    """The same seed gives the same walks, another gives others."""
    s, pi = steps(30), policy(4, 30)
    x = [np.tile(c, (4, 1)) for c in (s.ret_bps, s.cost_buy_bps, s.cost_sell_bps)]
    one, two, three = (rollout(pi, np.zeros((4, 30, 3)), *x, gamma=1, lam=0.9, seed=k) for k in (1, 1, 2))
    np.testing.assert_array_equal(one.actions, two.actions)
    assert (one.actions != three.actions).any()
    np.testing.assert_array_equal(one.positions[:, 1:], one.actions[:, :-1])
