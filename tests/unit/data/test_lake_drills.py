"""Drills on the lake with real processes: two writers at once, and kill -9 at random moments."""

from __future__ import annotations

import importlib.util
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from decot.data.lake import Lake

WRITER = Path(__file__).with_name("lake_writer.py")
_spec = importlib.util.spec_from_file_location("lake_writer", WRITER)
lake_writer = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(lake_writer)

ENV = {**os.environ, "POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1", "TOKIO_WORKER_THREADS": "1"}


def writer(root, prefix, rows=2_000, days=6):
    """A real process filling the lake; returns once it is about to write."""
    command = [sys.executable, str(WRITER), str(root), prefix, str(rows), str(days)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENV)
    assert process.stdout.readline() == "ready\n"
    return process


def assert_readable(lake, rows=2_000):
    """Every table opens, every Ref's digest holds, and every stored day is exactly a day of the writer."""
    for name in lake.tables():
        for symbol in lake.symbols(name):
            frame = lake.check(lake.ref(name, symbol))
            days = sorted((frame["timestamp"] // lake_writer.DAY_MS).unique().to_list())
            assert frame.height == rows * len(days)
            for k, day in enumerate(days):
                assert frame.slice(k * rows, rows).equals(lake_writer.day_frame(symbol, day, rows))


def drill(tmp_path, kills, seed):
    """Kill a writer until `kills` have landed; each time the lake is readable, in the end it is as if never killed."""
    whole = tmp_path / "whole"
    started = time.monotonic()
    lake_writer.fill(str(whole), "k", 2_000, 6)
    lasts = time.monotonic() - started
    wanted = {(n, s): Lake(whole).ref(n, s) for n in ("base", "features") for s in ("k-1", "k-2")}

    rng, landed, finished = random.Random(seed), 0, 0
    root = tmp_path / "0"
    while landed < kills:
        process = writer(root, "k")
        time.sleep(rng.uniform(0.0, 0.6 * lasts))
        killed = process.poll() is None
        process.send_signal(signal.SIGKILL) if killed else None
        killed = process.wait() == -signal.SIGKILL
        process.stdout.close()
        landed += killed
        assert_readable(Lake(root))
        if not killed:
            assert {key: Lake(root).ref(*key) for key in wanted} == wanted
            finished += 1
            root = tmp_path / str(finished)
    lake_writer.fill(str(root), "k", 2_000, 6)
    assert {key: Lake(root).ref(*key) for key in wanted} == wanted
    return landed, finished


def test_two_writers_at_once_lose_nothing(tmp_path):
    """Two processes fill the same tables; every commit of both is there and readable."""
    processes = [writer(tmp_path, prefix) for prefix in ("a", "b")]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    for process in processes:
        process.stdout.close()
    lake = Lake(tmp_path)
    assert_readable(lake)
    assert lake.symbols("base") == ["a-1", "a-2", "b-1", "b-2"]
    assert len(lake.history("base")) == 2 * 2 * 6
    assert len(lake.history("features")) == 4


def test_a_killed_writer_leaves_a_readable_lake(tmp_path):
    """Five kills at random moments (the long drill has a hundred): readable each time, equal after resuming."""
    landed, _ = drill(tmp_path, 5, seed=1)
    assert landed == 5


@pytest.mark.slow
def test_a_hundred_kills_leave_no_torn_write(tmp_path):
    """A hundred kills -9: no torn table, no lost day, and the resumed lake equals the uninterrupted one, Ref for Ref."""
    landed, finished = drill(tmp_path, 100, seed=2)
    print(f"kills {landed}, lakes finished between them {finished}, torn 0")
    assert landed == 100
