"""The door: lawful frames pass untouched, others are refused with all their faults."""

from __future__ import annotations

import polars as pl
import pytest

from decot.data.doors import admit
from decot.data.worlds import WorldConfig, make_world
from decot.errors import TableRefused
from schemas.tables import RawBook


@pytest.fixture(scope="module")
def book():
    return make_world(WorldConfig(days=1, seconds_per_day=60)).book


def test_a_lawful_frame_passes_untouched(book):
    """What is admitted is the very same frame."""
    assert admit(book, RawBook, "test") is book


def test_all_faults_come_in_one_message(book):
    """Two broken rules are two lines, each with its column and row."""
    row = pl.int_range(pl.len())
    bad = book.with_columns(
        bid=pl.when(row == 3).then(-1.0).otherwise(pl.col("bid")),
        ask_qty_5=pl.when(row == 7).then(float("nan")).otherwise(pl.col("ask_qty_5")),
    )
    with pytest.raises(TableRefused) as refused:
        admit(bad, RawBook, "raw book X")
    text = str(refused.value)
    assert "raw book X" in text
    assert "bid, row 3" in text
    assert "ask_qty_5, row 7" in text


def test_a_lazy_frame_is_not_let_through_unchecked(book):
    """A LazyFrame would only have its names checked, so it is a TypeError."""
    with pytest.raises(TypeError, match="collect"):
        admit(book.lazy(), RawBook, "test")
