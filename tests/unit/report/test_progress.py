"""How far long work is."""

from __future__ import annotations

from decot.report import progress
from decot.report.progress import Step, Stopwatch, bars, current, left_of, listening, say


def test_whoever_listens_hears_and_nobody_pays_otherwise():
    """Steps reach the innermost listener; outside of it nothing happens."""
    say("train", 1, 2)
    heard: list[Step] = []
    with listening(heard.append):
        say("train", 1, 2, "half")
        with listening(lambda step: None):
            say("train", 2, 2)
    assert heard == [Step("train", 1, 2, "half")]
    assert current() is None


def test_the_stopwatch_adds_up_each_stage():
    """Every stage that spoke has its seconds; coming back to a stage adds to it."""
    watch = Stopwatch(None)
    for stage in ("ingest", "train", "ingest"):
        watch(Step(stage, 0, 1))
    seconds = watch.stop()
    assert set(seconds) == {"ingest", "train"}
    assert all(value >= 0 for value in seconds.values())


def test_the_time_left_is_told_where_it_can_be_known():
    """By hand: two of eight in 60 s leave six in 180 s; nothing is guessed before the first or after the last."""
    assert left_of(60.0, 2, 6) == "  (about 3 min left)"
    assert left_of(10.0, 1, 5) == "  (about 50 s left)"
    assert left_of(60.0, 0, 6) == left_of(60.0, 8, 0) == left_of(1.0, 1, 2) == ""


def test_a_log_is_told_the_time_left_too(capsys, monkeypatch):
    """Without a terminal: plain lines, one a tenth, with what is left; counted from where the stage began today."""
    moments = iter([0.0, 0.0, 60.0, 60.0])
    monkeypatch.setattr(progress.clock, "stopwatch", lambda: next(moments))
    with bars() as listen:
        listen(Step("train", 4, 10, "kept from before"))
        listen(Step("train", 6, 10, "two more"))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].endswith("kept from before")
    assert lines[1].endswith("two more  (about 2 min left)")
