"""What our own MCP server shows of a home, asked by the official client over stdio, as anyone would."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import polars as pl
import pytest

pytest.importorskip("mcp")

from decot.data.lake import Lake
from decot.experiment import views
from decot.experiment.place import Place
from decot.live.context_buffer import events_file, read_events
from decot.live.kill import is_pulled, release
from decot.live.snapshot import Publisher, Snapshot

SENTENCES = [
    {"act": "other day", "sentence": "flow is strong, so buy"},
    {"sentence": "flow is weak, so close"},
]


@pytest.fixture
def home(tmp_path):
    run = tmp_path / "runs" / "20260105-000000-demo"
    run.mkdir(parents=True)
    (run / "thoughts.jsonl").write_text("".join(json.dumps(one) + "\n" for one in SENTENCES))
    gate = {"verdict": "refused", "rules": [{"name": "net"}], "reasons": ["too few"], "trades_needed": 9}
    (run / "run.json").write_text(json.dumps({"run_id": run.name, "gate": gate, "card": "REFUSED"}))
    lake = Lake(tmp_path / "lake")
    session = {
        "timestamp": [1_767_571_200_000, 1_767_571_201_000],
        "position": [0, 1],
        "entry_price": [0.0, 9e4],
    }
    flat = {name: [0.0, 0.5] for name in ("cumulative_pnl", "drawdown", "close")}
    lake.put("session", pl.DataFrame({**session, **flat}), symbol="BTC-USD")
    return tmp_path


NAMES = ("last_decision", "gate_card", "tables", "regimes", "positions")


async def asked(target, home):
    """Every view, then the switch with no token, a wrong one and the right one."""
    from mcp import Client

    async with Client(target) as client:
        tools = {tool.name: tool.annotations for tool in (await client.list_tools()).tools}
        acting = [name for name, hints in tools.items() if not hints.read_only_hint]
        assert acting == ["kill_switch", "tell_event"]
        told = {name: await client.call_tool(name, {}) for name in NAMES}
        for guess in ("", "guess"):
            refused = await client.call_tool("kill_switch", {"token": guess, "reason": "drill"})
            assert refused.is_error
            event = {"token": guess, "text": "an outage was reported", "for_s": 60}
            assert (await client.call_tool("tell_event", event)).is_error
        assert not is_pulled(home)
        assert not events_file(home).exists()
        heard = await client.call_tool("tell_event", {**event, "token": "secret"})
        assert not heard.is_error
        far = await client.call_tool("tell_event", {**event, "token": "secret", "for_s": 1e9})
        assert far.is_error
        right = await client.call_tool("kill_switch", {"token": "secret", "reason": "drill"})
        assert not right.is_error
        return {name: json.loads(one.content[0].text)["answer"] for name, one in told.items()}


def check(told, home):
    assert told["last_decision"]["sentence"] == "flow is weak, so close"
    assert (told["gate_card"]["verdict"], told["gate_card"]["card"]) == ("refused", "REFUSED")
    assert [one["name"] for one in told["tables"]] == ["session"]
    assert told["regimes"] == {"state": "nothing yet"}
    assert told["positions"]["BTC-USD"]["position"] == 1
    said = json.loads((home / "live" / "KILL").read_text())
    assert (said["who"], said["why"]) == ("mcp", "drill")
    assert said["when"].endswith("+00:00")
    assert is_pulled(home)
    (event,) = read_events(home)
    assert (event.who, event.question, event.answer) == ("mcp", "news", "bad news")
    events_file(home).unlink()


def test_the_command_over_stdio_answers_the_official_client(home):
    """`decot mcp` as a subprocess: every view has its figures; the switch needs the token and is what a worker reads."""
    from mcp import StdioServerParameters
    from mcp.client.stdio import stdio_client

    started = StdioServerParameters(
        command=sys.executable,
        args=["-m", "decot", "mcp", "--home", str(home)],
        env={**os.environ, "DECOT_MCP_TOKEN": "secret"},
    )
    check(asyncio.run(asked(stdio_client(started), home)), home)


def test_the_command_over_http_answers_on_loopback_alone(home):
    """`decot mcp --http`: the same figures, the same switch; a page elsewhere cannot talk to it by another host's name."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "decot", "mcp", "--home", str(home), "--http", str(port)],
        env={**os.environ, "DECOT_MCP_TOKEN": "secret"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    url = f"http://127.0.0.1:{port}/mcp"
    try:
        deadline = time.monotonic() + 90
        while not listens("127.0.0.1", port) and time.monotonic() < deadline:
            assert server.poll() is None, server.communicate()[1][-2_000:]
            time.sleep(0.1)
        foreign = urllib.request.Request(
            url, b"{}", {"Host": "evil.example", "Content-Type": "application/json"}
        )
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(foreign, timeout=10)
        assert refused.value.code in (403, 421)
        check(asyncio.run(asked(url, home)), home)
        mine = socket.gethostbyname(socket.gethostname())
        assert mine.startswith("127.") or not listens(mine, port)
    finally:
        server.terminate()
        server.wait(20)


def listens(host: str, port: int) -> bool:
    with socket.socket() as one:
        one.settimeout(1.0)
        return one.connect_ex((host, port)) == 0


def test_the_switch_latches(tmp_path):
    """The first reason stays, whoever pulls it again; an empty home shows nothing and breaks nothing."""
    assert views.last_decision(tmp_path) == views.gate_card(tmp_path) == {"state": "nothing yet"}
    assert views.positions(Place(tmp_path)) == {"state": "nothing yet"}
    first, again = views.kill(tmp_path, "drill"), views.kill(tmp_path, "another")
    assert (first["already"], again["already"], again["why"]) == (False, True, "drill")
    assert views.positions(Place(tmp_path))["kill switch"]["why"] == "drill"
    assert release(tmp_path)
    assert not views.kill(tmp_path, "later")["already"]


def test_a_running_session_is_shown_before_what_lies_in_the_lake(home):
    """Its last decision with its sentence, and what it holds."""
    shown = Publisher(home, "s1")
    plain = {"symbol": "BTC-USD", "mode": "paper", "bid": 9e4, "ask": 9e4, "position": -1, "quantity": -1e-4}
    money = {"equity_usdt": 19.5, "day_pnl_usdt": 0.5, "drawdown_bps": 0.0}
    shown.show(Snapshot(time_ms=1_767_571_200_000, session="s1", **plain, **money))
    line = {"t_ms": 1_767_571_200_000, "position": 0, "target": -1, "sentence_en": "flow is weak, so sell"}
    shown.note("decisions", line)
    told = views.last_decision(home)
    assert (told["session"], told["sentence"]) == ("s1", "flow is weak, so sell")
    held = views.positions(Place(home))["BTC-USD"]
    assert (held["from"], held["position"], held["equity_usdt"]) == ("session", -1, 19.5)
