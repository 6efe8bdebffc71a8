"""A live session from Prefect, on a real server: started, observed, stopped, killed, begun again, cancelled."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks import live_home
from decot.data.exchange.venue import serve
from decot.data.worlds import WorldConfig, make_world
from decot.errors import ConfigError, RiskHalt
from decot.experiment import supervise
from decot.live.kill import release
from decot.live.record import read
from decot.live.snapshot import read_lines, read_snapshot

SPEED = 20.0
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def prefect_server():
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=180):
        yield


@pytest.fixture(scope="module")
def stretch():
    return live_home.Stretch.of(make_world(WorldConfig(days=1, seconds_per_day=12_000, seed=5)), 40, 160)


@pytest.fixture(scope="module")
def home(tmp_path_factory, stretch):
    home = tmp_path_factory.mktemp("home")
    live_home.make(home, stretch.before, is_watched=False)
    yield home
    for folder in (home / "live").iterdir():  # a test that failed leaves nobody behind
        if (pid := supervise.running(home, folder.name)) is not None:
            os.kill(pid, signal.SIGKILL)


@contextmanager
def venue(stretch):
    """The loopback venue in a thread of its own."""
    held, ready, over = {}, threading.Event(), threading.Event()

    async def run():
        async with serve(stretch.now, live_home.FREE, speed=SPEED, wait_streams=0) as opened:
            held["venue"] = opened
            ready.set()
            while not over.is_set():
                await asyncio.sleep(0.05)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    assert ready.wait(60)
    try:
        yield held["venue"]
    finally:
        over.set()
        thread.join(30)


def ordered(home: Path, opened, session: str, **more):
    from decot.gate.registry import Registry

    digest = Registry(home / "registry").entries()[0].digest
    common = {"mode": "live", "rules": "binance-spot/BTC-USDT", "speed": SPEED, "warm_bars": 5}
    return {
        "digest": digest[:12],
        "home": str(home),
        "session": session,
        "venue_port": opened.port,
        **common,
        **more,
    }


def meanwhile(work):
    told = {}

    def run():
        try:
            told["said"] = work()
        except BaseException as error:  # noqa: BLE001  handed to the test
            told["error"] = error
            traceback.print_exc()

    thread = threading.Thread(target=run)
    thread.start()
    return thread, told


def trading(home: Path, session: str, n_fills: int = 1, patience_s: float = 90.0) -> None:
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        shown = read_snapshot(home, session)
        if shown is not None and shown.n_fills >= n_fills:
            return
        time.sleep(0.05)
    raise AssertionError((home / "live" / session / "worker.log").read_text()[-2_000:])


def test_a_session_is_started_observed_crashes_and_is_stopped_by_flows(prefect_server, home, stretch):
    """One flow looks after it and begins it again when killed; another observes, another stops it; the report comes back."""
    from flows.live import live, observe, stop

    with venue(stretch) as opened:

        def person():
            trading(home, "f1", 2)
            seen = observe("f1", str(home))
            os.kill(seen["pid"], signal.SIGKILL)
            until = time.monotonic() + 60
            while supervise.running(home, "f1") in (None, seen["pid"]) and time.monotonic() < until:
                time.sleep(0.05)
            again = supervise.running(home, "f1")
            until = time.monotonic() + 90
            while 1 not in read(home / "live" / "f1").lives() and time.monotonic() < until:
                time.sleep(0.05)
            return seen, again, stop("f1", str(home))

        thread, told = meanwhile(person)
        said = live(**ordered(home, opened, "f1"))
        thread.join(60)
        seen, again, stopped = told["said"]
        assert seen["is_running"]
        assert seen["n_bars"] > 0
        assert again not in (None, seen["pid"])
        assert stopped["is_running"] is False
        assert (said["state"], said["is_flat"]) == ("flat", True)
        assert said["why"] == "asked to stop by prefect: a stop was asked for"
        assert [life["life"] for life in said["replay"]["lives"]] == [0, 1]
        assert said["replay"]["n_same"] == said["replay"]["n_decisions"] == said["bars"]
        assert "NOT WATCHED" in said["monitor"]
        assert "NOT WATCHED" in (home / "live" / "f1" / "worker.log").read_text()
        assert float(opened.desk.free["BTC"]) * 90_000 < 5
        assert supervise.look(home, "f1")["last_event"]["is_flat"]
    with pytest.raises(ConfigError, match="no name of a folder"):
        live(**ordered(home, opened, "../f1"))


def test_the_switch_is_pulled_from_prefect(prefect_server, home, stretch):
    """The kill flow halts the session within a second; the run that looked after it fails and says why."""
    from flows.live import kill, live

    with venue(stretch) as opened:

        def person():
            trading(home, "f2")
            return kill("a drill from Prefect", str(home))

        thread, told = meanwhile(person)
        with pytest.raises(RiskHalt, match="a drill from Prefect"):
            live(**ordered(home, opened, "f2"))
        thread.join(60)
    assert (told["said"]["who"], told["said"]["why"]) == ("prefect", "a drill from Prefect")
    last = read_lines(home, "f2", "events")[-1]
    assert (last["state"], last["is_flat"]) == ("halted", True)
    assert last["stop_s"] < 1.0
    assert release(home)


def test_a_stop_reaches_a_worker_that_is_only_being_begun_again(prefect_server, home, stretch):
    """Killed while it holds something, stopped as its next life begins: sold, ended, not begun once more."""
    from flows.live import live, stop

    with venue(stretch) as opened:

        def person():
            trading(home, "f4", 1)
            until = time.monotonic() + 60
            while not read_snapshot(home, "f4").position and time.monotonic() < until:
                time.sleep(0.005)
            first = supervise.running(home, "f4")
            os.kill(first, signal.SIGKILL)
            while supervise.running(home, "f4") in (None, first) and time.monotonic() < until:
                time.sleep(0.001)
            return supervise.running(home, "f4"), stop("f4", str(home))

        thread, told = meanwhile(person)
        said = live(**ordered(home, opened, "f4"))
        thread.join(60)
        again, stopped = told["said"]
        assert again is not None
        assert stopped["is_running"] is False
        assert (said["state"], said["is_flat"]) == ("flat", True)
        time.sleep(1.5)  # longer than whoever looks after it takes to look
        assert supervise.running(home, "f4") is None
        assert float(opened.desk.free["BTC"]) * 90_000 < 5
        assert not opened.desk.open_orders()


def test_a_cancelled_run_takes_its_worker_out_of_the_market_first(prefect_server, home, stretch):
    """What a runner does to cancel (SIGTERM to the process of the run): the worker leaves, flat, and is gone."""
    with venue(stretch) as opened:
        code = "import json, sys; from flows.live import live; live(**json.loads(sys.argv[1]))"
        run = subprocess.Popen([sys.executable, "-c", code, json.dumps(ordered(home, opened, "f3"))])
        trading(home, "f3")
        run.send_signal(signal.SIGTERM)
        assert run.wait(60) != 0
    assert supervise.running(home, "f3") is None
    last = read_lines(home, "f3", "events")[-1]
    assert (last["state"], last["is_flat"]) == ("flat", True)


def test_no_parameter_holds_a_key(home, stretch, monkeypatch):
    """What is ordered can be shown to anybody: key and secret come from the environment of the worker alone."""
    monkeypatch.setenv("DECOT_API_KEY", "KEYthatnobodyhas")
    monkeypatch.setenv("DECOT_API_SECRET", "SECRETthatnobodyhas")
    words = supervise.Wanted(home=str(home), digest="abcdef01", mode="live").words()
    assert "--live" in words
    assert not any("thatnobodyhas" in word for word in words)
    faults = supervise.Wanted(home="x", digest="a", mode="both", session="/x").faults()
    assert len(faults) == 3
