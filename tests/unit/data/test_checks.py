"""Plausibility of a day: an ordinary one passes, each kind of bad one is named."""

from __future__ import annotations

import subprocess
import sys

import polars as pl
import pytest

from decot.data.bars import build_bars
from decot.data.checks import day_figures, plausible
from decot.data.worlds import WorldConfig, make_world


@pytest.fixture(scope="module")
def bars():
    return build_bars(make_world(WorldConfig(days=1, seconds_per_day=1_800)), 1_000)


def test_great_expectations_is_imported_only_when_a_day_is_judged():
    """Importing the module costs nothing heavy."""
    code = (
        "import sys, decot.data.checks; print('great_expectations' in sys.modules or 'pandas' in sys.modules)"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "False"
    )


def test_an_ordinary_day_passes_and_leaves_its_docs(bars, tmp_path):
    """Success, figures by name, and Data Docs on disk."""
    report = plausible(bars, history=[day_figures(bars)], docs_dir=tmp_path, name="bars X 2026-01-05")
    assert report.success
    assert report.failed == ()
    assert report.figures["coverage"] == 1.0
    assert report.docs_html.is_file()
    assert any("figures" in page.name for page in tmp_path.rglob("validations/**/*.html"))


def test_a_bad_day_says_everything_that_is_wrong(bars, tmp_path):
    """A stale feed, a silent market, a jump and a drifted volume are all named with their numbers."""
    row = pl.int_range(pl.len())
    bad = bars.with_columns(
        stale_ms=pl.when(row > 1_500).then((row - 1_500) * 1_000.0).otherwise(pl.col("stale_ms")),
        bid_price=pl.when(row == 700).then(pl.col("bid_price") * 0.8).otherwise(pl.col("bid_price")),
        volume=pl.when(row > 5).then(0.0).otherwise(pl.col("volume")),
    )
    report = plausible(bad, history=[day_figures(bars)], docs_dir=tmp_path)
    assert not report.success
    said = "\n".join(report.failed)
    for figure in (
        "coverage",
        "longest_gap_s",
        "end_stale_s",
        "largest_move_bps",
        "zero_volume_share",
        "volume_per_hour is",
    ):
        assert figure in said


def test_a_crossed_row_is_counted(bars, tmp_path):
    """Expectations on rows say how many rows fail which of them."""
    bad = bars.with_columns(
        ask_price=pl.when(pl.int_range(pl.len()) == 5).then(1.0).otherwise(pl.col("ask_price"))
    )
    report = plausible(bad, docs_dir=tmp_path)
    assert any("1 rows fail" in line for line in report.failed)
