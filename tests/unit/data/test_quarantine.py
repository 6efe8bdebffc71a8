"""Quarantine: a bad day is kept with its reasons, outside the lake."""

from __future__ import annotations

import polars as pl
import pytest

from decot.data.lake import Lake
from decot.data.quarantine import (
    ACCEPT,
    decide,
    decided,
    decisions,
    forget,
    quarantined,
    release,
    set_aside,
    ways_out,
)
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
    text = (one.folder / "why.md").read_text()
    assert "2 rows were not stored" in text
    assert "- coverage is 0.2" in text
    assert pl.read_parquet(one.folder / "rows.parquet").equals(frame)
    assert quarantined(tmp_path) == [one]
    assert Lake(tmp_path).tables() == []
    assert release(tmp_path, "BTC/USD", "2026-01-05")
    assert not release(tmp_path, "BTC/USD", "2026-01-05")


def test_nothing_is_set_aside_without_a_reason(tmp_path):
    """A reason is demanded."""
    with pytest.raises(DataFault, match="say what failed"):
        set_aside(tmp_path, "bars", pl.DataFrame(), symbol="A", day="2026-01-05", failed=[])


def test_a_decision_holds_for_the_very_rows_it_was_made_about(tmp_path):
    """Accepted with a reason, the same rows pass; other rows of that day do not; a decision can be taken back."""
    frame = pl.DataFrame({"timestamp": [1, 2], "price": [1.0, 2.0]})
    one = set_aside(
        tmp_path, "bars", frame, symbol="BTC/USD", day="2026-01-05", failed=["longest_gap_s is 300"]
    )
    assert any("decot quarantine accept BTC/USD 2026-01-05" in line for line in ways_out([one]))
    made = decide(tmp_path, "BTC/USD", "2026-01-05", ACCEPT, "the venue paused")
    assert decided(tmp_path, "BTC/USD", "2026-01-05", frame) == made
    assert decided(tmp_path, "BTC/USD", "2026-01-05", frame.head(1)) is None
    assert made.failed == ("longest_gap_s is 300",)
    assert forget(tmp_path, "BTC/USD", "2026-01-05")
    assert decisions(tmp_path) == {}


def test_only_a_day_that_waits_can_be_decided_about_and_only_with_a_reason(tmp_path):
    """An unknown day is refused with those that wait; so is an empty reason."""
    frame = pl.DataFrame({"timestamp": [1]})
    set_aside(tmp_path, "bars", frame, symbol="A", day="2026-01-05", failed=["x"])
    with pytest.raises(DataFault, match="there are: A 2026-01-05"):
        decide(tmp_path, "A", "2026-01-06", ACCEPT, "why not")
    with pytest.raises(DataFault, match="say why"):
        decide(tmp_path, "A", "2026-01-05", ACCEPT, " ")
