"""Environments: both checkers pass, the reward is the simulator's, and an end is never mistaken for a cut."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env as gym_check
from stable_baselines3 import PPO
from stable_baselines3.common.env_checker import check_env as sb3_check

from decot.errors import ConfigError
from decot.market.env import N_ACCOUNT, EnvConfig, TradingEnv
from decot.market.rules import load_rules
from decot.market.simulate import Account, simulate
from decot.market.vec_env import TradingVecEnv

RULES = load_rules("demo", "BTC-USD")


def columns(n, seed=0, width=5):
    return np.random.default_rng(seed).normal(size=(n, width)).astype(np.float32)


@pytest.mark.parametrize(
    "config", [EnvConfig(episode_rows=50), EnvConfig(episode_rows=50, is_continuous=True)]
)
def test_both_checkers_pass(world, config):
    """Gymnasium's and stable-baselines3's env checkers have nothing to say."""
    env = TradingEnv(columns(300), world(300), RULES, Account(), config)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*Box observation space (minimum|maximum) value is.*")
        warnings.filterwarnings("ignore", message=".*spec is None.*|.*render_modes.*|.*not been created.*")
        gym_check(env, skip_render_check=True)
        sb3_check(env)


def test_the_rewards_are_the_simulators(world):
    """Over a whole tape the summed reward is the simulated equity before the closing row."""
    tape = world(200, 3)
    env = TradingEnv(columns(200), tape, RULES, Account(), EnvConfig(episode_rows=999, is_random_start=False))
    env.reset(seed=0)
    targets = np.repeat(np.random.default_rng(1).integers(-1, 2, 40), 5)
    equity, expected, cut, t = 19.0, simulate(tape, targets, RULES).equity_usdt, False, 0
    while not cut:
        _, reward, ended, cut, facts = env.step(int(targets[t]) + 1)
        equity, t = equity + reward * 19e-4, t + 1
        assert not ended
        assert t == facts["row"]
        if t < 199:
            assert equity == pytest.approx(expected[t], abs=1e-9)
            assert facts["equity_usdt"] == pytest.approx(expected[t], abs=1e-9)
    assert t == 199


def test_the_observation_is_the_row_and_the_account(world):
    """Market columns are those of the current bar; the account's six follow; a window repeats them."""
    x = columns(100)
    env = TradingEnv(x, world(100), RULES, None, EnvConfig(is_random_start=False))
    seen, _ = env.reset(seed=0)
    np.testing.assert_array_equal(seen[:5], x[0])
    assert seen.shape == (5 + N_ACCOUNT,)
    for _ in range(3):
        seen, *_ = env.step(2)
    np.testing.assert_array_equal(seen[:5], x[3])
    assert seen[5] == 1
    assert seen[6] == 1
    wide = TradingEnv(x, world(100), RULES, None, EnvConfig(window=10, is_random_start=False))
    seen, _ = wide.reset(seed=0)
    assert seen.shape == (10, 5 + N_ACCOUNT)
    np.testing.assert_array_equal(seen[:, :5], x[:10])


def test_truncation_keeps_the_future_and_ruin_does_not(world):
    """An episode cut by the clock is truncated with its last observation; a ruined account is terminated, not cut."""
    tape = world(300, vol_bps=1.0)
    vec = TradingVecEnv(columns(300), tape, RULES, None, EnvConfig(episode_rows=20), n_envs=3)
    vec.reset()
    for _ in range(19):
        *_, done, _ = vec.step(np.full(3, 1))
        assert not done.any()
    vec.seats.accounts.states[1, 0] = 0.01
    seen, _, done, infos = vec.step(np.full(3, 1))
    assert done.all()
    assert [i["TimeLimit.truncated"] for i in infos] == [True, False, True]
    assert all(i["terminal_observation"].shape == seen[0].shape for i in infos)
    assert vec.seats.accounts.equity().tolist() == [19.0] * 3
    assert vec.seats.accounts.rows.max() < 280


def test_a_leveraged_crash_terminates(world):
    """Three times long into a fall, the environment says terminated and not truncated."""
    tape = world(400, vol_bps=0.1)
    fall = np.linspace(1, 0.6, 400)
    tape = replace(tape, bid=tape.bid * fall, ask=tape.ask * fall)
    env = TradingEnv(columns(400), tape, RULES, Account(leverage=2.9), EnvConfig(is_random_start=False))
    env.reset(seed=0)
    ended = cut = False
    while not (ended or cut):
        _, _, ended, cut, _ = env.step(2)
    assert ended
    assert not cut


def test_the_batch_is_the_single_one(world):
    """The same actions from the same rows give the single environment's rewards and observations."""
    tape, x = world(150, 5), columns(150)
    config = EnvConfig(episode_rows=100, is_random_start=False)
    env = TradingEnv(x, tape, RULES, None, config)
    vec = TradingVecEnv(x, tape, RULES, None, config, n_envs=4)
    one, many = env.reset(seed=0)[0], vec.reset()
    rng = np.random.default_rng(6)
    for _ in range(99):
        np.testing.assert_array_equal(one, many[2])
        actions = rng.integers(0, 3, 4)
        one, reward, *_ = env.step(actions[2])
        many, rewards, *_ = vec.step(actions)
        assert rewards[2] == np.float32(reward)


def test_a_learner_learns_on_it(world):
    """SB3's PPO takes the VecEnv as it is and its own predict works on it."""
    vec = TradingVecEnv(columns(400), world(400), RULES, None, EnvConfig(episode_rows=64), n_envs=4)
    model = PPO("MlpPolicy", vec, n_steps=32, batch_size=64, n_epochs=1, seed=0, device="cpu")
    model.learn(256)
    assert model.predict(vec.reset())[0].shape == (4,)


def test_unfit_observations_are_refused(world):
    """Too few rows, or values that are not finite, are named together."""
    bad = columns(99)
    bad[0, 0] = np.nan
    with pytest.raises(ConfigError, match="one row for each of 100"):
        TradingEnv(bad, world(100), RULES)
    bad = columns(100)
    bad[3] = np.inf
    with pytest.raises(ConfigError, match="5 values"):
        TradingEnv(bad, world(100), RULES)
