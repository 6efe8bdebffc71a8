"""Settings and results of reading headlines. Knows no model and no bars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LABELS = ("bearish", "neutral", "bullish")


@dataclass(frozen=True, slots=True, kw_only=True)
class TextConfig:
    """Which encoder, how it is read, and how its words age."""

    model: str = "ElKulako/cryptobert"
    """hub name or local folder"""
    max_length: int = 128
    """tokens; CryptoBERT was trained at 128 and its card advises against more"""
    pooling: str = "mean"
    """`mean` over the tokens of the last layer, or `cls`"""
    batch_tokens: int = 2_048
    """tokens computed at once"""
    dims: int = 16
    half_life_minutes: float = 30.0
    """a headline's weight halves in this time after it became available"""
    memory_minutes: float = 360.0
    """older than this, news counts as unknown"""
    trained_until: str = "2022-06-16"
    """last day of the encoder's own training posts (CryptoBERT's card); earlier headlines may have been seen"""
    int8: bool = False
    """onnxruntime with 8-bit weights, when an export lies beside the model"""
    cache: str = ""
    """folder of encoded texts; empty keeps them in memory only"""

    def faults(self) -> list[str]:
        """Everything wrong with these settings, for one ConfigError."""
        found = []
        if self.pooling not in ("mean", "cls"):
            found.append(f"text.pooling = {self.pooling!r}: use 'mean' or 'cls'")
        if not 8 <= self.max_length <= 512:
            found.append(f"text.max_length = {self.max_length}: between 8 and 512")
        if self.dims != 16:
            found.append(f"text.dims = {self.dims}: the features table has 16 text columns")
        if self.half_life_minutes <= 0 or self.memory_minutes <= 0:
            found.append("text.half_life_minutes and text.memory_minutes must be positive")
        return found


@dataclass(frozen=True, slots=True)
class Encoded:
    """What an encoder made of N texts."""

    embedding: np.ndarray
    """(N, H) float32, pooled last layer"""
    sentiment: np.ndarray
    """(N, 3) float32, probability of bearish, neutral, bullish; zeros when the encoder has no such head"""
