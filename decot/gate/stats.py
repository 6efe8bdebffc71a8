"""How likely a good result is to be luck, in closed form. Knows arrays of P&L; knows no market and no agent.

Probabilistic and deflated Sharpe, minimum track record (Bailey & López de Prado 2012, 2014; SSRN 1821643, 2460551,
3221798) and power. Everywhere: a Sharpe ratio is per period (never annualised) and `kurtosis` is RAW (Normal = 3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

EULER = 0.5772156649015329
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Moments:
    """The four moments of a P&L series that the Sharpe statistics need."""

    n: int
    mean: float
    sd: float
    skew: float
    kurtosis: float
    """raw: 3 for a Normal"""

    @property
    def sharpe(self) -> float:
        """Mean over standard deviation, per period; 0 when nothing ever moved."""
        return self.mean / self.sd if self.sd > 0 else 0.0


def moments(pnl: Floats) -> Moments:
    """Moments of a series; a constant or too short one counts as Normal, with Sharpe 0."""
    x = np.asarray(pnl, dtype=np.float64)
    n = int(x.size)
    if n < 2:
        return Moments(n, float(x.mean()) if n else 0.0, 0.0, 0.0, 3.0)
    mean, deviation = float(x.mean()), x - x.mean()
    variance = float(np.mean(deviation**2))
    if variance <= 1e-24 * max(1.0, mean * mean):
        return Moments(n, mean, 0.0, 0.0, 3.0)
    skew = float(np.mean(deviation**3)) / variance**1.5
    kurtosis = float(np.mean(deviation**4)) / variance**2
    return Moments(n, mean, math.sqrt(variance * n / (n - 1)), skew, kurtosis)


def sharpe_spread(sharpe: float, skew: float = 0.0, kurtosis: float = 3.0) -> float:
    """√(1 − γ₃·SR + (γ₄−1)/4·SR²), the spread of an estimated Sharpe times √(T−1); √(1+SR²/2) if Normal."""
    return math.sqrt(max(1.0 - skew * sharpe + (kurtosis - 1.0) / 4.0 * sharpe * sharpe, 1e-12))


def psr(sharpe: float, n: int, benchmark: float = 0.0, *, skew: float = 0.0, kurtosis: float = 3.0) -> float:
    """Probability that the true Sharpe exceeds `benchmark`, given one estimated on `n` periods."""
    if n < 2:
        return 0.0
    return float(ndtr((sharpe - benchmark) * math.sqrt(n - 1) / sharpe_spread(sharpe, skew, kurtosis)))


def expected_max_sharpe(n_trials: float, variance: float) -> float:
    """Sharpe that the best of `n_trials` skill-less trials is expected to show.

    Args:
        n_trials: how many (effective) trials were looked at; 1 or fewer gives 0.
        variance: variance of the trials' Sharpe ratios.
    Source: false strategy theorem, SSRN 3221798. Within 1 % of Monte Carlo from N = 10.
    """
    if n_trials <= 1 or variance <= 0:
        return 0.0
    low, high = float(ndtri(1.0 - 1.0 / n_trials)), float(ndtri(1.0 - 1.0 / (n_trials * math.e)))
    return max(0.0, math.sqrt(variance) * ((1.0 - EULER) * low + EULER * high))


def dsr(pnl: Floats, n_trials: float, variance: float) -> float:
    """Deflated Sharpe: PSR against the Sharpe the best of `n_trials` would show by luck alone."""
    m = moments(pnl)
    if m.sd == 0.0:
        return 0.0
    return psr(m.sharpe, m.n, expected_max_sharpe(n_trials, variance), skew=m.skew, kurtosis=m.kurtosis)


def min_trl(
    sharpe: float,
    benchmark: float = 0.0,
    *,
    alpha: float = 0.05,
    skew: float = 0.0,
    kurtosis: float = 3.0,
) -> float:
    """Periods of track record needed before PSR(benchmark) reaches 1 − alpha; infinite if SR ≤ benchmark."""
    if sharpe <= benchmark:
        return math.inf
    z = float(ndtri(1.0 - alpha))
    return 1.0 + sharpe_spread(sharpe, skew, kurtosis) ** 2 * (z / (sharpe - benchmark)) ** 2


def power_n(mean: float, sd: float, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """Trades needed to tell a mean of `mean` from zero, one-sided; infinite if the mean is not positive."""
    if mean <= 0:
        return math.inf
    return float(((ndtri(1.0 - alpha) + ndtri(power)) * sd / mean) ** 2)


def spend_alpha(alpha: float, attempt: int) -> float:
    """Error rate left for the k-th attempt (k from 1): alpha·6/(π²k²), so all attempts together spend alpha."""
    if attempt < 1:
        raise ValueError(f"attempts are counted from 1, got {attempt}")
    return alpha * 6.0 / (math.pi**2 * attempt**2)


def trial_sharpes(trials: Floats) -> Floats:
    """(T, N) per-period P&L → (N,) Sharpe per period; a trial that never moved has 0."""
    x = np.asarray(trials, dtype=np.float64)
    mean, sd = x.mean(axis=0), x.std(axis=0, ddof=1)
    moved = sd > 1e-12 * np.maximum(1.0, np.abs(mean))
    return np.where(moved, mean / np.where(moved, sd, 1.0), 0.0)


def effective_trials(trials: Floats, *, alike: float = 0.5) -> int:
    """How many really different trials stand in a (T, N) matrix of per-period P&L.

    Average-linkage clusters of the correlation distance √((1−ρ)/2); two clusters are one when their mean
    correlation exceeds `alike`. Trials that never moved are one cluster together.
    """
    x = np.asarray(trials, dtype=np.float64)
    if x.ndim != 2 or x.shape[1] == 0:
        return 0
    sd = x.std(axis=0)
    moved = sd > 1e-12 * np.maximum(1.0, np.abs(x.mean(axis=0)))
    n_still = int((~moved).sum())
    x = x[:, moved]
    if x.shape[1] <= 1:
        return x.shape[1] + (1 if n_still else 0)
    from scipy.cluster.hierarchy import fcluster, linkage  # 0.5 s to import, only needed here

    rho = np.clip(np.corrcoef(x, rowvar=False), -1.0, 1.0)
    distance = np.sqrt((1.0 - rho) / 2.0)
    condensed = distance[np.triu_indices(x.shape[1], 1)]
    labels = fcluster(linkage(condensed, "average"), math.sqrt((1.0 - alike) / 2.0), criterion="distance")
    return int(labels.max()) + (1 if n_still else 0)


def luck_variance(trials: Floats) -> float:
    """Variance that the Sharpes of a (T, N) matrix would have if no trial had any skill.

    The sampling variance of a Sharpe, (1+ρ₁)/(1−ρ₁)/(T−1), averaged over the trials; ρ₁ ≥ 0 is a trial's own lag-1
    correlation. Not the variance seen across trials: real differences in skill (some trials learned, some only paid
    fees) widen that one; they are not luck, and deflating by them would refuse exactly the searches that found
    something. For skill-less trials the two agree.
    """
    x = np.asarray(trials, dtype=np.float64)
    n_periods, n_trials = x.shape
    if n_trials < 2 or n_periods < 3:
        return 0.0
    return float(np.mean([_sampling_variance(x[:, j]) for j in range(n_trials)]))


def _sampling_variance(pnl: Floats) -> float:
    """Variance of one estimated Sharpe with zero true Sharpe; lag-1 correlation inflates it."""
    n = pnl.size
    centred = pnl - pnl.mean()
    power = float(centred @ centred)
    rho = float(centred[1:] @ centred[:-1]) / power if power > 0 else 0.0
    rho = min(max(rho, 0.0), 0.9)
    return (1.0 + rho) / (1.0 - rho) / (n - 1)
