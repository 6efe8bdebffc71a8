"""An artefact's mind, put together for live use: `features`, `context` and `model` as its manifest says.

What surrounds the market reaches it in two ways. Over recorded bars, `recorded_outside` gives the columns of the table.
In a session, `Around` hears headlines and MCP servers as they come and gives the same rows, never waiting for anybody.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from decot.context.headlines import SCHEMA
from decot.context.mcp_live import Askers, Line, LiveReadings
from decot.context.mcp_readings import McpConfig, Reading
from decot.context.news_stream import Key, NewsStream
from decot.experiment import listen
from decot.experiment.config import Experiment
from decot.experiment.enrich import Context, open_encoder, same_encoder
from decot.experiment.place import Place
from decot.features.scaler import Scaler
from decot.live.mind import Mind, News, Outside, no_news, nobody_outside
from decot.model.agent import Agent
from schemas.columns import CONTEXT

_COLUMNS = ("available_ms", "published_ms", "source", "text")


def mind_of(
    experiment: Experiment,
    context: Context,
    agent: Agent,
    manifest: Mapping[str, Any],
    news: News = no_news,
    outside: Outside = nobody_outside,
) -> Mind:
    """A fresh mind that will give the very numbers of the batch, bar by bar."""
    return Mind.of(
        agent,
        Scaler.from_json(json.dumps(manifest["scaler"])),
        context.regimes,
        features=replace(experiment.features, clock_ms=experiment.clock_ms),
        regimes=experiment.regimes,
        news=news,
        outside=outside,
    )


def recorded_outside(experiment: Experiment, place: Place, bars: pl.DataFrame) -> Outside:
    """The context columns of recorded bars, from the readings kept in this home; nobody is asked."""
    stamps = bars["timestamp"].to_numpy()
    said = listen.columns(experiment, place, stamps, int(stamps[-1])) if len(stamps) else {}
    if not said:
        return nobody_outside
    matrix = np.stack([said[name] for name in CONTEXT], axis=1)
    rows = {stamp: row for row, stamp in enumerate(stamps.tolist())}
    return lambda t_ms: matrix[rows[t_ms]]


class Around:
    """Headlines and MCP servers of a running session; a context manager, because servers are started and let go.

    with Around(experiment, place, context) as around:
        mind = mind_of(experiment, context, agent, manifest, around.news, around.outside)
        around.hear(headlines)          # whenever new ones come, from any thread
    """

    def __init__(
        self, experiment: Experiment, place: Place, context: Context, lines: Sequence[Line] | None = None
    ) -> None:
        self._experiment, self._place, self._context = experiment, place, context
        self._servers = tuple(cfg for cfg in experiment.mcp.servers if cfg.columns)
        self._stream = NewsStream(experiment.text, context.projector)
        self._known: set[tuple[int, str]] = set()
        self._live = LiveReadings(self._servers, self._keep)
        for server, cfg in enumerate(self._servers):
            for reading in listen.kept(place, cfg):
                self._live.hear(server, reading, is_new=False)
        self._lines = lines
        self._askers: Askers | None = None

    def __enter__(self) -> Around:
        if self._servers:
            lines = self._lines if self._lines is not None else listen.lines(self._servers)
            self._askers = Askers(self._live, self._servers, lines).__enter__()
        return self

    def __exit__(self, *why: object) -> None:
        if self._askers is not None:
            self._askers.__exit__(*why)

    def hear(self, headlines: pl.DataFrame) -> int:
        """Read the headlines that are new (by publication and words); gives how many were. Takes the encoder's time.

        Raises:
            CheckpointRefused: the encoder here is not the one the context was learnt with.
        """
        rows: list[Key] = [
            row
            for row in headlines.sort(list(_COLUMNS)).select(_COLUMNS).rows()
            if (row[1], row[3]) not in self._known
        ]
        if not rows or not self._context.encoder_identity:
            return 0
        self._known.update((row[1], row[3]) for row in rows)
        encoder = same_encoder(open_encoder(self._experiment, self._place), self._context)
        self._stream.hear(rows, encoder.encode([row[3] for row in rows]))
        return len(rows)

    def news(self, timestamp_ms: int) -> np.ndarray:
        """(20,) the text columns of the bar that ends then; bars come in order."""
        return self._stream.row(timestamp_ms)

    def outside(self, timestamp_ms: int) -> np.ndarray:
        """(5,) the context columns of the bar that ends then; bars come in order."""
        return self._live.row(timestamp_ms)

    def heard(self) -> pl.DataFrame:
        """The headlines of this session, each with the moment from which it really counted."""
        plain = [dict(zip(_COLUMNS, key, strict=True)) for key in self._stream.heard()]
        return pl.DataFrame(plain, schema={name: SCHEMA[name] for name in _COLUMNS}).select(list(SCHEMA))

    def servers(self) -> tuple[Reading, ...]:
        """Per configured server its newest reading; a masked one says why."""
        return self._live.newest()

    def _keep(self, cfg: McpConfig, reading: Reading) -> None:
        listen.keep(self._place, cfg, reading)
