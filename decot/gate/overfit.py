"""Was the winner of a search overfitted? PBO by CSCV and Hansen's SPA. Knows matrices of trial P&L, nothing else.

CSCV: Bailey, Borwein, López de Prado & Zhu, "The probability of backtest overfitting". SPA: Hansen 2005, through `arch`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
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
    total, square = blocks.sum(axis=1), (blocks**2).sum(axis=1)

    choices = np.zeros((_n_choices(n_blocks), n_blocks), dtype=np.float64)
    for row, chosen in enumerate(combinations(range(n_blocks), n_blocks // 2)):
        choices[row, chosen] = 1.0
    n = length * n_blocks // 2
    inside = _sharpe(choices @ total, choices @ square, n)
    outside = _sharpe((1.0 - choices) @ total, (1.0 - choices) @ square, n)

    rows = np.arange(len(choices))
    winner = inside.argmax(axis=1)
    won = outside[rows, winner][:, None]
    rank = 1.0 + (outside < won).sum(axis=1) + 0.5 * ((outside == won).sum(axis=1) - 1)
    omega = rank / (x.shape[1] + 1.0)
    logits = np.log(omega / (1.0 - omega))
    return Overfit(float((logits <= 0).mean()), float((won[:, 0] <= 0).mean()), len(choices), logits)


def _n_choices(n_blocks: int) -> int:
    from math import comb

    return comb(n_blocks, n_blocks // 2)


def _sharpe(total: Floats, square: Floats, n: int) -> Floats:
    """Sharpe from sums; 0 where nothing moved."""
    mean = total / n
    variance = np.maximum(square / n - mean**2, 0.0)
    return np.where(variance > 1e-18, mean / np.sqrt(np.where(variance > 1e-18, variance, 1.0)), 0.0)


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
