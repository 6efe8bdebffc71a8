"""Our own layout: tables under our own column names, as Parquet, CSV or JSON lines. Knows no venue.

A folder with `book`, `trades`, `candles` and `headlines` (at least one of the first three), and `meta.json`
when we wrote it; or a single file, known by its columns. Only `ts_us` and the prices must be there: without
`recv_us` the local clock is the exchange's, without depth sums the touch stands for them.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import polars as pl

from decot.data import reading
from decot.data.layouts import Layout, assemble
from decot.data.layouts_dumps import book_of_trades
from decot.data.news import open_headlines
from decot.data.tape import BOOK, CANDLES, TRADES, RawTape
from decot.errors import TapeRefused

RAW_FORMAT: Final = "decot-raw-1"
_TABLES: Final = ("book", "trades", "candles", "headlines")
_ENDINGS: Final = (".parquet", ".csv", ".csv.gz", ".jsonl", ".ndjson", ".json")


def write_tape(tape: RawTape, folder: Path) -> Path:
    """The tape in our raw layout: trades, book, headlines (and candles) as Parquet beside meta.json.

    `meta.json` is written last, so a folder that was cut short does not claim to be complete.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "meta.json").unlink(missing_ok=True)
    tables = {"trades": tape.trades, "book": tape.book, "headlines": tape.headlines, "candles": tape.candles}
    for name, frame in tables.items():
        if frame is not None:
            frame.write_parquet(folder / f"{name}.parquet")
    meta = {"format": RAW_FORMAT, "symbol": tape.symbol, "venue": tape.venue, "meta": tape.meta}
    (folder / "meta.json").write_text(json.dumps(meta, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return folder


def _found(path: Path) -> dict[str, Path]:
    """Table → file, in a folder by name, for a single file by its columns."""
    if path.is_dir():
        files = {name: [path / f"{name}{ending}" for ending in _ENDINGS] for name in _TABLES}
        return {
            name: next(f for f in some if f.is_file())
            for name, some in files.items()
            if any(f.is_file() for f in some)
        }
    columns = set(reading.read_any(path).columns)
    if {"bid", "ask"} & columns:
        return {"book": path}
    if {"open", "high", "low", "close"} & columns:
        return {"candles": path}
    if {"price", "quantity"} & columns:
        return {"trades": path}
    raise TapeRefused(
        path.name,
        f"none of our columns among {', '.join(sorted(columns)[:12]) or 'none'}",
        "a book has ts_us, bid, bid_qty, ask, ask_qty; trades have ts_us, price, quantity; else write a mapping.json",
        column="ts_us",
    )


def _open(path: Path, symbol: str | None) -> RawTape:
    said = _meta(path)
    if symbol is not None and said and symbol != said.get("symbol"):
        raise TapeRefused(path.name, f"holds {said.get('symbol')}, not {symbol}", "leave the symbol out")
    files = _found(path)
    trades = _trades(files["trades"], bool(said)) if "trades" in files else pl.DataFrame(schema=TRADES)
    meta: dict[str, Any] = {"layout": "plain", "files": sorted(file.name for file in files.values())}
    meta["side_known"] = bool((trades["side"] != 0).any()) if trades.height else False
    if "book" in files:
        book = _book(files["book"], bool(said))
    else:
        book, meta["book"] = book_of_trades(trades), "made of trades: locked, without sizes"
    name = symbol or said.get("symbol") or (path.name if path.is_dir() else path.stem).split(".")[0]
    tape = assemble(str(name), str(said.get("venue", "import")), book, trades, meta)
    if said:
        tape = replace(tape, meta=dict(said.get("meta") or {}))
    if "headlines" in files:
        tape = replace(tape, headlines=open_headlines(files["headlines"]))
    if "candles" in files:
        tape = replace(tape, candles=_candles(files["candles"]))
    return tape


def _meta(path: Path) -> dict[str, Any]:
    file = path / "meta.json"
    if not path.is_dir() or not file.is_file():
        return {}
    meta = reading.json_object(file.read_bytes(), f"{path.name}/meta.json", 0)
    if meta.get("format") != RAW_FORMAT:
        raise TapeRefused(
            f"{path.name}/meta.json",
            f"format is {meta.get('format')!r}",
            f"this version reads {RAW_FORMAT!r}",
        )
    return meta


def _timed(frame: pl.DataFrame, file: str) -> pl.DataFrame:
    """With both clocks, each checked; the exchange's may go back a little where ours orders the rows."""
    if "recv_us" not in frame.columns:
        frame = frame.with_columns(recv_us=pl.col("ts_us"))
    reading.demand_time(frame, "recv_us", file)
    reading.demand_time(frame, "ts_us", file, slack_us=60_000_000)
    return frame


def _book(file: Path, may_be_empty: bool) -> pl.DataFrame:
    lacking = ("recv_us", *(name for name in BOOK if name.endswith(("_5", "_20"))))
    frame = reading.load(file, BOOK, optional=lacking, empty_is_fine=may_be_empty)
    for name in BOOK:
        if name not in frame.columns and "_qty_" in name:
            frame = frame.with_columns(pl.col(name.rsplit("_", 1)[0]).alias(name))
    frame = _timed(frame, file.name)
    reading.demand_book(frame, file.name)
    return frame


def _trades(file: Path, may_be_empty: bool) -> pl.DataFrame:
    frame = reading.load(file, TRADES, optional=("recv_us", "trade_id", "side"), empty_is_fine=may_be_empty)
    if "trade_id" not in frame.columns:
        frame = frame.with_columns(trade_id=pl.int_range(pl.len()) + 1)
    if "side" not in frame.columns:
        frame = frame.with_columns(side=pl.lit(0, pl.Int8))
    frame = _timed(frame, file.name)
    reading.demand_positive(frame, ("price", "quantity"), file.name)
    reading.demand_sides(frame, "side", file.name)
    return frame


def _candles(file: Path) -> pl.DataFrame:
    frame = reading.load(file, CANDLES)
    reading.demand_candles(frame, file.name)
    return frame


def _knows(file: Path) -> bool:
    return any(file.name == f"{name}{ending}" for name in _TABLES[:3] for ending in _ENDINGS)


LAYOUTS: Final = (Layout("our own tables (book, trades, candles)", _knows, _open),)
LAST: Final = Layout("any table with our columns", lambda file: file.name.endswith(_ENDINGS), _open)
"""for a single file of no known name"""
