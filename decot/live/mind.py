"""From one bar to one decision, in the very steps that batch takes. Knows no account, no order, no clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from decot.context.regime_model import RegimeModel
from decot.context.regimes import RegimeConfig, RegimeFilter, RegimeInputs
from decot.features.config import FeatureConfig
from decot.features.kernel import BAR_INPUTS
from decot.features.observation import observe_row
from decot.features.scaler import Scaler
from decot.features.stream import Stream
from decot.model.agent import Agent
from decot.model.stream import Step, StreamAgent
from schemas.columns import CONTEXT, TEXT

News = Callable[[int], npt.NDArray[np.float64]]
"""timestamp → (20,) the text columns of that bar, from what was available by then"""
Outside = Callable[[int], npt.NDArray[np.float64]]
"""timestamp → (5,) the context columns of that bar, from what had arrived by then; it must not wait for anybody"""

CLOSE, STALE = BAR_INPUTS.index("close"), BAR_INPUTS.index("stale_ms")


def no_news(timestamp_ms: int) -> npt.NDArray[np.float64]:
    """Nothing is known: every text column is zero."""
    return np.zeros(len(TEXT))


def nobody_outside(timestamp_ms: int) -> npt.NDArray[np.float64]:
    """No server was asked: every context column is zero."""
    return np.zeros(len(CONTEXT))


@dataclass(slots=True)
class Mind:
    """Features, regimes, words and decision, one bar at a time; feed it every bar since its warm-up."""

    stream: Stream
    inputs: RegimeInputs
    regimes: RegimeFilter
    scaler: Scaler
    agent: StreamAgent
    news: News
    outside: Outside = nobody_outside

    @staticmethod
    def of(
        agent: Agent,
        scaler: Scaler,
        model: RegimeModel,
        *,
        features: FeatureConfig,
        regimes: RegimeConfig,
        news: News = no_news,
        outside: Outside = nobody_outside,
    ) -> Mind:
        """A mind that has seen nothing yet."""
        seen, filtering = RegimeInputs(regimes), RegimeFilter(model)
        return Mind(Stream(features), seen, filtering, scaler, StreamAgent(agent), news, outside)

    def read(self, timestamp_ms: int, bar_row: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """(97,) the market columns of the features table for this bar, in the table's order."""
        kernel = self.stream.step(timestamp_ms, bar_row)
        close, stale_ms = float(bar_row[CLOSE]), float(bar_row[STALE])
        seen = self.inputs.step(close, timestamp_ms=timestamp_ms, stale_ms=stale_ms)
        regimes = self.regimes.step(seen)
        return np.concatenate([kernel, regimes, self.news(timestamp_ms), self.outside(timestamp_ms)])

    def decide(self, row: npt.NDArray[np.float64], position: int) -> Step:
        """What to hold after this bar, from its columns and the position held now (−1, 0, 1)."""
        seen = self.scaler.apply(observe_row(row)[None])[0]
        return self.agent.step(seen, position)
