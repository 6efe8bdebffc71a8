"""What our own MCP server shows of a home, asked by the official client over stdio, as anyone would."""

from __future__ import annotations

import asyncio
import json
import os
import sys

import polars as pl
import pytest

pytest.importorskip("mcp")

from decot.data.lake import Lake
from decot.experiment import views

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


def test_the_real_command_answers_the_official_client(home):
    """`decot mcp` over stdio: every view has its figures; the kill switch needs the token and latches its file."""
    from mcp import Client, StdioServerParameters
    from mcp.client.stdio import stdio_client

    async def go():
        started = StdioServerParameters(
            command=sys.executable,
            args=["-m", "decot", "mcp", "--home", str(home)],
            env={**os.environ, "DECOT_MCP_TOKEN": "secret"},
        )
        async with Client(stdio_client(started)) as client:
            names = ("last_decision", "gate_card", "tables", "regimes", "positions")
            told = {name: await client.call_tool(name, {}) for name in names}
            wrong = await client.call_tool("kill_switch", {"token": "guess", "reason": "drill"})
            assert not (home / "kill").exists()
            right = await client.call_tool("kill_switch", {"token": "secret", "reason": "drill"})
            return (
                {name: json.loads(one.content[0].text)["answer"] for name, one in told.items()},
                wrong,
                right,
            )

    told, wrong, right = asyncio.run(go())
    assert told["last_decision"]["sentence"] == "flow is weak, so close"
    assert (told["gate_card"]["verdict"], told["gate_card"]["card"]) == ("refused", "REFUSED")
    assert [one["name"] for one in told["tables"]] == ["session"]
    assert told["regimes"] == {"state": "nothing yet"}
    assert told["positions"]["BTC-USD"]["position"] == 1
    assert wrong.is_error
    assert not right.is_error
    assert json.loads((home / "kill").read_text())["reason"] == "drill"


def test_the_kill_file_latches(tmp_path):
    """The first reason stays; only its owner may read it; an empty home shows nothing and breaks nothing."""
    first = views.kill(tmp_path / "home", "drill")
    again = views.kill(tmp_path / "home", "another")
    assert (first["already"], again["already"], again["reason"]) == (False, True, "drill")
    assert (tmp_path / "home" / "kill").stat().st_mode & 0o777 == 0o600
    assert views.last_decision(tmp_path) == views.gate_card(tmp_path) == {"state": "nothing yet"}
