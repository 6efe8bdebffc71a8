"""From encoded headlines to columns per bar: projection fitted on train, then decay. Knows no encoder.

A headline enters the first bar whose end is at or after its `available_ms`; publication time plays no part.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import numpy as np
import polars as pl
from numba import njit

from decot.context.text_config import LABELS, Encoded, TextConfig
from decot.errors import CheckpointRefused, DataFault

Floats = np.ndarray


@dataclass(frozen=True, slots=True)
class Projector:
    """A principal-component projection. Letters: N texts, H embedding width, P = 16 components."""

    mean: Floats
    """(H,)"""
    axes: Floats
    """(H, P); columns beyond the data's rank are zero"""
    scale: float
    """standard deviation along the first axis, by which every component is divided"""

    @staticmethod
    def fit(embedding: Floats, dims: int = 16) -> Projector:
        """Fit on the texts of the training part; each axis' sign makes its largest weight positive.

        Raises:
            DataFault: no text at all, or a row that is not finite.
        """
        rows = np.asarray(embedding, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[0] == 0 or not np.isfinite(rows).all():
            raise DataFault(
                f"text projection: {rows.shape} finite rows are needed, at least one; add headlines"
            )
        mean = rows.mean(0)
        _, spread, axes_t = np.linalg.svd(rows - mean, full_matrices=False)
        kept = int(min(dims, (spread > 1e-9 * max(spread[0], 1e-300)).sum())) if spread[0] > 1e-12 else 0
        axes = np.zeros((rows.shape[1], dims))
        for p in range(kept):
            heaviest = axes_t[p, np.abs(axes_t[p]).argmax()]
            axes[:, p] = axes_t[p] * np.sign(heaviest)
        scale = float(spread[0] / np.sqrt(len(rows))) if kept else 1.0
        return Projector(mean, axes, scale)

    def apply(self, embedding: Floats) -> Floats:
        """(N, P) components in units of the first one's spread."""
        return (np.asarray(embedding, dtype=np.float64) - self.mean) @ self.axes / self.scale

    def to_json(self) -> str:
        """JSON with its own sha256."""
        body = {"mean": self.mean.tolist(), "axes": self.axes.tolist(), "scale": self.scale}
        return json.dumps({"sha256": _digest(body), **body})

    @staticmethod
    def from_json(text: str) -> Projector:
        """The inverse of `to_json`; raises CheckpointRefused when the hash does not hold."""
        body = json.loads(text)
        said = body.pop("sha256", None)
        if _digest(body) != said:
            raise CheckpointRefused("text projection: sha256 does not hold; fit it again or restore the file")
        return Projector(np.array(body["mean"]), np.array(body["axes"]), float(body["scale"]))


def _digest(body: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


@njit(cache=True)
def blend(total: Floats, weight: float, elapsed_ms: float, row: Floats, half_life_ms: float) -> float:
    """One headline more, in place, `elapsed_ms` after the one before; gives the new weight.

    Between headlines every weight fades alike, so the mean stands still: what a bar sees depends on the headlines before
    it alone, never on when the bars began.
    """
    fade = 0.5 ** (elapsed_ms / half_life_ms) if weight > 0.0 else 0.0
    for i in range(row.size):
        total[i] = total[i] * fade + row[i]
    return weight * fade + 1.0


@njit(cache=True)
def _decay(
    bars_ms: Floats, available_ms: Floats, rows: Floats, half_life_ms: float, memory_ms: float, out: Floats
) -> None:
    """Weighted mean of the rows known at each bar; `out` (T, W + 1), the last column 1 where news is known."""
    width = rows.shape[1]
    total, weight, last, n = np.zeros(width), 0.0, 0.0, 0
    for t in range(bars_ms.size):
        while n < available_ms.size and available_ms[n] <= bars_ms[t]:
            weight = blend(total, weight, available_ms[n] - last, rows[n], half_life_ms)
            last = available_ms[n]
            n += 1
        if n > 0 and bars_ms[t] - last <= memory_ms:
            out[t, width] = 1.0
            for i in range(width):
                out[t, i] = total[i] / weight


def components(encoded: Encoded, projector: Projector | None, dims: int = 16) -> Floats:
    """(N, dims + 3) of N texts: what `aggregate` decays. Without a projector the first `dims` are 0."""
    shown = (
        np.zeros((len(encoded.embedding), dims)) if projector is None else projector.apply(encoded.embedding)
    )
    return np.concatenate([shown, encoded.sentiment.astype(np.float64)], axis=1)


def aggregate(
    headlines: pl.DataFrame,
    encoded: Encoded,
    bar_ts_ms: Floats,
    cfg: TextConfig | None = None,
    *,
    projector: Projector | None,
) -> dict[str, Floats]:
    """The columns text_0…15, sentiment_* and news_known of every bar.

    Args:
        headlines: the headlines table; row n belongs to row n of `encoded`.
        encoded: embeddings and sentiments.
        bar_ts_ms: (T,) ends of the bars, increasing.
        projector: fitted on the training part; None when there was no news to fit it on: text_* are 0 then, while
            sentiment_* and news_known, which need no fit, are what they are.
    Returns:
        float64 arrays (T,): exponentially decayed means over what was available; all 0 where news is unknown.
    """
    cfg = cfg or TextConfig()
    names = [*(f"text_{p}" for p in range(cfg.dims)), *(f"sentiment_{label}" for label in LABELS)]
    rows = components(encoded, projector, cfg.dims)
    available = headlines["available_ms"].to_numpy()
    order = np.argsort(available, kind="stable")
    out = np.zeros((len(bar_ts_ms), len(names) + 1))
    _decay(
        np.ascontiguousarray(bar_ts_ms, dtype=np.float64),
        available[order].astype(np.float64),
        np.ascontiguousarray(rows[order]),
        cfg.half_life_minutes * 60_000.0,
        cfg.memory_minutes * 60_000.0,
        out,
    )
    out[:, len(names) - 3 : len(names)] = np.clip(out[:, len(names) - 3 : len(names)], 0.0, 1.0)
    return {name: out[:, i].copy() for i, name in enumerate([*names, "news_known"])}


def possibly_seen(headlines: pl.DataFrame, cfg: TextConfig | None = None) -> pl.Series:
    """True for headlines published on or before the encoder's own last training day: they may be remembered."""
    last = (cfg or TextConfig()).trained_until
    end_ms = int(np.datetime64(last, "ms").astype(np.int64)) + 86_400_000
    return (headlines["published_ms"] < end_ms).alias("possibly_seen")
