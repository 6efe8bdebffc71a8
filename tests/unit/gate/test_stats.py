"""The closed forms, held to their limits, to Monte Carlo, and to the figures they are quoted with."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decot.gate.stats import (
    dsr,
    effective_trials,
    expected_max_sharpe,
    luck_variance,
    min_trl,
    moments,
    power_n,
    psr,
    sharpe_spread,
    spend_alpha,
    trial_sharpes,
)


@given(st.floats(-3, 3))
def test_normal_spread_is_the_textbook_one(sharpe):
    """With raw kurtosis 3 the spread of a Sharpe is √(1+SR²/2); with 0 (Fisher's) it would be imaginary for large ones."""
    assert sharpe_spread(sharpe) == pytest.approx(math.sqrt(1 + sharpe**2 / 2))


def test_moments_are_raw():
    """Kurtosis of a Normal sample is about 3, not 0; skew of an exponential about 2."""
    rng = np.random.default_rng(0)
    normal = moments(rng.normal(1.0, 2.0, 200_000))
    assert normal.kurtosis == pytest.approx(3.0, abs=0.05)
    assert normal.sharpe == pytest.approx(0.5, abs=0.01)
    assert moments(rng.exponential(size=200_000)).skew == pytest.approx(2.0, abs=0.1)
    assert moments(np.ones(50)).sharpe == 0.0


@pytest.mark.parametrize("draw", ["normal", "skewed"])
def test_psr_is_a_probability_that_means_what_it_says(draw):
    """Of series with true Sharpe 0.1, PSR(0.1) is uniform: below 0.05 in 5 % and above 0.95 in 5 %."""
    rng = np.random.default_rng(1)
    n, runs = 250, 4_000
    normal, skewed = rng.normal(0.1, 1.0, (runs, n)), 1.1 - rng.exponential(1.0, (runs, n))
    x = normal if draw == "normal" else skewed  # skew −2, raw kurtosis 9
    found = []
    for row in x:
        m = moments(row)
        found.append(psr(m.sharpe, n, 0.1, skew=m.skew, kurtosis=m.kurtosis))
    assert np.mean(np.array(found) > 0.95) == pytest.approx(0.05, abs=0.02)
    assert np.mean(np.array(found) < 0.05) == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize(("n", "expected"), [(10, 1.57), (100, 2.53), (1_000, 3.26), (10_000, 3.86)])
def test_expected_maximum(n, expected):
    """E[max of N standard Normals] as quoted for the deflated Sharpe."""
    assert expected_max_sharpe(n, 1.0) == pytest.approx(expected, abs=0.006)


def test_expected_maximum_against_monte_carlo():
    """The formula for N = 500 gives 3.053; Monte Carlo gives 3.04; with variance v both scale by √v."""
    rng = np.random.default_rng(2)
    best = np.concatenate([rng.normal(size=(2_000, 500)).max(axis=1) for _ in range(5)])
    assert expected_max_sharpe(500, 1.0) == pytest.approx(3.053, abs=0.001)
    assert best.mean() == pytest.approx(3.04, abs=0.02)
    assert expected_max_sharpe(500, 0.04) == pytest.approx(0.2 * 3.053, abs=0.001)
    assert expected_max_sharpe(1, 1.0) == 0.0


@pytest.mark.parametrize(
    ("sharpe", "skew", "kurtosis", "expected"),
    [(0.05, 0, 3, 1_085), (0.1, 0, 3, 273), (0.1, -1, 10, 305), (0.2, 0, 3, 70), (0.2, -1, 10, 88)],
)
def test_minimum_track_record(sharpe, skew, kurtosis, expected):
    """The quoted lengths at alpha 5 %, to one period."""
    assert min_trl(sharpe, skew=skew, kurtosis=kurtosis) == pytest.approx(expected, abs=1.0)


def test_minimum_track_record_inverts_psr():
    """At exactly that length, PSR is exactly 1 − alpha; a Sharpe at or below the benchmark never gets there."""
    n = min_trl(0.13, 0.02, alpha=0.01, skew=-0.4, kurtosis=7)
    z = (0.13 - 0.02) * math.sqrt(n - 1) / sharpe_spread(0.13, -0.4, 7)
    assert z == pytest.approx(2.3263, abs=1e-3)
    assert min_trl(0.1, 0.1) == math.inf


@pytest.mark.parametrize(
    ("ratio", "alpha", "expected"),
    [(15, 0.05, 1_391), (15, 0.05 / 500, 4_680), (6, 0.05, 223), (6, 0.05 / 500, 749)],
)
def test_trades_for_eighty_percent_power(ratio, alpha, expected):
    """The quoted numbers of trades, to one."""
    assert power_n(1.0, ratio, alpha=alpha) == pytest.approx(expected, abs=1.0)


def test_power_against_monte_carlo():
    """With that many trades a one-sided 5 % test really finds the edge in 80 % of samples."""
    rng = np.random.default_rng(3)
    n = math.ceil(power_n(1.0, 6.0))
    x = rng.normal(1.0, 6.0, (4_000, n))
    z = x.mean(axis=1) / x.std(axis=1, ddof=1) * math.sqrt(n)
    assert np.mean(z > 1.645) == pytest.approx(0.8, abs=0.02)
    assert power_n(-1.0, 6.0) == math.inf


def test_attempts_share_one_alpha():
    """All attempts together never spend more than alpha; there is no zeroth."""
    assert sum(spend_alpha(0.05, k) for k in range(1, 100_000)) == pytest.approx(0.05, abs=1e-5)
    assert sum(spend_alpha(0.05, k) for k in range(1, 11)) < 0.05
    with pytest.raises(ValueError, match="from 1"):
        spend_alpha(0.05, 0)


@pytest.mark.parametrize("groups", [1, 5, 20])
def test_effective_number_of_trials(groups):
    """A hundred trials that are noisy copies of g ideas count as g."""
    rng = np.random.default_rng(4)
    ideas = rng.normal(size=(400, groups))
    trials = ideas[:, rng.permutation(np.arange(100) % groups)] + 0.4 * rng.normal(size=(400, 100))
    assert effective_trials(trials) == groups


def test_independent_and_idle_trials():
    """Independent trials nearly all count; those that never traded count once together."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(300, 40))
    assert effective_trials(x) >= 38
    assert effective_trials(np.hstack([x, np.zeros((300, 10))])) == effective_trials(x) + 1
    assert effective_trials(np.zeros((300, 10))) == 1
    assert effective_trials(np.empty((0, 0))) == 0


@pytest.mark.parametrize("rho", [0.0, 0.5])
def test_variance_of_luck(rho):
    """Without skill it is the variance seen across trials, also with serial correlation; skill does not widen it."""
    rng = np.random.default_rng(6)
    shocks = rng.normal(size=(400, 300))
    x = np.empty_like(shocks)
    x[0] = shocks[0]
    for t in range(1, 400):
        x[t] = rho * x[t - 1] + shocks[t]
    seen = trial_sharpes(x).var(ddof=1)
    assert luck_variance(x) == pytest.approx(seen, rel=0.25)
    skilled = x + np.linspace(-0.5, 0.5, 300)
    assert trial_sharpes(skilled).var(ddof=1) > 5 * luck_variance(skilled)
    assert luck_variance(skilled) == pytest.approx(luck_variance(x), rel=0.01)


def test_deflated_sharpe_is_honest_about_the_best_of_many():
    """The best of 200 skill-less trials exceeds DSR 0.95 in few searches, though its plain PSR nearly always does."""
    rng = np.random.default_rng(7)
    deflated, plain = [], []
    for _ in range(300):
        x = rng.normal(size=(200, 200))
        best = x[:, trial_sharpes(x).argmax()]
        deflated.append(dsr(best, 200, 1 / 199))
        plain.append(psr(moments(best).sharpe, 200))
    assert np.mean(np.array(plain) > 0.95) > 0.99
    assert np.mean(np.array(deflated) > 0.95) < 0.05
    assert 0.3 < np.mean(deflated) < 0.7
