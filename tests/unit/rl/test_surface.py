"""SB3's own callbacks and logger over our training."""

from __future__ import annotations

import csv

import numpy as np
import pytest

pytest.importorskip("stable_baselines3")

from stable_baselines3.common.callbacks import BaseCallback, CheckpointCallback
from stable_baselines3.common.logger import configure

from decot.model.agent import Agent, ModelConfig
from decot.model.checkpoint import load, weights_hash
from decot.rl.grpo import GRPOConfig
from decot.rl.ppo import PPOConfig
from decot.rl.surface import Model

SMALL = {"batch": 8, "length": 32, "burn_in": 8, "eval_every": 2}


class StopsEarly(BaseCallback):
    def _on_step(self) -> bool:
        return self.n_calls < 3


@pytest.mark.parametrize("kind", [PPOConfig, GRPOConfig])
def test_callbacks_and_logger_work(world, tmp_path, kind):
    """A checkpoint callback saves without pickles, a stopping one stops, the logger's CSV holds every look."""
    agent = Agent(ModelConfig(n_features=8, conv_filters=8, lstm_units=8), 0)
    data = world("oracle", 1_200, 1)
    model = Model(agent, *data, kind(**SMALL))
    model.set_logger(configure(str(tmp_path / "log"), ["csv"]))
    keeper = CheckpointCallback(save_freq=1, save_path=str(tmp_path / "kept"))
    assert model.learn(20_000, [keeper, StopsEarly()]) is model
    assert model.num_timesteps == 3 * 2 * 256
    with open(tmp_path / "log" / "progress.csv") as file:
        assert len(list(csv.DictReader(file))) == 3
    kept = list((tmp_path / "kept").iterdir())
    assert len(kept) == 3
    assert weights_hash(load(tmp_path / "kept" / f"rl_model_{3 * 2 * 256}_steps.zip")[0]) == weights_hash(
        agent
    )


def test_predict_carries_its_state(world):
    """Row by row it says what the stream says."""
    lesson, steps = world("oracle", 300, 1)
    model = Model(Agent(ModelConfig(n_features=8), 0), lesson, steps, PPOConfig(**SMALL))
    state, actions = None, []
    for row in lesson.obs[:20]:
        action, state = model.predict(row, state)
        actions.append(action)
    assert set(actions) <= {-1, 0, 1}
    assert np.isfinite(actions).all()
