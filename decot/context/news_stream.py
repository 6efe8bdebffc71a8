"""The news columns one bar at a time, bit for bit what `aggregate` gives. Knows encoded headlines; knows no encoder.

A headline that is heard after a bar was judged counts from the millisecond after that bar, whatever its own stamp says:
nothing that was said is taken back, and a table made later from `heard` has the very rows that were seen live.
"""

from __future__ import annotations

from threading import Lock

import numpy as np

from decot.context.aggregate import Floats, Projector, blend, components
from decot.context.text_config import LABELS, Encoded, TextConfig

Key = tuple[int, int, str, str]
"""available_ms, published_ms, source, text: the order of a headlines table"""


class NewsStream:
    """Hear headlines from one thread, ask for rows from another."""

    def __init__(self, cfg: TextConfig | None = None, projector: Projector | None = None) -> None:
        self._cfg, self._projector = cfg or TextConfig(), projector
        self._total = np.zeros(self._cfg.dims + len(LABELS))
        self._weight, self._last_ms = 0.0, 0
        self._judged_ms = -1
        self._waiting: list[tuple[Key, Floats]] = []
        self._heard: list[Key] = []
        self._lock = Lock()

    def hear(self, headlines: list[Key], encoded: Encoded) -> None:
        """Headlines and what the encoder made of them, row by row; they count from `available_ms`."""
        rows = components(encoded, self._projector, self._cfg.dims)
        with self._lock:
            for (available, published, source, text), row in zip(headlines, rows, strict=True):
                key = (max(available, self._judged_ms + 1), published, source, text)
                self._waiting.append((key, np.ascontiguousarray(row)))
                self._heard.append(key)
            self._waiting.sort(key=lambda one: one[0])

    def heard(self) -> list[Key]:
        """Everything heard, by the moment from which it counted."""
        with self._lock:
            return sorted(self._heard)

    def row(self, timestamp_ms: int) -> Floats:
        """(20,) text_0 … 15, sentiment_*, news_known of the bar that ends then; bars come in order."""
        out = np.zeros(self._total.size + 1)
        with self._lock:
            self._judged_ms = timestamp_ms
            while self._waiting and self._waiting[0][0][0] <= timestamp_ms:
                key, row = self._waiting.pop(0)
                elapsed = float(key[0]) - float(self._last_ms)
                half_life_ms = self._cfg.half_life_minutes * 60_000.0
                self._weight = blend(self._total, self._weight, elapsed, row, half_life_ms)
                self._last_ms = key[0]
            fresh = float(timestamp_ms) - float(self._last_ms) <= self._cfg.memory_minutes * 60_000.0
            if self._weight > 0.0 and fresh:
                out[:-1] = self._total / self._weight
                out[-1] = 1.0
        tone = slice(out.size - 1 - len(LABELS), out.size - 1)
        out[tone] = np.clip(out[tone], 0.0, 1.0)
        return out
