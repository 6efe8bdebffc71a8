"""The commands about what surrounds a market: our own read-only MCP server. Knows no view, only how to be asked."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from decot.cli.common import HOME, Home, guarded

app = typer.Typer()


@app.command(epilog="Examples:  decot mcp  ·  DECOT_MCP_TOKEN=… decot mcp --http 8765")
def mcp(
    home: Home = HOME,
    http: Annotated[
        int, typer.Option("--http", help="serve over HTTP on this loopback port instead of stdio")
    ] = 0,
) -> None:
    """Show this home to an MCP client: last decision, gate card, tables, regimes, positions.

    Every tool reads, except kill_switch: it needs the token in DECOT_MCP_TOKEN (without one it refuses everybody) and
    puts down HOME/live/KILL, which every worker of this home obeys until a person takes it away.
    """

    def work(listener: object) -> None:
        from decot.context.mcp_server import build_server, serve
        from decot.experiment.views import views_of

        server = build_server(views_of(home), token=os.environ.get("DECOT_MCP_TOKEN", ""))
        serve(server, transport="streamable-http" if http else "stdio", port=http or 8765)

    guarded(work, quiet=True)
