"""The plain loops say what the network says, for every shape of agent."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from decot.model.agent import ModelConfig
from decot.model.checkpoint import save
from decot.model.play import decide
from decot.model.stream import StreamAgent
from decot.model.vocabulary import N_QUESTIONS, NAMES, OUTLOOK

SHAPES = {
    "plain": {},
    "no pool": {"pool": 1, "kernel": 3},
    "max pool": {"pool": 4, "pool_kind": "max", "kernel": 7},
    "few questions": {"questions": ("risk", "trend", "outlook"), "word_width": 12},
    "unrestricted": {"unrestricted": True},
    "odd widths": {"conv_filters": 5, "lstm_units": 9, "step_width": 7, "judge_width": 11, "glance_width": 3},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_loops_are_the_network(make_agent, obs, shape):
    """Every number within 1e-5 of torch, every word and action the same."""
    agent = make_agent(ModelConfig(n_features=7, **SHAPES[shape]))
    with torch.no_grad():
        out = agent(torch.from_numpy(obs[None]))
        probs = agent.decision(out)[0].numpy()
    ours = decide(agent, obs)
    assert (ours.words == out.words[0].numpy()).all()
    assert (ours.actions_if == probs.argmax(-1) - 1).all()
    np.testing.assert_allclose(ours.probs, probs, atol=1e-5)
    np.testing.assert_allclose(ours.forecasts, out.forecasts[0].numpy(), atol=1e-5)
    np.testing.assert_allclose(ours.value, out.value[0].numpy(), atol=1e-5)
    np.testing.assert_allclose(ours.exit_prob, out.exit_logit[0].sigmoid().numpy(), atol=1e-5)


def test_imposed_words_are_heard_alike(agent, obs):
    """do(step = answer) means the same to both."""
    words = np.full((len(obs), N_QUESTIONS), -1, np.int8)
    words[:, NAMES.index("trend")], words[:, OUTLOOK] = 4, 0
    with torch.no_grad():
        out = agent(torch.from_numpy(obs[None]), words=torch.from_numpy(words[None]))
        probs = agent.decision(out)[0].numpy()
    ours = decide(agent, obs, words=words)
    assert (ours.words == out.words[0].numpy()).all()
    np.testing.assert_allclose(ours.probs, probs, atol=1e-5)


def test_a_message_from_outside_enters_the_chain(agent, obs):
    """Bad news is said for its ticks, moves the decision, and then is over; no weight changes."""
    before = StreamAgent(agent)
    quiet = [before.step(row, 0) for row in obs[:40]]
    told = StreamAgent(agent)
    told.hear("news", "bad news", ticks=20)
    heard = [told.step(row, 0) for row in obs[:40]]
    news = NAMES.index("news")
    assert all(step.words[news] == 1 for step in heard[:20])
    assert any((one.probs != two.probs).any() for one, two in zip(quiet[:20], heard[:20]))
    assert all((one.probs == two.probs).all() for one, two in zip(quiet[20:], heard[20:]))
    assert "bad news" in heard[0].say("en")
    assert "mauvaises nouvelles" in heard[0].say("fr")


def test_a_checkpoint_decides_without_torch(agent, obs, tmp_path):
    """A live worker opens a checkpoint and decides with torch never imported."""
    save(tmp_path / "model", agent)
    np.save(tmp_path / "obs.npy", obs[:5])
    code = (
        "import sys, numpy as np; from pathlib import Path; from decot.model.stream import StreamAgent; "
        f"folder = Path({str(tmp_path)!r}); stream = StreamAgent.open(folder / 'model'); "
        "steps = [stream.step(row, 0) for row in np.load(folder / 'obs.npy')]; "
        "print([s.action for s in steps], 'torch' in sys.modules)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert said == f"{[int(a) for a in decide(agent, obs[:5]).actions_if[:, 1]]} False"
