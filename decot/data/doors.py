"""The door of every table: lawful rows pass, everything else is refused with all its faults. Knows no storage."""

from __future__ import annotations

import pandera.polars as pa
import polars as pl

from decot.errors import TableRefused
from schemas.tables import faults


def admit(frame: pl.DataFrame, model: pa.DataFrameSchema, where: str) -> pl.DataFrame:
    """The very same frame, once every law of its schema holds.

    Args:
        frame: an eager frame; a LazyFrame is a TypeError because its values would go unchecked.
        model: one of `schemas.tables.TABLES`.
        where: the door, for the message (e.g. "base BTC-USD 2026-01-06, before the lake").
    Raises:
        TableRefused: naming every broken rule, column, row and value.
    """
    broken = faults(frame, model)
    if broken:
        raise TableRefused(f"{where} ({model.name})", [str(fault) for fault in broken])
    return frame
