"""Learning in loops with carried state is PPO in torch's own operations, gradient for gradient, on the rows it reads."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from decot.errors import ConfigError
from decot.model.agent import Agent, ModelConfig, decide_from
from decot.model.checkpoint import weights_hash
from decot.model.flat import descend
from decot.model.fused_chain import BLOCK
from decot.model.vocabulary import OUTLOOK, SIZES
from decot.rl import swift as swift_module
from decot.rl.algorithms import learn, plan
from decot.rl.batch import Reader
from decot.rl.ppo import Learner, PPOConfig
from decot.rl.swift import SwiftLearner
from decot.rl.swift_loops import look, step_back
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
    told = swift.update(0)
    moment = swift.optimizer.state[swift.flat.whole]["exp_avg"]  # after one step a tenth of the gradient
    starts = swift.extra["lanes.at"].numpy() - cfg.length
    rng = np.random.default_rng(7)
    rng.random(cfg.batch)  # where the lanes begin
    wanted, also = in_torch(plain, reader, cfg, starts, rng, 1.0)
    offset = {p.data_ptr(): n for n, p in agent.named_parameters()}
    base, grad = swift.flat.whole.data_ptr(), moment / 0.1
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


def taught(seed: int, **more: object):
    cfg = plan("ppo-exact", eval_every=1, save_every=1, **LANES)
    return learn(agent_of("plain"), *make("oracle", 2_000, 1), cfg, seed=seed, **more)


def test_an_interrupted_walk_ends_where_a_whole_one_does(tmp_path):
    """Stopped after five of eight updates and resumed: lanes, state, moments and luck go on to the same weights hash."""
    whole = weights_hash(taught(3).agent)
    assert whole != weights_hash(taught(4).agent)
    stopped = taught(3, resume=tmp_path, callback=lambda line: line["update"] < 5)
    assert len(stopped.curve) == 5
    assert weights_hash(taught(3, resume=tmp_path).agent) == whole


def test_lanes_go_on_where_they_stopped():
    """The next update reads the very next rows with the state the last one left; past the end a lane begins anew."""
    cfg = plan("ppo-exact", **LANES)
    lesson, steps = make("oracle", 2_000, 1)
    swift = SwiftLearner(agent_of("plain"), Reader(lesson, steps, cfg.length, cfg.burn_in), cfg, 0)
    swift.update(0)
    at, hidden = swift.extra["lanes.at"].clone(), swift.extra["lanes.hidden"].clone()
    starts, carried, _ = swift._go_on()
    inside = at.numpy() <= swift.reader.last
    assert inside[:-1].all()
    assert np.array_equal(starts[inside], at.numpy()[inside])
    assert np.array_equal(carried[inside], hidden.numpy()[inside])
    swift.extra["lanes.at"][0] = swift.reader.last + 1
    starts, carried, _ = swift._go_on()
    assert swift.reader.first <= starts[0] < swift.reader.first + cfg.length
    assert not np.array_equal(carried[0], hidden[0].numpy())


def test_a_rosier_outlook_is_taught_to_lean_long():
    """The loops' incoherence and its gradient are torch's, asked in the same rows."""
    cfg = plan("ppo-exact", epochs=1, learning_rate=0.0, grad_clip=1e9, anneal=0.0, **LANES)
    reader = Reader(*make("oracle", 2_000, 1), cfg.length, cfg.burn_in)
    grads, tolds = [], []
    for coherence in (1.0, 0.0):
        agent = agent_of("plain")
        swift = SwiftLearner(agent, reader, replace(cfg, coherence=coherence), 7)
        tolds.append(swift.update(0))
        grads.append(
            swift.optimizer.state[swift.flat.whole]["exp_avg"] / 0.1
        )  # the first moment after one step
    asked, own = [], agent.order.index(OUTLOOK)
    for block in range(0, cfg.rows_per_update // BLOCK, 2):  # every other block, 12 rows of each
        asked += [block * BLOCK + (block + 5 * i) % BLOCK for i in range(BLOCK // SIZES[OUTLOOK])]
    batch = reader.at(swift.extra["lanes.at"].numpy() - cfg.length)
    plain = agent_of("plain")
    with torch.no_grad():
        state = plain.trunk(batch.burn)[1]
    out = plain(batch.obs, state)
    embedded = out.embedded.transpose(0, 1).flatten(0, 1)[asked].detach()
    said = embedded.expand(SIZES[OUTLOOK], *embedded.shape).clone()
    said[:, :, own] = plain.meaning[own][:, None]
    policy, value, leave, _ = plain.judgement(said, said.new_zeros(0))
    log_pi = decide_from(policy, value, leave, plain.cfg.value_tilt).clamp_min(1e-8).log()
    short = torch.relu(0.3 - (log_pi[..., 2] - log_pi[..., 0]).mean(-1).diff(dim=0)).mean()
    short.backward()
    assert tolds[0]["incoherence"] == pytest.approx(float(short.detach()), rel=1e-4)
    found = grads[0] - grads[1]
    theirs = torch.cat([layer.weight.grad.flatten() for layer in (plain.policy, plain.value, plain.exit)])
    at = (agent.policy.weight.data_ptr() - swift.flat.whole.data_ptr()) // 4
    mine = found[at : at + len(theirs)]
    assert float((mine - theirs).abs().max()) <= 1e-3 * float(theirs.abs().max())


def test_what_loops_do_not_know_is_refused_whole():
    """Dropout, stretches that fill no block and a scaled return: one refusal names all three."""
    cfg = plan("ppo-exact", **{**LANES, "length": 23}, coherence_scale=0.5)
    with pytest.raises(ConfigError) as refused:
        learn(agent_of("plain", dropout=0.1), *make("oracle", 2_000, 1), cfg)
    assert all(word in str(refused.value) for word in ("dropout", "multiple of 64", "coherence_scale"))


@pytest.mark.parametrize("name", ["ppo-exact", "ppo-gae"])
def test_steps_in_one_call_are_steps_one_by_one(name, monkeypatch):
    """Looking, going back and descending in one loop ends in the bits of three calls a step, moments and corrections too."""
    cfg = plan(name, epochs=3, anneal=0.0, **LANES)
    reader = Reader(*make("oracle", 2_000, 1), cfg.length, cfg.burn_in)

    def one_by_one(w, d, x, adam, pool, sizes, foresees, outlook, shift, c, room, told, losses):
        for i in range(cfg.epochs):
            look(w, x, pool, sizes, foresees, c.tilt, room)
            told[:] = 0
            is_last = i == cfg.epochs - 1
            step_back(w, d, x, pool, sizes, foresees, outlook, shift + i, c, room, is_last, told, losses)
            n = first + i + 1
            norm = descend(
                adam.weights, adam.grads, adam.first, adam.second, cfg.learning_rate, 0.0,
                1 - 0.9**n, 1 - 0.999**n, cfg.grad_clip,
            )  # fmt: skip
        return norm

    ends = []
    for is_apart in (False, True):
        if is_apart:
            monkeypatch.setattr(swift_module, "learn", one_by_one)
        learner = SwiftLearner(agent_of("plain"), reader, replace(cfg, decay=1.0), 7)
        told = []
        for index in range(3):
            first = cfg.epochs * index
            told.append(learner.update(index))
        ends.append((weights_hash(learner.agent), told))
    assert ends[0] == ends[1]
