"""The command that lays what runs have left on a shelf, to be read in a browser. It serves; it makes nothing."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from decot.cli.common import HOME, AsJson, Home, Quiet, guarded, show

app = typer.Typer()


@app.command(
    epilog="Examples:  decot reports   (then open http://127.0.0.1:8797)  ·  decot reports --port 9001 --home .decot-mine"
)
def reports(
    home: Home = HOME,
    port: Annotated[int, typer.Option(help="on 127.0.0.1", min=1, max=65_535)] = 8797,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Serve reports, gate cards, regimes, searches and data checks of this home, read-only, until Ctrl-C.

    On 127.0.0.1 only; keys, tables, ledgers and settings are never served. `decot up` runs it beside Prefect's server, so
    that artifacts can point to it.
    """

    def work(listener: Any) -> None:
        from decot.report.dashboard.server import serve
        from decot.report.shelf import build_app

        url = f"http://127.0.0.1:{port}"
        if as_json:
            show(json.dumps({"url": url, "port": port, "home": str(home)}))
        elif not quiet:
            typer.echo(url, err=True)
        serve(build_app(home), port, command="decot reports")

    guarded(work, quiet=True)
