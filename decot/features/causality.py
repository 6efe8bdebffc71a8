"""Does a table know the future? Knows how to ask any builder; knows no formula.

Two questions at each cut t, answered bit for bit. Prefix: is the table built from rows ≤ t the same as the first rows of the
table built from all? Noise: does anything at or before t change when the rows after t are replaced, once by dearer ones and
once by cheaper ones? The first catches what reads the future, the second also what only reads its size. Half of the
cuts are drawn from rows where a column is at an extreme: a leaking event (a breakout that knows the next bar) shows
itself only there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from decot.errors import DataFault
from schemas.columns import TARGETS

Build = Callable[[pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True, slots=True)
class Leak:
    """A column that changed although only the future had."""

    column: str
    """`(rows)` when the choice of rows itself changed"""
    row: int
    """first row that changed; it is ≤ cut"""
    cut: int
    """last row that was left as it was"""
    kind: str
    """`prefix`: the future was taken away; `noise`: it was replaced; `blind`: a target that did not change with it;
    `missing`: the column itself came or went"""

    def __str__(self) -> str:
        return f"{self.column}, row {self.row}, cut {self.cut}: {self.kind}"


def check(
    build: Build,
    source: pl.DataFrame,
    columns: Sequence[str] | None = None,
    cuts: int | Sequence[int] = 8,
    rng: np.random.Generator | None = None,
    *,
    targets: Sequence[str] = TARGETS,
) -> list[Leak]:
    """Every input column that knows its future, and every target that does not.

    Args:
        build: from a source frame to a table, matched by `timestamp` where both have one, else row by row.
        source: rows sorted by time.
        columns: the inputs to judge; all but the targets by default.
        cuts: row numbers, or how many to draw.
        targets: columns that must change with the future, where the table has them.
    Returns:
        One `Leak` for each column, cut and build; empty when the table is honest.
    """
    rng = rng or np.random.default_rng(0)
    if source.height < 8:
        raise DataFault(f"causality: {source.height} rows are too few to cut; give at least 8")
    whole = build(source)
    names = list(columns) if columns is not None else [n for n in whole.columns if n not in targets]
    ahead = [name for name in targets if name in whole.columns]
    if isinstance(cuts, int):
        cuts = draw_cuts(source, cuts, rng)

    leaks: list[Leak] = []
    moved: set[str] = set()
    for cut in (int(c) for c in cuts):
        head = source[: cut + 1]
        leaks += _changed(whole, build(head), names, cut, "prefix", head)
        for shift in (0.2, -0.2):
            noisy = build(replace_future(source, cut, rng, shift))
            leaks += _changed(whole, noisy, names, cut, "noise", head)
            moved |= {leak.column for leak in _changed(whole, noisy, ahead, cut, "target", head)}
    leaks += [Leak(name, -1, -1, "blind") for name in ahead if name not in moved]
    return leaks


def check_table(
    build: Build, source: pl.DataFrame, *, cuts: int = 8, seed: int = 7, columns: Sequence[str] | None = None
) -> list[Leak]:
    """`check` with a seed, for the command line: the same question twice gets the same answer."""
    return check(build, source, columns, cuts, np.random.default_rng(seed))


def draw_cuts(source: pl.DataFrame, n_cuts: int, rng: np.random.Generator) -> list[int]:
    """Rows to cut after: every other one where some float column is the highest or lowest of its last 20 rows.

    None among the first 32 rows, so that builders that need a few rows (a filter's padding) can be asked.
    """
    inner = np.arange(min(32, source.height // 4), source.height - 2)
    floats = [name for name, dtype in source.schema.items() if dtype.is_float()]
    prices = [name for name in floats if name in ("close", "price", "high", "low")]
    cuts: set[int] = set()
    for k in range(min(n_cuts, len(inner))):
        rows = inner
        if floats and k % 2:
            name = str(rng.choice(prices if prices and k % 4 == 1 else floats))
            x = source[name] * rng.choice([-1.0, 1.0])
            extreme = (x >= x.rolling_max(20, min_samples=1)).to_numpy()
            rows = inner[extreme[inner]]
        rows = np.setdiff1d(rows, list(cuts))
        cuts.add(int(rng.choice(rows if len(rows) else np.setdiff1d(inner, list(cuts)))))
    return sorted(cuts)


def replace_future(
    source: pl.DataFrame, cut: int, rng: np.random.Generator, shift: float = 0.2
) -> pl.DataFrame:
    """The frame with every row after `cut` made up: later rows in random order, each row's floats scaled by one factor.

    Rows stay lawful (low ≤ close ≤ high, bid ≤ ask) because a whole row moves and scales at once; `timestamp` stays.

    Args:
        shift: log of the typical factor: above 0 the made-up future is dearer, below it cheaper.
    """
    n_after = source.height - cut - 1
    order = rng.permutation(n_after) + cut + 1
    factor = np.exp(rng.normal(shift, 0.05, n_after))
    drawn, after = source[order], source[cut + 1 :]
    made_up = [
        after[name] if name == "timestamp" else drawn[name] * factor if dtype.is_float() else drawn[name]
        for name, dtype in source.schema.items()
    ]
    return pl.concat([source[: cut + 1], pl.DataFrame(made_up, schema=source.schema)])


def _changed(
    whole: pl.DataFrame, other: pl.DataFrame, names: Sequence[str], cut: int, kind: str, head: pl.DataFrame
) -> list[Leak]:
    """Columns whose rows up to the cut differ in any bit; `(rows)` when the very rows differ."""
    found = []
    if "timestamp" in whole.columns and "timestamp" in head.columns:
        last = head["timestamp"][-1]
        mine, theirs = (f["timestamp"].to_numpy() for f in (whole, other))
        mine, theirs = mine[mine <= last], theirs[theirs <= last]
        rows = min(len(mine), len(theirs))
        same = np.append(mine[:rows] == theirs[:rows], len(mine) == len(theirs))
        if not same.all():
            rows = int(np.argmin(same))
            found.append(Leak("(rows)", rows, cut, kind))
    else:
        rows = min(cut + 1, whole.height, other.height)
    for name in names:
        if name not in other.columns:
            found.append(Leak(name, 0, cut, "missing"))
            continue
        different = _bits(whole[name][:rows]) != _bits(other[name][:rows])
        if different.any():
            found.append(Leak(name, int(np.argmax(different)), cut, kind))
    return found


def _bits(values: pl.Series) -> np.ndarray:
    """The values as integers that are equal exactly when every bit is; nulls count as one more value."""
    if values.dtype.is_float():
        wide = values.cast(pl.Float64)
        bits = wide.fill_null(0.0).to_numpy().astype(np.float64).view(np.int64)
        return np.where(wide.is_null().to_numpy(), np.int64(-(2**63) + 1), bits)
    if values.dtype.is_integer() or values.dtype == pl.Boolean:
        return values.cast(pl.Int64).fill_null(-(2**63) + 1).to_numpy()
    return values.hash(seed=0).to_numpy()
