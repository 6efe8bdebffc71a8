"""What an agent inherits, it still knows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from decot.errors import CheckpointRefused
from decot.model.agent import Agent, ModelConfig
from decot.model.checkpoint import arrays_of, weights_hash
from decot.model.graft import graft

OLD = ModelConfig(
    n_features=7,
    conv_filters=6,
    lstm_units=10,
    word_width=4,
    kernel=3,
    questions=("flow", "trend", "regime", "risk", "outlook"),
)


def said(agent: Agent, obs: np.ndarray):
    with torch.no_grad():
        out = agent.eval()(torch.from_numpy(obs[None, :200]))
        return out, agent.decision(out)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"conv_filters": 9},
        {"lstm_units": 16},
        {"word_width": 12},
        {"kernel": 7},
        {"conv_filters": 16, "lstm_units": 24, "word_width": 8, "kernel": 5, "dropout": 0.2},
    ],
    ids=str,
)
def test_a_wider_child_answers_as_its_parent_did(make_agent, obs, change):
    """Same words, forecasts, values and decisions before it has learned anything; the same shape, the same bits."""
    parent, child = make_agent(OLD, 1), Agent(replace(OLD, **change), 2)
    told = graft(child, OLD, arrays_of(parent))
    assert told.is_exact
    assert told.carried == 1.0
    (one, decided_one), (two, decided_two) = said(parent, obs), said(child, obs)
    assert torch.equal(one.words, two.words)
    for a, b in ((one.forecasts, two.forecasts), (one.value, two.value), (decided_one, decided_two)):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=2e-5)
    if not change:
        assert weights_hash(parent) == weights_hash(child)


def test_what_is_new_can_be_taught(make_agent, obs):
    """No weight of a grown child is out of the gradient's reach after one step."""
    parent, child = make_agent(OLD, 1), Agent(replace(OLD, conv_filters=9, lstm_units=16, word_width=8), 2)
    graft(child, OLD, arrays_of(parent))
    optimizer = torch.optim.Adam(child.parameters(), 1e-3)
    for _ in range(3):
        out = child(torch.from_numpy(obs[None, :100]))
        loss = (
            child.decision(out)[..., 0].square().mean()
            + out.value.square().mean()
            + out.forecasts.square().mean()
        )
        loss = loss + sum(x.logsumexp(-1).mean() for x in out.word_logits if x.shape[-1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    silent = [name for name, weight in child.named_parameters() if not weight.grad.abs().sum() > 0]
    assert silent == []


def test_a_narrower_child_keeps_the_loudest(make_agent, obs):
    """Units whose voice is nothing are the ones left behind: then even a slice answers as before."""
    parent = make_agent(OLD, 1)
    quiet = [0, 3, 7]
    with torch.no_grad():
        for way in (parent.see, parent.ask, parent.foresee, parent.lstm.weight_hh_l0):
            weight = way if isinstance(way, torch.Tensor) else way.weight
            weight[:, quiet] = 0
        parent.read.weight[:, quiet] = 0
    child = Agent(replace(OLD, lstm_units=7), 2)
    told = graft(child, OLD, arrays_of(parent))
    assert not told.is_exact
    assert told.carried < 1
    torch.testing.assert_close(said(parent, obs)[1], said(child, obs)[1], rtol=1e-4, atol=2e-5)


def test_steps_are_carried_by_their_question(make_agent):
    """Asked in another order, and beside a new one, a question still means the same; a new one is not heard yet."""
    parent = make_agent(OLD, 1)
    child = Agent(replace(OLD, questions=("volume", "trend", "flow", "pattern", "risk", "outlook")), 2)
    told = graft(child, OLD, arrays_of(parent))
    assert not told.is_exact
    assert torch.equal(child.meaning[1], parent.meaning[1])
    assert torch.equal(child.meaning[2], parent.meaning[0])
    assert torch.equal(child.answer[5].weight, parent.answer[4].weight)
    assert child.judge.weight[:, 4:8].abs().sum() == 0


def test_strangers_inherit_nothing(make_agent):
    """An agent that sees other rows is refused, and it is said why."""
    with pytest.raises(CheckpointRefused, match="n_features 7 → 9"):
        graft(Agent(replace(OLD, n_features=9)), OLD, arrays_of(make_agent(OLD)))
