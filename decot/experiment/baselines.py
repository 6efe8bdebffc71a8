"""What needs no agent, fitted on the same training rows: a linear rule. Knows lessons and steps, no gate."""

from __future__ import annotations

import numpy as np

from decot.experiment.school import Part
from decot.market.steps import walk_bps

AHEAD_BARS = 30
"""the linear rule forecasts the return of this many bars"""
_RIDGE = 10.0
_QUANTILES = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99, 0.995, 1.0)


def least_squares(train: Part, part: Part) -> np.ndarray:
    """(T,) targets on `part` of the linear rule that earns most on the training rows.

    A ridge regression of the coming return on the scaled observation; long above a threshold, short below it,
    unchanged between. The threshold is the best of ten quantiles on the training rows; the last one never trades.
    """
    weights = _fitted(train)
    said = train.lesson.obs @ weights
    cuts = [float(np.quantile(np.abs(said), q)) for q in _QUANTILES]
    cuts[-1] = float("inf")
    best = max(cuts, key=lambda cut: float(walk_bps(train.steps, follow(said, cut)).sum()))
    return follow(part.lesson.obs @ weights, best)


def _fitted(train: Part) -> np.ndarray:
    x = train.lesson.obs.astype(np.float64)
    total = np.concatenate([[0.0], np.cumsum(train.steps.ret_bps)])
    y = total[np.minimum(np.arange(len(x)) + AHEAD_BARS, len(x))] - total[:-1]
    return np.asarray(np.linalg.solve(x.T @ x + _RIDGE * np.eye(x.shape[1]), x.T @ (y - y.mean())))


def follow(forecast: np.ndarray, cut: float) -> np.ndarray:
    """(T,) −1, 0, 1: the side last called for by more than `cut`; flat before the first call."""
    called = np.where(forecast > cut, 1, np.where(forecast < -cut, -1, 0))
    row = np.maximum.accumulate(np.where(called != 0, np.arange(len(called)), -1))
    return np.where(row >= 0, called[row], 0).astype(np.int8)
