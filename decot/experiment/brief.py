"""What was put before the gate, so that it can be judged again: names of tables, artefact, search. Knows no figure.

Kept as `gate/ARTEFACT/brief.json` in the home by the run that made the artefact; judging again never writes it, so
that a later change of data, ledger or profile shows.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from decot.errors import ConfigError
from decot.experiment.order import Order
from decot.gate.signed import write_whole
from schemas.ref import Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """Everything a judgement needs to be made again."""

    order: Order
    features: Ref
    bars: Ref
    context: str
    search: str
    artefact: str
    seeds: list[dict[str, Any]]
    headlines: Ref | None = None
    code: str = ""
    """version of the code that judged it first"""
    choices: dict[str, Any] = field(default_factory=dict)
    """the profile's values that decide a verdict"""
    ledger: dict[str, Any] = field(default_factory=dict)
    """head and number of lines of the trial ledger"""
    pnl: str = ""
    """digest of the account on the other day when it was judged first"""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        plain = asdict(self)
        return {
            **plain,
            "order": self.order.to_dict(),
            "features": self.features.to_dict(),
            "bars": self.bars.to_dict(),
            "headlines": self.headlines.to_dict() if self.headlines else None,
        }

    @staticmethod
    def from_dict(plain: dict[str, Any]) -> Brief:
        """The inverse of `to_dict`."""
        names = ("features", "bars", "headlines")
        refs = {key: Ref.from_dict(plain[key]) if plain.get(key) else None for key in names}
        return Brief(**{**plain, **refs, "order": Order(**plain["order"])})


def brief_path(home: Path, artefact: str) -> Path:
    """Where the brief of an artefact lies."""
    return home / "gate" / artefact / "brief.json"


def remember(home: Path, brief: Brief) -> None:
    """Keep a brief, in place of an earlier one of the same artefact."""
    path = brief_path(home, brief.artefact)
    write_whole(path, json.dumps(brief.to_dict(), indent=1, ensure_ascii=False).encode())


def opened(home: Path, artefact: str) -> Brief | None:
    """The brief of an artefact, None if there is none.

    Raises:
        ConfigError: it cannot be read.
    """
    path = brief_path(home, artefact)
    if not path.is_file():
        return None
    try:
        return Brief.from_dict(json.loads(path.read_text()))
    except (ValueError, TypeError, KeyError) as broken:
        raise ConfigError([f"{path}: not a brief ({broken}); run the same decot run again"]) from broken


def find(home: Path, run: str) -> Brief:
    """The brief of a run (its name, a beginning of it, its folder or run.json) or of an artefact.

    Raises:
        ConfigError: there is no such run; the message names those there are.
    """
    asked = Path(run).parent.name if run.endswith("run.json") else Path(run).name
    runs = sorted(path.parent.name for path in home.glob("runs/*/run.json"))
    artefacts = sorted(path.parent.name for path in home.glob("gate/*/brief.json"))
    fits = [name for name in runs if name == asked] or [
        name for name in runs if asked and name.startswith(asked)
    ]
    if len(fits) > 1:
        raise ConfigError(
            [f"{len(fits)} runs begin with {asked!r}: {', '.join(fits)}; give more of the name"]
        )
    if fits:
        outcome = json.loads((home / "runs" / fits[0] / "run.json").read_text())
        return _open(home, str(outcome["train"]["artefact"]), f"run {fits[0]}")
    kin = [name for name in artefacts if name == asked] or [
        name for name in artefacts if asked and name.startswith(asked)
    ]
    if len(kin) == 1:
        return _open(home, kin[0], f"artefact {kin[0]}")
    if not runs:
        raise ConfigError([f"{run}: {home} holds no finished run; make one: decot run --home {home}"])
    near = get_close_matches(asked, [*runs, *artefacts], n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"the newest is {runs[-1]}"
    raise ConfigError([f"{run}: no such run in {home}; {hint}; all: {', '.join(runs[-8:])}"])


def _open(home: Path, artefact: str, told: str) -> Brief:
    found = opened(home, artefact)
    if found is None:
        path = brief_path(home, artefact)
        raise ConfigError(
            [f"{told}: {path} is missing, so nobody knows what was judged; run the same decot run again"]
        )
    return found
