"""One door for recorded tapes: looks at a file or folder, knows the layout, hands on a RawTape.

Knows the layouts' names only; how each is read stands in `layouts.py` and the files beside it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import polars as pl

from decot.data import layouts, reading
from decot.data.layouts import Layout
from decot.data.tape import BOOK, CANDLES, HEADLINES, TRADES, RawTape
from decot.errors import TapeRefused

RAW_FORMAT: Final = "decot-raw-1"
_LAYOUTS: Final[tuple[Layout, ...]] = (*layouts.LAYOUTS,)


def open_tape(path: Path, *, symbol: str | None = None) -> RawTape:
    """A recorded tape, checked: prices positive, time sorted, columns there, book not crossed.

    Args:
        path: a folder or one file of a known layout; several days of one market join.
        symbol: which market of a folder that holds several (default: its main one).
    Raises:
        TapeRefused: naming file, column, row and the way out.
    """
    path = Path(path)
    if not path.exists():
        raise TapeRefused(str(path), "no such file or folder", "check the path")
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    if path.is_dir() and (path / "meta.json").is_file():
        return _read_raw(path, symbol)
    for layout in _LAYOUTS:
        if any(layout.knows(file) for file in files):
            return layout.open(path, symbol)
    raise TapeRefused(
        path.name,
        f"no known layout among {', '.join(file.name for file in files[:5]) or 'no files'}",
        f"known are: the raw layout (meta.json), {', '.join(layout.name for layout in _LAYOUTS)}",
    )


def write_tape(tape: RawTape, folder: Path) -> Path:
    """The tape in our raw layout: trades, book, headlines (and candles) as Parquet beside meta.json.

    `meta.json` is written last, so a folder that was cut short is no tape.
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


def _read_raw(folder: Path, symbol: str | None) -> RawTape:
    meta = reading.json_object((folder / "meta.json").read_bytes(), f"{folder.name}/meta.json", 0)
    if meta.get("format") != RAW_FORMAT:
        raise TapeRefused(
            f"{folder.name}/meta.json",
            f"format is {meta.get('format')!r}",
            f"this version reads {RAW_FORMAT!r}",
        )
    if symbol is not None and symbol != meta.get("symbol"):
        raise TapeRefused(folder.name, f"holds {meta.get('symbol')}, not {symbol}", "leave the symbol out")
    book = reading.load(folder / "book.parquet", BOOK, empty_is_fine=True)
    trades = reading.load(folder / "trades.parquet", TRADES, empty_is_fine=True)
    for frame, file in ((book, "book.parquet"), (trades, "trades.parquet")):
        reading.demand_time(frame, "recv_us", file)
    reading.demand_book(book, "book.parquet")
    reading.demand_positive(trades, ("price", "quantity"), "trades.parquet")
    headlines = pl.DataFrame(schema=HEADLINES)
    if (folder / "headlines.parquet").is_file():
        headlines = reading.load(folder / "headlines.parquet", HEADLINES, empty_is_fine=True)
        reading.demand_sorted(headlines, "available_ms", "headlines.parquet")
    candles = None
    if (folder / "candles.parquet").is_file():
        candles = reading.load(folder / "candles.parquet", CANDLES)
        reading.demand_candles(candles, "candles.parquet")
    return RawTape(
        symbol=str(meta.get("symbol")),
        venue=str(meta.get("venue")),
        trades=trades,
        book=book,
        candles=candles,
        headlines=headlines,
        meta=dict(meta.get("meta") or {}),
    )
