"""What two finished runs have in common and what not, from the files they left. Judges nothing, trains nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from decot.errors import ConfigError


def run_folder(home: Path, name: str) -> Path:
    """The folder of a finished run, by its name, the beginning of it, or a path.

    Raises:
        ConfigError: nothing of that name, or several; the newest names are listed.
    """
    if (Path(name) / "run.json").is_file():
        return Path(name)
    known = sorted(path.parent.name for path in (home / "runs").glob("*/run.json"))
    found = [name] if name in known else [one for one in known if one.startswith(name)]
    if len(found) != 1:
        there = ", ".join(known[-5:]) or "none yet: decot run --profile demo"
        raise ConfigError([f"run {name!r}: {len(found)} of that name under {home}; there are: {there}"])
    return home / "runs" / found[0]


def compare(home: Path, left: str, right: str) -> dict[str, Any]:
    """Both runs side by side, JSON-able.

    Returns:
        `runs` (name, verdict, what was bred), and the tables `data`, `choices`, `genome`, `params`, `rules`: rows of
        what, left, right, differs; `curves`: per stretch the account of both, USDT, as far as the runs kept them.
    """
    both = [_told(home, run_folder(home, name)) for name in (left, right)]
    a, b = both
    return {
        "runs": [one["head"] for one in both],
        "data": _rows(a["data"], b["data"]),
        "choices": [row for row in _rows(a["choices"], b["choices"]) if row["differs"]],
        "genome": _rows(a["genome"], b["genome"]),
        "params": _rows(a["params"], b["params"]),
        "rules": _rules(a["rules"], b["rules"]),
        "curves": _curves(a, b),
    }


def _told(home: Path, folder: Path) -> dict[str, Any]:
    outcome = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    top = folder.parents[1] if folder.parent.name == "runs" else home
    train, artefact = outcome["train"], outcome["train"]["artefact"]
    about = _read(top / "artefacts" / artefact / "agent.json").get("manifest", {}).get("about", {})
    brief = _read(top / "gate" / artefact / "brief.json")
    session = outcome.get("trade") or {}
    return {
        "head": {
            "run": outcome.get("run_id", folder.name),
            "verdict": outcome["gate"]["verdict"],
            "rules_held": sum(rule["passed"] for rule in outcome["gate"].get("rules", [])),
            "rules": len(outcome["gate"].get("rules", [])),
            "paper_usdt": session.get("net_usdt"),
            **{key: train.get(key) for key in ("individuals", "trials", "env_steps")},
            "artefact": artefact,
            "weights": train.get("weights", "")[:16],
            "report": outcome.get("report", ""),
        },
        "data": {
            ref["name"]: f"{ref['rows']:,} rows, {ref['digest'][:12]}" for ref in outcome.get("tables", [])
        },
        "choices": _flat(brief.get("choices", {})),
        "genome": _flat(about.get("genome", {})),
        "params": _flat(about.get("params", {})),
        "rules": {rule["name"]: rule for rule in outcome["gate"].get("rules", [])},
        "acts": _read(folder / "acts.json").get("acts", []),
    }


def _read(path: Path) -> dict[str, Any]:
    """A file that older runs may not have."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _flat(value: Any, stem: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {stem: value}
    found: dict[str, Any] = {}
    for key, inner in value.items():
        found |= _flat(inner, f"{stem}.{key}" if stem else str(key))
    return found


def _rows(a: dict[str, Any], b: dict[str, Any]) -> list[dict[str, Any]]:
    """Every name of either side, those that differ first."""
    rows = [
        {"what": name, "left": a.get(name), "right": b.get(name), "differs": a.get(name) != b.get(name)}
        for name in dict.fromkeys([*a, *b])
    ]
    return sorted(rows, key=lambda row: not row["differs"])


def _rules(a: dict[str, Any], b: dict[str, Any]) -> list[dict[str, Any]]:
    """Every rule of the gate, with both figures; those where the answers part come first."""
    rows = []
    for name in dict.fromkeys([*a, *b]):
        one, other = a.get(name), b.get(name)
        answers = [None if rule is None else bool(rule["passed"]) for rule in (one, other)]
        rows.append(
            {
                "what": name,
                "left": one["figure"] if one else None,
                "left_held": answers[0],
                "right": other["figure"] if other else None,
                "right_held": answers[1],
                "bound": (one or other or {}).get("bound"),
                "differs": answers[0] != answers[1],
            }
        )
    return sorted(rows, key=lambda row: not row["differs"])


def _curves(a: dict[str, Any], b: dict[str, Any]) -> list[dict[str, Any]]:
    """Per stretch, the account of whoever kept it."""
    names = dict.fromkeys(act["name"] for one in (a, b) for act in one["acts"])
    return [
        {
            "stretch": name,
            "accounts": [
                {"run": one["head"]["run"], "t_ms": act["t_ms"], "equity_usdt": act["equity_usdt"]}
                for one in (a, b)
                for act in one["acts"]
                if act["name"] == name
            ],
        }
        for name in names
    ]
