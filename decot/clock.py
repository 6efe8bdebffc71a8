"""What time it is, the only place that reads it. Knows nothing else."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now() -> datetime:
    """The current moment, timezone-aware, in UTC."""
    return datetime.now(UTC)


def now_us() -> int:
    """The current moment in microseconds since the epoch, UTC."""
    return time.time_ns() // 1_000


def stopwatch() -> float:
    """Seconds on a clock that never goes back; only differences mean something."""
    return time.monotonic()


def iso(timestamp_ms: int) -> str:
    """Milliseconds since the epoch as ISO 8601 text, UTC."""
    return (
        datetime.fromtimestamp(timestamp_ms / 1000, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )
