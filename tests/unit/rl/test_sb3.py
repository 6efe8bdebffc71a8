"""Stable-Baselines3's algorithms through our market."""

from __future__ import annotations

import csv

import numpy as np
import pytest

pytest.importorskip("stable_baselines3")

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import configure

from decot.errors import ConfigError
from decot.market.exact import hindsight
from decot.market.simulate import simulate
from decot.market.steps import step_rewards, walk_bps
from decot.rl.sb3 import train_sb3, venue_of


class Stops(BaseCallback):
    def _on_step(self) -> bool:
        return self.n_calls < 130


def test_a_venue_pays_what_its_steps_pay(world):
    """The book made from steps gives them back, but for the last two rows, which a tape cannot fill."""
    steps = world("oracle", 300, 1)[1]
    venue = venue_of(steps)
    found = step_rewards(venue.tape, venue.rules)
    np.testing.assert_allclose(found.ret_bps[:-2], steps.ret_bps[:-2], atol=1e-8)
    np.testing.assert_allclose(found.cost_buy_bps[:-1], steps.cost_buy_bps[:-1], rtol=1e-9)


def test_sb3_ppo_repeats_the_observation(world, tmp_path):
    """It learns to go where it is told, through TradingVecEnv; a logger writes and the account is not ruined."""
    data, held_out = world("repeat", 3_000, 1), world("repeat", 1_000, 2)
    logger = configure(str(tmp_path), ["csv"])
    found = train_sb3("sb3-ppo", data[0].obs, data[1], env_steps=25_000, logger=logger)
    venue = venue_of(held_out[1])
    targets = found.targets(held_out[0].obs, venue)
    assert walk_bps(held_out[1], targets).sum() >= 0.9 * hindsight(held_out[1]).bound_bps
    run = simulate(venue.tape, targets.astype(np.int8), venue.rules, venue.account)
    assert run.total_bps > 0.8 * hindsight(held_out[1]).bound_bps
    with open(tmp_path / "progress.csv") as file:
        assert len(list(csv.DictReader(file))) > 3


def test_td3_trades_a_share_in_whole_lots(world):
    """Its target is a number in −1…1; what its replay keeps is the share really held, in lots; a callback stops it."""
    lesson, steps = world("repeat", 600, 1)
    found = train_sb3(
        "td3", lesson.obs, steps, env_steps=10_000, n_envs=4, callback=Stops(), learning_starts=64
    )
    assert found.model.num_timesteps == 130 * 4
    buffer = found.model.replay_buffer
    kept = buffer.actions[: buffer.pos].ravel()
    assert (np.abs(kept) <= 1).all()
    assert np.unique(np.round(kept, 6)).size > 20
    targets = found.targets(lesson.obs, venue_of(steps))
    assert targets.shape == (600,)
    assert (np.abs(targets) <= 1).all()
    with pytest.raises(ConfigError, match="td3"):
        train_sb3("dqn", lesson.obs, steps, env_steps=1)
