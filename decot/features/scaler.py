"""Observations to a common size, learned on the training part alone. Knows means and spreads; knows no column."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from decot.errors import ModelFault

_IQR_OF_NORMAL = 1.349
CLIP = 8.0
"""standard deviations beyond which a value says nothing more"""
SILENT = 1e30
"""spread of a column that never changed in training"""


@dataclass(frozen=True, slots=True)
class Scaler:
    """Frozen centre and spread per column."""

    mean: np.ndarray
    spread: np.ndarray

    @staticmethod
    def fit(obs: np.ndarray, kind: str = "zscore") -> Scaler:
        """Centre and spread of the rows given: training rows, without the warm-up.

        `zscore` takes mean and population standard deviation. `robust` takes median and interquartile range over
        1.349 (the same size on a normal column), so that a few wild rows move neither; where the quartiles are equal,
        as in a flag that is nearly always 0, it keeps mean and standard deviation.
        A column that never changes gets an endless spread: it is 0 here, and stays 0 when it wakes up later, because
        no weight has ever learned what to make of it.
        """
        if kind not in ("zscore", "robust"):
            raise ModelFault(f"scaler: {kind!r} is no kind of scaler; use 'zscore' or 'robust'")
        if obs.ndim != 2 or len(obs) == 0:
            raise ModelFault(f"scaler: {obs.shape} is no (rows, columns) with rows; fit it on training rows")
        mean = obs.mean(0, dtype=np.float64)
        spread = obs.std(0, dtype=np.float64)
        if kind == "robust":
            low, middle, high = np.percentile(obs, [25, 50, 75], axis=0)
            wide = (high - low) / _IQR_OF_NORMAL
            told = wide > 1e-9 * np.maximum(np.abs(middle), 1e-3)
            mean, spread = np.where(told, middle, mean), np.where(told, wide, spread)
        silent = ~(spread > 1e-9 * np.maximum(np.abs(mean), 1e-3))
        return Scaler(mean.astype(np.float32), np.where(silent, SILENT, spread).astype(np.float32))

    def apply(self, obs: np.ndarray) -> np.ndarray:
        """(x − mean) / spread within ±8, float32; rows may be one or many, the numbers are the same."""
        if obs.shape[-1] != len(self.mean):
            raise ModelFault(
                f"scaler: fitted on {len(self.mean)} columns, given {obs.shape[-1]}; use the scaler of this model"
            )
        scaled = (np.asarray(obs, np.float32) - self.mean) / self.spread
        return np.clip(scaled, -CLIP, CLIP).astype(np.float32, copy=False)

    def to_json(self) -> str:
        """Text that `from_json` turns back into the very same numbers."""
        return json.dumps({"mean": [float(x) for x in self.mean], "spread": [float(x) for x in self.spread]})

    @staticmethod
    def from_json(text: str) -> Scaler:
        """The inverse of `to_json`; ModelFault when it is not one."""
        try:
            plain = json.loads(text)
            mean = np.array(plain["mean"], np.float32)
            spread = np.array(plain["spread"], np.float32)
        except (ValueError, KeyError, TypeError) as broken:
            raise ModelFault(f"scaler: {broken!r} while reading; save it again with to_json") from broken
        if mean.shape != spread.shape or mean.ndim != 1 or not (spread > 0).all():
            raise ModelFault(
                f"scaler: mean {mean.shape}, spread {spread.shape}; both must be one row, spread > 0"
            )
        return Scaler(mean, spread)
