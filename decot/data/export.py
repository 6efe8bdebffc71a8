"""Tables go out again: Parquet, CSV or JSON lines, whole or not at all. Knows no lake."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl

from decot.errors import TapeRefused


def export(frame: pl.DataFrame, path: Path) -> Path:
    """Write the frame as its ending says; the file appears complete or stays as it was.

    Numbers keep all their digits: what `reading.load` reads back is equal to the bit.

    Raises:
        TapeRefused: for an ending other than .parquet, .csv, .jsonl or .ndjson.
    """
    part = path.with_name(f".{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        frame.write_parquet(part)
    elif path.suffix == ".csv":
        frame.write_csv(part)
    elif path.suffix in (".jsonl", ".ndjson"):
        frame.write_ndjson(part)
    else:
        raise TapeRefused(path.name, f"cannot write {path.suffix!r}", "choose .parquet, .csv or .jsonl")
    with part.open("rb") as written:
        os.fsync(written.fileno())
    part.replace(path)
    return path
