"""Where a search stands between two generations, and its JSON. Knows genomes, trials and members; decides nothing.

The checkpoint holds the RNG, every genome, study and member, and the ledger line it belongs to. It is read
only when the ledger still has that line; without a checkpoint the same state is rebuilt from the ledger alone.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from decot.evolve.genome import Genome
from decot.evolve.ledger import Ledger
from decot.evolve.pareto import Point
from decot.evolve.trial import Evaluation, Params

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Individual:
    """A genome and the study inside it."""

    genome: Genome
    generation: int
    index: int
    parents: tuple[int, ...] = ()
    """positions of the parents among the members"""
    trials: list[Trial] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"g{self.generation:03d}-i{self.index:02d}"

    def best(self, rung: int, n: int) -> list[Trial]:
        """The n best by proxy of those that reached this rung, in the order they were asked."""
        reached = [trial for trial in self.trials if trial.rung == rung and trial.value is not None]
        chosen = sorted(reached, key=lambda trial: (-_value(trial), trial.index))[:n]
        return sorted(chosen, key=lambda trial: trial.index)


@dataclass(slots=True, kw_only=True)
class Trial:
    """One point of a study, wherever it has climbed."""

    owner: str
    index: int
    params: Params
    seed: int
    rung: int = -1
    """the highest rung evaluated; −1 before the first"""
    value: float | None = None
    """the proxy there; None before, and for a failure"""
    point: Point = (0.0, 0.0)
    """its objectives there"""
    folder: str = ""
    """its folder there, relative to the working directory"""

    @property
    def name(self) -> str:
        return f"{self.owner}-t{self.index:02d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One evaluation at full budget: what competes for the front."""

    key: str
    """its ledger line"""
    genome: Genome
    params: Params
    seed: int
    generation: int
    individual: str
    evaluation: Evaluation
    again: tuple[Point, ...] = ()
    """its objectives when it was evaluated again, each with another seed"""
    parents: tuple[str, ...] = ()
    """keys of the members it descends from"""
    inherited: tuple[str, ...] = ()
    """artefact folders it was allowed to inherit from"""

    @property
    def point(self) -> Point:
        """(profit, explanation), the mean over all its evaluations."""
        points = [(self.evaluation.profit, self.evaluation.explanation), *self.again]
        return sum(p for p, _ in points) / len(points), sum(e for _, e in points) / len(points)

    @property
    def artefact(self) -> str:
        return self.evaluation.artefact

    def at(self, workdir: Path) -> Member:
        """The same with its artefact as a path that can be opened."""
        if not self.artefact:
            return self
        return replace(self, evaluation=replace(self.evaluation, artefact=str(workdir / self.artefact)))


@dataclass(slots=True, kw_only=True)
class State:
    rng: np.random.Generator
    generation: int = 0
    """the next to be bred"""
    individuals: list[Individual] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    population: list[int] = field(default_factory=list)
    """positions of the survivors among the members"""
    hypervolumes: list[float] = field(default_factory=list)
    n_trials: int = 0
    env_steps: int = 0

    @staticmethod
    def fresh(seed: int) -> State:
        return State(rng=np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, 0]))))


def save_state(path: Path, state: State, identity: str, ledger: Ledger) -> None:
    """Writes the checkpoint in one move: the old one or the new one is there, never half of one."""
    text = json.dumps(
        {
            "search": identity,
            "ledger": {"count": ledger.count, "head": ledger.head},
            "rng": state.rng.bit_generator.state,
            "generation": state.generation,
            "individuals": [_individual_json(individual) for individual in state.individuals],
            "members": [_member_json(member) for member in state.members],
            "population": state.population,
            "hypervolumes": state.hypervolumes,
            "n_trials": state.n_trials,
            "env_steps": state.env_steps,
        }
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with part.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def load_state(path: Path, identity: str, ledger: Ledger) -> State | None:
    """The checkpoint, or None when there is none that this ledger vouches for."""
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_text())
        count, lines = found["ledger"]["count"], ledger.lines()
        vouched = 0 < count <= len(lines) and lines[count - 1].hash == found["ledger"]["head"]
        if vouched and found["search"] == identity:
            return _state(found)
        log.warning("%s belongs to another ledger: the search is rebuilt from the ledger's lines", path.name)
    except (KeyError, TypeError, ValueError) as error:  # of another version, or damaged
        log.warning("%s cannot be read (%r): the search is rebuilt from the ledger's lines", path.name, error)
    return None


def _state(found: Mapping[str, Any]) -> State:
    rng = np.random.Generator(np.random.PCG64())
    rng.bit_generator.state = found["rng"]
    return State(
        rng=rng,
        generation=found["generation"],
        individuals=[_individual(item) for item in found["individuals"]],
        members=[_member(item) for item in found["members"]],
        population=list(found["population"]),
        hypervolumes=list(found["hypervolumes"]),
        n_trials=found["n_trials"],
        env_steps=found["env_steps"],
    )


def _value(trial: Trial) -> float:
    return trial.value if trial.value is not None else float("-inf")


def _individual_json(individual: Individual) -> dict[str, Any]:
    trials = [
        {
            name: getattr(trial, name)
            for name in (
                "owner",
                "index",
                "params",
                "seed",
                "rung",
                "value",
                "point",
                "folder",
            )
        }
        for trial in individual.trials
    ]
    return {
        "genome": individual.genome.to_json(),
        "generation": individual.generation,
        "index": individual.index,
        "parents": list(individual.parents),
        "trials": trials,
    }


def _individual(item: Mapping[str, Any]) -> Individual:
    return Individual(
        genome=Genome.from_json(item["genome"]),
        generation=item["generation"],
        index=item["index"],
        parents=tuple(item["parents"]),
        trials=[Trial(**{**trial, "point": tuple(trial["point"])}) for trial in item["trials"]],
    )


def _member_json(member: Member) -> dict[str, Any]:
    plain = {name: getattr(member, name) for name in ("key", "params", "seed", "generation", "individual")}
    return {
        **plain,
        "genome": member.genome.to_json(),
        "evaluation": member.evaluation.to_json(),
        "again": [list(point) for point in member.again],
        "parents": list(member.parents),
        "inherited": list(member.inherited),
    }


def _member(item: Mapping[str, Any]) -> Member:
    return Member(
        **{name: item[name] for name in ("key", "params", "seed", "generation", "individual")},
        genome=Genome.from_json(item["genome"]),
        evaluation=Evaluation(**item["evaluation"]),
        again=tuple((p, e) for p, e in item["again"]),
        parents=tuple(item["parents"]),
        inherited=tuple(item["inherited"]),
    )
