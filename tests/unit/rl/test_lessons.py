"""A word moves the action as it says: what is taught is what the judge of words asks."""

from __future__ import annotations

import pytest
import torch

from decot.model.agent import Agent, ModelConfig
from decot.model.vocabulary import NAMES, OUTLOOK, SIZES
from decot.rl import lessons
from decot.rl.batch import Reader
from decot.rl.lessons import incoherence_of
from decot.rl.ppo import Learner, PPOConfig
from decot.rl.worlds import make


def lean(agent: Agent, x: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
    """(2, B, T) log-odds of long over short, and P(long) − P(short), averaged over positions, under these words."""
    pi = agent.decision(agent(x, words=words))
    log_pi = pi.clamp_min(1e-8).log()
    return torch.stack([(each[..., 2] - each[..., 0]).mean(-1) for each in (log_pi, pi)])


@pytest.mark.parametrize("is_anew", [True, False])
def test_what_follows_the_outlook_is_asked_anew_or_held(is_anew):
    """With the rows at hand the risk is asked again under each outlook, without them it stays; the two differ here."""
    agent = Agent(ModelConfig(n_features=6, conv_filters=4, lstm_units=8), 5)
    with torch.no_grad():  # a risk that listens to the outlook, and heads that say something
        agent.recall[agent.order.index(NAMES.index("risk"))].weight.mul_(40)
        for layer in (agent.policy, agent.exit):
            layer.weight.mul_(8)
    x = torch.randn(2, 40, 6, generator=torch.Generator().manual_seed(1))
    out = agent(x)
    leans = []
    for answer in range(SIZES[OUTLOOK]):
        words = torch.full_like(out.words, -1) if is_anew else out.words.clone()
        words[:, :, OUTLOOK] = answer
        leans.append(lean(agent, x, words)[:, :, ::8])
    odds, share = torch.stack(leans, 1).diff(dim=1)
    wanted = torch.relu(0.3 - odds).mean() + (10.0 * torch.relu(0.01 - share).mean() if is_anew else 0.0)
    found = incoherence_of(agent, out, obs=x if is_anew else None).detach()
    other = incoherence_of(agent, out, obs=None if is_anew else x).detach()
    assert float(found) == pytest.approx(float(wanted.detach()), rel=1e-5)
    assert abs(float(found) - float(other)) > 1e-3


def test_staying_out_is_no_way_to_lean_to_the_long_side(monkeypatch):
    """Long over short can get likelier while both get rarer: the judge of words then sees the action turn back."""
    rosier = torch.tensor(
        [[0.5, 0.4, 0.1], [0.4, 0.3, 0.3], [0.1, 0.2, 0.7], [0.01, 0.75, 0.24], [0.001, 0.1, 0.899]]
    )
    agent = Agent(ModelConfig(n_features=6, conv_filters=4, lstm_units=8), 5)
    x = torch.randn(1, 8, 6, generator=torch.Generator().manual_seed(1))
    out = agent(x)
    monkeypatch.setattr(
        lessons, "decide_from", lambda *_: rosier[:, None, None, None].expand(-1, 1, 1, 3, -1)
    )
    assert float(incoherence_of(agent, out)) == 0.0
    assert float(incoherence_of(agent, out, obs=x)) == pytest.approx(10.0 * (0.01 + 0.6 - 0.23) / 4, rel=1e-5)


def test_asking_anew_teaches_the_heads_and_not_the_choice_of_words():
    """Its gradient reaches the policy, and neither the risk's answer nor the trunk."""
    agent = Agent(ModelConfig(n_features=6, conv_filters=4, lstm_units=8), 5)
    x = torch.randn(2, 40, 6, generator=torch.Generator().manual_seed(1))
    incoherence_of(agent, agent(x), obs=x).backward()
    assert float(agent.policy.weight.grad.abs().max()) > 0
    for layer in (agent.answer[agent.order.index(NAMES.index("risk"))].weight, agent.conv.weight):
        assert layer.grad is None or not layer.grad.abs().any()


@pytest.mark.parametrize("is_wanted", [True, False])
def test_it_is_asked_anew_only_once_costs_are_full(is_wanted):
    """While costs grow all else is held; unless asked for, it is held to the end. Weights are chosen among those that were
    taught so for a while."""
    cfg = PPOConfig(coherence_anew=is_wanted, env_steps=320, batch=2, length=16, burn_in=8, anneal=0.5)
    agent = Agent(ModelConfig(n_features=8, conv_filters=4, lstm_units=8), 5)
    learner = Learner(agent, Reader(*make("oracle", 200, 1), cfg.length, cfg.burn_in), cfg, 0)
    asked = [(learner.prepare(index), learner.is_anew) for index in range(cfg.updates)]
    assert [is_anew for _, is_anew in asked] == [is_wanted and cost >= 1 for cost, _ in asked]
    assert {cost >= 1 for cost, _ in asked} == {True, False}
    assert cfg.settled == (0.65 if is_wanted else 0.5)
