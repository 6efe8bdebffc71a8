"""A word moves the action as it says: what is taught is what the judge of words asks."""

from __future__ import annotations

import pytest
import torch

from decot.model.agent import Agent, ModelConfig
from decot.model.vocabulary import NAMES, OUTLOOK, SIZES
from decot.rl.batch import Reader
from decot.rl.lessons import incoherence_of
from decot.rl.ppo import Learner, PPOConfig
from decot.rl.worlds import make


def lean(agent: Agent, x: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
    """(B, T) log-odds of long over short, averaged over positions, under these words."""
    log_pi = agent.decision(agent(x, words=words)).clamp_min(1e-8).log()
    return (log_pi[..., 2] - log_pi[..., 0]).mean(-1)


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
        leans.append(lean(agent, x, words)[:, ::8])
    wanted = torch.relu(0.3 - torch.stack(leans).diff(dim=0)).mean()
    found = incoherence_of(agent, out, obs=x if is_anew else None).detach()
    other = incoherence_of(agent, out, obs=None if is_anew else x).detach()
    assert float(found) == pytest.approx(float(wanted.detach()), rel=1e-5)
    assert abs(float(found) - float(other)) > 1e-3


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
    """While costs grow all else is held; unless asked for, it is held to the end."""
    cfg = PPOConfig(coherence_anew=is_wanted, env_steps=320, batch=2, length=16, burn_in=8, anneal=0.5)
    agent = Agent(ModelConfig(n_features=8, conv_filters=4, lstm_units=8), 5)
    learner = Learner(agent, Reader(*make("oracle", 200, 1), cfg.length, cfg.burn_in), cfg, 0)
    asked = [(learner.prepare(index), learner.is_anew) for index in range(cfg.updates)]
    assert [is_anew for _, is_anew in asked] == [is_wanted and cost >= 1 for cost, _ in asked]
    assert {cost >= 1 for cost, _ in asked} == {True, False}
