"""The commands about the house itself: bring it up on this machine, or hang its timetable elsewhere. Knows no flow."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from decot.cli.common import HOME, AsJson, Home, guarded, registered, show

app = typer.Typer()

Limit = Annotated[
    int,
    typer.Option(help="how many runs may go at once; a session takes one place, stopping it another", min=1),
]
Active = Annotated[
    bool, typer.Option("--active", help="schedules that are new begin switched on; without it nothing runs unasked")
]  # fmt: skip


@app.command(
    epilog="Examples:  decot up   (then open http://127.0.0.1:4200)  ·  "
    "decot up --port 4300 --dashboard-port 0 --reports-port 0 --limit 2"
)
def up(
    home: Home = HOME,
    port: Annotated[int, typer.Option(help="of the Prefect server and its UI", min=1, max=65_535)] = 4200,
    dashboard_port: Annotated[
        int, typer.Option(help="of the page that watches sessions; 0 for none", min=0, max=65_535)
    ] = 8798,
    reports_port: Annotated[
        int, typer.Option(help="of the reports that artifacts point to; 0 for none", min=0, max=65_535)
    ] = 8797,
    limit: Limit = 3,
    active: Active = False,
    as_json: AsJson = False,
) -> None:
    """Prefect server, deployments, a worker, the dashboard and the reports on this machine, on loopback, until Ctrl-C.

    Other commands of the same home find the server by themselves. Whatever dies is started again, a few times; logs lie
    in HOME/logs. Schedules begin switched off.
    """

    def ready(known: dict[str, Any]) -> None:
        if as_json:
            show(json.dumps(known))

    guarded(
        lambda listener: registered("up")(
            home,
            port,
            dashboard_port=dashboard_port,
            reports_port=reports_port,
            limit=limit,
            active=active,
            on_ready=ready,
        ),
        quiet=True,
    )


@app.command(
    epilog="Examples:  PREFECT_API_URL=http://prefect.example:4200/api decot deploy --home /srv/decot  ·  "
    "decot deploy --pool night --limit 2 --active --json"
)
def deploy(
    home: Home = HOME,
    pool: Annotated[str, typer.Option(help="work pool; made, of type process, if it is not there")] = "decot",
    limit: Limit = 3,
    active: Active = False,
    as_json: AsJson = False,
) -> None:
    """Hang the timetable into a Prefect server: pool, deployments, event chain, limits, automations. Starts nothing.

    The server is the one PREFECT_API_URL names, or that of `decot up`. A machine with decot installed then works for it:
    prefect worker start --pool decot. --home is a folder of that machine. Calling it again changes only what differs.
    """
    known = guarded(
        lambda listener: registered("deploy")(home, pool=pool, limit=limit, active=active), quiet=True
    )
    rows = [
        f"{row['flow'] + '/' + row['name']:<42} {row['cron'] or (row['after'] and 'after: ' + row['after']) or 'by hand'}"
        for row in known["deployments"]
    ]
    told = [f"{known['api']}, pool {known['pool']}, {known['limit']} at once", *rows]
    told += [f"automation: {name}" for name in known["automations"]]
    show(json.dumps(known) if as_json else "\n".join(told))
