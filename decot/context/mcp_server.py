"""A read-only MCP server of our own. Knows callables and a token; knows nothing of what stands behind them.

Whoever joins the rooms hands in what may be seen. Every tool reads, except two: the kill switch, and telling the running
agent something. They write, and only for someone who holds the token. It listens on loopback only.
"""

from __future__ import annotations

import hmac
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from decot.errors import ConfigError, DecotError

View = Callable[[], Any]
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def _nothing() -> dict[str, str]:
    return {"state": "nothing yet"}


def _no_switch(_reason: str) -> dict[str, str]:
    raise ConfigError(["mcp: no kill switch is connected; no session is running"])


def _nobody_hears(text: str, for_s: float, question: str, answer: str) -> dict[str, str]:
    raise ConfigError(["mcp: nobody hears events here; no home is connected"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """What may be seen; each callable returns plain values."""

    last_decision: View = _nothing
    """the latest decision with its sentence"""
    gate_card: View = _nothing
    tables: View = _nothing
    regimes: View = _nothing
    positions: View = _nothing
    kill: Callable[[str], Any] = _no_switch
    """given a reason, stops trading and flattens"""
    tell: Callable[[str, float, str, str], Any] = _nobody_hears
    """given a text, seconds, a question and its answer ("" to have it guessed): puts that word into the running chain"""


def build_server(views: Views, *, token: str, name: str = "decot") -> Any:
    """An MCP server (mcp.server.MCPServer) over these views.

    Args:
        token: what the kill switch asks for; with an empty one the switch refuses everybody.
    """
    from mcp.server import MCPServer
    from mcp.server.mcpserver.exceptions import ToolError
    from mcp_types import ToolAnnotations

    server = MCPServer(
        name,
        instructions="Figures of a DECoT house. Every tool reads; only kill_switch and tell_event act, and need the token.",
        log_level="WARNING",
    )
    reads = {
        "last_decision": (views.last_decision, "The latest decision, with the sentence that is its reason."),
        "gate_card": (views.gate_card, "Verdict of the gate: every rule, its figure, its bound, why."),
        "tables": (views.tables, "Tables in the lake: name, version, rows, columns, digest."),
        "regimes": (views.regimes, "Regimes: states, volatility, dwell times, the present posterior."),
        "positions": (views.positions, "Positions and equity of the account."),
    }
    for tool, (view, says) in reads.items():
        seen = ToolAnnotations(title=tool.replace("_", " "), read_only_hint=True, open_world_hint=False)
        server.add_tool(_reader(view, ToolError), name=tool, description=says, annotations=seen)

    def check(token: str) -> None:
        if not expected or not hmac.compare_digest(token.encode(), expected.encode()):
            raise ToolError("refused: the token is not the one this house was started with")

    def kill_switch(token: str, reason: str) -> dict[str, Any]:
        check(token)
        try:
            return {"answer": plain(views.kill(reason[:200]))}
        except DecotError as refused:
            raise ToolError(str(refused)) from refused

    def tell_event(
        token: str, text: str, for_s: float = 300.0, question: str = "news", answer: str = ""
    ) -> dict[str, Any]:
        check(token)
        try:
            return {"answer": plain(views.tell(text, for_s, question, answer))}
        except DecotError as refused:
            raise ToolError(str(refused)) from refused

    expected = token
    acts = ToolAnnotations(title="kill switch", read_only_hint=False, destructive_hint=True)
    says = "Stop trading and flatten every position. Needs the token."
    server.add_tool(kill_switch, name="kill_switch", description=says, annotations=acts)
    adds = ToolAnnotations(title="tell event", read_only_hint=False, destructive_hint=False)
    says = "Put a word into the running agent's chain of thought for so many seconds; its sentence says so. Needs the token."
    server.add_tool(tell_event, name="tell_event", description=says, annotations=adds)
    return server


def serve(server: Any, *, transport: str = "stdio", host: str = "127.0.0.1", port: int = 8765) -> None:
    """Run until stopped; raises ConfigError for an unknown transport or an address others could reach."""
    if transport not in ("stdio", "streamable-http"):
        raise ConfigError([f"mcp.transport = {transport!r}: use 'stdio' or 'streamable-http'"])
    if transport == "stdio":
        server.run(transport="stdio")
        return
    if host not in LOOPBACK:
        raise ConfigError([f"mcp.host = {host!r}: this server listens on loopback only; use 127.0.0.1"])
    server.run(transport="streamable-http", host=host, port=port)


def _reader(view: View, error: type[Exception]) -> Callable[[], dict[str, Any]]:
    def read() -> dict[str, Any]:
        try:
            return {"answer": plain(view())}
        except DecotError as refused:
            raise error(str(refused)) from refused

    return read


def plain(value: Any) -> Any:
    """The value as JSON can carry it: not-a-number becomes null, arrays lists, anything else its words."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(held) for key, held in value.items()}
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return [plain(held) for held in value]
    return str(value)
