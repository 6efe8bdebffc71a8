"""Learning on while trading: it follows a drift, is undone when it harms, and never leaves its leash."""

from __future__ import annotations

import numpy as np
import pytest

from decot.errors import ConfigError
from decot.market.steps import Steps
from decot.model.agent import Agent, ModelConfig
from decot.model.checkpoint import weights_hash
from decot.model.lesson import Lesson
from decot.rl.online import LEARNED, OFF, UNDONE, Online, OnlineConfig
from decot.rl.ppo import PPOConfig, train
from decot.rl.training import profit

ROWS = 1_500


@pytest.fixture(scope="module")
def champion(world):
    """An agent that knows a world where a change costs 1 bps."""
    agent = Agent(ModelConfig(n_features=8, conv_filters=8, lstm_units=16, kernel=3, pool=1), 0)
    return train(
        agent, *world("oracle", 8_000, 1), PPOConfig(env_steps=60_000, batch=8, length=64, burn_in=16)
    ).agent


def dear(world: tuple[Lesson, Steps], cost: float) -> tuple[Lesson, Steps]:
    """The same market with other costs."""
    return world[0], world[1].scaled(cost)


def lying(world: tuple[Lesson, Steps]) -> tuple[Lesson, Steps]:
    """The same observations, every return turned round: what is learned there is wrong."""
    lesson, steps = world
    turned = Steps(
        ret_bps=-steps.ret_bps,
        cost_buy_bps=steps.cost_buy_bps,
        cost_sell_bps=steps.cost_sell_bps,
        n_tradable=steps.n_tradable,
    )
    words = lesson.words.copy()
    words[:, 7] = 4 - words[:, 7]
    return Lesson(lesson.obs, words, -lesson.targets), turned


def test_it_follows_a_drift_inside_its_budget(world, champion):
    """Costs grow to 3 bps: after ten stretches it earns more than the champion on a tape neither saw, within the budget."""
    cfg = OnlineConfig(is_on=True, kl_budget=0.15, updates=8, learning_rate=2e-3)
    online = Online(champion, world("oracle", 3_000, 1), cfg)
    frozen = weights_hash(champion)
    for day in range(10):
        found = online.feed(*dear(world("oracle", ROWS, 100 + day), 3.0))
        assert found.outcome == LEARNED
        assert found.kl <= cfg.kl_budget
    test = dear(world("oracle", 4_000, 999), 3.0)
    assert profit(online.candidate, *test)[0] > profit(champion, *test)[0] + 100
    assert online.proven
    assert weights_hash(champion) == weights_hash(online.champion) == frozen


def test_it_is_undone_when_it_harms(world, champion):
    """Taught on turned-round returns it falls behind in the shadow once the market is itself, and is the champion again."""
    cfg = OnlineConfig(is_on=True, kl_budget=5.0, updates=15, learning_rate=8e-3, memory=2)
    online = Online(champion, lying(world("oracle", 3_000, 1)), cfg)
    for day in range(3):
        online.feed(*lying(world("oracle", ROWS, 200 + day)))
    online.lead.clear()  # the drill: those returns were not the market's
    outcomes = [online.feed(*world("oracle", ROWS, 300 + day)) for day in range(2)]
    assert UNDONE in [found.outcome for found in outcomes]
    undone = next(found for found in outcomes if found.outcome == UNDONE)
    assert undone.lead_bps < -cfg.z * undone.error_bps


def test_the_budget_holds_however_hard_it_pulls(world, champion):
    """A rate far too high and a tiny budget: steps are shortened or refused, and the distance stays inside every time."""
    cfg = OnlineConfig(is_on=True, kl_budget=0.002, updates=5, learning_rate=0.05)
    online = Online(champion, world("oracle", 3_000, 1), cfg)
    found = [online.feed(*lying(world("oracle", ROWS, 400 + day))) for day in range(3)]
    assert all(one.kl <= cfg.kl_budget for one in found)
    assert sum(one.refused for one in found) > 0


def test_it_is_off_unless_asked_for(world, champion):
    """By default nothing is learned and nothing compared."""
    online = Online(champion, world("oracle", 3_000, 1))
    before = weights_hash(online.candidate)
    assert online.feed(*world("oracle", ROWS, 5)).outcome == OFF
    assert weights_hash(online.candidate) == before
    assert np.isclose(online.distance(online._probe), 0.0)
    with pytest.raises(ConfigError, match="kl_budget"):
        OnlineConfig(kl_budget=0.0)
