"""What an outsider may see of a home folder, as callables for the MCP server. Reads files; writes only the kill
switch and events for the running agent.

What a running session shows of itself comes first, what a run left behind else. The switch is the live room's own
file (`decot/live/kill.py`): it latches, and every worker of the home looks at it many times a second.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from decot import clock
from decot.context.mcp_server import Views
from decot.data.lake import Lake
from decot.experiment import refit
from decot.experiment.place import Place
from decot.live.context_buffer import add, event_of
from decot.live.kill import pull, pulled, switch
from decot.live.snapshot import Snapshot, read_lines, read_snapshot, sessions

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
        tell=lambda text, for_s, question, answer: tell(home, text, for_s, question, answer),
    )


def last_decision(home: Path) -> dict[str, Any]:
    """The last change of mind of the newest session, with its sentence; without a session, of the newest run."""
    for session in reversed(sessions(home)):
        lines = read_lines(home, session, "decisions", 1)
        if lines:
            told = {"session": session, "t": clock.iso(int(lines[-1]["t_ms"])), **lines[-1]}
            return {**told, "sentence": lines[-1].get("sentence_en", "")}
    file = _newest(home, "thoughts.jsonl")
    said = file.read_text(encoding="utf-8").splitlines() if file else []
    return {"run": file.parent.name, **json.loads(said[-1])} if file and said else NOTHING


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
    """Per symbol, what is held: as the newest session shows it, else the last bar of the newest paper session."""
    told: dict[str, Any] = {}
    if "session" in place.lake.tables():
        names = ("position", "entry_price", "cumulative_pnl", "drawdown", "close")
        for symbol in place.lake.symbols("session"):
            last = place.get(place.lake.ref("session", symbol)).tail(1).to_dicts()[0]
            at = clock.iso(int(last["timestamp"]))
            told[symbol] = {"from": "paper session", "t": at, **{name: last[name] for name in names}}
    shown = read_snapshot(place.home)
    if shown is not None:
        told[shown.symbol] = _running(shown)
    stopped = pulled(place.home)
    if stopped is not None:
        told["kill switch"] = asdict(stopped)
    return told or NOTHING


def _running(shown: Snapshot) -> dict[str, Any]:
    plain = asdict(shown)
    names = ("session", "mode", "state", "why", "position", "quantity", "equity_usdt", "day_pnl_usdt")
    return {"from": "session", "t": clock.iso(shown.time_ms), **{name: plain[name] for name in names}}


def kill(home: Path, reason: str) -> dict[str, Any]:
    """Pull the switch; a second call changes nothing and tells the first reason."""
    before = pulled(home)
    said = before or pull(home, who="mcp", why=reason)
    return {"latched": True, "already": before is not None, **asdict(said), "file": switch(home).name}


def tell(home: Path, text: str, for_s: float, question: str = "news", answer: str = "") -> dict[str, Any]:
    """Put a word into the chain of whatever runs under this home; the sentence names `mcp` as the speaker."""
    now_us = clock.now_us()
    event = event_of(text, for_s=for_s, now_us=now_us, question=question, answer=answer, who="mcp")
    return {**asdict(add(home, event)), "says": event.say().strip()}


def _newest(home: Path, name: str) -> Path | None:
    found = sorted((home / "runs").glob(f"*/{name}"), key=lambda file: file.parent.name)
    return found[-1] if found else None
