"""PPO learns what can be learned, finds nothing in noise, and resumes as if never stopped."""

from __future__ import annotations

import pytest

from decot.errors import CheckpointRefused, ModelFault
from decot.market.exact import hindsight
from decot.model.agent import Agent, ModelConfig
from decot.model.checkpoint import weights_hash
from decot.rl.algorithms import plan
from decot.rl.ppo import PPOConfig, profit, train

SMALL = {"batch": 8, "length": 64, "burn_in": 16}


def small_agent(n_features: int = 8, seed: int = 0) -> Agent:
    return Agent(ModelConfig(n_features=n_features, conv_filters=8, lstm_units=16, kernel=3, pool=1), seed)


@pytest.mark.parametrize("name", ["ppo-exact", "ppo-gae"])
def test_the_observation_is_repeated(world, name):
    """Told which way the next move goes, it goes there: at least 95 % of what hindsight earns."""
    train_world, test_world = world("repeat", 4_000, 1), world("repeat", 2_000, 2)
    cfg = plan(name, env_steps=24_000, **SMALL)
    agent = train(small_agent(), *train_world, cfg).agent
    assert profit(agent, *test_world)[0] >= 0.95 * hindsight(test_world[1]).bound_bps


@pytest.mark.parametrize("name", ["ppo-exact", "ppo-gae"])
def test_an_oracle_column_is_used(world, name):
    """With the next return in sight it earns at least 80 % of the hindsight optimum after costs."""
    train_world, test_world = world("oracle", 12_000, 1), world("oracle", 3_000, 2)
    cfg = plan(name, env_steps=60_000, **SMALL)
    agent = train(small_agent(), *train_world, cfg).agent
    assert profit(agent, *test_world)[0] >= 0.80 * hindsight(test_world[1]).bound_bps


def test_noise_is_left_alone(world):
    """Where nothing can be known, validation keeps an agent that stays out or holds on: no loss beyond a few fees."""
    train_world, valid, test_world = (world("noise", 6_000, seed) for seed in (1, 2, 3))
    cfg = PPOConfig(env_steps=40_000, eval_every=10, **SMALL)
    agent = train(small_agent(), *train_world, cfg, validation=valid).agent
    trades = profit(agent, *test_world)[1]
    assert trades <= 10


def test_the_same_seed_is_the_same_agent(world):
    """Same seed twice, the same weights hash; another seed, another."""
    data = world("oracle", 1_500, 1)
    cfg = PPOConfig(env_steps=4_000, **SMALL)
    hashes = [weights_hash(train(small_agent(), *data, cfg, seed=seed).agent) for seed in (3, 3, 4)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_an_interrupted_training_ends_where_an_uninterrupted_one_does(world, tmp_path):
    """Stopped by a callback and resumed in a new process's place: the same weights hash and the same curve."""
    data, valid = world("oracle", 1_500, 1), world("oracle", 800, 2)
    cfg = PPOConfig(env_steps=8_000, eval_every=3, save_every=2, **SMALL)

    def fresh() -> Agent:
        return Agent(ModelConfig(n_features=8, dropout=0.1), 0)

    whole = train(fresh(), *data, cfg, validation=valid, seed=1)
    train(
        fresh(),
        *data,
        cfg,
        validation=valid,
        seed=1,
        resume=tmp_path,
        callback=lambda line: line["update"] < 6,
    )
    again = train(fresh(), *data, cfg, validation=valid, seed=1, resume=tmp_path)
    assert weights_hash(again.agent) == weights_hash(whole.agent)
    assert again.curve == whole.curve
    with pytest.raises(CheckpointRefused, match="another architecture"):
        train(small_agent(), *data, cfg, resume=tmp_path)


def test_a_tape_too_short_is_refused(world):
    """A lesson that does not fit its steps, and a tape shorter than one stretch, are named."""
    lesson, steps = world("noise", 200, 0)
    with pytest.raises(ModelFault, match="shorten"):
        train(small_agent(), lesson, steps, PPOConfig())
    with pytest.raises(ModelFault, match="same table"):
        train(small_agent(), lesson.slice(0, 100), steps, PPOConfig(**SMALL))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", ["ppo-exact", "ppo-gae"])
def test_a_planted_edge_is_found(world, kalman, name, seed):
    """At least 70 % of what the true-parameter Kalman filter with its best threshold earns on another tape."""
    data, valid, test_world = (
        world("planted", n, 10 * seed + part) for part, n in enumerate((200_000, 20_000, 40_000))
    )
    agent = Agent(ModelConfig(n_features=41), seed)
    train(agent, *data, plan(name, env_steps=500_000), validation=valid, seed=seed)
    assert profit(agent, *test_world)[0] >= 0.70 * kalman(test_world)
