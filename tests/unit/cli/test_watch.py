"""The commands for watching: what a person types, and what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from typer.testing import CliRunner

from decot.cli.watch import app
from decot.live.context_buffer import read_events

RUN = CliRunner()


def test_an_event_is_written_down(tmp_path):
    """The word is guessed, shown as the sentence will show it, and lies in the home for so long."""
    done = RUN.invoke(
        app, ["event", "heavy selling reported", "--for", "5m", "--home", str(tmp_path), "--json"]
    )
    assert done.exit_code == 0
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["says"] == 'The operator says bad news ("heavy selling reported").'
    assert [(one.answer, one.for_s) for one in read_events(tmp_path)] == [("bad news", 300.0)]


@pytest.mark.parametrize(
    ("more", "code", "told"),
    [
        (["--for", "soon"], 2, "no length of time"),
        (["--for", "2h"], 1, "not within 0 and 3600"),
        (["--says", "terrible"], 1, "choose one of no news, bad news, plain news, good news"),
        (["--question", "weather"], 1, "choose one of flow"),
    ],
)
def test_an_event_that_cannot_be_is_refused(tmp_path, more, code, told):
    """The error names what would do, and nothing is written."""
    done = RUN.invoke(app, ["event", "x", "--home", str(tmp_path), *more])
    assert done.exit_code == code
    assert told in done.output
    assert read_events(tmp_path) == []


def test_the_dashboard_runs_as_a_command(tmp_path):
    """It prints an address with a token, answers there and nowhere without it, and ends at Ctrl-C."""
    pytest.importorskip("uvicorn", reason="the extra is not installed: pip install 'decot[dashboard]'")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = f"from decot.cli.watch import app; app(['dashboard', '--home', {str(tmp_path)!r}, '--port', '{port}'])"
    child = subprocess.Popen(
        [sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, env={**os.environ}
    )
    try:
        address = child.stderr.readline().strip()
        assert address.startswith(f"http://127.0.0.1:{port}/?token=")
        patience = time.monotonic() + 30
        while True:
            try:
                with urllib.request.urlopen(address, timeout=5) as answer:
                    assert answer.status == 200
                break
            except urllib.error.URLError:
                assert time.monotonic() < patience, "nobody answered"
                time.sleep(0.1)
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(address.split("?")[0], timeout=5)
    finally:
        child.send_signal(signal.SIGINT)
        assert child.wait(20) in (0, -2, 130)
        child.stderr.close()


def test_an_agent_that_is_not_there_cannot_be_watched(tmp_path):
    """The error names the agent and the exit code is 1; bad rates are refused before anything is read."""
    done = RUN.invoke(app, ["monitor", "3f2a9c", "--home", str(tmp_path), "--quiet"])
    assert done.exit_code == 1
    assert "3f2a9c" in done.output
    done = RUN.invoke(app, ["monitor", "3f2a9c", "--home", str(tmp_path), "--flat-per-day", "2"])
    assert done.exit_code == 1
    assert "above reduce_per_day" in done.output
