"""What a session saw and decided, bar by bar, in two files of plain numbers. Knows columns; knows no mind and no venue.

Each bar is one row of float64 appended at once; a row that was not written whole is left out by the reader. From these
files a session is replayed, a restarted worker warms up, and the session table is made; memory holds none of it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from decot.features.kernel import BAR_INPUTS, OUT_NAMES

Array = npt.NDArray[np.float64]

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

    def column(self, name: str) -> Array:
        """One field by name."""
        return self.rows[:, FIELDS.index(name)]

    @property
    def bars(self) -> pl.DataFrame:
        """The bars as the data room makes them."""
        columns = {name: self.column(name) for name in BAR_INPUTS}
        frame = pl.DataFrame({"timestamp": self.column("timestamp").astype(np.int64), **columns})
        return frame.with_columns(pl.col("n_trades").cast(pl.Int64))

    def __len__(self) -> int:
        return len(self.rows)


class Recorder:
    """Appends to `bars.f64` and `kernel.f64` of a session's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        before = read(folder)
        self.life = int(before.column("life").max()) + 1 if len(before) else 0
        for name, _, kept in _files(len(before)):
            path = folder / name
            if path.exists() and path.stat().st_size != kept:
                os.truncate(path, kept)
        self._handles = [
            os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644) for name, _, _ in _files(0)
        ]

    def add(self, t_ms: int, values: Array, kernel: Array, system: tuple[float, ...]) -> None:
        """One bar; its values in the order of BAR_INPUTS, `system` in the order of SYSTEM."""
        row = np.concatenate([[float(t_ms), float(self.life)], values, system])
        for handle, line in zip(self._handles, (row, kernel)):
            os.write(handle, line.tobytes())

    def close(self) -> None:
        for handle in self._handles:
            os.close(handle)
        self._handles = []


def read(folder: Path) -> Recorded:
    """Everything both files hold whole; nothing when there are none."""
    parts = []
    for name, width, _ in _files(0):
        path = folder / name
        flat = np.fromfile(path) if path.is_file() else np.empty(0)
        parts.append(flat[: len(flat) // width * width].reshape(-1, width))
    n = min(len(part) for part in parts)
    return Recorded(parts[0][:n], parts[1][:n])


def _files(n: int) -> tuple[tuple[str, int, int], ...]:
    widths = (("bars.f64", len(FIELDS)), ("kernel.f64", len(OUT_NAMES)))
    return tuple((name, width, n * width * 8) for name, width in widths)
