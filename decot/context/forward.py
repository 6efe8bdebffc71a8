"""The causal forward filter of a hidden Markov model, in log space. Knows densities and transitions; knows
nothing of prices, nor of how the parameters were found.

alpha_1 ∝ π ⊙ b(x_1), alpha_t ∝ b(x_t) ⊙ (Aᵀ alpha_{t−1}); each state's density is a Gaussian mixture (one
component for a plain Gaussian HMM). Only x_1 … x_t enter alpha_t, where hmmlearn's `predict_proba` smooths
with the future. One step costs O(K² + K·M·D²).
Letters: T time, K states, M components, D inputs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]


class Chain(NamedTuple):
    """The parameters as the kernel wants them: logarithms, and covariances as inverse Cholesky factors."""

    log_start: Floats
    """(K,)"""
    log_move: Floats
    """(K, K), row = from"""
    log_weight: Floats
    """(K, M)"""
    means: Floats
    """(K, M, D)"""
    whiten: Floats
    """(K, M, D, D), lower triangular, inverse of the Cholesky factor of the covariance"""
    log_norm: Floats
    """(K, M), logarithm of the density at the mean"""


def _log(share: Floats) -> Floats:
    return np.log(np.ascontiguousarray(share, dtype=np.float64))


def chain(start: Floats, move: Floats, weights: Floats, means: Floats, covars: Floats) -> Chain:
    """Prepare the kernel's parameters; raises numpy's LinAlgError when a covariance is not positive definite."""
    factor = np.linalg.cholesky(covars)
    whiten = np.linalg.inv(factor)
    log_det = 2.0 * np.log(np.diagonal(factor, axis1=-2, axis2=-1)).sum(-1)
    n_inputs = means.shape[-1]
    with np.errstate(divide="ignore"):
        log_start, log_move, log_weight = (_log(part) for part in (start, move, weights))
    log_norm = -0.5 * (n_inputs * np.log(2.0 * np.pi) + log_det)
    return Chain(
        log_start, log_move, log_weight, np.ascontiguousarray(means), np.ascontiguousarray(whiten), log_norm
    )


@njit(cache=True)
def _log_sum(values: Floats) -> float:
    top = -np.inf
    for i in range(values.size):
        if values[i] > top:
            top = values[i]
    if top == -np.inf:
        return top
    total = 0.0
    for i in range(values.size):
        total += np.exp(values[i] - top)
    return top + np.log(total)


@njit(cache=True)
def _log_density(parts: Chain, x: Floats, k: int, scratch: Floats) -> float:
    n_mix, n_in = parts.means.shape[1], parts.means.shape[2]
    for m in range(n_mix):
        square = 0.0
        for i in range(n_in):
            z = 0.0
            for j in range(i + 1):
                z += parts.whiten[k, m, i, j] * (x[j] - parts.means[k, m, j])
            square += z * z
        scratch[m] = parts.log_weight[k, m] + parts.log_norm[k, m] - 0.5 * square
    if n_mix == 1:
        return scratch[0]
    return _log_sum(scratch)


@njit(cache=True)
def advance(parts: Chain, log_alpha: Floats, started: bool, x: Floats) -> float:
    """Move `log_alpha` (K,) one bar on, in place, normalised; returns log p(x_t | x_1 … x_{t−1}).

    A row that is not finite carries no evidence: the state is only moved by the transitions, and 0 returned.
    """
    n_states = log_alpha.size
    prior = np.empty(n_states)
    if started:
        paths = np.empty(n_states)
        for k in range(n_states):
            for j in range(n_states):
                paths[j] = log_alpha[j] + parts.log_move[j, k]
            prior[k] = _log_sum(paths)
    else:
        prior[:] = parts.log_start
    known = True
    for i in range(x.size):
        if not np.isfinite(x[i]):
            known = False
    if not known:
        log_alpha[:] = prior
        return 0.0
    scratch = np.empty(parts.means.shape[1])
    for k in range(n_states):
        prior[k] += _log_density(parts, x, k, scratch)
    evidence = _log_sum(prior)
    for k in range(n_states):
        log_alpha[k] = prior[k] - evidence
    return evidence


@njit(cache=True)
def probabilities(log_alpha: Floats, out: Floats) -> None:
    """exp, written in one place so that batch and step agree to the last bit."""
    for k in range(log_alpha.size):
        out[k] = np.exp(log_alpha[k])


@njit(cache=True)
def filter_all(parts: Chain, x: Floats, out: Floats) -> float:
    """Write the causal posterior of every row of `x` (T, D) into `out` (T, ≥K); returns the log likelihood."""
    n_states = parts.log_start.size
    log_alpha = np.empty(n_states)
    total = 0.0
    for t in range(x.shape[0]):
        total += advance(parts, log_alpha, t > 0, x[t])
        probabilities(log_alpha, out[t])
    return total
