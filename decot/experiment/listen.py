"""What configured MCP servers say, asked once a run and kept: a bar later sees what had arrived by its end.

Knows servers and a folder of readings. Nobody waits longer than the longest boxes (one to start, one to answer); a
silent server is masked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np

from decot import clock
from decot.context.mcp_live import Line
from decot.context.mcp_readings import McpConfig, Reading, merged_columns, read_readings, write_reading
from decot.experiment.config import Experiment
from decot.experiment.place import Place
from decot.report.progress import say


@dataclass(frozen=True, slots=True)
class Heard:
    """What the servers said up to a moment, by a digest that changes only when a usable reading does."""

    until_ms: int
    digest: str
    servers: tuple[dict[str, Any], ...]
    """per server: name, known, why (of the newest question), readings (usable, up to the moment)"""


def listen(experiment: Experiment, place: Place, until_ms: int) -> Heard:
    """Ask every server once, all at the same time, and write down what came; then say what is usable by `until_ms`."""
    servers = [cfg for cfg in experiment.mcp.servers if cfg.columns]
    if not servers:
        return Heard(until_ms, "", ())
    asked = ask(servers)
    told = []
    for nth, (cfg, reading) in enumerate(zip(servers, asked, strict=True), 1):
        keep(place, cfg, reading)
        if not reading.known:
            say("outside", nth, len(servers) + 1, f"context of {server_name(cfg)} masked: {reading.why}")
        known = _readings(place, cfg, until_ms)
        told.append(
            {"name": server_name(cfg), "known": reading.known, "why": reading.why, "readings": len(known)}
        )
    text = json.dumps([[asdict(one) for one in _readings(place, cfg, until_ms)] for cfg in servers])
    return Heard(until_ms, hashlib.sha256(text.encode()).hexdigest(), tuple(told))


def ask(servers: Sequence[McpConfig]) -> list[Reading]:
    """One reading per server, within the longest time box; hanging up happens behind our back.

    The protocol's own client is brought in first: the box is the server's time, not ours.
    """
    feeds = lines(servers)
    with ThreadPoolExecutor(max_workers=len(feeds)) as pool:
        readings = list(pool.map(lambda feed: feed.read(), feeds))
    for feed in feeds:
        Thread(target=feed.close, name="decot-mcp-hang-up").start()
    return readings


def lines(servers: Sequence[McpConfig]) -> list[Line]:
    """A line to every server, none of them asked yet; without the protocol's client they say only that."""
    if find_spec("mcp") is None:
        return [_Dumb() for _ in servers]
    import mcp  # noqa: F401  so that its seconds do not count against the server

    from decot.context.mcp_client import McpFeed

    return [McpFeed(cfg) for cfg in servers]


class _Dumb:
    """What stands where the client is not installed."""

    def read(self) -> Reading:
        return Reading(clock.now_us() // 1_000, why="the client is not installed; pip install 'decot[mcp]'")

    def close(self) -> None:
        """Nothing was opened."""


def keep(place: Place, cfg: McpConfig, reading: Reading) -> None:
    """Write a reading down, so that a table made later sees what was known then."""
    write_reading(_file(place, cfg), reading)


def kept(place: Place, cfg: McpConfig) -> list[Reading]:
    """The usable readings of one server that this home holds, in the order they were written."""
    return [reading for reading in read_readings(_file(place, cfg)) if reading.known]


def columns(
    experiment: Experiment, place: Place, timestamp_ms: np.ndarray, until_ms: int
) -> dict[str, np.ndarray]:
    """context_0 … context_3 and context_known of every bar, from the readings kept; empty without servers."""
    servers = [cfg for cfg in experiment.mcp.servers if cfg.columns]
    if not servers:
        return {}
    return merged_columns([(cfg, _readings(place, cfg, until_ms)) for cfg in servers], timestamp_ms)


def server_name(cfg: McpConfig) -> str:
    """The address, or the program's own name."""
    return cfg.url or Path(cfg.command[0]).name


def _file(place: Place, cfg: McpConfig) -> Path:
    meaning = json.dumps([cfg.url, cfg.command, [asdict(column) for column in cfg.columns]], default=str)
    return place.folder("mcp") / f"{hashlib.sha256(meaning.encode()).hexdigest()[:16]}.jsonl"


def _readings(place: Place, cfg: McpConfig, until_ms: int) -> list[Reading]:
    return [reading for reading in kept(place, cfg) if reading.available_ms <= until_ms]
