"""Every head at work, every dead one named."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from decot.model.agent import Agent, ModelConfig
from decot.model.vocabulary import FORECASTS, NAMES
from decot.rl.faithful import word_report
from decot.rl.heads import dead_heads, head_report
from decot.rl.ppo import PPOConfig, train

DECIDING = ("policy", "value", "exit")


@pytest.fixture(scope="module")
def taught(world):
    """An agent taught for seconds on a world where every head can know something, and rows it has not seen."""
    torch.set_num_threads(1)
    data, held_out = world("readable", 8_000, 1), world("readable", 4_000, 2)
    agent = Agent(ModelConfig(n_features=12, conv_filters=12, lstm_units=24), 0)
    cfg = PPOConfig(env_steps=120_000, batch=8, length=128, burn_in=32)
    return train(agent, *data, cfg).agent, held_out


def silenced(agent: Agent, name: str) -> Agent:
    """The same agent with one head's last layer set to zero."""
    mutant = copy.deepcopy(agent)
    with torch.no_grad():
        if name in DECIDING:
            layer = getattr(mutant, name)
            layer.weight.zero_()
            layer.bias.zero_()
        elif name in FORECASTS:
            mutant.foresee.weight[FORECASTS.index(name)] = 0
            mutant.foresee.bias[FORECASTS.index(name)] = 0
        else:
            layer = mutant.answer[mutant.cfg.questions.index(name)]
            layer.weight.zero_()
            layer.bias.zero_()
    return mutant


def test_every_head_is_operational(taught):
    """Policy, value, exit, five forecasts and nine questions: alive, better than a constant, and they matter."""
    agent, (lesson, steps) = taught
    report = head_report(agent, lesson, steps)
    assert [check.name for check in report] == [*DECIDING, *FORECASTS, *NAMES]
    idle = [(check.name, check.statistic, check.p_value, check.ablation_change)
            for check in report if not check.is_operational]  # fmt: skip
    assert idle == []
    assert all(check.entropy > 0.1 for check in report)


@pytest.mark.parametrize("name", [*DECIDING, *FORECASTS, *NAMES])
def test_a_dead_head_is_named(taught, name):
    """Seventeen mutants, one silenced head each: that head, and no other, is named."""
    agent, (lesson, steps) = taught
    report = head_report(
        silenced(agent, name), lesson.slice(0, 1_500), steps.slice(0, 1_500), n_permutations=20
    )
    assert dead_heads(report) == [name]


def test_a_head_that_knows_nothing_does_not_pass(taught):
    """On truths shuffled in blocks no head beats its constant more often than chance allows."""
    agent, (lesson, steps) = taught
    report = head_report(agent, lesson, steps, seed=1)
    order = np.random.default_rng(0).permutation(len(lesson) // 200)
    rows = np.concatenate([np.arange(200) + 200 * block for block in order])
    lost = type(lesson)(lesson.obs[: len(rows)], lesson.words[rows], lesson.targets[rows])
    blind = head_report(agent, lost, steps.slice(0, len(rows)), seed=1)
    readings = {check.name: check for check in blind if check.name in (*FORECASTS, *NAMES)}
    assert sum(check.p_value < 0.05 for check in readings.values()) <= 3
    assert sum(check.p_value < 0.05 for check in report) == len(report)


def test_the_words_are_what_decides(taught):
    """Mediated fully, read back fully, moved as they say, steady under noise; nothing decides in spite of other words."""
    agent, (lesson, _) = taught
    report = word_report(agent, lesson)
    assert report.same_action == 1.0
    assert report.mediated > 0.999999
    assert report.reparsed == 1.0
    assert report.intervention >= 0.95
    assert report.stability > 0.9
    assert abs(report.shuffled) < 0.05
    better = [name for name in report.accuracy if report.accuracy[name] > report.majority[name]]
    assert set(NAMES[:7]) <= set(better)
    assert 0.3 < report.score <= 1


def test_a_latent_that_slips_past_is_measured(taught):
    """The unrestricted twin's decision is not fully mediated by its words."""
    lesson = taught[1][0]
    free = Agent(ModelConfig(n_features=12, conv_filters=12, lstm_units=24, unrestricted=True), 0)
    with torch.no_grad():
        free.judge.weight[:, :-24].mul_(0.2)
        free.judge.weight[:, -24:].mul_(20)
        free.policy.weight.mul_(4)
    report = word_report(free, lesson)
    assert report.mediated < 0.97
    assert report.same_action < 1
    assert report.shuffled > 0.1
