"""A small agent whose heads are loud enough to decide something."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from decot.model.agent import Agent, ModelConfig


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def loud(cfg: ModelConfig, seed: int = 0) -> Agent:
    """An untrained agent with large random heads, so that words and actions vary."""
    agent = Agent(cfg, seed)
    with torch.no_grad():
        for name, weight in agent.named_parameters():
            if name.startswith(("read", "foresee", "expect", "answer", "policy", "exit", "value", "judge")):
                weight.mul_(4.0)
        agent.exit.bias.zero_()
    return agent.eval()


@pytest.fixture
def agent() -> Agent:
    return loud(ModelConfig(n_features=7, conv_filters=6, lstm_units=10))


@pytest.fixture
def make_agent():
    return loud


@pytest.fixture
def obs() -> np.ndarray:
    return np.random.default_rng(3).normal(size=(600, 7)).astype(np.float32)
