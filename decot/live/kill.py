"""The kill switch: one file that anybody may put down and only a person takes away. Knows no worker.

The CLI, the dashboard, the MCP server and a Prefect flow all call `pull`; the worker asks `is_pulled` every 50 ms or
oftener. A file that cannot be read counts as pulled.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from decot import clock
from decot.live.snapshot import live_folder, write_whole

POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Pulled:
    """Who stopped trading, when and why."""

    when: str
    who: str
    why: str


def switch(home: Path) -> Path:
    """The file itself."""
    return live_folder(home) / "KILL"


def pull(home: Path, *, who: str, why: str) -> Pulled:
    """Stop every worker of this home; the first reason stays when it is pulled twice."""
    before = pulled(home)
    if before is not None:
        return before
    said = Pulled(clock.now().isoformat(), who, why)
    live_folder(home).mkdir(parents=True, exist_ok=True)
    plain = {"when": said.when, "who": said.who, "why": said.why}
    write_whole(switch(home), json.dumps(plain) + "\n")
    return said


def pulled(home: Path) -> Pulled | None:
    """What the switch says, None when it is not pulled."""
    try:
        text = switch(home).read_text()
    except FileNotFoundError:
        return None
    except OSError as error:
        return Pulled("", "unknown", f"the switch cannot be read ({error.strerror}), which counts as pulled")
    try:
        said = json.loads(text)
        return Pulled(str(said["when"]), str(said["who"]), str(said["why"]))
    except (ValueError, KeyError, TypeError):
        return Pulled("", "unknown", "the switch holds no reason, which counts as pulled")


def is_pulled(home: Path) -> bool:
    """Cheap enough to ask all the time."""
    return switch(home).exists()


def release(home: Path) -> bool:
    """Take the switch away; only a person does this. Whether it was there."""
    try:
        switch(home).unlink()
    except FileNotFoundError:
        return False
    return True
