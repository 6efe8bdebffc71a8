"""The page of the columns: every column once, said in words; nothing said of a column that is not there."""

from __future__ import annotations

import columns

from schemas.columns import BASE_COLUMNS, EXTENSION


def test_every_base_column_has_words():
    """The 41 names of the page are those of the schema, in its order."""
    said = columns.words()["base"]
    assert tuple(said) == BASE_COLUMNS
    assert min(len(text) for text in said.values()) > 20


def test_every_extension_column_belongs_to_one_line():
    """The families cover the extension exactly: none forgotten, none twice."""
    covered = [name for line in columns.words()["more"] for name in columns.family(line)]
    assert sorted(covered) == sorted(EXTENSION)


def test_the_page_shows_types_and_laws():
    """Ranges come from the pandera schema and laws from schemas.laws."""
    page = columns.page()
    assert "| `rsi_14`" in page.replace('<span id="rsi_14"></span>', "")
    assert "between 0 and 100" in page
    assert "low ≤ open, close ≤ high" in page
    assert page.count("| int8 |") == 9
