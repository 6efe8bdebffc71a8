"""What an answer means: labels grounded in columns that anyone can check. Knows columns by name; knows no network.

Edges are fitted on the training part and then frozen. Two-sided questions (flow, trend, momentum, outlook) have edges
symmetric about zero, so "buyers" always means more than nothing; one-sided ones (volume, risk) use plain quantiles.
A column that never moves gives the one neutral answer everywhere: nothing is said that is not seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from decot.errors import ModelFault
from decot.model.sentences import parse, parse_move, sentence
from decot.model.vocabulary import N_QUESTIONS, NAMES, QUESTIONS, SIZES, Lang

__all__ = ["QUESTIONS", "Grounding", "Lang", "parse", "parse_move", "sentence"]

Columns = Mapping[str, npt.NDArray[Any]]
Array = npt.NDArray[np.float64]

TWO_SIDED = {"flow": (0.35, 0.8), "trend": (0.35, 0.8), "momentum": (0.35, 0.8)}
"""question → quantiles of the absolute reading at which "some" and "much" begin"""
ONE_SIDED = {"volume": (0.3, 0.75, 0.95), "risk": (0.4, 0.75, 0.92)}
"""question → quantiles between the answers"""
OUTLOOK_SD = (0.3, 1.0)
"""a rise begins at 0.3 sd of the 10 s return, a strong one at 1 sd"""


DEFAULT_PATTERNS = {0: 0, 1: 2} | {code: 3 - 2 * (code % 2) for code in range(2, 32)}
"""pattern_match code → answer: 0 none, 1 undecided, from 2 on even codes point up and odd ones down"""


@dataclass(frozen=True, slots=True)
class Grounding:
    """Frozen edges per question, and the scale of every column that is summed into a reading."""

    scales: dict[str, float] = field(default_factory=dict)
    edges: dict[str, tuple[float, ...]] = field(default_factory=dict)
    patterns: dict[int, int] = field(default_factory=dict)

    @classmethod
    def fit(cls, columns: Columns, patterns: Mapping[int, int] | None = None) -> Grounding:
        """Learn scales and edges from training rows; `patterns` maps a pattern_match code to its answer."""
        _need(columns)
        used = ("flow_30", "imb_5", "ret_5", "macd", "future_return_10s")
        scales = {name: _spread(columns[name]) for name in used}
        edges: dict[str, tuple[float, ...]] = {}
        for name, levels in TWO_SIDED.items():
            size = np.abs(_reading(name, columns, scales))
            some, much = (float(edge) for edge in np.quantile(size, levels))
            edges[name] = (-much, -some, some, much) if much > 0 else ()
        for name, levels3 in ONE_SIDED.items():
            reading = _reading(name, columns, scales)
            cuts = tuple(float(edge) for edge in np.quantile(reading, levels3))
            edges[name] = cuts if np.ptp(reading) > 0 else ()
        sd = scales["future_return_10s"]
        near, far = OUTLOOK_SD
        edges["outlook"] = (-far * sd, -near * sd, near * sd, far * sd) if sd > 0 else ()
        return cls(scales=scales, edges=edges, patterns=dict(patterns or DEFAULT_PATTERNS))

    def label(self, columns: Columns) -> npt.NDArray[np.int8]:
        """The true answer of every row: (T, 9) int8. Outlook and risk look ahead, the other seven do not."""
        _need(columns)
        n = len(columns["volume_z"])
        out = np.empty((n, N_QUESTIONS), dtype=np.int8)
        for k, question in enumerate(QUESTIONS):
            if question.name == "pattern":
                out[:, k] = _patterns(columns["pattern_match"], self.patterns)
            elif question.name == "regime":
                out[:, k] = _regime(columns)
            elif question.name == "news":
                out[:, k] = _news(columns)
            else:
                out[:, k] = _bin(
                    _reading(question.name, columns, self.scales), self.edges[question.name], question.neutral
                )
        return out

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, for a checkpoint's manifest."""
        whole = asdict(self)
        whole["patterns"] = {str(code): answer for code, answer in self.patterns.items()}
        return whole

    @classmethod
    def from_json(cls, whole: Mapping[str, Any]) -> Grounding:
        """The same grounding back, bit for bit."""
        return cls(
            scales=dict(whole["scales"]),
            edges={name: tuple(cuts) for name, cuts in whole["edges"].items()},
            patterns={int(code): int(answer) for code, answer in whole["patterns"].items()},
        )


def _need(columns: Columns) -> None:
    missing = sorted({name for question in QUESTIONS for name in question.columns} - set(columns))
    if missing:
        raise ModelFault(
            f"grounding needs columns that are not given: {', '.join(missing)}; build the features table"
        )


def _spread(values: npt.NDArray[Any]) -> float:
    sd = float(np.std(np.asarray(values, dtype=np.float64)))
    return sd if np.isfinite(sd) else 0.0


def _scaled(name: str, columns: Columns, scales: Mapping[str, float]) -> Array:
    values = np.asarray(columns[name], dtype=np.float64)
    return values / scales[name] if scales[name] > 0 else np.zeros_like(values)


def _reading(question: str, columns: Columns, scales: Mapping[str, float]) -> Array:
    """The one number a question is about, so that more means more."""
    if question == "flow":
        return _scaled("flow_30", columns, scales) + _scaled("imb_5", columns, scales)
    if question == "momentum":
        return _scaled("ret_5", columns, scales) + _scaled("macd", columns, scales)
    if question == "risk":
        return -np.asarray(columns["future_max_dd"], dtype=np.float64) * 1e4
    source = {"volume": "volume_z", "trend": "ret_60", "outlook": "future_return_10s"}[question]
    return np.asarray(columns[source], dtype=np.float64)


def _bin(reading: Array, edges: tuple[float, ...], neutral: int) -> npt.NDArray[np.int8]:
    if not edges:
        return np.full(len(reading), neutral, dtype=np.int8)
    half = len(edges) // 2
    if edges[0] == -edges[-1]:  # two-sided: the middle answer keeps both of its ends
        cuts = np.asarray(edges)
        low = np.searchsorted(cuts[:half], reading, side="right")
        return (low + np.searchsorted(cuts[half:], reading, side="left")).astype(np.int8)
    return np.searchsorted(np.asarray(edges), reading, side="left").astype(np.int8)


def _patterns(codes: npt.NDArray[Any], groups: Mapping[int, int]) -> npt.NDArray[np.int8]:
    table = np.full(128, 2, dtype=np.int8)  # a code nobody grouped is an undecided candle
    for code, answer in groups.items():
        table[code] = answer
    return table[np.clip(np.asarray(codes, dtype=np.int64), 0, 127)]


def _regime(columns: Columns) -> npt.NDArray[np.int8]:
    stacked = np.stack([np.asarray(columns[f"regime_{k}"], dtype=np.float64) for k in range(6)], axis=1)
    return stacked.argmax(axis=1).astype(np.int8)


def _news(columns: Columns) -> npt.NDArray[np.int8]:
    moods = ("sentiment_bearish", "sentiment_neutral", "sentiment_bullish")
    stacked = np.stack([np.asarray(columns[name], dtype=np.float64) for name in moods], axis=1)
    known = np.asarray(columns["news_known"], dtype=np.float64) > 0.5
    return np.where(known, 1 + stacked.argmax(axis=1), 0).astype(np.int8)


assert len(NAMES) == len(SIZES) == N_QUESTIONS
