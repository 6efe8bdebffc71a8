"""One architecture as plain settings. Knows no torch, so that a live worker need not either."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from decot.errors import ConfigError
from decot.model.vocabulary import NAMES

FORESEEING = ("outlook", "risk")
"""the steps that read the forecasts, in place of a direct view of y"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """One architecture; every field may be a gene."""

    n_features: int
    conv_filters: int = 16
    kernel: int = 5
    """bars seen by one convolution"""
    pool: int = 2
    """width of the causal pooling, bars; 1 = none. It slides by one, so every tick keeps an output"""
    pool_kind: str = "average"
    """average or max"""
    lstm_units: int = 32
    dropout: float = 0.0
    """on the LSTM's output, in training"""
    questions: tuple[str, ...] = NAMES
    """the steps of the chain, in the order they are asked; outlook and risk must be among them"""
    word_width: int = 8
    """width of an answer's embedding"""
    step_width: int = 16
    """hidden width of one step"""
    glance_width: int = 24
    """how much of the present row the seven readings see beside the LSTM"""
    judge_width: int = 32
    """hidden width between the words and the heads"""
    value_tilt: float = 0.5
    """how strongly the value of a position favours going there, in log-odds per unit of value"""
    unrestricted: bool = False
    """let the latent past the words: only to measure what honesty costs"""

    def __post_init__(self) -> None:
        object.__setattr__(self, "questions", tuple(self.questions))
        faults = [
            f"questions: {name!r} is not one of {NAMES}" for name in self.questions if name not in NAMES
        ]
        faults += [f"questions: {name!r} is missing" for name in FORESEEING if name not in self.questions]
        if len(set(self.questions)) != len(self.questions):
            faults.append(f"questions: asked twice in {self.questions}")
        if self.pool_kind not in ("average", "max"):
            faults.append(f"pool_kind: {self.pool_kind!r} is neither average nor max")
        widths = (
            "n_features",
            "conv_filters",
            "kernel",
            "pool",
            "lstm_units",
            "word_width",
            "step_width",
            "judge_width",
        )
        faults += [f"{name}: {getattr(self, name)} is below 1" for name in widths if getattr(self, name) < 1]
        if not 0 <= self.dropout < 1:
            faults.append(f"dropout: {self.dropout} is not in [0, 1)")
        if faults:
            raise ConfigError(faults)

    @property
    def reach(self) -> int:
        """Earlier rows the convolution and the pooling look back on."""
        return self.kernel + self.pool - 2

    def to_json(self) -> dict[str, Any]:
        """JSON values, in their declared order."""
        return {**asdict(self), "questions": list(self.questions)}

    @classmethod
    def from_json(cls, whole: Mapping[str, Any]) -> ModelConfig:
        """The configuration `to_json` wrote; unknown keys are refused together."""
        unknown = sorted(set(whole) - {field.name for field in fields(cls)})
        if unknown:
            raise ConfigError([f"{name}: no such setting of a model" for name in unknown])
        return cls(**whole)
