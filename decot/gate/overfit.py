"""Was the winner of a search overfitted? PBO by CSCV and Hansen's SPA. Knows matrices of trial P&L, nothing else.

CSCV: Bailey, Borwein, López de Prado & Zhu, "The probability of backtest overfitting". SPA: Hansen 2005, through `arch`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Overfit:
    """What combinatorially symmetric cross-validation says of a search."""

    pbo: float
    """share of splits whose in-sample winner lands in the worse half out of sample; NaN if it cannot be computed"""
    loss: float
    """share of splits whose in-sample winner loses money out of sample"""
    n_splits: int
    logits: Floats
    """(n_splits,) ln(ω/(1−ω)) of the winner's relative rank out of sample"""


def pbo_cscv(trials: Floats, *, n_blocks: int = 16) -> Overfit:
    """PBO of a (T, N) matrix of per-period P&L, judged by Sharpe.

    Args:
        trials: at least 2 trials; T is cut into `n_blocks` even blocks (fewer if T < 4·n_blocks), the first T mod
            n_blocks rows are left out.
    Returns:
        pbo and loss are NaN when fewer than 2 different trials or 16 periods are there.
    """
    x = np.asarray(trials, dtype=np.float64)
    n_blocks = min(n_blocks, x.shape[0] // 4 // 2 * 2)
    if n_blocks < 4 or x.shape[1] < 2:
        return Overfit(float("nan"), float("nan"), 0, np.empty(0))
    length = x.shape[0] // n_blocks
    blocks = x[x.shape[0] - length * n_blocks :].reshape(n_blocks, length, x.shape[1])
    omega, won = _winners(
        blocks.sum(axis=1), (blocks**2).sum(axis=1), _halves(n_blocks), length * n_blocks // 2
    )
    logits = np.log(omega / (1.0 - omega))
    return Overfit(float((logits <= 0).mean()), float((won <= 0).mean()), logits.size, logits)


@cache
def _halves(n_blocks: int) -> NDArray[np.int64]:
    """(C(S, S/2), S/2) every way to choose half of the blocks."""
    return np.array(list(combinations(range(n_blocks), n_blocks // 2)), dtype=np.int64)


@njit(cache=True)
def _winners(total: Floats, square: Floats, halves: NDArray[np.int64], n: int) -> tuple[Floats, Floats]:
    """For every split: relative rank out of sample of the trial that was best in sample, and its Sharpe there."""
    n_splits, n_trials = halves.shape[0], total.shape[1]
    all_total, all_square = total.sum(axis=0), square.sum(axis=0)
    omega, won = np.empty(n_splits), np.empty(n_splits)
    inside, inside2, outside = np.empty(n_trials), np.empty(n_trials), np.empty(n_trials)
    for split in range(n_splits):
        inside[:], inside2[:] = 0.0, 0.0
        for block in halves[split]:
            for k in range(n_trials):
                inside[k] += total[block, k]
                inside2[k] += square[block, k]
        best, winner = -np.inf, 0
        for k in range(n_trials):
            sharpe = _sharpe(inside[k], inside2[k], n)
            outside[k] = _sharpe(all_total[k] - inside[k], all_square[k] - inside2[k], n)
            if sharpe > best:
                best, winner = sharpe, k
        won[split] = outside[winner]
        below, same = 0, 0
        for k in range(n_trials):
            below += outside[k] < won[split]
            same += outside[k] == won[split]
        omega[split] = (1.0 + below + 0.5 * (same - 1)) / (n_trials + 1.0)
    return omega, won


@njit(cache=True)
def _sharpe(total: float, square: float, n: int) -> float:
    """Sharpe from sums; 0 where nothing moved."""
    mean = total / n
    variance = square / n - mean * mean
    return mean / np.sqrt(variance) if variance > 1e-18 else 0.0


def spa_p_value(
    trials: Floats,
    *,
    benchmark: Floats | None = None,
    draws: int = 1_000,
    seed: int,
    block: float | None = None,
) -> float:
    """Hansen's consistent p-value that no trial of a (T, N) matrix beats the benchmark (default: doing nothing)."""
    from arch.bootstrap import SPA  # 2.6 s to import, only needed here

    x = np.asarray(trials, dtype=np.float64)
    x = x[:, x.std(axis=0) > 0]
    if x.shape[1] == 0:
        return 1.0
    base = np.zeros(x.shape[0]) if benchmark is None else np.asarray(benchmark, dtype=np.float64)
    size = None if block is None else max(1, round(block))
    test = SPA(-base, -x, block_size=size, reps=draws, bootstrap="stationary", studentize=True, seed=seed)
    test.compute()
    return float(test.pvalues["consistent"])
