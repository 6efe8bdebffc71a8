"""Public dumps in the Binance manner, with and without a header, and folders of candles. Knows no recorder.

`<SYMBOL>-<kind>-<period>.csv` (also .zip or .gz): trades, aggTrades, bookTicker, and klines named by their
interval (1m, 1h, …). Times may be ms or, as on spot since 2025, µs. Nothing here was received by anybody, so
the local clock is the exchange's, and `meta["recv_estimated"]` says so.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import polars as pl

from decot.data import reading
from decot.data.layouts import Layout, assemble, siblings, top_as_depth
from decot.data.tape import BOOK, CANDLES, TRADES, RawTape
from decot.errors import TapeRefused

_F, _I, _S = pl.Float64(), pl.Int64(), pl.String()
_NAME: Final = re.compile(
    r"([A-Z0-9_]+)-(trades|aggTrades|bookTicker|\d+(?:s|m|h|d|w|mo))-(\d{4}(?:-\d{2}){1,2})\.csv(\.gz)?|"
    r"([A-Z0-9_]+)-(trades|aggTrades|bookTicker|\d+(?:s|m|h|d|w|mo))-(\d{4}(?:-\d{2}){1,2})\.zip"
)
_HEADERS: Final[dict[str, tuple[str, ...]]] = {
    "trades": ("trade_id", "price", "quantity", "quote", "time", "maker"),
    "aggTrades": ("trade_id", "price", "quantity", "first", "last", "time", "maker"),
    "bookTicker": ("update_id", "bid", "bid_qty", "ask", "ask_qty", "txn", "time"),
    "klines": ("open_time", "open", "high", "low", "close", "volume", "close_time"),
}
"""what the columns of each kind mean, by position; dumps agree on the order, not on the names"""
_OFFSET: Final = r"(Z|[+-]\d{2}:?\d{2})\s*$"
_MICROSECONDS_FROM: Final = 10**14
"""a time at or above this is in µs; in ms it would lie beyond the year 5000"""


def _dumps(path: Path, symbol: str | None) -> RawTape:
    found = [(file, [part for part in match.groups() if part]) for file, match in siblings(path, _NAME)]
    markets = sorted({parts[0] for _, parts in found})
    if path.is_file():
        market = next(parts[0] for file, parts in found if file == path)
        found = [(file, parts) for file, parts in found if file == path]
    else:
        wanted = (symbol or "BTCUSDT").upper().replace("/", "").replace("-", "")
        market = wanted if wanted in markets or symbol else markets[0]
        if market not in markets:
            raise TapeRefused(path.name, f"no market {symbol!r}", f"choose one of: {', '.join(markets)}")
    files: dict[str, list[Path]] = {}
    for file, parts in found:
        if parts[0] == market:
            files.setdefault(parts[1] if parts[1] in _HEADERS else "klines", []).append(file)
    meta: dict[str, Any] = {"layout": "binance-dump", "recv_estimated": True, "depth_known": False}
    meta["files"] = sorted(file.name for kind in files.values() for file in kind)
    kind = "trades" if "trades" in files else "aggTrades"
    trades = _joined([_trades(file, kind) for file in files.get(kind, [])], TRADES)
    book = _joined([_quotes(file) for file in files.get("bookTicker", [])], BOOK)
    candles = _joined([_klines(file) for file in files.get("klines", [])], CANDLES, "timestamp")
    if book.is_empty() and trades.height:
        book, meta["book"] = book_of_trades(trades), "made of trades: locked, without sizes"
    tape = assemble(market, "binance", book, trades, meta)
    return replace(tape, candles=candles if candles.height else None)


def book_of_trades(trades: pl.DataFrame) -> pl.DataFrame:
    """Where no quote was recorded: a locked book at every trade, its sizes unknown (0)."""
    sizes = [pl.lit(0.0).alias(name) for name in BOOK if "_qty" in name]
    return trades.select(
        "ts_us", "recv_us", pl.col("price").alias("bid"), pl.col("price").alias("ask"), *sizes
    ).select(BOOK.keys())


def _joined(frames: list[pl.DataFrame], columns: dict[str, Any], by: str = "ts_us") -> pl.DataFrame:
    """The files of one kind as one table; a month beside its own days would tell things twice."""
    if not frames:
        return pl.DataFrame(schema=columns)
    return pl.concat(frames).unique(maintain_order=True).sort(by, maintain_order=True)


def _table(file: Path, kind: str, wanted: dict[str, Any]) -> pl.DataFrame:
    """The wanted columns by position, whether the file has a header or not."""
    names = _HEADERS[kind]
    text = _text(file)
    if text.width < len(names):
        raise TapeRefused(
            file.name,
            f"{text.width} columns, {kind} have at least {len(names)}",
            reading.FETCH_AGAIN,
            column=names[-1],
        )
    text = text.rename(dict(zip(text.columns[: len(names)], names, strict=True)))
    if text.height and not str(text[names[0]][0]).strip().lstrip("-").isdigit():
        text = text.slice(1)
    if text.is_empty():
        raise TapeRefused(file.name, "the file holds no rows", reading.FETCH_AGAIN)
    return text.select(reading.typed(text[name], dtype, file.name) for name, dtype in wanted.items())


def _text(file: Path) -> pl.DataFrame:
    """The CSV as text without a header; a .zip holds exactly one."""
    try:
        source: Any = file
        if file.suffix == ".zip":
            with zipfile.ZipFile(file) as packed:
                source = io.BytesIO(packed.read(packed.namelist()[0]))
        return pl.read_csv(source, has_header=False, infer_schema=False)
    except pl.exceptions.NoDataError as broken:
        raise TapeRefused(file.name, "the file is empty", reading.FETCH_AGAIN) from broken
    except (
        zlib.error,
        pl.exceptions.PolarsError,
        OSError,
        ValueError,
        EOFError,
        IndexError,
        zipfile.BadZipFile,
    ) as broken:
        row = reading.bad_csv_line(file) if file.suffix == ".csv" else None
        why = f"cannot be read as CSV: {(str(broken) or type(broken).__name__).splitlines()[0][:160]}"
        raise TapeRefused(file.name, why, reading.FETCH_AGAIN, row=row) from broken


def _micro(name: str) -> pl.Expr:
    return pl.when(pl.col(name) >= _MICROSECONDS_FROM).then(pl.col(name)).otherwise(pl.col(name) * 1_000)


def _trades(file: Path, kind: str) -> pl.DataFrame:
    frame = _table(file, kind, {"trade_id": _I, "price": _F, "quantity": _F, "time": _I, "maker": _S})
    maker = frame["maker"].str.to_lowercase()
    reading.refuse_where(
        ~maker.is_in(["true", "false", "1", "0"]), frame["maker"], file.name, "neither true nor false"
    )
    frame = frame.with_columns(
        ts_us=_micro("time"),
        recv_us=_micro("time"),
        side=pl.when(maker.is_in(["true", "1"])).then(-1).otherwise(1).cast(pl.Int8),
    )
    reading.demand_time(frame, "ts_us", file.name)
    reading.demand_positive(frame, ("price", "quantity"), file.name)
    return frame.select(TRADES.keys())


def _quotes(file: Path) -> pl.DataFrame:
    wanted = {"bid": _F, "bid_qty": _F, "ask": _F, "ask_qty": _F, "time": _I}
    frame = _table(file, "bookTicker", wanted).with_columns(ts_us=_micro("time"), recv_us=_micro("time"))
    reading.demand_time(frame, "ts_us", file.name)
    reading.demand_book(frame, file.name)
    return top_as_depth(frame).select(BOOK.keys())


def _klines(file: Path) -> pl.DataFrame:
    names = ("open_time", "open", "high", "low", "close", "volume", "close_time")
    frame = _table(file, "klines", {name: _I if "time" in name else _F for name in names})
    # A kline says when its last millisecond was; ours says when it ended.
    frame = frame.with_columns(timestamp=_micro("close_time") // 1_000 + 1).select(CANDLES.keys())
    reading.demand_candles(frame, file.name)
    return frame


# Candles of many symbols in one file: symbol, ts (start), open … volume.


def _candles(path: Path, symbol: str | None) -> RawTape:
    file = path if path.is_file() else next(f for f in sorted(path.iterdir()) if _is_candles(f))
    frame = reading.read_any(file)
    start = next((name for name in ("ts", "timestamp", "open_time", "date") if name in frame.columns), None)
    lacking = [name for name in ("open", "high", "low", "close", "volume") if name not in frame.columns]
    if start is None or lacking:
        raise TapeRefused(
            file.name,
            "column missing",
            "name the columns ts, open, high, low, close, volume",
            column=(lacking or ["ts"])[0],
        )
    market = symbol or file.stem
    if "symbol" in frame.columns:
        markets = sorted(set(frame["symbol"].cast(pl.String).drop_nulls().to_list()))
        if not markets:
            raise TapeRefused(file.name, "the file holds no rows", reading.FETCH_AGAIN, column="symbol")
        wanted = (symbol or "BTCUSDT").upper().replace("/", "").replace("-", "")
        market = wanted if wanted in markets or symbol else markets[0]
        frame = frame.filter(pl.col("symbol") == market)
        if frame.is_empty():
            raise TapeRefused(file.name, f"no market {symbol!r}", f"choose one of: {', '.join(markets)}")
    begins = _epoch_ms(frame[start], file.name)
    values = [
        reading.typed(frame[name], _F, file.name) for name in ("open", "high", "low", "close", "volume")
    ]
    steps = begins.diff().drop_nulls()
    step = int(steps.mode()[0]) if len(steps) else 60_000
    candles = pl.DataFrame([(begins + step).alias("timestamp"), *values])
    reading.demand_candles(candles, file.name)
    empty = pl.DataFrame(schema=BOOK), pl.DataFrame(schema=TRADES)
    meta = {
        "layout": "candles",
        "files": [file.name],
        "step_ms": step,
        "depth_known": False,
        "side_known": False,
    }
    return replace(assemble(market, "candles", *empty, meta), candles=candles)


def _epoch_ms(column: pl.Series, file: str) -> pl.Series:
    """A time column as milliseconds: numbers as they are, dates and ISO 8601 text (UTC where unsaid) converted."""
    if column.dtype == pl.String and column.str.contains(r"^\s*\d{4}-\d{2}-\d{2}").any():
        offset = column.str.extract(_OFFSET)
        moved = offset.str.contains("[1-9]").fill_null(False)
        reading.refuse_where(moved, column, file, "not in UTC", "convert the times to UTC")
        zoned = column.str.replace(_OFFSET, "")
        column = reading.typed(zoned, pl.Datetime("ms"), file)
    if column.dtype.is_temporal():
        column = column.dt.epoch("ms")
    return reading.typed(column, _I, file)


def _is_candles(file: Path) -> bool:
    return bool(re.fullmatch(r"(ohlcv|candles|klines)\w*\.(parquet|csv|jsonl)", file.name))


LAYOUTS: Final = (
    Layout(
        "binance dumps (<SYMBOL>-<kind>-<period>.csv or .zip)",
        lambda f: bool(_NAME.fullmatch(f.name)),
        _dumps,
    ),
    Layout("candles (ohlcv_….parquet or .csv)", _is_candles, _candles),
)
