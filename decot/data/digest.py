"""What a table's contents are, as one number: names, types, values. Knows no file."""

from __future__ import annotations

import hashlib

import numpy as np
import polars as pl

from decot.errors import LakeBroken


def frame_digest(frame: pl.DataFrame) -> str:
    """sha256 over every column's name, type, nulls and values, row order included.

    Raises:
        LakeBroken: for a column that is neither number, truth value nor text.
    """
    total = hashlib.sha256(f"decot-digest-1 {frame.height}".encode())
    for column in frame:
        total.update(f"\n{column.name}\t{column.dtype}\t{column.null_count()}\n".encode())
        if column.null_count():
            total.update(np.packbits(column.is_null().to_numpy()).tobytes())
        for part in _canonical(column):
            total.update(part)
    return total.hexdigest()


def _canonical(column: pl.Series) -> list[bytes]:
    if column.dtype == pl.String:
        texts = [text.encode() for text in column.fill_null("").to_list()]
        return [np.array([len(text) for text in texts], "<i8").tobytes(), b"".join(texts)]
    if column.dtype == pl.Boolean:
        return [np.packbits(column.fill_null(False).to_numpy()).tobytes()]
    if not column.dtype.is_numeric():
        raise LakeBroken(f"column {column.name} is {column.dtype}; store numbers, truth values or text")
    values = column.fill_null(0).to_numpy()
    return [np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()]


def combine(parts: dict[str, str]) -> str:
    """One digest of several named ones, whatever order they are given in."""
    listed = "\n".join(f"{name} {parts[name]}" for name in sorted(parts))
    return hashlib.sha256(f"decot-digest-1 of {len(parts)}\n{listed}".encode()).hexdigest()
