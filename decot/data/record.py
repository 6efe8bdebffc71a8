"""Listening to a market without losing any of it: settings, the report, and `record`.

ccxt.pro drives the sockets. On the Binance family the frames themselves are read (every update, not only the last one
ccxt kept); elsewhere ccxt's unified structures are. What a stream loses is found by trade ids, by silence and by
sequence numbers, asked for again by REST, and written down in a gap table either way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from decot.errors import ConfigError
from schemas.ref import Ref

Progress = Callable[[str, int, int, str], None]
"""(stage, done, total or 0, note)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordConfig:
    """What to record, and how patiently."""

    folder: Path
    """where segments, frames and the tape are kept; an earlier recording there is continued"""
    exchange: str = "binance"
    symbols: tuple[str, ...] = ("BTC/USDT",)
    lake: Path | None = None
    """root of the lake that gets raw_trades, raw_book, record_gaps and record_coverage"""
    client: dict[str, Any] = field(default_factory=dict)
    """settings for ccxt, e.g. apiKey; a key lets trades older than the last 1,000 be asked for"""
    has_depth: bool = True
    """also follow the depth stream, for the 5- and 20-level sums"""
    keep_frames: bool = True
    """keep what came over the wire beside the tables"""
    read_frames: bool | None = None
    """read the frames themselves; by default on the Binance family only"""
    stale_after_s: float = 30.0
    """silence of a stream after which it is reconnected"""
    heartbeat_s: float = 10.0
    """how often progress is told, the clock compared, and a silent trade stream checked by REST"""
    grace_s: float = 0.5
    """how long a missing trade may still come late before it is asked for"""
    flush_s: float = 5.0
    flush_rows: int = 50_000
    """rows (all symbols) or frames that wait in memory at most"""
    commit_s: float = 900.0
    """how often segments go to the lake while recording"""
    close_s: float = 60.0
    """how long the last back-fill may take after stop"""

    def __post_init__(self) -> None:
        faults = [] if self.symbols else ["symbols: none given; name at least one, e.g. BTC/USDT"]
        faults += [
            f"{name} = {getattr(self, name)} must be above 0"
            for name in ("stale_after_s", "heartbeat_s", "flush_s", "flush_rows", "commit_s", "close_s")
            if not getattr(self, name) > 0
        ]
        if not self.grace_s >= 0:
            faults.append(f"grace_s = {self.grace_s} must not be negative")
        if faults:
            raise ConfigError(faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolReport:
    """What one symbol's recording holds."""

    symbol: str
    trades: int
    """rows in the trade table"""
    filled: int
    """of these, asked for again by REST"""
    quotes: int
    missing: int
    """trades known to exist that could not be had; each is in the gap table"""
    coverage_pct: float
    """share of the known trades that are here"""
    uptime_pct: float
    """share of the time in which no stream was known to be silent or down"""
    duplicates: int
    """repeated frames dropped"""
    late: int
    """trades that came out of order and were put right"""
    gaps: dict[str, int]
    """lines of the gap table by cause"""
    tape: str
    """folder in the raw layout, for `--tape`"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordReport:
    """How a recording went."""

    symbols: tuple[SymbolReport, ...]
    frames: int
    refused: dict[str, int]
    """frames not believed, by the first words of the reason; kept in the folder `refused`"""
    reconnects: int
    stalls: int
    stall_noticed_after: float
    """longest silence before the watchdog fired, in units of stale_after_s"""
    resyncs: int
    """breaks in the depth sequence after which the book was taken anew"""
    requests: int
    requests_refused: int
    skew_ms: float | None
    """how far the venue's clock is ahead of ours"""
    seconds: float
    refs: tuple[Ref, ...]


async def record(
    config: RecordConfig,
    stop: asyncio.Event,
    *,
    prepare: Callable[[Any], Any] | None = None,
    progress: Progress | None = None,
    ready: Callable[[], None] | None = None,
) -> RecordReport:
    """Record until `stop` is set; everything taken in is then in the lake and in tape folders.

    Args:
        prepare: changes the ccxt client before its first use (point it at the loopback venue, set a proxy).
        progress: told every heartbeat.
        ready: called once, when the markets are known and the streams are being opened.
    Raises:
        ConfigError: unknown exchange or symbol.
        VenueUnavailable: the venue could not be reached at the start.
    """
    from decot.data.record_session import Session

    session = Session(config, prepare, progress or (lambda *step: None))
    return await session.run(stop, ready or (lambda: None))


def record_blocking(config: RecordConfig, *, seconds: float | None = None, **hooks: Any) -> RecordReport:
    """`record` until interrupted (Ctrl-C, SIGTERM) or for `seconds` of listening; for the command line."""
    import signal

    async def main() -> RecordReport:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, stop.set)

        def ready() -> None:
            if seconds is not None:
                loop.call_later(seconds, stop.set)

        return await record(config, stop, ready=ready, **hooks)

    return asyncio.run(main())
