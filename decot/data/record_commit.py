"""From segments to tables: merged, deduplicated, admitted at the door, put in the lake. Knows no network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from decot.data.doors import admit
from decot.data.lake import Lake
from decot.data.record_station import Station
from decot.data.record_store import slug, write_text, write_whole
from decot.data.tape import HEADLINES, RawTape, empty
from decot.data.tapes import write_tape
from schemas.ref import Ref
from schemas.tables import RawBook, RawCandles, RawTrades

DAY_US = 86_400_000_000
DOORS = {"raw_trades": RawTrades, "raw_agg_trades": RawTrades, "raw_book": RawBook, "raw_candles": RawCandles}


@dataclass(frozen=True, slots=True)
class Kept:
    """The tables of one symbol as they were put away."""

    trades: pl.DataFrame
    book: pl.DataFrame
    gaps: pl.DataFrame
    coverage: pl.DataFrame
    refs: tuple[Ref, ...]
    tape: Path


def tables_of(station: Station) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Trades, book and gaps of a station's segments: every trade once, in order of arrival."""
    trades = (
        station.trades.read()
        .unique("trade_id", keep="first", maintain_order=True)
        .sort("recv_us", "trade_id")
    )
    book = station.book.read().unique(maintain_order=True).sort("recv_us", maintain_order=True)
    return trades, book, station.gaps.read().unique(maintain_order=True).sort("from_us", "to_us")


def coverage(trades: pl.DataFrame, book: pl.DataFrame, gaps: pl.DataFrame, symbol: str) -> pl.DataFrame:
    """One line a day: what was recorded, what is known to be missing, how long a stream was silent or down."""
    heard = pl.concat([trades.select("recv_us"), book.select("recv_us")])
    days = heard.group_by(day=pl.col("recv_us") // DAY_US).agg(
        first_us=pl.col("recv_us").min(), last_us=pl.col("recv_us").max()
    )
    count = trades.group_by(day=pl.col("recv_us") // DAY_US).agg(n_trades=pl.len().cast(pl.Int64))
    rows = book.group_by(day=pl.col("recv_us") // DAY_US).agg(n_book=pl.len().cast(pl.Int64))
    lost = gaps.group_by(day=pl.col("to_us") // DAY_US).agg(
        n_missing=(pl.col("n_missing") - pl.col("n_filled")).sum()
    )
    quiet = _union(gaps.filter(pl.col("cause") != "ids").select("from_us", "to_us").rows())
    lost = lost.with_columns(
        silent_s=pl.col("day").map_elements(lambda day: _within(quiet, day * DAY_US), return_dtype=pl.Float64)
    )
    table = days.join(count, "day", how="left").join(rows, "day", how="left").join(lost, "day", how="left")
    span = (pl.col("last_us") - pl.col("first_us")) / 1e6
    return (
        table.with_columns(
            pl.col("n_trades", "n_book", "n_missing").fill_null(0), pl.col("silent_s").fill_null(0.0)
        )
        .select(
            pl.lit(symbol).alias("symbol"),
            "first_us",
            "last_us",
            "n_trades",
            "n_missing",
            "n_book",
            "silent_s",
            coverage_pct=pl.when(pl.col("n_trades") + pl.col("n_missing") > 0)
            .then(100 * pl.col("n_trades") / (pl.col("n_trades") + pl.col("n_missing")))
            .otherwise(100.0),
            uptime_pct=pl.when(span > 0)
            .then((100 * (1 - pl.col("silent_s") / span)).clip(0, 100))
            .otherwise(100.0),
        )
        .sort("first_us")
    )


def _union(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same moments as spans that do not overlap."""
    joined: list[tuple[int, int]] = []
    for begin, end in sorted(spans):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return joined


def _within(spans: list[tuple[int, int]], day_us: int) -> float:
    """Seconds of the spans that fall on a day."""
    clipped = (min(end, day_us + DAY_US) - max(begin, day_us) for begin, end in spans)
    return sum(max(span, 0) for span in clipped) / 1e6


def commit(station: Station, lake: Path | None, folder: Path, venue: str, meta: Mapping[str, Any]) -> Kept:
    """Put a station's segments into the lake (merged with what its days already hold) and into a tape folder."""
    trades, book, gaps = tables_of(station)
    covered = coverage(trades, book, gaps, station.symbol)
    refs = []
    if lake is not None:
        for name, frame, keys, time in (
            ("raw_trades", trades, ["trade_id"], "recv_us"),
            ("raw_book", book, None, "recv_us"),
            ("record_gaps", gaps, None, "from_us"),
        ):
            if frame.height:
                refs.append(merge_into(lake, name, frame, station.symbol, keys, time))
        if covered.height:
            refs.append(_put(Lake(lake), "record_coverage", covered, station.symbol, "first_us", "recorded"))
    tape = folder / "tape" / slug(station.symbol)
    write_tape(
        RawTape(
            symbol=station.symbol,
            venue=venue,
            trades=trades,
            book=book,
            candles=None,
            headlines=empty(HEADLINES),
            meta={"layout": "recorded", "side_known": True, **meta},
        ),
        tape,
    )
    text = json.dumps({"symbol": station.symbol, "days": covered.to_dicts()}, indent=1)
    write_whole(tape / "coverage.json", lambda path: write_text(path, text))
    return Kept(trades, book, gaps, covered, tuple(refs), tape)


def prune(station: Station, before_us: int) -> int:
    """Remove segments that hold only days before `before_us` and are in the lake; the newest always stays."""
    removed = 0
    for segments in (station.trades, station.book):
        for file in segments.files()[:-1]:
            if pl.read_parquet(file, columns=["recv_us"])["recv_us"].max() < before_us:  # type: ignore[operator]
                file.unlink()
                removed += 1
    if removed and station.is_numbered and station.trades.files():
        station.anchor(int(pl.read_parquet(station.trades.files()[0])["trade_id"].min()))  # type: ignore[arg-type]
    return removed


def merge_into(
    lake: Path,
    name: str,
    frame: pl.DataFrame,
    symbol: str,
    keys: list[str] | None,
    time: str,
    *,
    note: str = "recorded",
) -> Ref:
    """Add rows to what the lake holds of the same days, each once (by `keys`, else by the whole row).

    Raises:
        TableRefused: the rows break the table's schema; nothing is stored.
    """
    store, model = Lake(lake), DOORS.get(name)
    merged = _merged(store, name, frame, symbol, keys, time)
    lawful = admit(merged, model, f"{name} of {symbol}") if model is not None else merged
    return _put(store, name, lawful, symbol, time, note)


def _merged(
    lake: Lake, name: str, frame: pl.DataFrame, symbol: str, keys: list[str] | None, time: str
) -> pl.DataFrame:
    per_day = DAY_US if time.endswith("_us") else DAY_US // 1000
    days = set(lake.days(name, symbol)) if name in lake.tables() else set()
    mine = set((frame[time] // per_day).unique().cast(pl.Int32).cast(pl.Date).dt.to_string("%Y-%m-%d"))
    if not days & mine:
        return frame
    held = lake.get(name, symbol=symbol, days=sorted(days & mine))
    both = pl.concat([held.select(frame.columns), frame]).unique(keys, keep="first", maintain_order=True)
    return both.sort(time, *[key for key in keys or [] if key != time], maintain_order=True)


def _put(lake: Lake, name: str, frame: pl.DataFrame, symbol: str, time: str, note: str) -> Ref:
    return lake.put(name, frame, symbol=symbol, day_column=time, keep_other_days=True, note=note)
