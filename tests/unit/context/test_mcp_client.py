"""A real MCP server that answers, hangs, dies and babbles: the pipeline goes on, and nobody waits past the box."""

import logging
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("mcp")

from decot.context.mcp_client import McpFeed
from decot.context.mcp_readings import McpColumn, McpConfig

ODD = Path(__file__).with_name("mcp_odd_server.py")
COLUMNS = (
    McpColumn(
        column=0, tool="fear", path="index.value", arguments={"symbol": "BTC"}, scale=100, low=0, high=100
    ),
    McpColumn(column=2, tool="mood"),
)
SLACK_S = 0.5


def over_stdio(manner: str, **settings) -> McpConfig:
    command = (sys.executable, str(ODD), manner, "stdio", "0")
    return McpConfig(command=command, columns=COLUMNS, **settings)


@pytest.fixture
def feed():
    made = []

    def make(cfg: McpConfig) -> McpFeed:
        made.append(McpFeed(cfg))
        return made[-1]

    yield make
    for one in made:
        one.close()


def timed(feed: McpFeed):
    begun = time.monotonic()
    reading = feed.read()
    return reading, time.monotonic() - begun


def test_an_answer_over_stdio_is_a_known_reading(feed):
    """Two tools fill two columns, the reading is stamped on arrival, and a fresh one is not asked for again."""
    line = feed(over_stdio("answer", connect_s=60.0, time_box_s=60.0))
    before = int(time.time() * 1000)
    first = line.read()
    assert first.known, first.why
    assert first.values == (0.26, 0.0, 0.5, 0.0)
    assert before <= first.available_ms <= int(time.time() * 1000)
    assert line.read() is first


def test_the_kept_line_is_asked_again_when_the_answer_is_old(feed):
    """One connection, a second question: the server counts two."""
    line = feed(over_stdio("answer", connect_s=60.0, time_box_s=60.0, fresh_s=0.0))
    assert line.read().values[0] == 0.26
    time.sleep(0.01)
    assert line.read().values[0] == 0.27


def test_an_answer_over_http_is_a_known_reading(feed):
    """The same server over streamable HTTP on loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, str(ODD), "answer", "http", str(port)], stderr=subprocess.DEVNULL
    )
    try:
        url = f"http://127.0.0.1:{port}/mcp"
        line = feed(McpConfig(url=url, columns=COLUMNS, time_box_s=20.0, retry_s=0.3))
        deadline = time.monotonic() + 60
        reading = line.read()
        assert not reading.known or reading.values[0] == 0.26
        while not reading.known and time.monotonic() < deadline:
            time.sleep(0.3)
            reading = line.read()
        assert reading.values == (0.26, 0.0, 0.5, 0.0), reading.why
    finally:
        server.kill()
        server.wait()


def test_a_server_that_never_comes_up_costs_its_connect_box_once(feed, caplog):
    """It speaks no protocol: masked within `connect_s`, the next ask waits not at all, the log says why."""
    line = feed(over_stdio("babble", connect_s=0.7, time_box_s=60.0))
    with caplog.at_level(logging.WARNING, "decot.context.mcp"):
        reading, waited = timed(line)
        again, then = timed(line)
    assert not reading.known
    assert reading.values == (0.0,) * 4
    assert waited < 0.7 + SLACK_S
    assert not again.known
    assert then < SLACK_S
    assert "not up within 0.7 s" in caplog.text


def test_a_cold_server_is_waited_for_longer_than_an_answer(feed):
    """Its program takes seconds to start, the box of an answer is half of one: the very first reading is known."""
    line = feed(over_stdio("tardy", connect_s=60.0, time_box_s=1.5))
    reading, waited = timed(line)
    assert reading.known, reading.why
    assert waited > 1.5


def test_a_server_that_is_up_and_hangs_costs_one_time_box(feed, caplog):
    """It answered once, now it hangs: masked within `time_box_s` though `connect_s` is a minute; then nobody waits."""
    line = feed(over_stdio("later", connect_s=60.0, time_box_s=60.0, fresh_s=0.0))
    assert line.read().known
    line._cfg = replace(line._cfg, time_box_s=1.0)
    time.sleep(0.01)
    with caplog.at_level(logging.WARNING, "decot.context.mcp"):
        reading, waited = timed(line)
        again, then = timed(line)
    assert not reading.known
    assert waited < 1.0 + SLACK_S
    assert not again.known
    assert then < SLACK_S
    assert "no answer within 1 s" in caplog.text


def test_a_hang_at_the_first_question_costs_one_box_after_it_was_up(feed):
    """Started, shook hands, never answered: one time box after the hand-shake the caller is free."""
    line = feed(over_stdio("hang", connect_s=60.0, time_box_s=0.5))
    up: list[float] = []

    def watch() -> None:
        while not line._up.done():
            time.sleep(0.005)
        up.append(time.monotonic())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    reading = line.read()
    left = time.monotonic()
    watcher.join(1.0)
    assert not reading.known
    assert "no answer within 0.5 s" in reading.why
    assert left - up[0] < 0.5 + SLACK_S


def test_a_hung_line_is_dropped_and_left_alone(feed):
    """After `give_up_s` the server is let go; for `retry_s` nobody asks it again."""
    line = feed(over_stdio("hang", connect_s=60.0, time_box_s=0.2, give_up_s=0.6, retry_s=60.0))
    line.read()
    time.sleep(1.2)
    reading, waited = timed(line)
    assert "hung for 0.6 s" in reading.why
    assert waited < SLACK_S


def test_a_server_that_dies_is_masked_and_tried_again(feed):
    """The second question kills it: masked with the reason; after the pause a new one is started and answers."""
    line = feed(over_stdio("die", connect_s=60.0, time_box_s=60.0, fresh_s=0.0, retry_s=0.1))
    assert line.read().known
    time.sleep(0.01)
    reading = line.read()
    assert not reading.known
    assert reading.why
    time.sleep(0.2)
    assert line.read().known


@pytest.mark.parametrize(("manner", "said"), [("rubbish", "very afraid"), ("fail", "error: ")])
def test_rubbish_is_masked_with_what_it_was(feed, manner, said):
    """Words where a number should be, or a tool that failed: masked, and the reason quotes it."""
    line = feed(over_stdio(manner, connect_s=60.0, time_box_s=60.0, retry_s=60.0))
    reading = line.read()
    assert not reading.known
    assert said in reading.why
    _, waited = timed(line)
    assert waited < SLACK_S


def test_a_program_that_is_not_there_is_masked(feed):
    """No such command: masked at once, nothing raised."""
    reading = feed(McpConfig(command=("/nowhere/at/all",), columns=COLUMNS, time_box_s=30.0)).read()
    assert not reading.known
    assert "nowhere" in reading.why


def test_a_late_answer_serves_the_next_one_who_asks(feed):
    """The first caller leaves at the time box; the answer, stamped when it came, is there for the second."""
    line = feed(over_stdio("slow", connect_s=60.0, time_box_s=0.2, fresh_s=600.0))
    left = line.read()
    assert not left.known
    deadline = time.monotonic() + 60
    reading = left
    while not reading.known and time.monotonic() < deadline:
        time.sleep(0.1)
        reading = line.read()
    assert reading.known
    assert reading.available_ms > left.available_ms
