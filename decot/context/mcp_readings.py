"""What an outside tool said, when we had it, and the columns that come of it. Knows no protocol and no network.

A reading carries the moment it arrived; a bar sees the last reading that had arrived by its end, for as long as it
is young enough. Absent, late, or unusable is the same thing to a model: masked.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from decot.errors import TapeRefused

N_CONTEXT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class McpColumn:
    """One context column: which tool, asked what, and where in its answer the number is."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    column: int
    """0–3: the value becomes context_0 … context_3"""
    tool: str
    path: str = ""
    """names and indices joined by dots, e.g. `data.0.value`; empty when the answer is the number itself"""
    arguments: Mapping[str, Any] | None = None
    scale: float = 1.0
    """divides the number, so that columns stay of order one"""
    low: float = -1e6
    high: float = 1e6
    """outside these (before scaling) an answer is rubbish"""


@dataclass(frozen=True, slots=True, kw_only=True)
class McpConfig:
    """One server and what is asked of it; without columns the context is off."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    url: str = ""
    """streamable HTTP, e.g. http://127.0.0.1:8765/mcp"""
    command: tuple[str, ...] = ()
    """or a program to start and talk to over stdio"""
    columns: tuple[McpColumn, ...] = ()
    connect_s: float = 10.0
    """a server that is not up yet has this long to start and to shake hands; waited for once, not at every question"""
    time_box_s: float = 2.0
    """an answer of a server that is up: nobody waits longer than this"""
    give_up_s: float = 20.0
    """a server silent for this long is hung: the connection is dropped and made anew"""
    fresh_s: float = 60.0
    """an answer younger than this is not asked for again"""
    retry_s: float = 30.0
    """after a failure the server is left alone this long"""
    memory_s: float = 900.0
    """older than this, an answer says nothing any more"""

    def faults(self) -> list[str]:
        """Everything wrong with these settings, for one ConfigError."""
        found = []
        if self.columns and bool(self.url) == bool(self.command):
            found.append("mcp: give either url or command, not both or none")
        numbers = [column.column for column in self.columns]
        if len(set(numbers)) != len(numbers) or any(not 0 <= n < N_CONTEXT for n in numbers):
            found.append(f"mcp.columns: {numbers} must be different numbers from 0 to {N_CONTEXT - 1}")
        if any(column.scale == 0 or column.low >= column.high for column in self.columns):
            found.append("mcp.columns: scale must not be 0 and low must be below high")
        if min(self.connect_s, self.time_box_s, self.give_up_s, self.memory_s) <= 0:
            found.append("mcp: connect_s, time_box_s, give_up_s and memory_s must be positive")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class McpServers:
    """Every configured server; together they fill the four context columns, each column from one server."""

    servers: tuple[McpConfig, ...] = ()

    def faults(self) -> list[str]:
        """Everything wrong with all of them, for one ConfigError."""
        found = [f"{fault} (server {i + 1})" for i, one in enumerate(self.servers) for fault in one.faults()]
        numbers = [column.column for one in self.servers for column in one.columns]
        if len(set(numbers)) != len(numbers):
            found.append(f"mcp.servers: columns {numbers} must be different over all servers")
        return found


@dataclass(frozen=True, slots=True)
class Reading:
    """One answer, or one failure to get one."""

    available_ms: int
    """when it had arrived, local clock"""
    values: tuple[float, ...] = (0.0,) * N_CONTEXT
    known: bool = False
    why: str = ""
    """why it is masked; empty when known"""


def number_in(answer: Any, column: McpColumn) -> float:
    """The column's number, scaled; raises ValueError saying what was found instead."""
    found = answer
    for step in filter(None, column.path.split(".")):
        try:
            found = found[int(step)] if isinstance(found, list) else found[step]
        except (KeyError, IndexError, TypeError, ValueError) as absent:
            raise ValueError(f"{column.tool}: nothing at {column.path!r} in {str(answer)[:80]!r}") from absent
    if isinstance(found, bool) or not isinstance(found, (int, float)) or not math.isfinite(found):
        raise ValueError(f"{column.tool}: {str(found)[:80]!r} is no number")
    if not column.low <= found <= column.high:
        raise ValueError(f"{column.tool}: {found} is outside {column.low:g} … {column.high:g}")
    return float(found) / column.scale


def context_columns(
    readings: Sequence[Reading], bar_ts_ms: np.ndarray, cfg: McpConfig
) -> dict[str, np.ndarray]:
    """context_0 … context_3 and context_known (T,): the last reading that had arrived by each bar's end.

    A masked reading does not erase the one before it: that one counts until it is older than `memory_s`.
    """
    known = sorted((r for r in readings if r.known), key=lambda reading: reading.available_ms)
    arrived = np.array([reading.available_ms for reading in known], dtype=np.int64)
    values = np.array([reading.values for reading in known], dtype=np.float64).reshape(-1, N_CONTEXT)
    bars = np.asarray(bar_ts_ms, dtype=np.int64)
    last = np.searchsorted(arrived, bars, side="right") - 1
    has = last >= 0
    young = has.copy()
    young[has] = bars[has] - arrived[last[has]] <= cfg.memory_s * 1e3
    out = np.zeros((len(bars), N_CONTEXT))
    out[young] = values[last[young]]
    columns = {f"context_{k}": out[:, k].copy() for k in range(N_CONTEXT)}
    return {**columns, "context_known": young.astype(np.float64)}


def merged_columns(
    heard: Sequence[tuple[McpConfig, Sequence[Reading]]], bar_ts_ms: np.ndarray
) -> dict[str, np.ndarray]:
    """The columns of several servers together; context_known is 1 where any of them is known."""
    total = context_columns((), bar_ts_ms, McpConfig())
    for cfg, readings in heard:
        own = context_columns(readings, bar_ts_ms, cfg)
        for column in cfg.columns:
            total[f"context_{column.column}"] = own[f"context_{column.column}"]
        total["context_known"] = np.maximum(total["context_known"], own["context_known"])
    return total


def write_reading(path: Path, reading: Reading) -> None:
    """Append one reading as a JSON line, so that training later sees what was known then."""
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(asdict(reading)) + "\n")


def read_readings(path: Path) -> list[Reading]:
    """Every reading written by `write_reading`, none without a file; raises TapeRefused naming a damaged line."""
    readings: list[Reading] = []
    if not path.is_file():
        return readings
    for row, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        try:
            plain = json.loads(line)
            readings.append(Reading(**{**plain, "values": tuple(plain["values"])}))
        except (ValueError, TypeError, KeyError) as broken:
            raise TapeRefused(path.name, "line is no reading", "drop the damaged line", row=row) from broken
    return readings
