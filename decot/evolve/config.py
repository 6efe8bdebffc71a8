"""The choices of a search, each explained where it stands. Knows bounds and budgets; searches nothing."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any

from decot.errors import ConfigError
from decot.evolve.genome import Bounds, Genome
from decot.evolve.study import DEFAULT_PARAMS, Param

_LATER = {"founders_whole": False, "spread": 0.0, "share": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchConfig:
    seed: int = 7
    generations: int = 4
    """how many in all; a finished search is continued by asking for more"""
    population: int = 8
    trials: int = 3
    """Optuna trials per individual, on the lowest rung"""
    rungs: tuple[float, ...] = (1.0,)
    """training budgets, ascending to 1.0; (1/9, 1/3, 1.0) is successive halving from a ninth"""
    founders_whole: bool = False
    """the first generation is trained at full budget at once: whoever begins from nothing has learned nothing on a low
    rung, and is ranked there by luck; a child that inherits has"""
    eta: int = 3
    """one in eta climbs to the next rung, at least one"""
    across: bool = True
    """halving across the generation: an individual climbs with its best trial by proxy, and one individual in eta does,
    by NSGA-II rank at the rung; otherwise every individual climbs with its best trials"""
    elites: int = 1
    """members of the front evaluated once more per generation, with another seed; their fitness is the mean"""
    inherit: bool = True
    """children are told their parents' artefacts (Lamarckian)"""
    enqueue: bool = True
    """children first try their parents' best parameters"""
    spread: float = 0.0
    """how far a child's first parameters stand from its parents', standard deviation as a share of each range; with 0 and
    one trial an individual, no parameters are tried but those of the first generation"""
    share: bool = False
    """a study begins with every trial of the generations before, not only with its parents' parameters"""
    sampler: str = "tpe"
    n_startup: int = 3
    crossover_rate: float = 0.7
    mutation_rate: float = 0.2
    reference: tuple[float, float] = (0.0, 0.0)
    """where the hypervolume is measured from: (profit, explanation)"""
    bounds: Bounds = field(default_factory=Bounds)
    params: tuple[Param, ...] = DEFAULT_PARAMS
    founders: tuple[Genome, ...] = ()
    """genomes of the first generation; the rest of it is random"""
    subject: str = ""
    """what the fitness depends on (data digests, code version): another subject is another search"""
    storage: str = ""
    """database URL that mirrors the studies for a dashboard (sqlite:///…, postgresql+psycopg://…); empty for none"""

    def __post_init__(self) -> None:
        faults = [
            f"{name} {getattr(self, name)}: at least 1"
            for name in ("generations", "population", "trials")
            if getattr(self, name) < 1
        ]
        if (
            not self.rungs
            or self.rungs[-1] != 1.0
            or list(self.rungs) != sorted(set(self.rungs))
            or self.rungs[0] <= 0
        ):
            faults.append(f"rungs {self.rungs}: ascending shares of the budget that end at 1.0")
        if self.eta < 2:
            faults.append(f"eta {self.eta}: at least 2")
        if self.elites < 0:
            faults.append(f"elites {self.elites}: not negative")
        if not 0 <= self.spread < 1:
            faults.append(f"spread {self.spread}: a share of the range, 0 or more and below 1")
        if faults:
            raise ConfigError(faults)

    def plain(self) -> dict[str, Any]:
        """Everything that decides what a trial is, as JSON values; the number of generations, the mirror and the
        runner do not. Settings that came later are left out while they change nothing: a search keeps its name."""
        found = asdict(self)
        for name in ("generations", "storage"):
            found.pop(name)
        for name, nothing in _LATER.items():
            if found[name] == nothing:
                found.pop(name)
        return dict(json.loads(json.dumps(found)))

    @property
    def identity(self) -> str:
        """12 hex digits: searches that share it are one search, to be resumed."""
        return hashlib.sha256(json.dumps(self.plain(), sort_keys=True).encode()).hexdigest()[:12]
