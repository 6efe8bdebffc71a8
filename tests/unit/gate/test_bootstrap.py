"""The stationary bootstrap: its blocks are arch's, its bounds cover, its ruin is the gambler's."""

from __future__ import annotations

import math

import numpy as np
import pytest

from decot.gate.bootstrap import block_length, resampled_means, ruin_probability, stationary_bootstrap_lower


def autoregression(n: int, rho: float, rng: np.random.Generator) -> np.ndarray:
    shocks = rng.normal(size=n + 200)
    x = np.empty_like(shocks)
    x[0] = shocks[0]
    for t in range(1, x.size):
        x[t] = rho * x[t - 1] + shocks[t]
    return x[200:]


def test_block_length_is_archs():
    """On 60 series of several lengths and memories the automatic block length is that of `arch`."""
    reference = pytest.importorskip("arch.bootstrap").optimal_block_length
    rng = np.random.default_rng(0)
    agree = []
    for n in (60, 250, 1_000):
        for rho in (0.0, 0.3, 0.6, 0.9):
            for _ in range(5):
                x = autoregression(n, rho, rng)
                theirs = max(float(reference(x)["stationary"].iloc[0]), 1.0)
                agree.append(abs(block_length(x) / theirs - 1.0) < 0.02)
    assert np.mean(agree) >= 0.95


def test_resampling_keeps_memory():
    """Blocks widen the spread of the mean of a correlated series to what theory says; single draws do not."""
    rng = np.random.default_rng(1)
    x = autoregression(4_000, 0.6, rng)
    truth = x.std() * math.sqrt((1 + 0.6) / (1 - 0.6) / x.size)
    assert resampled_means(x, draws=2_000, rng=rng).std() == pytest.approx(truth, rel=0.15)
    assert resampled_means(x, draws=2_000, rng=rng, block=1.0).std() < 0.6 * truth


@pytest.mark.parametrize(
    ("kind", "n", "most"),
    [
        ("normal", 30, 0.08),
        ("normal", 200, 0.08),
        ("fat", 100, 0.08),
        ("ar", 200, 0.09),
        ("sparse", 200, 0.10),
    ],
)
def test_lower_bound_covers(kind, n, most):
    """The 95 % lower bound lies above the true mean in about 5 % of samples, also short, fat, correlated or sparse."""
    rng = np.random.default_rng(2)
    above = 0
    for _ in range(600):
        if kind == "normal":
            x = rng.normal(size=n)
        elif kind == "fat":
            x = rng.standard_t(3, n)
        elif kind == "ar":
            x = autoregression(n, 0.4, rng)
        else:  # a trade every tenth period
            x = rng.normal(size=n) * (rng.random(n) < 0.1)
        above += stationary_bootstrap_lower(x, draws=500, rng=rng) > 0
    assert above / 600 <= most
    assert above / 600 >= 0.01


def test_lower_bound_is_reproducible_and_refuses_to_guess():
    """The same generator state gives the same bound; two periods give none."""
    x = np.random.default_rng(3).normal(size=80)
    first, second = (stationary_bootstrap_lower(x, rng=np.random.default_rng(9)) for _ in range(2))
    assert first == second
    assert stationary_bootstrap_lower(x[:2], rng=np.random.default_rng(9)) == -math.inf


def test_ruin_against_a_random_walk():
    """For independent Normal periods ruin is a reflected random walk: P ≈ 2Φ(−b/√n) without drift."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=3_000)
    x = (x - x.mean()) / x.std() * 20.0  # 20 bps a period
    found = ruin_probability(x, ruin_fraction=0.05, horizon=400, draws=4_000, rng=rng)
    # barrier 500 bps, discrete monitoring moves it out by 0.5826 sd
    z = (500 + 0.5826 * 20) / (20 * math.sqrt(400))
    assert found == pytest.approx(math.erfc(z / math.sqrt(2)), abs=0.03)
    assert ruin_probability(x + 40, ruin_fraction=0.05, horizon=400, draws=500, rng=rng) == 0.0
