"""Files become frames, or are refused by name, column and row. Knows the formats, not the venues.

Every check here ends in `TapeRefused`: nothing that comes from a file may raise anything else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl

from decot.errors import TapeRefused

_EARLIEST_US: Final = 1_230_768_000_000_000  # 2009-01-01: before the first block there was no market
_LATEST_US: Final = 4_102_444_800_000_000  # 2100-01-01
_BROKEN: Final = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError)

FETCH_AGAIN: Final = "fetch or record the file again"
FIX_ROW: Final = "correct or remove that row, or fetch the file again"


def load(
    path: Path, columns: Mapping[str, Any], *, optional: Sequence[str] = (), empty_is_fine: bool = False
) -> pl.DataFrame:
    """The wanted columns of a CSV, JSON-lines or Parquet file, in their types, without nulls.

    Args:
        path: `.parquet`, `.csv`, `.csv.gz`, `.jsonl`/`.ndjson`/`.json`.
        columns: column → dtype; `optional` names those a file may lack or leave empty.
    Raises:
        TapeRefused: unreadable file, missing column, empty table, a value of the wrong type (with its row).
    """
    frame = read_any(path)
    present = [name for name in columns if name not in optional or name in frame.columns]
    missing = [name for name in present if name not in frame.columns]
    if missing:
        raise TapeRefused(
            path.name,
            f"column missing; the file has {', '.join(frame.columns[:12]) or 'no columns'}",
            "export it with that column, or give a column mapping",
            column=missing[0],
        )
    if frame.is_empty() and not empty_is_fine:
        raise TapeRefused(path.name, "the file holds no rows", FETCH_AGAIN)
    return frame.select(typed(frame[name], columns[name], path.name, name in optional) for name in present)


def read_any(path: Path) -> pl.DataFrame:
    """The whole file as a frame; text columns stay text."""
    if not path.is_file():
        raise TapeRefused(
            path.name, "no such file", "check the path (it is read as given, from where you stand)"
        )
    name = path.name.lower()
    try:
        if name.endswith(".parquet"):
            return pl.read_parquet(path, hive_partitioning=False)
        if name.endswith((".csv", ".csv.gz")):
            return pl.read_csv(path, infer_schema=False, truncate_ragged_lines=False)
        if name.endswith((".jsonl", ".ndjson", ".json")):
            return _json_lines(path)
    except pl.exceptions.NoDataError as broken:
        raise TapeRefused(path.name, "the file is empty", FETCH_AGAIN) from broken
    except _BROKEN as broken:
        row = bad_csv_line(path) if ".csv" in name else None
        kind = name.removesuffix(".gz").rsplit(".", 1)[-1].upper()
        why = f"cannot be read as {kind}: {str(broken).splitlines()[0][:160]}"
        raise TapeRefused(path.name, why, FETCH_AGAIN, row=row) from broken
    raise TapeRefused(
        path.name,
        "unknown kind of file",
        "give Parquet, CSV (also .gz) or JSON lines, named so by its ending",
    )


def _json_lines(path: Path) -> pl.DataFrame:
    rows: list[dict[str, Any]] = []
    with path.open("rb") as lines:
        for number, line in enumerate(lines):
            if not line.strip():
                continue
            rows.append(json_object(line, path.name, number))
    return pl.DataFrame(rows, infer_schema_length=None) if rows else pl.DataFrame()


def json_object(line: bytes, file: str, row: int) -> dict[str, Any]:
    """One line as a JSON object, or a refusal that names the row."""
    try:
        value = json.loads(line)
    except ValueError as broken:
        raise TapeRefused(file, f"bad JSON: {broken}", FIX_ROW, row=row) from broken
    if not isinstance(value, dict):
        raise TapeRefused(file, f"a JSON {type(value).__name__} where an object is due", FIX_ROW, row=row)
    return value


def bad_csv_line(path: Path) -> int | None:
    """The first line (0 is the one after the header) whose number of fields is not the header's."""
    if path.name.lower().endswith(".gz"):
        return None
    with path.open("rb") as lines:
        width = next(lines, b"").count(b",")
        for number, line in enumerate(lines):
            if line.strip() and line.count(b",") != width:
                return number
    return None


def typed(column: pl.Series, dtype: Any, file: str, may_be_null: bool = False) -> pl.Series:
    """The column in `dtype`; the first value that is none, or does not fit, is refused with its row."""
    name = column.name
    if may_be_null and column.null_count() == len(column):
        return pl.Series(name, [None] * len(column), dtype=dtype)
    if column.dtype == pl.String and dtype.is_numeric():
        column = column.str.strip_chars()
    try:
        if column.dtype == pl.String and dtype.is_temporal():
            cast = column.str.to_datetime(time_unit=dtype.time_unit, strict=False)
        else:
            cast = column.cast(dtype, strict=False)
    except pl.exceptions.PolarsError as broken:
        raise TapeRefused(
            file, f"{column.dtype} where {dtype} is due", "convert the column", column=name
        ) from broken
    if dtype.is_integer() and column.dtype.is_float():
        refuse_where(column != cast.cast(column.dtype), column, file, "not a whole number")
    lost = cast.is_null() & ~(column.is_null() & may_be_null)
    refuse_where(lost, column, file, _expected(dtype))
    return cast


def _expected(dtype: Any) -> str:
    return "not a number" if dtype.is_numeric() else "not a time" if dtype.is_temporal() else f"not a {dtype}"


def refuse_where(wrong: pl.Series, column: pl.Series, file: str, what: str, way_out: str = FIX_ROW) -> None:
    """Refuse the file at the first row where `wrong` is true (or unknown)."""
    rows = wrong.fill_null(True).arg_true()
    if len(rows):
        row = int(rows[0])
        more = f" ({len(rows):,} rows like it)" if len(rows) > 1 else ""
        raise TapeRefused(file, f"{what}: {column[row]!r}{more}", way_out, column=column.name, row=row)


def demand_positive(frame: pl.DataFrame, names: Sequence[str], file: str) -> None:
    """Finite and > 0, e.g. prices."""
    for name in names:
        column = frame[name]
        refuse_where(~column.is_finite() | (column <= 0), column, file, "not a positive finite number")


def demand_not_negative(frame: pl.DataFrame, names: Sequence[str], file: str) -> None:
    """Finite and ≥ 0, e.g. sizes at the touch."""
    for name in names:
        column = frame[name]
        refuse_where(~column.is_finite() | (column < 0), column, file, "negative or not finite")


def demand_time(frame: pl.DataFrame, name: str, file: str, *, slack_us: int = 0) -> None:
    """Microseconds since the epoch, never going back (by more than `slack_us` behind the latest so far)."""
    column = frame[name]
    refuse_where(
        (column < _EARLIEST_US) | (column > _LATEST_US),
        column,
        file,
        "not a time in microseconds since 1970, UTC",
        "convert the clock to microseconds",
    )
    demand_sorted(frame, name, file, slack=slack_us)


def demand_sorted(frame: pl.DataFrame, name: str, file: str, *, slack: int = 0, unique: bool = False) -> None:
    """Never going back; with `unique`, always forward."""
    column = frame[name]
    back = column.diff() <= 0 if unique else column < column.cum_max() - slack
    way_out = "sort the file by time, or fetch it again"
    refuse_where(back.fill_null(False), column, file, "the timestamp goes back", way_out)


def demand_sides(frame: pl.DataFrame, name: str, file: str) -> None:
    """+1, −1, or 0 for unknown."""
    column = frame[name]
    refuse_where(~column.is_in([-1, 0, 1]), column, file, "not a side (1 buy, -1 sell, 0 unknown)")


def demand_candles(frame: pl.DataFrame, file: str) -> None:
    """Ends in ms, strictly increasing; low ≤ open, close ≤ high."""
    demand_time(frame.with_columns(timestamp=pl.col("timestamp") * 1_000), "timestamp", file)
    demand_sorted(frame, "timestamp", file, unique=True)
    demand_positive(frame, ("open", "high", "low", "close"), file)
    demand_not_negative(frame, ("volume",), file)
    body = frame.select(a=pl.min_horizontal("open", "close"), b=pl.max_horizontal("open", "close"))
    refuse_where(frame["low"] > body["a"], frame["low"], file, "low above open or close")
    refuse_where(frame["high"] < body["b"], frame["high"], file, "high below open or close")


def demand_book(frame: pl.DataFrame, file: str) -> None:
    """Positive prices, sizes not below zero, no crossed book."""
    demand_positive(frame, ("bid", "ask"), file)
    demand_not_negative(frame, [name for name in frame.columns if "_qty" in name], file)
    refuse_where(
        frame["bid"] > frame["ask"],
        frame["bid"],
        file,
        "a crossed book, bid above ask",
        "remove the row or record the book again",
    )
