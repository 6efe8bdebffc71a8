"""What an outsider may see of a home folder, as callables for the MCP server. Reads files; writes only the kill file.

The kill file latches: the first reason stays until a person removes it. Nothing that trades live exists yet to obey
it; paper sessions are bounded replays and end by themselves.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from decot import clock
from decot.context.mcp_server import Views
from decot.data.lake import Lake
from decot.experiment import refit
from decot.experiment.place import Place

KILL = "kill"
NOTHING = {"state": "nothing yet"}


def views_of(home: Path) -> Views:
    """Everything the server shows, read anew at every question."""
    place = Place(home)
    return Views(
        last_decision=lambda: last_decision(home),
        gate_card=lambda: gate_card(home),
        tables=lambda: [ref.to_dict() for ref in Lake(home / "lake").refs()],
        regimes=lambda: regimes(place),
        positions=lambda: positions(place),
        kill=lambda reason: kill(home, reason),
    )


def last_decision(home: Path) -> dict[str, Any]:
    """The newest thought that was written down, with the run it belongs to."""
    file = _newest(home, "thoughts.jsonl")
    lines = file.read_text(encoding="utf-8").splitlines() if file else []
    return {"run": file.parent.name, **json.loads(lines[-1])} if file and lines else NOTHING


def gate_card(home: Path) -> dict[str, Any]:
    """Verdict, rules and the printed card of the newest run."""
    file = _newest(home, "run.json")
    if file is None:
        return NOTHING
    outcome = json.loads(file.read_text(encoding="utf-8"))
    return {"run": outcome["run_id"], **outcome["gate"], "card": outcome["card"]}


def regimes(place: Place) -> dict[str, Any]:
    """The newest context of every symbol: its figures, and the posterior of the last bar it was applied to."""
    told: dict[str, Any] = {}
    for row in refit.latest(place):
        file = place.home / "contexts" / row["name"] / "regimes.json"
        if file.is_file():
            told[row["symbol"]] = {
                key: value for key, value in json.loads(file.read_text()).items() if key != "picture"
            }
    return told or NOTHING


def positions(place: Place) -> dict[str, Any]:
    """Per symbol, the last bar of the newest session: position, entry, result so far, drawdown."""
    if "session" not in place.lake.tables():
        return NOTHING
    told = {}
    for symbol in place.lake.symbols("session"):
        last = place.get(place.lake.ref("session", symbol)).tail(1).to_dicts()[0]
        names = ("position", "entry_price", "cumulative_pnl", "drawdown", "close")
        told[symbol] = {"t": clock.iso(int(last["timestamp"])), **{name: last[name] for name in names}}
    return told or NOTHING


def kill(home: Path, reason: str) -> dict[str, Any]:
    """Latch the kill file; a second call changes nothing and tells the first reason."""
    file = home / KILL
    home.mkdir(parents=True, exist_ok=True)
    said = json.dumps({"at": clock.now().isoformat(), "reason": reason})
    try:
        handle = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return {"latched": True, "already": True, **json.loads(file.read_text() or "{}")}
    with os.fdopen(handle, "w") as stream:
        stream.write(said)
    return {"latched": True, "already": False, **json.loads(said)}


def _newest(home: Path, name: str) -> Path | None:
    found = sorted((home / "runs").glob(f"*/{name}"), key=lambda file: file.parent.name)
    return found[-1] if found else None
