"""Our own MCP server: everything reads, one tool writes, and only with the token."""

import asyncio
import json

import numpy as np
import pytest

pytest.importorskip("mcp")

from decot.context.mcp_server import Views, build_server, plain, serve
from decot.errors import ConfigError, LakeBroken


def broken():
    raise LakeBroken("table base, version 3: a file is missing; restore it")


KILLED: list[str] = []
TOLD: list[tuple] = []
VIEWS = Views(
    last_decision=lambda: {"action": 1, "sentence": "flow is strong, so long", "p": np.float64(0.7)},
    tables=broken,
    tell=lambda *said: TOLD.append(said) or {"heard": True},
    kill=lambda reason: KILLED.append(reason) or {"flat": True},
)


def call(tool: str, token: str = "secret", **arguments):
    from mcp import Client

    async def go():
        async with Client(build_server(VIEWS, token=token)) as client:
            return await client.call_tool(tool, arguments)

    return asyncio.run(go())


def said(reply) -> dict:
    return json.loads(reply.content[0].text)["answer"]


def test_every_tool_but_one_is_declared_reading():
    """The list of tools says which only reads; the kill switch is declared destructive."""
    from mcp import Client

    async def go():
        async with Client(build_server(VIEWS, token="secret")) as client:
            return (await client.list_tools()).tools

    tools = {tool.name: tool.annotations for tool in asyncio.run(go())}
    assert set(tools) == {
        "last_decision",
        "gate_card",
        "tables",
        "regimes",
        "positions",
        "kill_switch",
        "tell_event",
    }
    assert [name for name, hints in tools.items() if not hints.read_only_hint] == [
        "kill_switch",
        "tell_event",
    ]
    assert tools["kill_switch"].destructive_hint


def test_a_decision_is_told_with_its_sentence():
    """What the callable returns arrives as plain JSON."""
    assert said(call("last_decision")) == {"action": 1, "sentence": "flow is strong, so long", "p": 0.7}
    assert said(call("positions")) == {"state": "nothing yet"}


def test_a_fault_of_the_house_is_an_answer_not_a_crash():
    """An error behind a view reaches the caller in its own words."""
    reply = call("tables")
    assert reply.is_error
    assert "a file is missing" in reply.content[0].text


def test_the_kill_switch_needs_the_token():
    """A wrong token and an absent one stop nothing; the right one stops, once, with the reason."""
    KILLED.clear()
    wrong = asyncio.run(_kill("secret", "guess"))
    unset = asyncio.run(_kill("", ""))
    assert wrong.is_error
    assert unset.is_error
    assert KILLED == []
    assert not asyncio.run(_kill("secret", "secret")).is_error
    assert KILLED == ["drill"]


async def _kill(expected: str, given: str):
    from mcp import Client

    async with Client(build_server(VIEWS, token=expected)) as client:
        return await client.call_tool("kill_switch", {"token": given, "reason": "drill"})


def test_an_event_is_told_with_the_token_only():
    """Text, seconds, question and answer arrive as given; without the token nothing is told, a fault is said in words."""
    TOLD.clear()
    said = {"text": "heavy selling", "for_s": 60.0, "question": "news", "answer": "bad news"}
    for given, expected in (("guess", "secret"), ("", "")):
        assert asyncio.run(_tell(expected, given, said)).is_error
    assert TOLD == []
    assert not asyncio.run(_tell("secret", "secret", said)).is_error
    assert TOLD == [("heavy selling", 60.0, "news", "bad news")]
    assert "nobody hears" in asyncio.run(_tell("secret", "secret", said, Views())).content[0].text


async def _tell(expected: str, given: str, said: dict, views=None):
    from mcp import Client

    async with Client(build_server(views or VIEWS, token=expected)) as client:
        return await client.call_tool("tell_event", {"token": given, **said})


def test_only_loopback_is_served():
    """An address others could reach is refused before anything listens."""
    with pytest.raises(ConfigError, match="loopback only"):
        serve(None, transport="streamable-http", host="0.0.0.0")
    with pytest.raises(ConfigError, match="transport"):
        serve(None, transport="carrier pigeon")


def test_plain_values_survive_json():
    """Arrays, numpy numbers, not-a-numbers and unknown things become what JSON can carry."""
    value = plain({"a": np.arange(2), "b": float("nan"), 3: (np.int64(4), object), "c": None})
    assert json.loads(json.dumps(value))["a"] == [0, 1]
    assert value["b"] is None
    assert value["3"][0] == 4
