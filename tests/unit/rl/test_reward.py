"""Reward terms on sequences small enough to check by hand; all off is what it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from decot.errors import ConfigError
from decot.market.exact import exact_advantages
from decot.model.agent import Agent, ModelConfig
from decot.model.checkpoint import weights_hash
from decot.model.vocabulary import N_QUESTIONS, OUTLOOK
from decot.rl.algorithms import plan, teach
from decot.rl.ppo import PPOConfig
from decot.rl.reward import (
    Terms,
    coherence_of,
    differential_downside,
    differential_sharpe,
    exact_by_pay,
    held_pay,
    shaped,
)


@pytest.mark.parametrize("r", [-1.3, 0.0, 0.4, 2.0])
def test_the_differential_ratios_are_the_derivatives_they_are_named_after(r):
    """dS/dη at η = 0 of the ratio of running means, by central differences: to 1e-6."""
    mean, square, down, h = 0.2, 1.5, 0.8, 1e-6

    def sharpe(eta: float) -> float:
        a, b = mean + eta * (r - mean), square + eta * (r * r - square)
        return a / np.sqrt(b - a * a)

    def downside(eta: float) -> float:
        a, d = mean + eta * (r - mean), down + eta * (min(r, 0.0) ** 2 - down)
        return a / np.sqrt(d)

    assert differential_sharpe(r, mean, square) == pytest.approx((sharpe(h) - sharpe(-h)) / (2 * h), abs=1e-6)
    assert differential_downside(r, mean, down) == pytest.approx(
        (downside(h) - downside(-h)) / (2 * h), abs=1e-6
    )


def test_drawdown_costs_only_what_is_new():
    """+2, −1, −1, +1, −1: the fall from the peak is 0, 1, 2, 1, 2: only the first two falls are new."""
    walk = np.array([[2.0, -1.0, -1.0, 1.0, -1.0]])
    found = shaped(walk, 0.0, 0.0, 0.5, 1.0)
    assert found.tolist() == [[2.0, -1.5, -1.5, 1.0, -1.5]]
    assert shaped(walk, 0.0, 0.0, 0.0, 1.0).tolist() == walk.tolist()
    assert not Terms().is_on


def test_coherence_scales_gains_and_forgives_nothing():
    """Up 4 bps, words half meant long and not short: long gains 2, short loses 4; down, long loses 4."""
    coherent = np.array([[[0.0, 1.0, 0.5], [0.0, 1.0, 0.5]]])
    pay = held_pay(np.array([[4.0, -4.0]]), coherent, 1.0)
    assert pay.tolist() == [[[-4.0, 0.0, 2.0], [0.0, 0.0, -4.0]]]
    assert held_pay(np.array([[4.0, -4.0]])).tolist() == [[[-4.0, 0.0, 4.0], [4.0, 0.0, -4.0]]]


def test_coherence_is_read_from_the_sentence():
    """An outlook imposed on a taught-to-be-coherent head: the named side counts 1, the other 0, flat always 1."""
    torch.manual_seed(0)
    agent = Agent(ModelConfig(n_features=4), 0)
    x = torch.randn(1, 6, 4)
    for word, row in ((0, (1.0, 1.0, 0.0)), (2, (0.5, 1.0, 0.5)), (4, (0.0, 1.0, 1.0))):
        imposed = torch.full((1, 6, N_QUESTIONS), -1, dtype=torch.int8)
        imposed[..., OUTLOOK] = word
        found = coherence_of(agent, agent(x, words=imposed))
        moves = found[..., [0, 2]].any(-1)
        assert (found[..., 1] == 1).all()
        assert {tuple(line) for line in found[moves].tolist()} <= {row}
        assert (found[~moves][:, [0, 2]] == 0).all()


def test_the_recursion_with_pay_per_side_is_the_exact_one():
    """With the market's own pay it gives the market's advantages, to the last bit but rounding."""
    rng = np.random.default_rng(0)
    pi = rng.dirichlet(np.ones(3), (2, 9, 3))
    ret, cost, last = rng.normal(size=(2, 9)), np.full((2, 9), 0.3), rng.normal(size=(2, 3))
    true = exact_advantages(pi, ret, cost, cost, 0.97, last_values=last)
    found = exact_by_pay(pi, held_pay(ret), cost, cost, 0.97, last)
    for one, other in zip(found, true):
        np.testing.assert_allclose(one, other, atol=1e-12)


@pytest.mark.parametrize("name", ["ppo-exact", "ppo-gae", "grpo"])
def test_off_is_off_and_on_is_felt(world, name):
    """Weights of zero leave the very same agent; switched on, another one."""
    data = world("oracle", 600, 1)
    tiny = {"env_steps": 2_048, "batch": 8, "length": 32, "burn_in": 8} | (
        {"tail": 4} if name == "grpo" else {}
    )
    on = {"coherence_scale": 0.5} | ({} if name == "ppo-exact" else {"sharpe": 0.1, "drawdown": 0.1})
    hashes = []
    for more in ({}, dict.fromkeys(on, 0.0), on):
        agent = Agent(ModelConfig(n_features=8, conv_filters=4, lstm_units=8), 0)
        teach(name, agent, *data, plan(name, **tiny, **more))
        hashes.append(weights_hash(agent))
    assert hashes[0] == hashes[1] != hashes[2]


def test_terms_that_remember_are_refused_where_nothing_walks():
    """The exact recursion knows a row and a position; a Sharpe ratio knows a past."""
    with pytest.raises(ConfigError, match="ppo-gae or grpo"):
        PPOConfig(sharpe=0.1)
