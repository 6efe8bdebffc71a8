"""Whether a refitted regime still means what it meant. Knows two models; knows no data.

States of the new model are matched to those of the old one by the cheapest assignment, the cost of a pair being
the 2-Wasserstein distance of their Gaussians in units of the old model's overall spread. A pair dearer than
the limit, or a state without a partner, is a change of meaning: whoever promotes must look.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from decot.context.forward import Floats
from decot.context.regime_model import RegimeModel


@dataclass(frozen=True, slots=True)
class Alignment:
    """How the states of a refit were named after those of the model before it."""

    order: tuple[int, ...]
    """new state that takes label 0, 1, …"""
    costs: tuple[float, ...]
    """distance of each matched pair, in the old model's overall standard deviations"""
    limit: float
    changed: tuple[str, ...]
    """one sentence per change of meaning; empty when every label still means what it meant"""
    previous: str
    """sha256 of the old model"""

    @property
    def cost(self) -> float:
        """The dearest pair, 0 without any."""
        return max(self.costs, default=0.0)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for the model card."""
        return {**asdict(self), "cost": self.cost, "meaning_changed": bool(self.changed)}


def align(new: RegimeModel, old: RegimeModel, *, limit: float = 0.5) -> tuple[RegimeModel, Alignment]:
    """The new model with the old one's labels, and what that cost.

    Args:
        new, old: models of the same inputs; the numbers of states may differ.
        limit: distance above which a label has changed its meaning.
    Returns:
        the model relabelled (the alignment is kept in its `fitted` notes), and the alignment.
    Raises:
        ValueError: when the models do not read the same number of inputs.
    """
    (mean_new, cov_new), (mean_old, cov_old) = new.moments(), old.moments()
    if mean_new.shape[1] != mean_old.shape[1]:
        raise ValueError(f"one model reads {mean_new.shape[1]} inputs, the other {mean_old.shape[1]}")
    unit = _overall_spread(old, mean_old, cov_old)
    distance = np.array(
        [
            [
                wasserstein(mean_old[i] / unit, cov_old[i] / np.outer(unit, unit), mean_new[j] / unit, c)
                for j, c in enumerate(cov_new / np.outer(unit, unit))
            ]
            for i in range(old.n_states)
        ]
    )
    of_old, of_new = linear_sum_assignment(distance)
    order = [*of_new.tolist(), *(j for j in range(new.n_states) if j not in of_new)]
    costs = tuple(float(distance[i, j]) for i, j in zip(of_old, of_new, strict=True))
    changed = [
        f"state {i} moved by {cost:.2f} spreads (limit {limit:g})"
        for i, cost in zip(of_old, costs, strict=True)
        if cost > limit
    ]
    changed += [
        f"state {i} of the old model has no successor" for i in range(old.n_states) if i not in of_old
    ]
    changed += [f"state {k} is new" for k in range(old.n_states, new.n_states)]
    alignment = Alignment(tuple(order), costs, limit, tuple(changed), old.digest)
    named = new.reordered(np.array(order))
    return replace(named, fitted={**named.fitted, "alignment": alignment.to_dict()}), alignment


def wasserstein(mean_a: Floats, cov_a: Floats, mean_b: Floats, cov_b: Floats) -> float:
    """2-Wasserstein distance of two Gaussians: |μ−ν|² + tr(A + B − 2(A^½ B A^½)^½), its root."""
    root_a = _root(cov_a)
    square = ((mean_a - mean_b) ** 2).sum() + np.trace(cov_a + cov_b - 2.0 * _root(root_a @ cov_b @ root_a))
    return float(np.sqrt(max(square, 0.0)))


def _root(cov: Floats) -> Floats:
    values, axes = np.linalg.eigh(cov)
    return (axes * np.sqrt(np.clip(values, 0.0, None))) @ axes.T


def _overall_spread(model: RegimeModel, mean: Floats, cov: Floats) -> Floats:
    share = model.start
    centre = share @ mean
    return np.sqrt(share @ (np.diagonal(cov, axis1=1, axis2=2) + (mean - centre) ** 2))
