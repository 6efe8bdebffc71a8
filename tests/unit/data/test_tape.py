"""RawTape: days and stretches of a tape."""

from __future__ import annotations

import polars as pl
import pytest

from decot.data.tape import BOOK, HEADLINES, TRADES, RawTape, empty
from decot.data.worlds import WorldConfig, make_world
from decot.errors import GapInData


def test_days_split_a_tape_without_loss():
    """The days of a tape, put together again, are the tape."""
    tape = make_world(WorldConfig(seconds_per_day=600))
    assert tape.days() == ["2026-01-05", "2026-01-06"]
    parts = [tape.day(day) for day in tape.days()]
    assert pl.concat([part.book for part in parts]).equals(tape.book)
    assert pl.concat([part.trades for part in parts]).equals(tape.trades)


def test_headlines_of_the_past_stay_with_a_later_day():
    """A headline known yesterday is still known today; one of tomorrow is not."""
    tape = make_world(WorldConfig(seconds_per_day=600))
    first, second = (tape.day(day) for day in tape.days())
    assert second.headlines.height == tape.headlines.height
    assert first.headlines.height < second.headlines.height


def test_an_empty_tape_says_so():
    """A tape that holds nothing has no span and says why."""
    tape = RawTape(
        symbol="X",
        venue="none",
        trades=empty(TRADES),
        book=empty(BOOK),
        candles=None,
        headlines=empty(HEADLINES),
        meta={},
    )
    with pytest.raises(GapInData, match="no book, trade or candle"):
        tape.span_us()
