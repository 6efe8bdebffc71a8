"""Readings become columns only after they arrived, and only while they are young."""

import numpy as np
import pytest

from decot.context.mcp_readings import (
    McpColumn,
    McpConfig,
    Reading,
    context_columns,
    number_in,
    read_readings,
    write_reading,
)
from decot.errors import TapeRefused

BARS = 1_000 * np.arange(1, 11)
CFG = McpConfig(memory_s=4.0)


def test_a_reading_counts_from_its_arrival_until_it_is_old():
    """Arrived at 2.5 s, memory 4 s: bars 3 to 6 know it, the others are masked."""
    out = context_columns([Reading(2_500, (1.0, 2.0, 3.0, 4.0), True)], BARS, CFG)
    assert out["context_known"].tolist() == [0, 0, 1, 1, 1, 1, 0, 0, 0, 0]
    assert out["context_3"].tolist() == [0, 0, 4, 4, 4, 4, 0, 0, 0, 0]


def test_a_later_reading_changes_nothing_before_it():
    """Whatever arrives at 7 s, no bar before 7 s changes."""
    early = [Reading(2_500, (1.0, 0, 0, 0), True)]
    before = context_columns(early, BARS, CFG)
    after = context_columns([Reading(7_000, (9.0, 9, 9, 9), True), *early], BARS, CFG)
    for name in before:
        assert np.array_equal(before[name][:6], after[name][:6])
    assert after["context_0"][6] == 9


def test_a_masked_reading_erases_nothing():
    """A failure after an answer leaves the answer in force; nothing at all masks all."""
    out = context_columns([Reading(1_000, (1.0, 0, 0, 0), True), Reading(2_000, why="hung")], BARS, CFG)
    assert out["context_known"].tolist() == [1] * 5 + [0] * 5
    none = context_columns([Reading(1_000, why="hung")], BARS, CFG)
    assert all((column == 0).all() for column in none.values())


@pytest.mark.parametrize(
    "answer", [{"a": "x"}, {"a": True}, {"a": float("nan")}, {"a": 2e9}, {}, [], None, "text", {"a": None}]
)
def test_rubbish_is_no_number(answer):
    """Words, truths, not-a-numbers, giants and absences are refused with what they were."""
    with pytest.raises(ValueError, match="tool"):
        number_in(answer, McpColumn(column=0, tool="tool", path="a"))


def test_a_path_leads_to_the_number():
    """Names and indices joined by dots."""
    column = McpColumn(column=0, tool="t", path="data.1.v", scale=10)
    assert number_in({"data": [{}, {"v": 5}]}, column) == 0.5
    assert number_in(7, McpColumn(column=0, tool="t")) == 7.0


def test_readings_are_kept_as_they_were(tmp_path):
    """Written and read back equal; a damaged line is named."""
    path = tmp_path / "readings.jsonl"
    readings = [Reading(1, (0.1, 0.2, 0.3, 0.4), True), Reading(2, why="hung")]
    for reading in readings:
        write_reading(path, reading)
    assert read_readings(path) == readings
    path.write_text(path.read_text() + "{oops\n")
    with pytest.raises(TapeRefused, match="row 2"):
        read_readings(path)


def test_settings_are_checked_together():
    """Both ways at once, a column twice, a scale of 0: all said in one go."""
    column = McpColumn(column=1, tool="t", scale=0)
    faults = McpConfig(url="http://x", command=("y",), columns=(column, column)).faults()
    assert len(faults) == 3
