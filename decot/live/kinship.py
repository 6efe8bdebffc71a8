"""Is each forecast still the forecast it is called? Knows forecasts and what the agent saw; knows no outcome and no bound.

Heads of one network forecast nearly the same thing, so an exchange of two of them moves no histogram and hardly an outcome.
What tells them apart is what each makes of the market. On taught rows every forecast is fitted linearly to the columns
(ridge), and the covariance of what is left over is kept. From then on, for each pair of heads, two stories are weighed by
their Mahalanobis distances D: each head is itself, or the two have changed places. The score is

    (D(as they are) − D(exchanged)) / (D(as they are) + D(exchanged))        in −1 … 1, and it changes sign with the exchange

Places may be changed in the network (each keeps its units) or behind it (a value stands under another's name): of the two
the likelier exchange counts. The score has no unit: a market three times as wild multiplies both distances alike. Averaged
over time it is a sequential likelihood-ratio test whose bound is calibrated like every other score of the monitor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from decot.model.vocabulary import FORECASTS

Array = npt.NDArray[np.float64]

PAIRS = tuple(combinations(range(len(FORECASTS)), 2))
PAIR_NAMES = tuple(f"{FORECASTS[i]} and {FORECASTS[j]}" for i, j in PAIRS)
RIDGE = 10.0
FLOOR = 1e-4
"""added to the variance of what is left over, in units of the forecast's own"""
_MOST_ROWS = 40_000

_EXCHANGED = np.stack([np.arange(len(FORECASTS))] * len(PAIRS))
for _row, (_i, _j) in zip(_EXCHANGED, PAIRS):
    _row[[_i, _j]] = _row[[_j, _i]]


@dataclass(frozen=True, slots=True, eq=False)
class Kin:
    """What each forecast usually is, given what was seen."""

    mean: Array
    """(5,)"""
    spread: Array
    """(5,)"""
    kept: npt.NDArray[np.int64]
    """columns of the observation that are asked"""
    weights: Array
    """(1 + kept, 5) of the forecasts in their own units"""
    precision: Array
    """(5, 5) inverse covariance of what is left over"""

    @classmethod
    def fit(cls, seen: npt.NDArray[np.float32], forecasts: npt.NDArray[np.float32], kept: Any) -> Kin:
        """Learn it from taught rows: (T, F) and (T, 5); `kept` are the columns that may be asked."""
        every = max(1, len(seen) // _MOST_ROWS)
        f = forecasts[::every].astype(np.float64)
        places = np.asarray(kept, np.int64)
        mean, spread = f.mean(0), np.maximum(f.std(0), 1e-12)
        x, z = _design(seen[::every, places]), (f - mean) / spread
        weights = np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ z)
        left = z - x @ weights
        covariance = left.T @ left / len(left) + FLOOR * np.eye(len(FORECASTS))
        return cls(mean, spread, places, weights, np.linalg.inv(covariance))

    def exchanged(self, forecasts: npt.NDArray[np.float32], seen: npt.NDArray[np.float32]) -> Array:
        """(…, pairs) the score of each pair, from (…, 5) and (…, F); below 0 while the heads are themselves."""
        z = (forecasts.astype(np.float64) - self.mean) / self.spread
        expected = _design(seen[..., self.kept]) @ self.weights
        own = self._distance(z - expected)[..., None]
        misnamed = (forecasts.astype(np.float64)[..., _EXCHANGED] - self.mean) / self.spread
        rewired, renamed = (
            self._distance(swapped - expected[..., None, :]) for swapped in (z[..., _EXCHANGED], misnamed)
        )
        other = np.minimum(rewired, renamed)
        return np.asarray((own - other) / (own + other + 1e-9), np.float64)

    def _distance(self, left: Array) -> Array:
        return np.asarray(((left @ self.precision) * left).sum(-1), np.float64)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        names = ("mean", "spread", "kept", "weights", "precision")
        return {name: getattr(self, name).tolist() for name in names}

    @classmethod
    def from_json(cls, whole: Mapping[str, Any]) -> Kin:
        """The same back."""
        mean, spread, weights, precision = (
            np.array(whole[name], np.float64) for name in ("mean", "spread", "weights", "precision")
        )
        return cls(mean, spread, np.array(whole["kept"], np.int64), weights, precision)


def _design(seen: npt.NDArray[Any]) -> Array:
    return np.concatenate([np.ones((*seen.shape[:-1], 1)), seen.astype(np.float64)], axis=-1)
