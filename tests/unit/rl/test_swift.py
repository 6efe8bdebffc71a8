"""Learning in loops with carried state is PPO in torch's own operations, gradient for gradient, on the rows it reads."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from decot.model.agent import Agent, ModelConfig
from decot.rl.algorithms import plan
from decot.rl.batch import Reader
from decot.rl.ppo import Learner, PPOConfig
from decot.rl.swift import SwiftLearner
from decot.rl.worlds import make

SMALL = {"conv_filters": 6, "lstm_units": 10}
SHAPES = {
    "plain": {},
    "few questions": {"questions": ("risk", "trend", "outlook"), "word_width": 12, "pool": 1},
    "odd widths": {"step_width": 7, "word_width": 5, "glance_width": 3, "kernel": 3, "pool": 3},
}
LANES = {"batch": 16, "length": 24, "burn_in": 20, "env_steps": 16 * 24 * 8, "carried": True}


def agent_of(shape: str, **more: object) -> Agent:
    agent = Agent(ModelConfig(n_features=8, **{**SMALL, **SHAPES[shape], **more}), 3)
    with torch.no_grad():  # far from where everything is alike
        for layer in (agent.policy, agent.value, agent.exit):
            layer.weight.mul_(5)
    return agent


def in_torch(agent: Agent, reader: Reader, cfg: PPOConfig, starts: np.ndarray, rng, cost: float):
    """The gradient of the same stretches by torch, and what was told."""
    learner = Learner(agent, reader, cfg, 0)
    learner.rng, batch = rng, reader.at(starts)
    with torch.no_grad():
        _, state = agent.trunk(batch.burn)
    out = agent(batch.obs, state)
    log_pi = agent.decision(out).clamp_min(1e-8).log()
    judged = learner._judge(out, log_pi.detach(), batch, cost)
    loss, told = learner._loss(out, log_pi, judged, batch)
    loss.backward()
    return {name: p.grad for name, p in agent.named_parameters()}, told


@pytest.mark.parametrize("name", ["ppo-exact", "ppo-gae"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_gradient_is_torch_s(name, shape):
    """One step of the loops leaves the gradient that torch finds on the same rows, to 1e-4 of each layer's largest."""
    cfg = plan(name, epochs=1, learning_rate=0.0, grad_clip=1e9, coherence=0.0, anneal=0.0, **LANES)
    lesson, steps = make("oracle", 2_000, 1)
    reader = Reader(lesson, steps, cfg.length, cfg.burn_in)
    agent = agent_of(shape)
    plain = copy.deepcopy(agent)
    swift = SwiftLearner(agent, reader, cfg, 7)
    kept, descend = [], swift.optimizer.descend
    swift.optimizer.descend = lambda: (kept.append(swift.flat.whole.grad.clone()), descend())[1]
    told = swift.update(0)
    starts = swift.extra["lanes.at"].numpy() - cfg.length
    rng = np.random.default_rng(7)
    rng.random(cfg.batch)  # where the lanes begin
    wanted, also = in_torch(plain, reader, cfg, starts, rng, 1.0)
    offset = {p.data_ptr(): n for n, p in agent.named_parameters()}
    base, grad = swift.flat.whole.data_ptr(), kept[0]
    found = {
        offset[ptr]: grad[(ptr - base) // 4 :][: wanted[offset[ptr]].numel()].view(wanted[offset[ptr]].shape)
        for ptr in offset
    }
    for part, theirs in wanted.items():
        if part == "weigh.bias":  # a softmax does not feel it
            continue
        scale = float(theirs.abs().max())
        assert float((found[part] - theirs).abs().max()) <= 1e-4 * scale + 1e-7, part
    for part in ("policy_loss", "entropy", "value_loss", "forecast_loss"):
        assert told[part] == pytest.approx(also[part], rel=1e-3, abs=1e-5), part
