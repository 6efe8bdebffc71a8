"""How far long work is."""

from __future__ import annotations

from decot.report.progress import Step, Stopwatch, current, listening, say


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
