"""Recorded headlines: available no earlier than they could be read."""

from __future__ import annotations

import pytest

from decot.data.news import open_headlines
from decot.errors import TapeRefused


def test_a_stamp_by_the_minute_is_available_a_minute_later(tmp_path):
    """Without better knowledge a headline may only be used after its minute has ended."""
    file = tmp_path / "news.csv"
    file.write_text("ts,text\n2021-11-05 04:42:00,Bitcoin rises\n2021-11-05 04:43:00,It falls\n")
    frame = open_headlines(file)
    assert frame["published_ms"][0] == 1_636_087_320_000
    assert ((frame["available_ms"] - frame["published_ms"]) == 60_000).all()


def test_bad_headlines_are_refused(tmp_path):
    """An empty text, and one available before it was published."""
    file = tmp_path / "headlines.csv"
    file.write_text("published_ms,available_ms,source,text\n10,20,a,up\n30,25,a,down\n")
    with pytest.raises(TapeRefused, match="row 1: available before"):
        open_headlines(file)
    file.write_text("published_ms,available_ms,source,text\n10,20,a, \n")
    with pytest.raises(TapeRefused, match="row 0: no text"):
        open_headlines(file)


@pytest.mark.tapes
def test_the_recorded_headlines_open(tapes):
    """All of them, in order."""
    frame = open_headlines(tapes / "btc-news-2021-2024" / "news.parquet")
    assert frame.height == 9_961
    assert frame["available_ms"].is_sorted()
