"""CSCV and SPA: a coin flip on noise, a clear answer on skill."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from decot.gate.config import GateConfig
from decot.gate.overfit import pbo_cscv, spa_p_value
from decot.gate.rules import judge


def test_splits_are_all_of_them():
    """S = 16 blocks give 12,870 splits; the logits are one per split."""
    found = pbo_cscv(np.random.default_rng(0).normal(size=(160, 5)))
    assert found.n_splits == 12_870
    assert found.logits.shape == (12_870,)


def test_against_the_definition():
    """On a small case, the share of bad splits is what a loop written from the definition counts."""
    x = np.random.default_rng(1).normal(size=(40, 7))
    blocks = x.reshape(4, 10, 7)
    bad = lost = 0
    for chosen in itertools.combinations(range(4), 2):
        rest = [b for b in range(4) if b not in chosen]
        inside = np.concatenate(blocks[list(chosen)])
        outside = np.concatenate(blocks[rest])
        winner = int((inside.mean(0) / inside.std(0)).argmax())
        sharpe = outside.mean(0) / outside.std(0)
        rank = 1 + (sharpe < sharpe[winner]).sum()
        bad += rank / 8 <= 0.5
        lost += sharpe[winner] <= 0
    found = pbo_cscv(x, n_blocks=4)
    assert found.pbo == pytest.approx(bad / 6)
    assert found.loss == pytest.approx(lost / 6)


def test_noise_is_a_coin_flip_and_skill_is_not():
    """Quoted: pure noise (500 × 50, 10 blocks) has mean PBO 0.50, sd 0.19; one true edge of 0.2 is below 0.2 in 80 %."""
    rng = np.random.default_rng(2)
    noise = np.array([pbo_cscv(rng.normal(size=(500, 50)), n_blocks=10).pbo for _ in range(150)])
    assert noise.mean() == pytest.approx(0.50, abs=0.05)
    assert noise.std() == pytest.approx(0.19, abs=0.04)
    assert np.mean(noise < 0.5) == pytest.approx(0.49, abs=0.12)
    assert np.mean(noise < 0.2) <= 0.13
    edge = np.zeros(50)
    edge[0] = 0.2
    skill = np.array([pbo_cscv(rng.normal(size=(500, 50)) + edge, n_blocks=10).pbo for _ in range(150)])
    assert np.mean(skill < 0.2) >= 0.7


def test_too_little_says_nothing():
    """One trial, or fewer than 16 periods, is no answer rather than a good one."""
    rng = np.random.default_rng(3)
    assert np.isnan(pbo_cscv(rng.normal(size=(100, 1))).pbo)
    assert np.isnan(pbo_cscv(rng.normal(size=(15, 9))).pbo)


def test_trials_that_are_alike(evidence):
    """If every trial found the same edge, PBO is near a half though nothing is overfitted; the judge sees
    that none loses."""
    rng = np.random.default_rng(4)
    validation = evidence().validation
    trials = validation.period_bps[:, None] + 0.05 * rng.normal(size=(200, 40))
    found = pbo_cscv(trials)
    assert found.pbo > 0.2
    assert found.loss == 0.0
    verdict = judge(evidence(trials=trials))
    assert verdict.verdict == "promoted", verdict.reasons
    rule = verdict.rule("overfit_pbo")
    assert "hardly matters" in rule.why
    assert rule.bound == "0.2, or loss ≤ 0.1", "a figure above the first bound needs the second beside it"


def test_the_exception_for_equal_skill_costs_nothing_on_noise():
    """Passing a field whose winner hardly ever loses lets no more noise through than PBO does, and most equal skill."""
    rng = np.random.default_rng(7)
    bounds = GateConfig()
    noise, equal = [], []
    for _ in range(150):
        noise.append(pbo_cscv(rng.normal(size=(60, 24)), n_blocks=12))
        common = rng.normal(size=(60, 1)) + 2.6 / np.sqrt(60)
        equal.append(pbo_cscv(common + 0.5 * rng.normal(size=(60, 24)), n_blocks=12))
    strict = [np.mean([x.pbo <= bounds.pbo_max for x in field]) for field in (noise, equal)]
    either = [
        np.mean([x.pbo <= bounds.pbo_max or x.loss <= bounds.oos_loss_max for x in field])
        for field in (noise, equal)
    ]
    assert either[0] - strict[0] <= 0.02
    assert either[0] <= 0.12
    assert strict[1] < 0.3
    assert either[1] > 0.8


@pytest.mark.slow
def test_spa_is_calibrated():
    """Hansen's test rejects noise in about 5 % of cases and finds one real edge among 30."""
    pytest.importorskip("arch")
    rng = np.random.default_rng(5)
    null = [spa_p_value(rng.normal(size=(200, 30)), draws=300, seed=i) for i in range(150)]
    assert np.mean(np.array(null) < 0.05) <= 0.10
    edge = np.zeros(30)
    edge[3] = 0.35
    assert spa_p_value(rng.normal(size=(200, 30)) + edge, draws=500, seed=0) < 0.01


def test_spa_answers():
    """One clear edge among noise gives a small p, noise a large one, idle trials one."""
    pytest.importorskip("arch")
    rng = np.random.default_rng(6)
    noise = rng.normal(size=(200, 10))
    skilled = noise.copy()
    skilled[:, 0] += 0.5
    assert spa_p_value(skilled, draws=300, seed=1) < 0.01
    assert spa_p_value(noise - 0.2, draws=300, seed=1) > 0.2
    assert spa_p_value(np.zeros((50, 3)), seed=1) == 1.0
