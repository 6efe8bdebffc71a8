"""How the StandX and Binance-WebSocket recordings lie on disk. Knows their columns, not what becomes of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from decot.data import reading
from decot.data.tape import BOOK, HEADLINES, TRADES, RawTape
from decot.errors import TapeRefused

_F, _I, _S = pl.Float64(), pl.Int64(), pl.String()


@dataclass(frozen=True, slots=True)
class Layout:
    """A way files lie on disk: its name, whether a file is of it, and how to open a file or folder of it."""

    name: str
    knows: Callable[[Path], bool]
    open: Callable[[Path, str | None], RawTape]


def assemble(
    symbol: str, venue: str, book: pl.DataFrame, trades: pl.DataFrame, meta: dict[str, Any]
) -> RawTape:
    """Columns cast and ordered, both tables sorted by the local clock (ties keep the file's order)."""
    return RawTape(
        symbol=symbol,
        venue=venue,
        trades=trades.select(pl.col(n).cast(t) for n, t in TRADES.items()).sort(
            "recv_us", maintain_order=True
        ),
        book=book.select(pl.col(n).cast(t) for n, t in BOOK.items()).sort("recv_us", maintain_order=True),
        candles=None,
        headlines=pl.DataFrame(schema=HEADLINES),
        meta={
            **{"depth_known": True, "side_known": True, "ts_estimated": False, "locked_share": _locked(book)},
            **meta,
        },
    )


def _locked(book: pl.DataFrame) -> float:
    return round(float((book["bid"] == book["ask"]).mean() or 0.0), 6) if book.height else 0.0  # type: ignore[arg-type]


def top_as_depth(book: pl.DataFrame) -> pl.DataFrame:
    """Unknown depth: the 5- and 20-level sums are the size at the touch."""
    return book.with_columns(
        pl.col(f"{side}_qty").alias(f"{side}_qty_{levels}") for side in ("bid", "ask") for levels in (5, 20)
    )


def numbered(trades: pl.DataFrame, file: Path) -> pl.DataFrame:
    """Trades without numbers of their own: <day><row>, the same however many days are opened together."""
    day = re.search(r"(\d{4})-(\d{2})-(\d{2})", file.name)
    first = int("".join(day.groups())) * 10_000_000 if day else 0
    return trades.with_columns(trade_id=first + pl.int_range(1, pl.len() + 1, dtype=pl.Int64))


def siblings(path: Path, pattern: re.Pattern[str]) -> list[tuple[Path, re.Match[str]]]:
    """The files of a folder (or of the folder a file lies in) whose names match, sorted by name."""
    folder = path if path.is_dir() else path.parent
    found = [(file, pattern.fullmatch(file.name)) for file in sorted(folder.iterdir())]
    return [(file, match) for file, match in found if match]


# StandX: bbo_<day>, trades_<day>. Sides were inferred afterwards; the recorded ones are always SELL.

_STANDX = re.compile(r"(bbo|trades)_(\d{4}-\d{2}-\d{2})\.(parquet|csv|jsonl)")
_STANDX_SLACK_US: Final = 5_000_000
"""the recorder stamped trades in two threads: its clock goes back by up to 0.8 s, then rows are re-sorted"""


def _standx(path: Path, symbol: str | None) -> RawTape:
    if symbol not in (None, "BTC-USD"):
        raise TapeRefused(path.name, f"holds BTC-USD, not {symbol}", "leave the symbol out")
    found = siblings(path, _STANDX)
    if path.is_file():
        day = _STANDX.fullmatch(path.name)
        found = [pair for pair in found if day and pair[1][2] == day[2]]
    kinds = {kind: [file for file, match in found if match[1] == kind] for kind in ("bbo", "trades")}
    if not kinds["bbo"]:
        raise TapeRefused(path.name, "trades without a book", "put the bbo_<day> file of that day beside it")
    book = pl.concat([_standx_book(file) for file in kinds["bbo"]])
    trades = [_standx_trades(file) for file in kinds["trades"]] or [pl.DataFrame(schema=TRADES)]
    return assemble(
        "BTC-USD",
        "standx",
        book,
        pl.concat(trades),
        {"layout": "standx", "files": [file.name for file, _ in found], "side_known": "inferred"},
    )


def _standx_book(file: Path) -> pl.DataFrame:
    frame = reading.load(file, BOOK)
    for clock in ("ts_us", "recv_us"):
        reading.demand_time(frame, clock, file.name)
    reading.demand_book(frame, file.name)
    return frame


def _standx_trades(file: Path) -> pl.DataFrame:
    columns = {"ts_us": _I, "recv_us": _I, "price": _F, "quantity": _F, "side_inferred": pl.Int8()}
    frame = reading.load(file, columns)
    reading.demand_time(frame, "ts_us", file.name)
    reading.demand_time(frame, "recv_us", file.name, slack_us=_STANDX_SLACK_US)
    reading.demand_positive(frame, ("price", "quantity"), file.name)
    reading.demand_sides(frame, "side_inferred", file.name)
    frame = numbered(frame.rename({"side_inferred": "side"}), file)
    return frame.select(TRADES.keys())


# Binance WebSocket recordings: bbo_<market>_<symbol>_<span>, trades_… of the same session.

_BINANCE = re.compile(r"(bbo|trades)_((?:spot|usdm|cm)_[a-z0-9_]+?)_(\d{8}-\d{2})\.(parquet|csv|jsonl)")
_MARKETS: Final = ("usdm", "spot", "cm")


def _binance(path: Path, symbol: str | None) -> RawTape:
    found = siblings(path, _BINANCE)
    sessions = {f"{match[2]}_{match[3]}" for _, match in found if match[1] == "bbo"}
    if path.is_file():
        match = _BINANCE.fullmatch(path.name)
        session = f"{match[2]}_{match[3]}" if match else ""
    else:
        session = choose_session(sorted(sessions), symbol, path)
    if session not in sessions:
        raise TapeRefused(path.name, "trades without a book", "put the bbo_… file of that session beside it")
    files = {match[1]: file for file, match in found if f"{match[2]}_{match[3]}" == session}
    trades = _binance_trades(files["trades"]) if "trades" in files else pl.DataFrame(schema=TRADES)
    book, estimated = _binance_book(files["bbo"], trades)
    market, name = session.split("_", 1)
    return assemble(
        name.rsplit("_", 1)[0].upper().replace("_", "-"),
        f"binance-{market}",
        book,
        trades,
        {
            **{"layout": "binance-ws", "session": session, "files": sorted(f.name for f in files.values())},
            **{"depth_known": False, "ts_estimated": estimated},
        },
    )


def choose_session(sessions: list[str], symbol: str | None, path: Path) -> str:
    """The session named (or begun) by `symbol`; by default USD-M BTC of the latest date.

    `symbol` may be a session ("usdm_btcusdt_20240808-08"), a market's symbol ("usdm_btcusdt") or a bare
    symbol ("BTCUSDT", looked for on USD-M, then spot, then COIN-M).
    """
    if symbol in sessions:
        return str(symbol)
    wanted = (symbol or "btcusdt").lower().replace("/", "").replace("-", "_")
    names = [
        wanted,
        *(f"{market}_{wanted}" for market in _MARKETS),
        *(f"{m}_{wanted}_perp" for m in _MARKETS),
    ]
    for name in names:
        fitting = [
            s
            for s in sessions
            if s == name or (s.startswith(f"{name}_") and s.count("_") == name.count("_") + 1)
        ]
        if fitting:
            return max(fitting, key=lambda session: session.rsplit("_", 1)[1])
    if symbol is None and sessions:
        return sessions[0]
    raise TapeRefused(
        path.name, f"no session of {symbol!r}", f"choose one of: {', '.join(sessions) or 'none there'}"
    )


def _binance_trades(file: Path) -> pl.DataFrame:
    columns = {"recv_us": _I, "trade_ms": _I, "trade_id": _I, "price": _F, "qty": _F, "taker_side": _I}
    frame = reading.load(file, columns).rename({"qty": "quantity", "taker_side": "side"})
    frame = frame.with_columns(ts_us=pl.col("trade_ms") * 1_000)
    for clock in ("recv_us", "ts_us"):
        reading.demand_time(frame, clock, file.name)
    reading.demand_positive(frame, ("price", "quantity"), file.name)
    reading.demand_sides(frame, "side", file.name)
    return frame.select(pl.col(name).cast(dtype) for name, dtype in TRADES.items())


def _binance_book(file: Path, trades: pl.DataFrame) -> tuple[pl.DataFrame, bool]:
    """The book, and whether its exchange time is an estimate (spot's bookTicker carries none)."""
    columns = {"recv_us": _I, "event_ms": _I, "bid": _F, "bid_qty": _F, "ask": _F, "ask_qty": _F}
    frame = reading.load(file, columns, optional=("event_ms",))
    reading.demand_time(frame, "recv_us", file.name)
    reading.demand_book(frame, file.name)
    estimated = "event_ms" not in frame.columns or frame["event_ms"].null_count() > 0
    if estimated:
        frame = frame.with_columns(ts_us=estimated_ts(frame, trades))
    else:
        frame = frame.with_columns(ts_us=pl.col("event_ms") * 1_000)
        reading.demand_time(frame, "ts_us", file.name)
    return top_as_depth(frame), estimated


def estimated_ts(book: pl.DataFrame, trades: pl.DataFrame) -> pl.Series:
    """When quotes without an exchange time happened: as late as the last trade received before them.

    Knows only the past of each row, so a stream that does the same gets the same numbers.
    """
    delays = trades.select("recv_us", late=pl.col("recv_us") - pl.col("ts_us")).sort(
        "recv_us", maintain_order=True
    )
    known = book.select("recv_us").join_asof(delays, on="recv_us", allow_exact_matches=False)
    return known.select((pl.col("recv_us") - pl.col("late").fill_null(0)).cum_max()).to_series()


LAYOUTS: Final = (
    Layout("standx (bbo_<day>, trades_<day>)", lambda file: bool(_STANDX.fullmatch(file.name)), _standx),
    Layout("binance-ws (bbo_<market>_<symbol>_<span>)", lambda f: bool(_BINANCE.fullmatch(f.name)), _binance),
)
