"""An artefact's mind, put together for live use: `features`, `context` and `model` as its manifest says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from decot.experiment.config import Experiment
from decot.experiment.enrich import Context
from decot.features.scaler import Scaler
from decot.live.mind import Mind, News, no_news
from decot.model.agent import Agent


def mind_of(
    experiment: Experiment,
    context: Context,
    agent: Agent,
    manifest: Mapping[str, Any],
    news: News = no_news,
) -> Mind:
    """A fresh mind that will give the very numbers of the batch, bar by bar."""
    return Mind.of(
        agent,
        Scaler.from_json(json.dumps(manifest["scaler"])),
        context.regimes,
        features=replace(experiment.features, clock_ms=experiment.clock_ms),
        regimes=experiment.regimes,
        news=news,
    )
