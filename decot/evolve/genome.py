"""What is bred: one architecture as a handful of genes. Knows bounds and variation; knows nothing of what a
gene does to a model, nor of how well it does.

A genome is plain JSON, so that it survives processes, machines and versions (DEAP's own creator classes do not).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np

from decot.errors import ConfigError

NUMBERS = ("conv_filters", "kernel", "pool", "lstm_units", "dropout", "word_width")


@dataclass(frozen=True, slots=True, kw_only=True)
class Genome:
    """One architecture. Every value is one of its `Bounds`; `repair` makes it so."""

    conv_filters: int = 32
    kernel: int = 5
    pool: int = 1
    """width of the causal pooling after the convolution, bars; 1 = none"""
    lstm_units: int = 64
    dropout: float = 0.0
    questions: tuple[str, ...] = ("flow", "trend", "outlook", "risk")
    """the thoughts kept, in the order they are asked"""
    word_width: int = 8
    """embedding width of one answer"""
    algorithm: str = "ppo-exact"

    def to_json(self) -> dict[str, Any]:
        """The genes as JSON values, in their declared order."""
        return {**asdict(self), "questions": list(self.questions)}

    @staticmethod
    def from_json(genes: Mapping[str, Any]) -> Genome:
        """The genome `to_json` described; unknown or missing genes are named together."""
        known = {field.name for field in fields(Genome)}
        faults = [f"{name}: no such gene" for name in sorted(set(genes) - known)]
        faults += [f"{name}: gene missing" for name in sorted(known - set(genes))]
        if faults:
            raise ConfigError(faults)
        return Genome(**{**genes, "questions": tuple(genes["questions"])})

    @property
    def hash(self) -> str:
        """16 hex digits that two genomes share only when every gene is equal."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What each gene may be. Number genes are ordered, so that a small mutation is a small change."""

    conv_filters: tuple[int, ...] = (8, 16, 24, 32, 48, 64)
    kernel: tuple[int, ...] = (3, 5, 7, 9, 15)
    pool: tuple[int, ...] = (1, 2, 4)
    lstm_units: tuple[int, ...] = (16, 32, 48, 64, 96, 128)
    dropout: tuple[float, ...] = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3)
    word_width: tuple[int, ...] = (4, 8, 12, 16, 24)
    questions: tuple[str, ...] = (
        "flow", "volume", "trend", "momentum", "pattern", "regime", "news", "outlook", "risk",
    )  # fmt: skip
    required: tuple[str, ...] = ("outlook", "risk")
    """questions no genome may drop"""
    min_questions: int = 3
    algorithms: tuple[str, ...] = ("ppo-exact", "ppo-gae", "grpo")

    def __post_init__(self) -> None:
        faults = [f"{name}: no values" for name in (*NUMBERS, "algorithms") if not getattr(self, name)]
        faults += [
            f"{name}: not ascending"
            for name in NUMBERS
            if list(getattr(self, name)) != sorted(set(getattr(self, name)))
        ]
        faults += [
            f"required question {q!r} is not among the questions"
            for q in self.required
            if q not in self.questions
        ]
        if self.min_questions > len(self.questions):
            faults.append(f"min_questions {self.min_questions} > {len(self.questions)} questions")
        if faults:
            raise ConfigError(faults)


def random_genome(bounds: Bounds, rng: np.random.Generator) -> Genome:
    """A genome drawn uniformly gene by gene, and legal."""
    numbers = {name: _pick(getattr(bounds, name), rng) for name in NUMBERS}
    n_kept = int(rng.integers(bounds.min_questions, len(bounds.questions) + 1))
    order = rng.permutation(len(bounds.questions))[:n_kept]
    genome = Genome(
        **numbers,
        questions=tuple(bounds.questions[i] for i in order),
        algorithm=_pick(bounds.algorithms, rng),
    )
    return repair(genome, bounds)


def repair(genome: Genome, bounds: Bounds) -> Genome:
    """The nearest legal genome: numbers go to their nearest value, unknown and repeated questions leave, required
    ones come back at the end, an unknown algorithm becomes the first. A legal genome is returned as it is."""
    numbers = {name: _nearest(getattr(bounds, name), getattr(genome, name)) for name in NUMBERS}
    kept = [q for q in dict.fromkeys(genome.questions) if q in bounds.questions]
    kept += [q for q in bounds.required if q not in kept]
    kept += [q for q in bounds.questions if q not in kept][: max(bounds.min_questions - len(kept), 0)]
    algorithm = genome.algorithm if genome.algorithm in bounds.algorithms else bounds.algorithms[0]
    return Genome(**numbers, questions=tuple(kept), algorithm=algorithm)


def crossover(one: Genome, two: Genome, bounds: Bounds, rng: np.random.Generator) -> Genome:
    """A child with each gene from either parent; questions both ask are kept, the others are a coin's toss, and the
    order is that of one parent."""
    first, second = (one, two) if rng.random() < 0.5 else (two, one)
    genes = {name: getattr(first if rng.random() < 0.5 else second, name) for name in (*NUMBERS, "algorithm")}
    common = set(one.questions) & set(two.questions)
    pool = dict.fromkeys(first.questions + second.questions)
    questions = tuple(q for q in pool if q in common or rng.random() < 0.5)
    return repair(Genome(**genes, questions=questions), bounds)


def mutate(genome: Genome, bounds: Bounds, rng: np.random.Generator, rate: float = 0.2) -> Genome:
    """A legal neighbour that differs in at least one gene (where the bounds leave any choice).

    Args:
        rate: chance of change per gene; number genes mostly step to a neighbouring value and sometimes jump.
    """
    for _ in range(20):
        changes: dict[str, Any] = {
            name: _step(getattr(bounds, name), getattr(genome, name), rng)
            for name in NUMBERS
            if rng.random() < rate
        }
        if rng.random() < rate:
            changes["algorithm"] = _pick(bounds.algorithms, rng)
        if rng.random() < 2 * rate:
            changes["questions"] = _rethink(genome.questions, bounds, rng)
        child = repair(replace(genome, **changes), bounds)
        if child != genome:
            return child
    return genome


def _rethink(questions: Sequence[str], bounds: Bounds, rng: np.random.Generator) -> tuple[str, ...]:
    """One question fewer, one more, or two that change places."""
    asked, unasked = list(questions), [q for q in bounds.questions if q not in questions]
    move = int(rng.integers(3))
    if move == 0 and unasked:
        asked.insert(int(rng.integers(len(asked) + 1)), _pick(unasked, rng))
    elif move == 1:
        free = [q for q in asked if q not in bounds.required]
        if free and len(asked) > bounds.min_questions:
            asked.remove(_pick(free, rng))
    elif len(asked) > 1:
        i, j = rng.choice(len(asked), size=2, replace=False)
        asked[i], asked[j] = asked[j], asked[i]
    return tuple(asked)


def _step(values: Sequence[Any], value: Any, rng: np.random.Generator) -> Any:
    if rng.random() < 0.2:
        return _pick(values, rng)
    at = values.index(_nearest(values, value)) + (1 if rng.random() < 0.5 else -1)
    return values[min(max(at, 0), len(values) - 1)]


def _nearest(values: Sequence[Any], value: Any) -> Any:
    return min(values, key=lambda candidate: abs(candidate - value))


def _pick(values: Sequence[Any], rng: np.random.Generator) -> Any:
    return values[int(rng.integers(len(values)))]
