"""How far what is seen now lies from what was seen in training. Knows bins and shares; knows no agent and no threshold.

Every watched column is cut at the quantiles of its training values; a word is its own bin. A fading histogram per column is
compared with the training shares: PSI = Σ (q − p) ln(q / p), KL = Σ q ln(q / p). Both are 0 for the same shares.
The number of operations per tick depends on the number of columns, never on how long it has run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from decot.errors import ModelFault

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int8]

N_BINS = 10
FLOOR = 1e-3
"""smallest share of a bin, so that an empty one counts much but not without end"""


@dataclass(frozen=True, slots=True, eq=False)
class Bins:
    """Frozen cuts and training shares of C columns; the columns after the cut ones are given as codes (words)."""

    names: tuple[str, ...]
    edges: Array
    """(C cut, N_BINS − 1), rising, +inf beyond the last cut"""
    shares: Array
    """(C, N_BINS) of training rows, at least FLOOR"""

    @classmethod
    def fit(cls, names: Sequence[str], values: Array, words: Mapping[str, Codes] | None = None) -> Bins:
        """Learn cuts and shares.

        Args:
            values: (T, C cut) training rows of the columns to be cut.
            words: further columns that are categories already, each (T,) with values −1 … N_BINS − 2.
        """
        if values.ndim != 2 or values.shape[1] != len(names) or len(values) < N_BINS:
            raise ModelFault(
                f"drift: {values.shape} values for {len(names)} names; give (T, names) with T ≥ {N_BINS}"
            )
        told = dict(words or {})
        edges = np.full((len(names), N_BINS - 1), np.inf)
        for c in range(len(names)):
            cuts = np.unique(np.quantile(values[:, c], np.arange(1, N_BINS) / N_BINS, method="inverted_cdf"))
            edges[c, : len(cuts)] = cuts
        cut = cls((*names, *told), edges, np.empty((0, N_BINS)))
        codes = cut.codes(values, np.stack(list(told.values()), 1) if told else None)
        shares = np.stack([np.bincount(codes[:, c], minlength=N_BINS) for c in range(codes.shape[1])])
        return cls(cut.names, edges, floored(shares / len(values)))

    def codes(self, values: Array, words: npt.NDArray[Any] | None = None) -> Codes:
        """(…, C cut) values and (…, W) words → (…, C) bins; a word −1 (not asked) is bin 0."""
        values = np.asarray(values)
        found = np.empty(values.shape, np.int8)
        flat, into = values.reshape(-1, values.shape[-1]), found.reshape(-1, values.shape[-1])
        for start in range(0, len(flat), 4_096):
            part = flat[start : start + 4_096]
            into[start : start + 4_096] = (part[:, :, None] > self.edges).sum(-1)
        return found if words is None else np.concatenate([found, np.asarray(words, np.int8) + 1], axis=-1)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers; an endless edge is null."""
        edges = [[float(x) if np.isfinite(x) else None for x in row] for row in self.edges]
        return {"names": list(self.names), "edges": edges, "shares": self.shares.tolist()}

    @classmethod
    def from_json(cls, whole: Mapping[str, Any]) -> Bins:
        """The same cuts back."""
        edges = [[np.inf if x is None else x for x in row] for row in whole["edges"]]
        return cls(
            tuple(whole["names"]),
            np.array(edges, np.float64).reshape(-1, N_BINS - 1),
            np.array(whole["shares"], np.float64),
        )


def floored(shares: Array) -> Array:
    """No share below FLOOR; still summing to one."""
    lifted = np.maximum(shares, FLOOR)
    return np.asarray(lifted / lifted.sum(-1, keepdims=True), np.float64)


def psi(seen: Array, expected: Array) -> Array:
    """Population stability index over the last axis; 0 for the same shares, above 0.25 is usually called a shift."""
    q, p = floored(seen), floored(expected)
    return np.asarray(((q - p) * np.log(q / p)).sum(-1), np.float64)


def kl(seen: Array, expected: Array) -> Array:
    """Kullback-Leibler divergence of what is seen from what was expected, nats, over the last axis."""
    q, p = floored(seen), floored(expected)
    return np.asarray((q * np.log(q / p)).sum(-1), np.float64)


class Fading:
    """Histograms that forget: shares of each bin, halved in weight every `half_life` ticks. `paths` run side by side."""

    def __init__(self, bins: Bins, half_life: float, paths: int = 1) -> None:
        self.expected = bins.shares
        self.seen = np.repeat(bins.shares[None], paths, axis=0)
        """(paths, C, N_BINS); starts at the training shares, so that it has no warm-up"""
        self._weight = 1.0 - 0.5 ** (1.0 / half_life)
        self._at = np.ix_(np.arange(paths), np.arange(len(bins.names)))

    def add(self, codes: Codes) -> None:
        """One tick: (paths, C) bins."""
        self.seen *= 1.0 - self._weight
        self.seen[(*self._at, codes)] += self._weight

    def psi(self) -> Array:
        """(paths, C)"""
        return psi(self.seen, self.expected)

    def kl(self) -> Array:
        """(paths, C)"""
        return kl(self.seen, self.expected)
