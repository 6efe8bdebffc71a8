"""Headlines that come while something runs: from a file that grows, in a thread that never stops the session."""

from __future__ import annotations

import json
import time

import polars as pl
import pytest

from decot.errors import CheckpointRefused
from decot.experiment.config import NewsConfig
from decot.experiment.ears import Ears

DAY_MS = 86_400_000
NOW_MS = 1_767_571_200_000


def line(k: int, at_ms: int = NOW_MS) -> dict:
    return {"published_ms": at_ms + k, "available_ms": at_ms + k, "source": "wire", "text": f"headline {k}"}


def write(path, rows):
    draft = path.with_suffix(".part")
    draft.write_text("".join(json.dumps(row) + "\n" for row in rows))
    draft.replace(path)


@pytest.fixture
def heard():
    """What was heard, by text; each once."""
    texts: list[str] = []

    def hear(frame: pl.DataFrame) -> int:
        new = [text for text in frame["text"].to_list() if text not in texts]
        texts.extend(new)
        return len(new)

    hear.texts = texts
    return hear


def until(is_so, patience_s=20.0):
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() - began < patience_s
        time.sleep(0.02)


def test_what_is_there_is_heard_at_once_and_what_is_added_soon(tmp_path, heard):
    """Lake and file at the start, then every line that is added; what is older than the history is left out."""
    file = tmp_path / "news.jsonl"
    write(file, [line(0, NOW_MS - 9 * DAY_MS), line(1)])
    lake = pl.DataFrame([line(7)])
    with Ears(heard, file, NewsConfig(history_days=7.0), NOW_MS, before=lake, every_s=0.02) as ears:
        assert heard.texts == ["headline 7", "headline 1"]
        write(file, [line(1), line(2), line(3)])
        until(lambda: len(heard.texts) == 4)
    assert ears.n_heard == 4
    write(file, [line(1), line(2), line(3), line(4)])
    time.sleep(0.1)
    assert len(heard.texts) == 4, "it listens no more"


def test_a_broken_file_is_said_and_tried_again(tmp_path, heard):
    """The session goes on; the trouble has a name until the file can be read again."""
    file = tmp_path / "news.jsonl"
    with Ears(heard, file, NewsConfig(), NOW_MS, every_s=0.02) as ears:
        file.write_text("{ this is no headline\n")
        until(lambda: "TapeRefused" in ears.trouble)
        write(file, [line(5)])
        until(lambda: heard.texts == ["headline 5"])
        until(lambda: ears.trouble == "")


def test_the_wrong_encoder_stops_the_start(tmp_path):
    """What cannot be heard at all is said before anything trades."""
    file = tmp_path / "news.jsonl"
    write(file, [line(1)])

    def hear(frame):
        raise CheckpointRefused("another encoder")

    with pytest.raises(CheckpointRefused, match="another encoder"):
        Ears(hear, file, NewsConfig(), NOW_MS).__enter__()
