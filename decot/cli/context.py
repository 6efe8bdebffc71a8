"""The commands about what surrounds a market: headlines to be collected, our own MCP server. Knows how to ask for them."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from decot.cli.common import HOME, AsJson, Home, Quiet, guarded, show

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


@app.command(
    epilog="Examples:  decot headlines https://example.org/rss --to news.jsonl --every 60 --minutes 120  ·  "
    "decot headlines old.csv --to news.jsonl   (then: decot run --tape TAPE --news news.jsonl)"
)
def headlines(
    source: Annotated[str, typer.Argument(help="address of an RSS or Atom feed, or a headlines file")],
    to: Annotated[Path, typer.Option(help="JSONL file that grows; what it holds keeps its time of arrival")],
    every: Annotated[float, typer.Option(help="seconds between two looks, with --minutes")] = 60.0,
    minutes: Annotated[float, typer.Option(help="go on this long; 0 looks once")] = 0.0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Collect headlines, each stamped with the moment it was fetched: only then could anybody have acted on it.

    Repeats are dropped, publication and availability kept apart. Over HTTP an answer has ten seconds; one that fails
    in a longer collection is said and tried again.
    """

    def work(listener: Any) -> dict[str, Any]:
        from decot.context.collect import collect
        from decot.errors import Transient
        from decot.report.progress import listening, say

        until, rounds, new, failed = time.monotonic() + 60 * minutes, 0, 0, 0
        total = 1 + int(60 * minutes / max(every, 1.0))
        with listening(listener):
            while True:
                rounds += 1
                try:
                    got = collect(source, to)
                    new += got.n_new
                    found = asdict(got)
                    say("headlines", min(rounds, total), total, f"{new:,} new, {got.n_total:,} in {to.name}")
                except Transient as away:
                    failed += 1
                    if minutes <= 0:
                        raise
                    found = {}
                    say("headlines", min(rounds, total), total, str(away))
                if time.monotonic() + every > until:
                    break
                time.sleep(max(every, 1.0))
        return {**found, "n_new": new, "rounds": rounds, "failed": failed, "to": str(to)}

    told = guarded(work, quiet)
    line = (
        f"{told['n_new']:,} new headlines in {told['rounds']} look(s), {told['failed']} failed: {told['to']}"
    )
    show(json.dumps(told) if as_json else line)
