"""Walks counted together, against numbers worked out by hand and against the exact recursion."""

from __future__ import annotations

import numpy as np
import pytest

from decot.market.exact import exact_advantages
from decot.rl.walks import pooled_to_go, tally


def market(n_batch: int, n_rows: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    pi = rng.dirichlet(np.ones(3), (n_batch, n_rows, 3))
    ret, cost = rng.normal(size=(n_batch, n_rows)), np.full((n_batch, n_rows), 0.4)
    return pi, ret, cost, cost * 1.5


@pytest.mark.parametrize("lam", [0.0, 0.7, 1.0])
def test_many_walks_find_the_exact_advantages(lam):
    """With thousands of walks the mean advantage of every pair is that of the backward recursion, whatever λ is."""
    pi, *pay = market(2, 12)
    last = np.random.default_rng(1).normal(size=(2, 3))
    values = np.zeros((2, 12, 3))
    true = exact_advantages(pi, *pay, 0.9, last_values=last)
    met = tally(
        pi, values, *pay, walks=4_000, gamma=0.9, lam=lam, rng=np.random.default_rng(2), last_values=last
    )
    assert met.weight.sum((2, 3)) == pytest.approx(1)
    assert (met.seen > 0).all()
    error = np.sqrt((met.weight * (met.advantage - true.advantages) ** 2).sum((2, 3)).mean())
    assert error < 0.15 * np.sqrt((met.weight * true.advantages**2).sum((2, 3)).mean())


def test_wandering_does_not_change_what_things_are_worth():
    """A third of the decisions drawn evenly: the advantages are still those of the policy, not of the wanderer."""
    pi, *pay = market(2, 12)
    pi = pi**3 / (pi**3).sum(-1, keepdims=True)
    true = exact_advantages(pi, *pay, 0.9)
    met = tally(
        pi, np.zeros((2, 12, 3)), *pay, walks=4_000, gamma=0.9, lam=0.0, rng=np.random.default_rng(2), wander=0.33
    )  # fmt: skip
    error = np.sqrt((met.weight * (met.advantage - true.advantages) ** 2).sum((2, 3)).mean())
    assert error < 0.15 * np.sqrt((met.weight * true.advantages**2).sum((2, 3)).mean())
    assert (met.weight.sum(2) > 0.05).all()


def test_looking_ahead_to_the_others_is_steadier():
    """Over forty rounds the spread of an estimate is several times smaller with λ = 0 than along the walk itself."""
    pi, *pay = market(1, 40)
    values = np.zeros((1, 40, 3))

    def spread(lam: float) -> float:
        found = [
            tally(pi, values, *pay, walks=32, gamma=1.0, lam=lam, rng=np.random.default_rng(seed)).stand[0, 0]
            for seed in range(40)
        ]
        return float(np.std(found, 0).mean())

    assert spread(1.0) > 2 * spread(0.0)


@pytest.mark.parametrize("by_peers", [True, False])
def test_truncation_keeps_the_future_and_ruin_does_not(by_peers):
    """One row, always long, 2 bps a row, 7 bps to come: cut by the clock it stands for 2 + 0.5·7, ruined for 2."""
    pi = np.zeros((1, 1, 3, 3))
    pi[..., 2] = 1.0
    pay = (np.full((1, 1), 2.0), np.zeros((1, 1)), np.zeros((1, 1)))
    last = np.array([[0.0, 0.0, 7.0]])

    def stands(**more: object) -> float:
        met = tally(
            pi, np.zeros((1, 1, 3)), *pay, walks=4, gamma=0.5, lam=0.9, rng=np.random.default_rng(0),
            by_peers=by_peers, **more,
        )  # fmt: skip
        return float(met.stand[0, 0, 2])

    assert stands(last_values=last) == pytest.approx(5.5)
    assert stands(last_values=last, is_ruin=np.ones((1, 1), bool)) == pytest.approx(2.0)
    assert stands() == pytest.approx(2.0)


def test_ruin_in_mid_stretch_cuts_what_comes_after():
    """Three rows of 1 bps held long, ruin at the second: worth 2 and 1, and the third its own 1 and the cut's 9."""
    pi = np.zeros((1, 3, 3, 3))
    pi[..., 2] = 1.0
    pay = (np.ones((1, 3)), np.zeros((1, 3)), np.zeros((1, 3)))
    met = tally(
        pi, np.zeros((1, 3, 3)), *pay, walks=3, gamma=1.0, lam=1.0, rng=np.random.default_rng(0),
        last_values=np.full((1, 3), 9.0), is_ruin=np.array([[False, True, False]]),
    )  # fmt: skip
    assert met.stand[0, :, 2] == pytest.approx([2.0, 1.0, 10.0])


def test_a_lonely_walk_is_judged_by_the_critic():
    """With one walk per stretch the yardstick is the critic's value, as in plain GAE; with two it is half the other's."""
    pi = np.zeros((1, 1, 3, 3))
    pi[..., 1] = 1.0
    pay = (np.zeros((1, 1)), np.zeros((1, 1)), np.zeros((1, 1)))
    values = np.full((1, 1, 3), 0.25)

    def judged(**more: object) -> float:
        last = np.array([[0.0, 1.0, 0.0]])
        met = tally(
            pi, values, *pay, gamma=1.0, lam=1.0, rng=np.random.default_rng(0), last_values=last, **more
        )
        return float(met.advantage.max())

    assert judged(walks=1) == pytest.approx(0.75)
    assert judged(walks=1, by_peers=False) == pytest.approx(0.75)


def test_pooled_credit_is_the_mean_of_those_who_stand_there():
    """Two walks meet flat at row 1, earn 4 and 0 from there: each first decision counts 2 for what comes after."""
    rewards = np.array([[[1.0, 4.0], [-1.0, 0.0]]])
    positions, actions = np.array([[[0, 1], [2, 1]]]), np.array([[[1, 2], [1, 0]]])
    after, apart = pooled_to_go(rewards, positions, actions)
    assert after[0].tolist() == [[3.0, 4.0], [1.0, 0.0]]
    assert apart[0].tolist() == [[0.0, 2.0], [0.0, -2.0]]
