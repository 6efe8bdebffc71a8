"""Quarantine: a bad day is kept with its reasons, outside the lake."""

from __future__ import annotations

import polars as pl
import pytest

from decot.data.lake import Lake
from decot.data.quarantine import quarantined, release, set_aside
from decot.errors import DataFault


def test_a_bad_day_waits_beside_the_lake_with_its_reasons(tmp_path):
    """Rows and a readable report are there, the lake does not know them, and a good day releases them."""
    frame = pl.DataFrame({"timestamp": [1, 2], "price": [1.0, -1.0]})
    one = set_aside(
        tmp_path,
        "bars",
        frame,
        symbol="BTC/USD",
        day="2026-01-05",
        failed=["coverage is 0.2"],
        figures={"coverage": 0.2},
    )
    text = (one.folder / "report.md").read_text()
    assert "2 rows were not stored" in text
    assert "- coverage is 0.2" in text
    assert pl.read_parquet(one.folder / "rows.parquet").equals(frame)
    assert quarantined(tmp_path) == [one]
    assert Lake(tmp_path).tables() == []
    assert release(tmp_path, "bars", "BTC/USD", "2026-01-05")
    assert not release(tmp_path, "bars", "BTC/USD", "2026-01-05")


def test_nothing_is_set_aside_without_a_reason(tmp_path):
    """A reason is demanded."""
    with pytest.raises(DataFault, match="say what failed"):
        set_aside(tmp_path, "bars", pl.DataFrame(), symbol="A", day="2026-01-05", failed=[])
