"""A stop reaches a session whatever its worker is doing: starting, trading, dead, begun again by somebody else."""

from __future__ import annotations

import logging
import os
import random
import signal
import sys
import threading
import time

import pytest

from decot.errors import ConfigError, VenueUnavailable
from decot.experiment import supervise
from decot.experiment.supervise import Wanted
from decot.live import wish
from decot.live.snapshot import live_folder

WORKER = """
import json, os, pathlib, sys, time
words = sys.argv[1:]
folder = pathlib.Path(words[words.index("--home") + 1]) / "live" / words[words.index("--session") + 1]
with (folder / "starts").open("a") as file: file.write("begun\\n")
if os.environ.get("REFUSES"): sys.exit(1)
time.sleep(0.15)  # what imports take
(folder / "journal.sqlite").touch()
if not (folder / "STOP").exists(): (folder / "held").touch()
while not (folder / "STOP").exists(): time.sleep(0.002)
(folder / "held").unlink(missing_ok=True)
(folder / "STOP").unlink()
time.sleep(0.02)  # what the report takes
print(json.dumps({"state": "flat", "why": "asked", "is_flat": True}))
"""
"""stands for `decot trade`: takes time to start, holds something while it runs, leaves when the wish is there"""


@pytest.fixture(autouse=True)
def stand_in(tmp_path, monkeypatch):
    path = tmp_path / "worker.py"
    path.write_text(WORKER)
    monkeypatch.setattr(supervise, "PROGRAM", (sys.executable, "-I", "-S", str(path)))
    yield
    if (pid := supervise.running(tmp_path, "s")) is not None:  # a test that failed leaves nobody behind
        os.kill(pid, signal.SIGKILL)


def wanted(home) -> Wanted:
    return Wanted(home=str(home), digest="abcdef01", session="s")


def starts(home) -> int:
    return (live_folder(home) / "s" / "starts").read_text().count("begun")


def holds(home) -> bool:
    return (live_folder(home) / "s" / "held").exists()


def until(is_so, patience_s=20.0):
    end = time.monotonic() + patience_s
    while not is_so():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.002)


@pytest.mark.parametrize("after_ms", [0, 1, 3, 10, 30, 100, 140, 150, 160, 300])
def test_a_stop_at_any_instant_after_the_start_is_kept(tmp_path, after_ms):
    """Also in the first milliseconds: the worker leaves, reports, and is not begun again."""
    kept = supervise.begin(wanted(tmp_path))
    time.sleep(after_ms / 1_000)
    told = supervise.stop(tmp_path, "s", 20)
    until(lambda: not kept.is_alive)
    assert told["is_running"] is False
    assert kept.report()["is_flat"]
    assert kept.process.returncode == 0  # it ended by itself, no signal ended it
    assert not holds(tmp_path)
    assert not wish.is_asked(tmp_path, "s")
    late = supervise.begin(
        wanted(tmp_path), n_starts=2
    )  # who looked after it is late: what has ended stays ended
    assert not late.is_alive
    assert late.report()["is_flat"]
    assert starts(tmp_path) == 1


def test_a_worker_that_died_holding_something_is_begun_again_to_leave(tmp_path):
    """Nobody looks after it any more: the stop itself sees to it that nothing is held."""
    kept = supervise.begin(wanted(tmp_path))
    until(lambda: holds(tmp_path))
    kept.process.kill()
    kept.process.wait()
    supervise.stop(tmp_path, "s", 20)
    assert (holds(tmp_path), starts(tmp_path)) == (False, 2)
    assert supervise.stop(tmp_path, "s", 20)["is_running"] is False
    assert starts(tmp_path) == 2


def test_one_that_cannot_be_begun_again_is_told_of(tmp_path, monkeypatch):
    """Nobody knows what it holds: that is an error, and the wish stands for whoever mends it."""
    kept = supervise.begin(wanted(tmp_path))
    until(lambda: holds(tmp_path))
    kept.process.kill()
    kept.process.wait()
    monkeypatch.setenv("REFUSES", "1")
    with pytest.raises(VenueUnavailable, match="nobody knows what it holds"):
        supervise.stop(tmp_path, "s", 20)
    assert wish.is_asked(tmp_path, "s")
    monkeypatch.delenv("REFUSES")
    supervise.begin(wanted(tmp_path))  # ordered anew: the old wish is over
    until(lambda: holds(tmp_path))
    supervise.stop(tmp_path, "s", 20)
    assert not holds(tmp_path)


def test_a_session_that_hangs_is_not_killed(tmp_path):
    """After its patience the stop says so; the worker is still there, and so is the wish."""
    kept = supervise.begin(wanted(tmp_path))
    until(lambda: holds(tmp_path))
    kept.process.send_signal(signal.SIGSTOP)
    with pytest.raises(VenueUnavailable, match="still there"):
        supervise.stop(tmp_path, "s", 0.3)
    assert wish.is_asked(tmp_path, "s")
    kept.process.send_signal(signal.SIGCONT)
    assert kept.process.wait(20) == 0


def test_what_is_no_session_is_neither_stopped_nor_begun(tmp_path):
    """A name that was never used leaves no folder behind."""
    assert supervise.stop(tmp_path, "nobody")["is_running"] is False
    assert not (live_folder(tmp_path) / "nobody").exists()
    with pytest.raises(ConfigError, match="no name of a folder"):
        supervise.begin(Wanted(home=str(tmp_path), digest="abcdef01", session="../s"))


@pytest.fixture
def looked_after(monkeypatch):
    """`look after` without Prefect, in a thread; what it gave back or raised."""
    from tasks import live as todo

    monkeypatch.setattr(todo, "LOOK_S", 0.01)
    monkeypatch.setattr(todo, "get_run_logger", lambda: logging.getLogger("test"))
    monkeypatch.setattr(todo, "create_markdown_artifact", lambda *a, **k: None)

    def run(home):
        told = {}

        def work():
            try:
                told["said"] = todo.look_after.fn(wanted(home))
            except BaseException as error:  # noqa: BLE001  handed to the test
                told["error"] = error

        thread = threading.Thread(target=work)
        thread.start()
        return thread, told

    return run


@pytest.mark.parametrize("seed", range(6))
def test_killed_and_stopped_at_random_instants_it_ends_once_and_for_all(tmp_path, looked_after, seed):
    """One looks after it, another kills its workers, a third stops it: nothing is held, and nothing is begun afterwards."""
    dice = random.Random(seed)
    thread, told = looked_after(tmp_path)
    until(lambda: (live_folder(tmp_path) / "s" / "starts").exists())
    is_over = threading.Event()

    def fate():
        for _ in range(2):
            if is_over.wait(dice.uniform(0.0, 0.25)):
                return
            if (pid := supervise.running(tmp_path, "s")) is not None:
                os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=fate)
    killer.start()
    time.sleep(dice.uniform(0.0, 0.5))
    supervise.stop(tmp_path, "s", 30)
    is_over.set()
    begun = starts(tmp_path)
    killer.join(30)
    thread.join(30)
    assert not thread.is_alive()
    assert told["said"]["is_flat"]
    time.sleep(0.2)
    assert (holds(tmp_path), starts(tmp_path), supervise.running(tmp_path, "s")) == (False, begun, None)


def test_a_signal_that_ends_a_starting_worker_is_a_stop(tmp_path, looked_after):
    """A person's `kill`, while Python is still importing: not a crash after which it would trade again."""
    thread, told = looked_after(tmp_path)
    until(lambda: supervise.running(tmp_path, "s") is not None)
    os.kill(supervise.running(tmp_path, "s"), signal.SIGTERM)
    thread.join(30)
    assert told["said"]["is_flat"]
    assert not holds(tmp_path)
    assert starts(tmp_path) <= 2


def test_a_wish_that_cannot_be_read_still_counts(tmp_path):
    """Whatever stands in the file, somebody put it there."""
    wish.ask(tmp_path, "s", who="me", why="enough")
    assert wish.ask(tmp_path, "s", who="you", why="later").who == "me"
    wish.paper(tmp_path, "s").write_text("{")
    assert wish.asked(tmp_path, "s").why == "a wish that cannot be read"
    assert wish.forget(tmp_path, "s")
    assert not wish.forget(tmp_path, "s")
