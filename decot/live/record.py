"""What a session saw and decided, bar by bar, in files of plain numbers. Knows columns; knows no mind and no venue.

    bars.f64        every bar with what was held, wanted, let through; which life of the worker it belongs to
    kernel.f64      the market columns as the mind made them
    around.f64      what news and servers were to the mind at that bar
    warm-N.f64      the bars life N was warmed up on, with what was around them

Each bar is one row of float64 appended at once; a row that was not written whole is left out by the reader. From these
files a session of any number of lives is replayed, a restarted worker warms up, and the session table is made; memory
holds none of it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from decot.features.kernel import BAR_INPUTS, OUT_NAMES
from schemas.columns import CONTEXT, TEXT

Array = npt.NDArray[np.float64]
Warm = list[tuple[int, Array, Array]]
"""timestamp, BAR_INPUTS, AROUND of the bars before a life"""

AROUND = (*TEXT, *CONTEXT)
N_REGIMES = 6

SYSTEM = ("held", "wanted", "target", "position", "quantity", "equity_usdt", "entry_price", "delay_ms")
"""held: what the mind was told it holds; wanted: what it chose; target: what the limits let through"""
FIELDS = ("timestamp", "life", *BAR_INPUTS, *SYSTEM)
"""life: which start of the worker this bar belongs to, from 0"""


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """A session as it was."""

    rows: Array
    """(T, len(FIELDS))"""
    kernel: Array
    """(T, len(OUT_NAMES))"""
    around: Array
    """(T, len(AROUND))"""

    def column(self, name: str) -> Array:
        """One field by name."""
        return self.rows[:, FIELDS.index(name)]

    @property
    def bars(self) -> pl.DataFrame:
        """The bars as the data room makes them."""
        columns = {name: self.column(name) for name in BAR_INPUTS}
        frame = pl.DataFrame({"timestamp": self.column("timestamp").astype(np.int64), **columns})
        return frame.with_columns(pl.col("n_trades").cast(pl.Int64))

    def lives(self) -> list[int]:
        """The lives that left a bar, in order."""
        return sorted({int(life) for life in self.column("life")})

    def life(self, number: int) -> Recorded:
        """The bars of one life."""
        mine = self.column("life") == number
        return Recorded(self.rows[mine], self.kernel[mine], self.around[mine])

    def __len__(self) -> int:
        return len(self.rows)


def around_of(columns: Array) -> Array:
    """(25,) text and context columns of a row of the mind's; zeros where a stand-in has none."""
    found = np.zeros(len(AROUND))
    tail = columns[len(OUT_NAMES) + N_REGIMES :][: len(AROUND)]
    found[: len(tail)] = tail
    return found


class Recorder:
    """Appends to the files of a session's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        before = read(folder)
        self.trouble = ""
        """why nothing more is recorded; empty while all is well"""
        self.life = int(before.column("life").max()) + 1 if len(before) else 0
        self.before_ms = int(before.column("timestamp")[-1]) if len(before) else -1
        """the last bar of the lives before; time goes on from there"""
        for name, width, kept in _files(len(before)):
            path = folder / name
            if len(before) and not path.exists():  # a session begun before this file was kept
                np.zeros((len(before), width)).tofile(path)
            if path.exists() and path.stat().st_size != kept:
                os.truncate(path, kept)
        self._handles = [
            os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644) for name, _, _ in _files(0)
        ]

    def warmed(self, seen: Warm) -> None:
        """What this life was warmed up on; whole or not at all."""
        rows = [np.concatenate([[float(t_ms)], values, around]) for t_ms, values, around in seen]
        path = self.folder / _warm(self.life)
        beside = path.with_suffix(".part")
        np.array(rows, np.float64).reshape(len(rows), _WARM_WIDTH).tofile(beside)
        beside.replace(path)

    def add(
        self, t_ms: int, values: Array, kernel: Array, system: tuple[float, ...], around: Array | None = None
    ) -> None:
        """One bar; its values in the order of BAR_INPUTS, `system` in the order of SYSTEM, `around` of AROUND."""
        if self.trouble:  # a row behind a torn one could not be found again
            return
        row = np.concatenate([[float(t_ms), float(self.life)], values, system])
        beside = np.zeros(len(AROUND)) if around is None else around
        for handle, line in zip(self._handles, (row, kernel, beside)):
            whole = np.asarray(line, np.float64).tobytes()
            try:
                written, why = os.write(handle, whole), "the disk is full"
            except OSError as error:
                written, why = 0, str(error.strerror)
            if written < len(whole):
                self.trouble = f"bars can no longer be recorded: {why}"
                return

    def close(self) -> None:
        for handle in self._handles:
            os.close(handle)
        self._handles = []


def read(folder: Path) -> Recorded:
    """Everything the files hold whole; nothing when there are none."""
    parts = []
    for name, width, _ in _files(0):
        path = folder / name
        flat = np.fromfile(path) if path.is_file() else np.empty(0)
        parts.append(flat[: len(flat) // width * width].reshape(-1, width))
    if not (folder / "around.f64").is_file():
        parts[2] = np.zeros((len(parts[0]), len(AROUND)))
    n = min(len(part) for part in parts)
    return Recorded(*(part[:n] for part in parts))


def warm_of(folder: Path, life: int) -> Warm | None:
    """The bars a life was warmed up on; None when that was not kept."""
    path = folder / _warm(life)
    if not path.is_file():
        return None
    rows = np.fromfile(path).reshape(-1, _WARM_WIDTH)
    last = 1 + len(BAR_INPUTS)
    return [(int(row[0]), row[1:last], row[last:]) for row in rows]


_WARM_WIDTH = 1 + len(BAR_INPUTS) + len(AROUND)


def _warm(life: int) -> str:
    return f"warm-{life}.f64"


def _files(n: int) -> tuple[tuple[str, int, int], ...]:
    widths = (("bars.f64", len(FIELDS)), ("kernel.f64", len(OUT_NAMES)), ("around.f64", len(AROUND)))
    return tuple((name, width, n * width * 8) for name, width in widths)
