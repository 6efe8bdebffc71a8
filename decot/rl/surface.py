"""Stable-Baselines3's surface over our training, so that its callbacks, loggers and habits work. Knows no algorithm.

`learn`, `predict`, `save`, `set_logger`, `num_timesteps`, `get_env` are what SB3's callbacks ask of a model. A callback's
`on_step` is called once per look at validation, with every figure of that look already recorded in the logger.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback, CallbackList
from stable_baselines3.common.logger import Logger, configure

from decot.market.steps import Steps
from decot.model.agent import Agent
from decot.model.checkpoint import save
from decot.model.lesson import Lesson
from decot.model.stream import StreamAgent
from decot.rl.algorithms import learn
from decot.rl.ppo import PPOConfig
from decot.rl.training import Trained


class Model:
    """An agent with its lesson, as SB3 would have it."""

    def __init__(
        self,
        agent: Agent,
        lesson: Lesson,
        steps: Steps,
        cfg: PPOConfig,
        *,
        validation: tuple[Lesson, Steps] | None = None,
        seed: int = 0,
    ) -> None:
        self.agent, self.lesson, self.steps, self.cfg = agent, lesson, steps, cfg
        self.validation, self.seed = validation, seed
        self.num_timesteps = 0
        self.logger: Logger = configure(None, [])
        self.trained: Trained | None = None

    def set_logger(self, logger: Logger) -> None:
        """Where figures go; `stable_baselines3.common.logger.configure` makes one."""
        self.logger = logger

    def get_env(self) -> None:
        """There is none: the market is a tape, and every account shares one pass over it."""
        return

    def learn(self, total_timesteps: int, callback: BaseCallback | list[BaseCallback] | None = None) -> Model:
        """Teach for so many rows; a callback that gives False stops."""
        heard = CallbackList(callback if isinstance(callback, list) else [callback] if callback else [])
        heard.init_callback(self)
        heard.on_training_start(locals(), globals())

        def look(line: dict[str, float]) -> bool:
            self.num_timesteps = int(line["env_steps"])
            for name, value in line.items():
                self.logger.record(f"train/{name}", value)
            self.logger.dump(self.num_timesteps)
            return bool(heard.on_step())

        cfg = replace(self.cfg, env_steps=total_timesteps)
        more: dict[str, Any] = {"validation": self.validation, "seed": self.seed, "callback": look}
        self.trained = learn(self.agent, self.lesson, self.steps, cfg, **more)
        heard.on_training_end()
        return self

    def predict(
        self,
        observation: np.ndarray,
        state: StreamAgent | None = None,
        *,
        position: int = 0,
    ) -> tuple[int, StreamAgent]:
        """Target position for one scaled row; the state is handed back, to be handed in at the next row."""
        stream = state or StreamAgent(self.agent)
        return stream.step(np.asarray(observation, np.float32), position).action, stream

    def save(self, path: str | Path) -> None:
        """Safetensors and JSON under this folder; never a pickle."""
        save(Path(path), self.agent, {"num_timesteps": self.num_timesteps})
