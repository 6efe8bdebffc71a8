"""Recorded headlines: when each was published and when it could be read. Knows no language."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl

from decot.data import reading
from decot.data.tape import HEADLINES

MINUTE_MS: Final = 60_000
"""a headline stamped by the minute may be as late as the end of it"""


def open_headlines(path: Path, *, delay_ms: int = MINUTE_MS) -> pl.DataFrame:
    """Headlines from Parquet, CSV or JSON lines: ours, or any with a time `ts` and a `text`.

    Args:
        delay_ms: where the file does not say when a headline was available, this long after its stamp.
    Raises:
        TapeRefused: an unreadable file, a missing column, an empty text, a time that goes back.
    """
    frame = reading.read_any(path)
    if "available_ms" in frame.columns:
        frame = reading.load(path, HEADLINES, empty_is_fine=True)
    else:
        frame = _stamped(path, delay_ms)
    reading.demand_sorted(frame, "available_ms", path.name)
    late = frame["available_ms"] < frame["published_ms"]
    reading.refuse_where(late, frame["available_ms"], path.name, "available before it was published")
    reading.refuse_where(
        frame["text"].str.strip_chars().str.len_chars() == 0, frame["text"], path.name, "no text"
    )
    return frame


def _stamped(path: Path, delay_ms: int) -> pl.DataFrame:
    raw = reading.load(path, {"ts": pl.Datetime("ms"), "text": pl.String()})
    published = raw["ts"].dt.epoch("ms")
    columns = [published.alias("published_ms"), (published + delay_ms).alias("available_ms")]
    source = pl.Series("source", [path.stem] * raw.height, dtype=pl.String)
    return pl.DataFrame([*columns, source, raw["text"]]).sort("available_ms", maintain_order=True)
