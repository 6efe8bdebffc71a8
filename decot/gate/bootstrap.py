"""What a P&L series could have been: stationary bootstrap (Politis & Romano 1994) and what is read off it.

Knows arrays and a random generator; knows no verdict. Block length: Politis & White 2004 with the correction of
Patton, Politis & White 2009; ours, because importing `arch` costs 2.6 s; tests hold it to arch's answer.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

Floats = NDArray[np.float64]


def block_length(series: Floats) -> float:
    """Mean block length of the stationary bootstrap that loses least; at least 1, at most a third of the series."""
    x = np.asarray(series, dtype=np.float64)
    n = x.size
    if n < 8 or float(x.std()) == 0.0:
        return 1.0
    e = x - x.mean()
    window = max(5, int(math.log10(n)))
    longest = math.ceil(math.sqrt(n)) + window
    limit = math.ceil(min(3.0 * math.sqrt(n), n / 3.0))
    covariance = np.array([float(e[k:] @ e[: n - k]) / n for k in range(longest + 1)])

    # the last lag whose correlation still stands out, then twice that many lags are used (flat-top window)
    critical = 2.0 * math.sqrt(math.log10(n) / n)
    loud = np.abs(_lag_correlations(e, longest)) > critical
    quiet = [k for k in range(longest - window + 1) if not loud[k : k + window].any()]
    m = min(2 * (quiet[0] + 1), longest) if quiet else longest

    lags = np.arange(1, m + 1)
    taper = np.minimum(1.0, 2.0 * (1.0 - lags / m))
    g = float(np.sum(2.0 * taper * lags * covariance[1 : m + 1]))
    spectrum = float(covariance[0] + np.sum(2.0 * taper * covariance[1 : m + 1]))
    if spectrum <= 0.0:
        return 1.0
    best = ((2.0 * g * g) / (2.0 * spectrum * spectrum)) ** (1.0 / 3.0) * n ** (1.0 / 3.0)
    return float(min(max(best, 1.0), limit))


def _lag_correlations(e: Floats, longest: int) -> Floats:
    """Correlation of a centred series with itself 1…longest steps later."""
    out = np.zeros(longest)
    for k in range(1, longest + 1):
        head, tail = e[:-k], e[k:]
        scale = math.sqrt(float(head @ head) * float(tail @ tail))
        out[k - 1] = float(head @ tail) / scale if scale > 0 else 0.0
    return out


@njit(cache=True)
def _resampled_means(x: Floats, starts: NDArray[np.int64], jumps: NDArray[np.bool_]) -> Floats:
    """(R,) means of R stationary-bootstrap resamples; jumps[r, t] says where a new block begins."""
    n_draws, n = starts.shape
    means = np.empty(n_draws)
    for r in range(n_draws):
        at, total = starts[r, 0], 0.0
        for t in range(n):
            at = starts[r, t] if t == 0 or jumps[r, t] else (at + 1) % n
            total += x[at]
        means[r] = total / n
    return means


def resampled_means(
    series: Floats, *, draws: int, rng: np.random.Generator, block: float | None = None
) -> Floats:
    """(draws,) means of stationary-bootstrap resamples; block length automatic unless given."""
    x = np.ascontiguousarray(series, dtype=np.float64)
    length = block_length(x) if block is None else block
    starts = rng.integers(0, x.size, size=(draws, x.size))
    jumps = rng.random((draws, x.size)) < 1.0 / max(length, 1.0)
    return _resampled_means(x, starts, jumps)


def stationary_bootstrap_lower(
    series: Floats,
    *,
    alpha: float = 0.05,
    draws: int = 2_000,
    rng: np.random.Generator,
    block: float | None = None,
) -> float:
    """One-sided lower bound of the mean at level 1 − alpha.

    The percentile is widened by t over Normal at the number of independent blocks, so that short series do not
    promise more than they know; coverage is measured in the tests. Fewer than 3 periods: −inf.
    """
    x = np.asarray(series, dtype=np.float64)
    if x.size < 3:
        return -math.inf
    length = block_length(x) if block is None else block
    means = resampled_means(x, draws=draws, rng=rng, block=length)
    mean = float(x.mean())
    n_blocks = max(x.size / length, 3.0)
    widen = float(stdtrit(n_blocks - 1.0, 1.0 - alpha) / ndtri(1.0 - alpha)) * math.sqrt(
        n_blocks / (n_blocks - 1.0)
    )
    return mean - widen * (mean - float(np.quantile(means, alpha)))


def ruin_probability(
    series_bps: Floats, *, ruin_fraction: float, horizon: int, draws: int, rng: np.random.Generator
) -> float:
    """Share of resampled futures of `horizon` periods in which the account ever falls by `ruin_fraction`.

    Periods are resampled in blocks and their bps are of the starting capital, so losses add up.
    """
    x = np.ascontiguousarray(series_bps, dtype=np.float64)
    if x.size < 3:
        return 1.0
    length = block_length(x)
    starts = rng.integers(0, x.size, size=(draws, horizon))
    jumps = rng.random((draws, horizon)) < 1.0 / length
    return float(_ruined(x, starts, jumps, -ruin_fraction * 10_000.0) / draws)


@njit(cache=True)
def _ruined(x: Floats, starts: NDArray[np.int64], jumps: NDArray[np.bool_], floor_bps: float) -> int:
    n_draws, horizon = starts.shape
    n_ruined = 0
    for r in range(n_draws):
        at, total = starts[r, 0], 0.0
        for t in range(horizon):
            at = starts[r, t] if t == 0 or jumps[r, t] else (at + 1) % x.size
            total += x[at]
            if total <= floor_bps:
                n_ruined += 1
                break
    return n_ruined
