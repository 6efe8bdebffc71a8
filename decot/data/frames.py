"""Recorded WebSocket lines (`<local_ns> <json>`) of a Binance-like venue, read back as they came.

Knows bookTicker, trade and aggTrade messages, bare or in a combined stream; everything else is counted and
left alone. Knows no network: the recorder writes such lines, this reads them.
"""

from __future__ import annotations

import gzip
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow as pa

from decot.data import reading
from decot.data.bars import Bar, BarStream
from decot.data.layouts import Layout, assemble, choose_session, siblings, top_as_depth
from decot.data.tape import BOOK, TRADES, RawTape
from decot.errors import TapeRefused

_NAME: Final = re.compile(r"((?:spot|usdm|cm)_[a-z0-9_]+?)_(\d{8})\.jsonl(\.zst|\.gz)?")

Quote = tuple[int, int, float, float, float, float]
"""ts_us, recv_us, bid, bid_qty, ask, ask_qty"""
Deal = tuple[int, int, int, float, float, int]
"""ts_us, recv_us, trade_id, price, quantity, side"""


def read_lines(path: Path) -> Iterator[bytes]:
    """The lines of a plain, gzip or zstd file; a file cut short is refused where it breaks."""
    number = -1
    try:
        with _opened(path) as stream:
            rest = b""
            while block := stream.read(1 << 20):
                *whole, rest = (rest + block).split(b"\n")
                for line in whole:
                    number += 1
                    yield line
            if rest:
                yield rest
    except (OSError, EOFError, pa.ArrowException) as broken:
        raise TapeRefused(
            path.name, f"cannot be unpacked: {broken}", reading.FETCH_AGAIN, row=number + 1
        ) from broken


def _opened(path: Path) -> Any:
    if path.name.endswith(".gz"):
        return gzip.open(path, "rb")
    return pa.input_stream(str(path), compression="zstd" if path.name.endswith(".zst") else None)


@dataclass(slots=True)
class FrameReader:
    """Turns messages into quotes and deals, in order; keeps only what an estimate of lateness needs."""

    file: str
    kinds: Counter[str] = field(default_factory=Counter)
    is_estimated: bool = False
    """whether some quote carried no exchange time of its own"""
    _late: int = 0
    _next_late: int = 0
    _next_at: int = 0
    _latest_ts: int = 0

    def take(self, line: bytes, row: int) -> tuple[str, Quote | Deal] | None:
        """One line as ("book", quote), ("trade", deal), or None for a message of another kind."""
        stamp, _, text = line.partition(b" ")
        if not stamp.isdigit():
            why = f"begins with {stamp[:20]!r} where the local time in ns is due"
            raise TapeRefused(self.file, why, reading.FIX_ROW, row=row)
        recv_us = int(stamp) // 1_000
        message = reading.json_object(text, self.file, row)
        data = message.get("data", message)
        if not isinstance(data, dict):
            raise TapeRefused(self.file, "`data` is not an object", reading.FIX_ROW, column="data", row=row)
        kind = str(data.get("e") or ("bookTicker" if {"u", "b", "B", "a", "A"} <= data.keys() else "other"))
        self.kinds[kind] += 1
        try:
            if kind == "bookTicker":
                return "book", self._quote(data, recv_us)
            if kind in ("trade", "aggTrade"):
                return "trade", self._deal(data, recv_us)
        except KeyError as missing:
            raise TapeRefused(
                self.file, f"a {kind} without it", reading.FIX_ROW, column=str(missing), row=row
            ) from missing
        except (TypeError, ValueError) as broken:
            raise TapeRefused(
                self.file, f"a {kind} that does not parse: {broken}", reading.FIX_ROW, row=row
            ) from broken
        return None

    def _quote(self, data: dict[str, Any], recv_us: int) -> Quote:
        if "E" in data:
            ts_us = int(data["E"]) * 1_000
        else:
            self.is_estimated = True
            if recv_us > self._next_at:
                self._late = self._next_late
            self._latest_ts = ts_us = max(self._latest_ts, recv_us - self._late)
        return ts_us, recv_us, float(data["b"]), float(data["B"]), float(data["a"]), float(data["A"])

    def _deal(self, data: dict[str, Any], recv_us: int) -> Deal:
        ts_us = int(data["T"]) * 1_000
        if recv_us > self._next_at:
            self._late, self._next_at = self._next_late, recv_us
        self._next_late = recv_us - ts_us
        number = int(data["a"] if data["e"] == "aggTrade" else data["t"])
        return ts_us, recv_us, number, float(data["p"]), float(data["q"]), -1 if data["m"] else 1


def follow(lines: Iterable[bytes], stream: BarStream, reader: FrameReader) -> Iterator[Bar]:
    """Recorded lines through the very stream a live session uses; yields bars as they end."""
    for row, line in enumerate(lines):
        if not line:
            continue
        taken = reader.take(line, row)
        if taken is None:
            continue
        kind, values = taken
        if kind == "book":
            yield from stream.on_book(*values)
        else:
            ts_us, recv_us, _, price, quantity, side = values
            yield from stream.on_trade(int(ts_us), int(recv_us), price, quantity, int(side))


def _open(path: Path, symbol: str | None) -> RawTape:
    found = siblings(path, _NAME)
    if path.is_file():
        found = [(file, match) for file, match in found if file == path]
        session = found[0][1][1]
    else:
        session = choose_session(sorted({match[1] for _, match in found}), symbol, path)
    files = sorted((match[2], file) for file, match in found if match[1] == session)
    books, trades, kinds, estimated = [], [], Counter[str](), False
    reader = None
    for _, file in files:
        reader = FrameReader(file.name) if reader is None else _continued(reader, file.name)
        quotes: list[Any] = []
        deals: list[Any] = []
        for row, line in enumerate(read_lines(file)):
            taken = reader.take(line, row) if line else None
            if taken is not None:
                (quotes if taken[0] == "book" else deals).append(taken[1])
        books.append(_checked(pl.DataFrame(quotes, schema=list(BOOK.items())[:6], orient="row"), file.name))
        trades.append(_checked(pl.DataFrame(deals, schema=TRADES, orient="row"), file.name))
        kinds.update(reader.kinds)
        estimated |= reader.is_estimated
    market, name = session.split("_", 1)
    meta = {
        **{"layout": "binance-frames", "session": session, "files": [file.name for _, file in files]},
        **{"depth_known": False, "ts_estimated": estimated, "messages": dict(sorted(kinds.items()))},
    }
    book = top_as_depth(pl.concat(books))
    return assemble(name.upper().replace("_", "-"), f"binance-{market}", book, pl.concat(trades), meta)


def _continued(reader: FrameReader, file: str) -> FrameReader:
    """The reader for the next file of the same session: what it knew of lateness stays known."""
    reader.file, reader.kinds, reader.is_estimated = file, Counter(), False
    return reader


def _checked(frame: pl.DataFrame, file: str) -> pl.DataFrame:
    reading.demand_time(frame, "recv_us", file)
    if "bid" in frame.columns:
        reading.demand_book(frame, file)
    else:
        reading.demand_positive(frame, ("price", "quantity"), file)
    return frame


LAYOUTS: Final = (
    Layout(
        "recorded frames (<market>_<symbol>_<day>.jsonl, also .gz or .zst)",
        lambda file: bool(_NAME.fullmatch(file.name)),
        _open,
    ),
)
