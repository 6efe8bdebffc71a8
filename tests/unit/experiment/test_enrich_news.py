"""Headlines from outside join a recorded market, each at the moment it could be read."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from decot.data.tape import HEADLINES, empty
from decot.data.worlds import WorldConfig, make_world
from decot.errors import ConfigError, TapeRefused
from decot.experiment import news
from decot.experiment.config import Experiment, NewsConfig
from decot.experiment.order import Order

TAPE = make_world(WorldConfig(days=1, seconds_per_day=1_800))
BEGAN = int(TAPE.book["recv_us"][0]) // 1_000


def headlines(path, rows):
    pl.DataFrame(rows, schema=["published_ms", "available_ms", "text"], orient="row").write_csv(path)
    return path


def joined(path, **settings):
    return news.join(Experiment(news=NewsConfig(path=str(path), **settings)), TAPE)


def test_published_and_available_are_kept_apart(tmp_path):
    """A headline known an hour late keeps both times; one without availability gets the assumed delay."""
    path = headlines(
        tmp_path / "n.csv", [(BEGAN - 3_600_000, BEGAN + 60_000, "late"), (BEGAN, None, "Without a time")]
    )
    found = news.join(
        Experiment(news=NewsConfig(path=str(path))), replace(TAPE, headlines=empty(HEADLINES))
    ).headlines
    assert found["text"].to_list() == ["late", "Without a time"]
    assert found["published_ms"].to_list() == [BEGAN - 3_600_000, BEGAN]
    assert found["available_ms"].to_list() == [BEGAN + 60_000] * 2


def test_news_after_the_tape_and_long_before_it_is_left_out(tmp_path):
    """Only what was available from a week before the start to the end joins the tape's own headlines."""
    day = 86_400_000
    path = headlines(
        tmp_path / "n.csv",
        [(BEGAN + s, BEGAN + s, f"number {i}") for i, s in enumerate((-30 * day, -day, 1_000, 2 * day))],
    )
    found = joined(path).headlines
    assert found.filter(pl.col("text").str.starts_with("number"))["text"].to_list() == [
        "number 1",
        "number 2",
    ]
    own = set(TAPE.headlines["text"])
    assert own < set(found["text"])
    assert len(own) < TAPE.headlines.height, "the world repeats itself, the joined table does not"
    assert found["available_ms"].is_sorted()


def test_a_broken_file_is_refused_by_row(tmp_path):
    """A time that is none names file and row."""
    path = tmp_path / "n.csv"
    path.write_text("published_at,text\nsome day,Bitcoin rises\n")
    with pytest.raises(TapeRefused, match=r"n\.csv"):
        joined(path)


def test_a_feed_joins_too(tmp_path):
    """An RSS file brings its items, with their dates."""
    path = tmp_path / "feed.rss"
    path.write_text(
        "<rss><channel><title>outside</title><item><title>Exchange halts</title>"
        "<pubDate>Mon, 05 Jan 2026 00:05:00 GMT</pubDate></item></channel></rss>"
    )
    found = joined(path).headlines.filter(pl.col("source") == "outside")
    assert (found["available_ms"] - found["published_ms"]).to_list() == [60_000]


def test_what_the_encoder_may_have_seen_is_counted():
    """Headlines up to its last training day are counted; a stand-in has seen none."""
    old, new = 1_600_000_000_000, 1_767_000_000_000
    frame = pl.DataFrame(
        {
            "published_ms": [old, new],
            "available_ms": [old + 5_000, new + 5_000],
            "source": "s",
            "text": ["a", "b"],
        }
    )
    told = news.figures(Experiment(), frame, False)
    assert (told["headlines"], told["possibly_seen"], told["median_delay_s"]) == (2, 1, 5.0)
    assert told["trained_until"] == "2022-06-16"
    assert news.figures(Experiment(), frame, True)["possibly_seen"] == 0
    assert news.figures(Experiment(), None, False)["headlines"] == 0


def test_news_needs_a_recorded_market():
    """A world brings its own headlines: a file beside it is refused; with a tape it reaches the profile."""
    with pytest.raises(ConfigError, match="give --tape"):
        Experiment.of(Order(news="n.csv"))
    assert Experiment.of(Order(news="n.csv", tape="t")).news.path == "n.csv"
