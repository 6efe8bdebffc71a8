"""Files of any other layout, by a mapping the user writes. Knows the words of the mapping, no venue.

`mapping.json` beside the files:

    {"symbol": "BTC-EUR", "venue": "kraken", "time_unit": "s",
     "trades": {"file": "trades.csv", "columns": {"ts": "time", "price": "px", "quantity": "vol", "side": "kind"},
                "buy": "b", "sell": "s"},
     "book":   {"file": "quotes.csv", "columns": {"ts": "time", "bid": "b", "bid_qty": "bs", "ask": "a", "ask_qty": "as"}},
     "candles": {"file": "ohlc.csv", "columns": {"ts": "start", "open": "o", …}, "step_ms": 60000}}

Left is our name, right is the file's. `recv` and the depth sums may be left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import polars as pl

from decot.data import reading
from decot.data.layouts import assemble
from decot.data.layouts_dumps import book_of_trades
from decot.data.tape import BOOK, CANDLES, TRADES, RawTape
from decot.errors import TapeRefused

FILE: Final = "mapping.json"
_UNITS: Final = {"s": 1_000_000.0, "ms": 1_000.0, "us": 1.0, "ns": 0.001}
_DEPTH: Final = ("bid_qty_5", "ask_qty_5", "bid_qty_20", "ask_qty_20")


def open_mapped(folder: Path, mapping: Mapping[str, Any] | None = None) -> RawTape:
    """A folder read by its mapping.

    Args:
        mapping: the dictionary above; None reads `mapping.json` in the folder.
    Raises:
        TapeRefused: for a mapping with unknown words, or whatever is wrong with a file.
    """
    if mapping is None:
        mapping = reading.json_object((folder / FILE).read_bytes(), FILE, 0)
    unknown = set(mapping) - {"symbol", "venue", "time_unit", "trades", "book", "candles"}
    if (
        unknown
        or mapping.get("time_unit", "ms") not in _UNITS
        or not {"trades", "book", "candles"} & set(mapping)
    ):
        raise TapeRefused(
            FILE,
            f"unknown words {sorted(unknown)}" if unknown else "no table, or an unknown time_unit",
            f"use symbol, venue, time_unit ({', '.join(_UNITS)}), trades, book, candles",
        )
    unit = _UNITS[mapping.get("time_unit", "ms")]
    trades = _table(folder, mapping, "trades", unit) if "trades" in mapping else pl.DataFrame(schema=TRADES)
    book = _table(folder, mapping, "book", unit) if "book" in mapping else book_of_trades(trades)
    meta = {
        "layout": "mapping",
        "files": [mapping[k]["file"] for k in ("trades", "book", "candles") if k in mapping],
    }
    tape = assemble(
        str(mapping.get("symbol", folder.name)), str(mapping.get("venue", "mapped")), book, trades, meta
    )
    return replace(tape, candles=_table(folder, mapping, "candles", unit) if "candles" in mapping else None)


def _table(folder: Path, mapping: Mapping[str, Any], kind: str, unit: float) -> pl.DataFrame:
    words = mapping[kind]
    whole = isinstance(words, dict) and isinstance(words.get("file"), str)
    if not whole or not isinstance(words.get("columns"), dict):
        raise TapeRefused(FILE, f"{kind} has no file or no columns by name", "give both", column=kind)
    needs = {
        "trades": ("ts", "price", "quantity"),
        "book": ("ts", "bid", "ask"),
        "candles": ("ts", "open", "high", "low", "close", "volume"),
    }[kind]
    named: dict[str, str] = words["columns"]
    if lacking := [name for name in needs if name not in named]:
        raise TapeRefused(
            FILE, f"{kind} does not say which column is {lacking[0]}", "add it", column=lacking[0]
        )
    file = folder / words["file"]
    types = {
        theirs: pl.String() if ours == "side" else pl.Int64() if ours == "trade_id" else pl.Float64()
        for ours, theirs in named.items()
    }
    frame = reading.load(file, types).rename({theirs: ours for ours, theirs in named.items()})
    frame = frame.with_columns(_micro(frame["ts"], unit, file.name).alias("ts_us"))
    return {"trades": _trades, "book": _book, "candles": _candles}[kind](frame, words, file.name, unit)


def _micro(column: pl.Series, unit: float, file: str) -> pl.Series:
    """A time in the mapping's unit as whole microseconds."""
    return reading.typed((column * unit).round(), pl.Int64(), file)


def _received(frame: pl.DataFrame, file: str, unit: float) -> pl.DataFrame:
    recv = _micro(frame["recv"], unit, file) if "recv" in frame.columns else frame["ts_us"]
    frame = frame.with_columns(recv.alias("recv_us"))
    for clock in ("ts_us", "recv_us"):
        reading.demand_time(frame, clock, file)
    return frame


def _trades(frame: pl.DataFrame, words: Mapping[str, Any], file: str, unit: float) -> pl.DataFrame:
    frame = _received(frame, file, unit)
    reading.demand_positive(frame, ("price", "quantity"), file)
    side = pl.lit(0, pl.Int8)
    if "side" in frame.columns:
        buy, sell = str(words.get("buy", "buy")), str(words.get("sell", "sell"))
        reading.refuse_where(
            ~frame["side"].is_in([buy, sell]), frame["side"], file, f"neither {buy!r} nor {sell!r}"
        )
        side = pl.when(pl.col("side") == buy).then(1).otherwise(-1).cast(pl.Int8)
    number = pl.col("trade_id") if "trade_id" in frame.columns else pl.int_range(pl.len(), dtype=pl.Int64) + 1
    return frame.with_columns(side=side, trade_id=number).select(TRADES.keys())


def _book(frame: pl.DataFrame, words: Mapping[str, Any], file: str, unit: float) -> pl.DataFrame:
    frame = _received(frame, file, unit)
    for name in ("bid_qty", "ask_qty"):
        if name not in frame.columns:
            frame = frame.with_columns(pl.lit(0.0).alias(name))
    for name in _DEPTH:
        if name not in frame.columns:
            frame = frame.with_columns(pl.col(name.rsplit("_", 1)[0]).alias(name))
    frame = frame.select(BOOK.keys())
    reading.demand_book(frame, file)
    return frame


def _candles(frame: pl.DataFrame, words: Mapping[str, Any], file: str, unit: float) -> pl.DataFrame:
    step = int(words.get("step_ms", 0))
    frame = frame.with_columns(timestamp=pl.col("ts_us") // 1_000 + step).select(CANDLES.keys())
    reading.demand_candles(frame, file)
    return frame
