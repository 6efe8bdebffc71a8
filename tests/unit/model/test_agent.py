"""The network: causal, carried, decided by words."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from decot.errors import ConfigError
from decot.model.agent import Agent, ModelConfig
from decot.model.checkpoint import weights_hash
from decot.model.vocabulary import N_QUESTIONS, NAMES


def test_the_future_does_not_reach_the_past(agent, obs):
    """Changing rows from t on leaves every output before t as it was."""
    x = torch.from_numpy(obs[None])
    other = x.clone()
    other[:, 400:] = 5.0
    with torch.no_grad():
        one, two = agent(x), agent(other)
    assert torch.equal(one.words[:, :400], two.words[:, :400])
    torch.testing.assert_close(one.latent[:, :400], two.latent[:, :400], rtol=0, atol=1e-6)
    assert not torch.equal(one.latent[:, 400:], two.latent[:, 400:])


@pytest.mark.parametrize(("pool", "kind"), [(1, "average"), (2, "average"), (4, "max")])
def test_a_carried_state_is_the_whole_stretch(make_agent, obs, pool, kind):
    """Two halves with the state carried say what one pass says; every tick has its output."""
    agent = make_agent(ModelConfig(n_features=7, conv_filters=6, lstm_units=10, pool=pool, pool_kind=kind))
    x = torch.from_numpy(obs[None])
    with torch.no_grad():
        whole = agent(x)
        first = agent(x[:, :251])
        second = agent(x[:, 251:], first.state)
    joined = torch.cat([first.latent, second.latent], 1)
    assert whole.latent.shape[1] == len(obs)
    torch.testing.assert_close(joined, whole.latent, rtol=0, atol=1e-5)


def test_words_alone_decide(make_agent, obs):
    """With the words held, another market gives the same decision to the bit; unrestricted, it does not."""
    for is_free in (False, True):
        agent = make_agent(ModelConfig(n_features=7, conv_filters=6, lstm_units=10, unrestricted=is_free))
        with torch.no_grad():
            out = agent(torch.from_numpy(obs[None]))
            other = agent(torch.from_numpy(obs[::-1][None].copy()), words=out.words)
        assert torch.equal(other.words, out.words)
        assert torch.equal(agent.decision(out), agent.decision(other)) is not is_free


def test_decisions_are_probabilities_and_imposed_words_are_said(agent, obs):
    """Rows sum to one; do(step = answer) is what is then said, and later steps hear it."""
    x = torch.from_numpy(obs[None])
    imposed = torch.full((1, len(obs), N_QUESTIONS), -1, dtype=torch.int8)
    imposed[:, :, 0] = 4
    with torch.no_grad():
        out, told = agent(x), agent(x, words=imposed)
    torch.testing.assert_close(agent.decision(out).sum(-1), torch.ones(1, len(obs), 3))
    assert (told.words[:, :, 0] == 4).all()
    changed = (told.words != out.words)[0][out.words[0, :, 0] != 4]
    assert changed[:, 1:].any()


def test_every_parameter_is_taught(agent, obs):
    """A loss on decisions, words, values and forecasts reaches every weight there is."""
    out = agent(torch.from_numpy(obs[None, :64]))
    loss = agent.decision(out).clamp_min(1e-9).log().square().mean() + out.forecasts.square().mean()
    loss = loss + out.value.square().mean() + sum(logits.square().mean() for logits in out.word_logits)
    loss.backward()
    silent = [
        name
        for name, weight in agent.named_parameters()
        if weight.grad is None or not weight.grad.abs().sum() > 0
    ]
    assert silent == []


def test_fewer_questions_are_unasked_not_invented(make_agent, obs):
    """A chain of three answers three; all others say −1."""
    cfg = ModelConfig(n_features=7, questions=("trend", "risk", "outlook"))
    with torch.no_grad():
        out = make_agent(cfg)(torch.from_numpy(obs[None]))
    is_asked = torch.tensor([name in cfg.questions for name in NAMES])
    assert (out.words[0, :, ~is_asked] == -1).all()
    assert (out.words[0, :, is_asked] >= 0).all()


def test_the_seed_is_the_agent():
    """Same seed, same weights; another seed, others."""
    cfg = ModelConfig(n_features=7)
    assert weights_hash(Agent(cfg, 1)) == weights_hash(Agent(cfg, 1)) != weights_hash(Agent(cfg, 2))


def test_all_faults_of_a_config_come_together():
    """One error names the unknown question, the missing one and the width."""
    with pytest.raises(ConfigError, match=r"(?s)colour.*risk.*kernel"):
        ModelConfig(n_features=7, questions=("colour", "outlook"), kernel=0)
    assert np.isfinite(ModelConfig.from_json(ModelConfig(n_features=7).to_json()).reach)
