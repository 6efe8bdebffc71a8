"""The past of a market, asked for page by page: trades, candles, book snapshots. Survives being killed at any moment.

What has been fetched lies in whole segment files, and the place to go on is read from their last row, so there is no
cursor that could disagree with the data. The same request twice gives the same table, digest for digest: a downloaded
trade has no local arrival, so its `recv_us` is the exchange's own time (never running back).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from decot import clock
from decot.data.download_pages import Book, Candles, NumberedTrades, Pages, TimedTrades
from decot.data.record_client import BINANCE_FAMILY, Gate, open_client
from decot.data.record_commit import merge_into
from decot.data.record_store import Segments, slug, write_text, write_whole
from decot.errors import ConfigError, VenueUnavailable
from schemas.ref import Ref

KINDS = ("trades", "agg-trades", "candles", "book")
TABLES = {
    "trades": "raw_trades",
    "agg-trades": "raw_agg_trades",
    "candles": "raw_candles",
    "book": "raw_book",
}
Progress = Callable[[str, int, int, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadConfig:
    """What to fetch and where it goes."""

    folder: Path
    """where segments are kept; a download that was cut short there is continued"""
    symbol: str
    since_ms: int
    until_ms: int | None = None
    """first moment not wanted; None: the venue's now, fixed when the download starts"""
    exchange: str = "binance"
    kind: str = "agg-trades"
    """trades (Binance wants an API key for these), agg-trades, candles, book (snapshots from now on)"""
    timeframe: str = "1m"
    """of candles"""
    snapshots: int = 60
    every_s: float = 1.0
    """book: how many snapshots, how far apart"""
    lake: Path | None = None
    client: dict[str, Any] = field(default_factory=dict)
    """settings for ccxt, e.g. apiKey"""
    page: int = 1_000
    flush_rows: int = 10_000

    def __post_init__(self) -> None:
        faults = []
        if self.kind not in KINDS:
            faults.append(f"kind = {self.kind!r} must be one of {', '.join(KINDS)}")
        if self.since_ms < 0 or (self.until_ms is not None and self.until_ms <= self.since_ms):
            faults.append(f"since_ms = {self.since_ms}, until_ms = {self.until_ms}: the span is empty")
        for name in ("page", "flush_rows", "snapshots"):
            if getattr(self, name) < 1:
                faults.append(f"{name} = {getattr(self, name)} must be at least 1")
        if faults:
            raise ConfigError(faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadReport:
    """What came home."""

    symbol: str
    kind: str
    rows: int
    resumed_rows: int
    """of these, already here from an earlier start"""
    holes: int
    """ids (or candles) missing inside the span; 0 is what a venue should give"""
    pages: int
    requests: int
    requests_refused: int
    waited_s: float
    """time spent silent because the venue asked for it"""
    first_us: int | None
    last_us: int | None
    refs: tuple[Ref, ...]
    file: str
    """the whole table as Parquet"""
    seconds: float


async def download(
    config: DownloadConfig,
    *,
    prepare: Callable[[Any], Any] | None = None,
    progress: Progress | None = None,
    stop: asyncio.Event | None = None,
) -> DownloadReport:
    """Fetch the whole span (or until `stop`), then put it into the lake.

    Args:
        prepare: changes the ccxt client before its first use.
        progress: told after every page: ("download", seconds of the span done, seconds in all, note).
    Raises:
        ConfigError: unknown exchange, symbol or timeframe; the folder holds another download.
        VenueUnavailable: the venue stayed away; what was fetched is kept, start again to go on.
    """
    began, tell = clock.stopwatch(), progress or (lambda *step: None)
    client = open_client(config.exchange, config.client)
    client = prepare(client) if prepare else client
    gate = Gate(client, say=lambda text: tell("download", 0, 0, text))
    try:
        await gate.patiently(client.load_markets, "reading the venue's markets", attempts=8)
        if config.symbol not in client.markets:
            raise ConfigError([f"symbol {config.symbol!r} is not listed at {config.exchange}"])
        until = await _plan(config, client, gate)
        pages = _pages(config, client, gate, until)
        store = Segments(config.folder / config.kind / slug(config.symbol), pages.schema)
        resumed = pages.resume(store.read())
        count = 0
        async for rows in pages:
            count += 1
            store.rows.extend(rows)
            tell("download", *_seconds(pages.reached_ms, config.since_ms, until), f"{pages.note}")
            if len(store.rows) >= config.flush_rows:
                store.flush()
            if stop is not None and stop.is_set():
                break
        store.flush()
    finally:
        await client.close()
    table = pages.table(store.read())
    file = config.folder / f"{config.kind}-{slug(config.symbol)}.parquet"
    write_whole(file, table.write_parquet)
    refs = [] if config.lake is None or table.is_empty() else [_store(config, table, pages.time)]
    stamps = table[pages.time]
    scale = 1000 if pages.time == "timestamp" else 1
    return DownloadReport(
        symbol=config.symbol,
        kind=config.kind,
        rows=table.height,
        resumed_rows=resumed,
        holes=pages.holes(table),
        pages=count,
        requests=gate.requests,
        requests_refused=gate.refused,
        waited_s=round(gate.waited_s, 3),
        first_us=int(stamps[0]) * scale if len(stamps) else None,
        last_us=int(stamps[-1]) * scale if len(stamps) else None,
        refs=tuple(refs),
        file=str(file),
        seconds=clock.stopwatch() - began,
    )


def download_blocking(config: DownloadConfig, **hooks: Any) -> DownloadReport:
    """`download` to the end or until interrupted (what is here is kept); for the command line."""
    import signal

    async def main() -> DownloadReport:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, stop.set)
        return await download(config, stop=stop, **hooks)

    return asyncio.run(main())


def _pages(config: DownloadConfig, client: Any, gate: Gate, until: int) -> Pages:
    common = (client, gate, config.symbol, config.since_ms, until, config.page)
    if config.kind == "candles":
        return Candles(*common, timeframe=config.timeframe)
    if config.kind == "book":
        return Book(*common, snapshots=config.snapshots, every_s=config.every_s)
    if config.exchange in BINANCE_FAMILY:
        return NumberedTrades(*common, aggregated=config.kind == "agg-trades")
    return TimedTrades(*common)


async def _plan(config: DownloadConfig, client: Any, gate: Gate) -> int:
    """The end of the span; fixed at the first start and found again at the next."""
    path = config.folder / f"{config.kind}-{slug(config.symbol)}.plan.json"
    asked = {
        "exchange": config.exchange,
        "symbol": config.symbol,
        "kind": config.kind,
        "since_ms": config.since_ms,
    }
    asked |= {"timeframe": config.timeframe} if config.kind == "candles" else {}
    if path.is_file():
        plan = json.loads(path.read_text(encoding="utf-8"))
        held = {key: plan.get(key) for key in asked}
        is_same = held == asked and config.until_ms in (None, plan["until_ms"])
        if not is_same:
            raise ConfigError(
                [
                    f"{path.name} holds another download ({held}, until {plan['until_ms']}); choose another folder"
                ]
            )
        return int(plan["until_ms"])
    until = config.until_ms
    if until is None:
        has_time = client.has.get("fetchTime")
        until = int(await gate.patiently(client.fetch_time, "asking the venue's time")) if has_time else None
    until = until if until is not None else clock.now_us() // 1000
    text = json.dumps({**asked, "until_ms": until})
    write_whole(path, lambda aside: write_text(aside, text))
    return until


def _seconds(reached_ms: int, since_ms: int, until_ms: int) -> tuple[int, int]:
    return max(0, min(reached_ms, until_ms) - since_ms) // 1000, (until_ms - since_ms) // 1000


def _store(config: DownloadConfig, table: pl.DataFrame, time: str) -> Ref:
    keys = {"candles": ["timestamp"], "book": None}.get(config.kind, ["trade_id"])
    note = json.dumps(
        {key: str(value) for key, value in asdict(config).items() if key in ("exchange", "kind")}
    )
    assert config.lake is not None
    return merge_into(config.lake, TABLES[config.kind], table, config.symbol, keys, time, note=note)


__all__ = ["DownloadConfig", "DownloadReport", "VenueUnavailable", "download", "download_blocking"]
