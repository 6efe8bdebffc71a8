"""One door for recorded tapes: looks at a file or folder, knows the layout, hands on a RawTape.

Knows the layouts' names only; how each is read stands in `layouts*.py`, `frames.py` and `mapping.py`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from decot.data import frames, layouts, layouts_dumps, layouts_plain, layouts_venues, mapping
from decot.data.layouts import Layout
from decot.data.layouts_plain import write_tape
from decot.data.news import open_headlines
from decot.data.tape import RawTape
from decot.errors import TapeRefused

__all__ = ["LAYOUTS", "open_tape", "write_tape"]

LAYOUTS: Final[tuple[Layout, ...]] = (
    *layouts_plain.LAYOUTS,
    *layouts_venues.LAYOUTS,
    *layouts.LAYOUTS,
    *frames.LAYOUTS,
    *layouts_dumps.LAYOUTS,
)
"""in the order they are tried; the first that knows one of the files opens them"""


def open_tape(path: Path | str, *, symbol: str | None = None) -> RawTape:
    """A recorded tape, checked: prices positive, time sorted, columns there, book not crossed.

    Args:
        path: a folder or one file of a known layout; several days of one market join. A file
            `headlines.parquet` (or .csv, .jsonl) in the folder comes along.
        symbol: which market of a folder that holds several (default: its main one).
    Raises:
        TapeRefused: naming file, column, row and the way out.
    """
    path = Path(path)
    if not path.exists():
        raise TapeRefused(str(path), "no such file or folder", "check the path")
    if path.is_dir() and (path / mapping.FILE).is_file():
        tape = mapping.open_mapped(path)
        if symbol not in (None, tape.symbol):
            raise TapeRefused(path.name, f"holds {tape.symbol}, not {symbol}", "leave the symbol out")
    else:
        tape = _recognise(path).open(path, symbol)
    news = [] if path.is_file() or tape.headlines.height else sorted(path.glob("headlines.*"))
    return replace(tape, headlines=open_headlines(news[0])) if news else tape


def _recognise(path: Path) -> Layout:
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    for layout in LAYOUTS:
        if any(layout.knows(file) for file in files):
            return layout
    if path.is_file() and layouts_plain.LAST.knows(path):
        return layouts_plain.LAST
    raise TapeRefused(
        path.name,
        f"no known layout among {', '.join(file.name for file in files[:5]) or 'no files'}",
        "known are: any files with a mapping.json, " + ", ".join(layout.name for layout in LAYOUTS),
    )
