"""The commands about days that were not believable: what waits, why, and what shall become of it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer

from decot.cli.common import HOME, AsJson, Home, guarded, show

app = typer.Typer(
    help="Days that were not believable: read why, and decide what shall become of them.",
    invoke_without_command=True,
)

SYMBOL = typer.Argument(help="as `decot quarantine` lists it")
DAY = typer.Argument(help="UTC, e.g. 2026-01-06")
Because = Annotated[str, typer.Option(help="why; it is kept with the day and told in reports")]


@app.callback(
    epilog="Examples:  decot quarantine  ·  decot quarantine leave-out BTCUSDT 2025-09-24 --because 'recorder was down'"
)
def listing(context: typer.Context, home: Home = HOME, as_json: AsJson = False) -> None:
    """Days that were not believable, each with its reasons and what a person has decided about it."""
    if context.invoked_subcommand:
        return

    def work(listener: Any) -> list[dict[str, Any]]:
        from decot.data.quarantine import decisions, quarantined

        root = home / "quarantine"
        made = {key: asdict(one) for key, one in decisions(root).items()}
        waiting = quarantined(root)
        rows = [
            {**asdict(one), "folder": str(one.folder), "decision": made.pop((one.symbol, one.day), None)}
            for one in waiting
        ]
        return rows + [
            {"symbol": one["symbol"], "day": one["day"], "failed": one["failed"], "decision": one}
            for one in made.values()
        ]

    found = guarded(work, quiet=True)
    show(
        json.dumps(found, ensure_ascii=False) if as_json else ("\n".join(map(_said, found)) or "no day waits")
    )


@app.command(
    epilog="Example:  decot quarantine accept BTCUSDT 2025-09-24 --because 'the hole is a pause of the venue'"
)
def accept(
    symbol: Annotated[str, SYMBOL],
    day: Annotated[str, DAY],
    because: Because,
    home: Home = HOME,
    as_json: AsJson = False,
) -> None:
    """Take these very rows as they are when they are ingested again; the reports keep saying what failed."""
    _decide("accept", symbol, day, because, home, as_json)


@app.command(
    "leave-out", epilog="Example:  decot quarantine leave-out BTCUSDT 2025-09-24 --because 'half a day only'"
)
def leave_out(
    symbol: Annotated[str, SYMBOL],
    day: Annotated[str, DAY],
    because: Because,
    home: Home = HOME,
    as_json: AsJson = False,
) -> None:
    """Go on without that day when the tape is ingested again."""
    _decide("leave-out", symbol, day, because, home, as_json)


@app.command(epilog="Example:  decot quarantine forget BTCUSDT 2025-09-24")
def forget(
    symbol: Annotated[str, SYMBOL], day: Annotated[str, DAY], home: Home = HOME, as_json: AsJson = False
) -> None:
    """Take a decision back: the day is judged anew."""

    def work(listener: Any) -> bool:
        from decot.data.quarantine import forget as taken_back

        return taken_back(home / "quarantine", symbol, day)

    was_there = guarded(work, quiet=True)
    plain = "taken back" if was_there else f"nothing was decided about {symbol} {day}"
    show(json.dumps({"symbol": symbol, "day": day, "taken_back": was_there}) if as_json else plain)


def _decide(what: str, symbol: str, day: str, because: str, home: Any, as_json: bool) -> None:
    def work(listener: Any) -> dict[str, Any]:
        from decot.data.quarantine import decide

        return asdict(decide(home / "quarantine", symbol, day, what, because))

    made = guarded(work, quiet=True)
    plain = f"{symbol} {day}: {what}, because {made['because']}; ingest the tape again"
    show(json.dumps(made, ensure_ascii=False) if as_json else plain)


def _said(row: dict[str, Any]) -> str:
    lines = [f"{row['symbol']} {row['day']}", *(f"  - {reason}" for reason in row["failed"])]
    if row.get("decision"):
        lines.append(f"  decided: {row['decision']['what']}, because {row['decision']['because']}")
    if row.get("folder"):
        lines.append(f"  {row['folder']}")
    return "\n".join(lines)
