"""Which ledger belongs to a run. Knows the folders of a home; reads no trial."""

from __future__ import annotations

import json
from pathlib import Path

from decot.errors import ConfigError


def ledger_of(home: Path, name: str = "") -> Path:
    """The trial ledger of a run or a search by name (or its beginning), or a ledger file by path; without a name, that of
    the newest run.

    Raises:
        ConfigError: nothing of that name, or several; the known names are listed.
    """
    if name and Path(name).is_file():
        return Path(name)
    runs = sorted(path.parent.name for path in (home / "runs").glob("*/run.json"))
    searches = sorted(path.parent.name for path in (home / "search").glob("*/ledger.jsonl"))
    if not name and not runs and len(searches) == 1:
        return home / "search" / searches[0] / "ledger.jsonl"
    wanted = name or (runs[-1] if runs else "")
    found = [one for one in (*runs, *searches) if wanted and one.startswith(wanted)]
    if len(found) != 1:
        said = f"{len(found)} of that name" if wanted else "no run"
        known = ", ".join((*runs[-5:], *searches[-5:])) or "none: start with decot run --profile demo"
        raise ConfigError([f"{wanted or 'RUN'}: {said} under {home}; known: {known}"])
    if found[0] in searches:
        return home / "search" / found[0] / "ledger.jsonl"
    return _of_run(home, found[0], searches)


def _of_run(home: Path, run: str, searches: list[str]) -> Path:
    train = json.loads((home / "runs" / run / "run.json").read_text())["train"]
    for search in [train["search"]] if "search" in train else searches:
        path = home / "search" / search / "ledger.jsonl"
        if path.is_file() and f'"hash":"{train["ledger_head"]}"' in path.read_text():
            return path
    raise ConfigError(
        [f"run {run}: its search is no longer under {home / 'search'}; restore the folder from a copy"]
    )
