"""What plain searchers do on the same subject: Optuna (NSGA-II, TPE), DEAP, pymoo, chance. They know numbers, not genomes.

Every peer sees the same genome, parameters, luck and cost; it trains at full budget, as it knows nothing of rungs and
weights. Hypervolumes are of the *true* values of what was trained, so nobody is paid for luck.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from decot.evolve import pareto
from decot.evolve.genome import NUMBERS, Bounds, Genome, repair
from decot.evolve.study import Param
from decot.evolve.trial import Params

Curve = list[tuple[float, float]]
"""(full trainings spent, hypervolume) after each evaluation"""


class Subject(Protocol):
    """What is searched: genomes, parameters, and what a full training of them gives."""

    bounds: Bounds
    params: tuple[Param, ...]

    def full(
        self, genome: Genome, params: Params, rng: np.random.Generator
    ) -> tuple[pareto.Point, pareto.Point]:
        """(as seen by the searcher, true) profit and explanation."""
        ...


def n_coordinates(subject: Subject) -> int:
    return len(NUMBERS) + 1 + 2 * len(subject.bounds.questions) + len(subject.params)


def decode(unit: Sequence[float], subject: Subject) -> tuple[Genome, Params]:
    """A point of the unit cube as genome and parameters: what a peer that only knows numbers searches."""
    bounds, rest = subject.bounds, list(unit)
    n_questions = len(bounds.questions)
    genes: dict[str, Any] = {name: _pick(getattr(bounds, name), rest.pop(0)) for name in NUMBERS}
    genes["algorithm"] = _pick(bounds.algorithms, rest.pop(0))
    keep = [rest.pop(0) for _ in range(n_questions)]
    order = np.argsort([rest.pop(0) for _ in range(n_questions)], kind="stable")
    questions = tuple(
        bounds.questions[i] for i in order if keep[i] > 0.4 or bounds.questions[i] in bounds.required
    )
    params: Params = {}
    for param in subject.params:
        x = rest.pop(0)
        low, high = (math.log(param.low), math.log(param.high)) if param.log else (param.low, param.high)
        value = low + x * (high - low)
        params[param.name] = math.exp(value) if param.log else value
    return repair(Genome(**genes, questions=questions), bounds), params


class FullTraining:
    """The subject as a plain function of numbers, one full training a call; remembers the true values."""

    def __init__(self, subject: Subject, seed: int) -> None:
        self.subject, self.rng = subject, np.random.default_rng([seed, 1])
        self.points: list[pareto.Point] = []

    def __call__(self, unit: Sequence[float]) -> pareto.Point:
        seen, true = self.subject.full(*decode(unit, self.subject), self.rng)
        self.points.append(true)
        return seen

    def curve(self) -> Curve:
        return list(enumerate(growth(self.points), start=1))


def random_search(subject: Subject, seed: int, n: int) -> Curve:
    train, rng = FullTraining(subject, seed), np.random.default_rng([seed, 2])
    for _ in range(n):
        train(rng.random(n_coordinates(subject)))
    return train.curve()


def optuna_nsga2(subject: Subject, seed: int, n: int) -> Curve:
    import optuna

    sampler = optuna.samplers.NSGAIISampler(seed=seed, population_size=_population(n))
    return _optuna(
        optuna.create_study(directions=["maximize"] * 2, sampler=sampler), subject, seed, n, scalar=False
    )


def optuna_tpe(subject: Subject, seed: int, n: int) -> Curve:
    import optuna

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    return _optuna(study, subject, seed, n, scalar=True)


def _optuna(study: Any, subject: Subject, seed: int, n: int, *, scalar: bool) -> Curve:
    train = FullTraining(subject, seed)
    for _ in range(n):
        trial = study.ask()
        found = train([trial.suggest_float(f"x{i}", 0.0, 1.0) for i in range(n_coordinates(subject))])
        study.tell(trial, sum(found) if scalar else list(found))
    return train.curve()


def deap_nsga2(subject: Subject, seed: int, n: int) -> Curve:
    """DEAP's own (μ + λ) loop with its bounded operators and NSGA-II selection, as its examples have it."""
    import random

    from deap import algorithms, base, tools

    class Individual(list):
        def __init__(self, values: Sequence[float]) -> None:
            super().__init__(values)
            self.fitness = pareto.Fitness()

    random.seed(seed)
    train, box = FullTraining(subject, seed), base.Toolbox()
    box.register("evaluate", train)
    box.register("mate", tools.cxSimulatedBinaryBounded, low=0.0, up=1.0, eta=20.0)
    box.register(
        "mutate", tools.mutPolynomialBounded, low=0.0, up=1.0, eta=20.0, indpb=1.0 / n_coordinates(subject)
    )
    box.register("select", tools.selNSGA2)
    start = [
        Individual([random.random() for _ in range(n_coordinates(subject))]) for _ in range(_population(n))
    ]
    for _ in range(1000):
        algorithms.eaMuPlusLambda(
            start, box, len(start), len(start), 0.7, 0.3, 0 if not train.points else 1, verbose=False
        )
        if len(train.points) >= n:
            break
    return train.curve()[:n]


def pymoo_nsga2(subject: Subject, seed: int, n: int) -> Curve:
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.problem import ElementwiseProblem
    from pymoo.optimize import minimize

    train = FullTraining(subject, seed)

    class Problem(ElementwiseProblem):
        def __init__(self) -> None:
            super().__init__(n_var=n_coordinates(subject), n_obj=2, xl=0.0, xu=1.0)

        def _evaluate(self, x: Any, out: dict, *args: Any, **kwargs: Any) -> None:
            out["F"] = [-value for value in train(x)]

    minimize(Problem(), NSGA2(pop_size=_population(n)), ("n_eval", n), seed=seed)
    return train.curve()[:n]


def _population(n: int) -> int:
    """Twenty, or a fifth of a small budget: with fewer than five generations nobody evolves."""
    return min(20, max(4, n // 5))


PEERS: dict[str, tuple[str, Callable[[Subject, int, int], Curve]]] = {
    "optuna-nsga2": ("optuna", optuna_nsga2),
    "optuna-tpe": ("optuna", optuna_tpe),
    "deap": ("deap", deap_nsga2),
    "pymoo-nsga2": ("pymoo", pymoo_nsga2),
    "random": ("numpy", random_search),
}


def growth(points: Sequence[pareto.Point]) -> list[float]:
    """The hypervolume after each point."""
    kept: list[pareto.Point] = []
    grown = []
    for point in points:
        kept.append(point)
        kept = [kept[i] for i in pareto.front(kept)]
        grown.append(pareto.hypervolume(kept))
    return grown


def _pick(values: Sequence[Any], x: float) -> Any:
    return values[min(int(x * len(values)), len(values) - 1)]
