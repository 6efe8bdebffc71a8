"""Every way of learning by its name."""

from __future__ import annotations

import pytest

from decot.errors import ConfigError
from decot.model.agent import Agent, ModelConfig
from decot.model.checkpoint import weights_hash
from decot.rl.algorithms import ALGORITHMS, SETTINGS, plan, teach
from decot.rl.grpo import GRPOConfig
from decot.rl.ppo import PPOConfig, train

TINY = {"env_steps": 2_048, "batch": 8, "length": 32, "burn_in": 8}


@pytest.mark.parametrize("name", ALGORITHMS)
def test_each_is_taught_by_its_name(world, name):
    """One door for all; the agent comes back with other weights than it went in with."""
    agent = Agent(ModelConfig(n_features=8, conv_filters=4, lstm_units=8), 0)
    before = weights_hash(agent)
    found = teach(name, agent, *world("oracle", 600, 1), PPOConfig(**TINY))
    assert found.agent is agent
    assert weights_hash(agent) != before


def test_the_exact_one_is_what_it_was(world):
    """By name or by `train`: the same weights hash."""
    data = world("oracle", 600, 1)
    agents = [Agent(ModelConfig(n_features=8, conv_filters=4, lstm_units=8), 0) for _ in range(2)]
    teach("ppo-exact", agents[0], *data, PPOConfig(**TINY))
    train(agents[1], *data, PPOConfig(**TINY))
    assert weights_hash(agents[0]) == weights_hash(agents[1])


def test_what_a_profile_chose_wins():
    """A base's own choices stand above the algorithm's settings, its untouched defaults below them."""
    cfg = plan("ppo-gae", PPOConfig(accounts=7, learning_rate=0.001))
    assert (cfg.accounts, cfg.learning_rate, cfg.advantage) == (7, 0.001, "gae")
    assert cfg.lam == SETTINGS["ppo-gae"]["lam"]
    assert isinstance(plan("grpo", PPOConfig(patience=3)), GRPOConfig)


def test_unknown_names_and_baselines_are_refused():
    """A wrong name lists the right ones; a baseline says where it is taught."""
    with pytest.raises(ConfigError, match="ppo-exact"):
        plan("sarsa")
    with pytest.raises(ConfigError, match="train_sb3"):
        plan("td3")
