"""Are the files those that were judged first? The ledger, the retrainings, the artefact's manifest, the profile.

Knows briefs and files; a difference is told with both values and weighed by nobody here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from decot.errors import LedgerBroken
from decot.evolve.ledger import Ledger
from decot.experiment import examine
from decot.experiment.brief import Brief
from decot.experiment.code import code_version
from decot.experiment.config import Experiment
from decot.experiment.school import schema_hash
from decot.model.checkpoint import read


def anchored(path: Path, brief: Brief) -> dict[str, Any]:
    """Head and length of the trial ledger; every retrained seed, and what was there the first time, must be in it.

    Raises:
        LedgerBroken: the chain does not hold, or lines that were there are gone.
    """
    summary = Ledger.verify(path)
    lines = Ledger(path).lines()
    hashes = {line.hash for line in lines}
    said = brief.ledger
    if said and said["head"] not in hashes:
        raise LedgerBroken(
            f"{path.name}: ledger trimmed: it had {said['lines']} lines up to {said['head'][:12]} when the agent was "
            f"judged first, now it has {len(lines)} without that one; restore it from a copy"
        )
    taught = {line.payload.get("seed") for line in lines if line.kind == "trial"}
    gone = [str(row["seed"]) for row in brief.seeds if row["seed"] not in taught]
    if gone:
        raise LedgerBroken(
            f"{path.name}: ledger trimmed: no line tells of the retraining with seed {', '.join(gone)}; "
            "restore it from a copy"
        )
    return {"head": summary.head, "lines": summary.n_lines}


def left_out(path: Path, brief: Brief) -> list[str]:
    """Retrainings the ledger tells of that are not put before the gate: an unlucky seed may not be forgotten."""
    ours = {row["seed"] for row in brief.seeds}
    tried = [line.payload for line in Ledger(path).lines("trial") if line.payload.get("role") == "finalist"]
    gone = [str(one["seed"]) for one in tried if one["seed"] not in ours and one["evaluation"]["period_pnl"]]
    return [f"seeds: the ledger tells of retrainings that are left out: {', '.join(gone)}"] if gone else []


def differences(experiment: Experiment, folder: Path, brief: Brief) -> list[str]:
    """What the artefact was made from against what is here, each with both values."""
    _, _, manifest = read(folder)
    wanted: Mapping[str, Any] = {
        "schema": schema_hash(),
        "code": code_version(),
        "clock_ms": experiment.clock_ms,
        "context": brief.context,
        "data": [brief.features.to_dict()],
    }
    found = [
        f"{key}: trained with {_short(manifest.get(key))}, here {_short(json.loads(json.dumps(value)))}"
        for key, value in wanted.items()
        if manifest.get(key) != json.loads(json.dumps(value))
    ]
    return found + _changed(brief.choices, examine.plain_of(experiment))


def _changed(then: Mapping[str, Any], now: Mapping[str, Any], where: str = "") -> list[str]:
    """Leaves of a profile that are not what they were."""
    found: list[str] = []
    for key in sorted({*then, *now}):
        old, new = then.get(key), now.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            found += _changed(old, new, f"{where}{key}.")
        elif old != new:
            found.append(f"profile {where}{key}: {old!r} when it was judged first, {new!r} now")
    return found


def _short(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return ", ".join(f"{one['name']} version {one['version']} ({one['digest'][:12]})" for one in value)
    text = str(value)
    return text[:12] if len(text) > 24 else text
