"""Hypervolume against environment steps: our search and its peers on the same cheap surrogate training.

    python -m benchmarks.evolve [--json] [--seeds 10] [--trainings 160] [--no-ablations] [--scale]

Every peer sees the same genome, parameters, luck and cost; it trains at full budget, as it knows nothing of
rungs and weights. The hypervolume is that of the configurations' true values (known in a surrogate), so
nobody is paid for luck. ratio = steps the peer spent ÷ steps we needed to the peer's final hypervolume, on
the curves' mean over the seeds.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from decot.evolve import pareto
from decot.evolve.genome import NUMBERS, Genome, repair
from decot.evolve.ledger import Ledger
from decot.evolve.runner import DaskRunner
from decot.evolve.search import SearchConfig, search
from decot.evolve.surrogate import Surrogate
from decot.evolve.trial import Evaluation, Params

WORLD = Surrogate()
N_QUESTIONS = len(WORLD.bounds.questions)
N_COORDINATES = len(NUMBERS) + 1 + 2 * N_QUESTIONS + len(WORLD.params)
OURS = SearchConfig(population=12, trials=3, rungs=(1 / 9, 1 / 3, 1.0), across=False, subject="benchmark")
TARGET = 2.0

Curve = list[tuple[float, float]]
"""(full trainings spent, hypervolume) after each evaluation"""


def decode(unit: Sequence[float]) -> tuple[Genome, Params]:
    """A point of the unit cube as genome and parameters: what a peer that only knows numbers searches."""
    bounds, rest = WORLD.bounds, list(unit)
    genes: dict[str, Any] = {name: _pick(getattr(bounds, name), rest.pop(0)) for name in NUMBERS}
    genes["algorithm"] = _pick(bounds.algorithms, rest.pop(0))
    keep = [rest.pop(0) for _ in range(N_QUESTIONS)]
    order = np.argsort([rest.pop(0) for _ in range(N_QUESTIONS)], kind="stable")
    questions = tuple(
        bounds.questions[i] for i in order if keep[i] > 0.4 or bounds.questions[i] in bounds.required
    )
    params: Params = {}
    for param in WORLD.params:
        x = rest.pop(0)
        low, high = (np.log(param.low), np.log(param.high)) if param.log else (param.low, param.high)
        value = low + x * (high - low)
        params[param.name] = float(np.exp(value)) if param.log else float(value)
    return repair(Genome(**genes, questions=questions), bounds), params


class FullTraining:
    """The surrogate as a plain function of numbers, one full training a call; remembers the true values."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng([seed, 1])
        self.points: list[pareto.Point] = []

    def __call__(self, unit: Sequence[float]) -> tuple[float, float]:
        genome, params = decode(unit)
        profit, explanation = WORLD.truth(genome, params, WORLD.learn(genome, params, 0.0, 1.0))
        self.points.append((profit, explanation))
        luck = WORLD.noise * self.rng.standard_normal(2)
        return profit + float(luck[0]), explanation + float(luck[1])

    def curve(self) -> Curve:
        return list(enumerate(_growth(self.points), start=1))


def random_search(seed: int, n: int) -> Curve:
    train, rng = FullTraining(seed), np.random.default_rng([seed, 2])
    for _ in range(n):
        train(rng.random(N_COORDINATES))
    return train.curve()


def optuna_nsga2(seed: int, n: int) -> Curve:
    import optuna

    sampler = optuna.samplers.NSGAIISampler(seed=seed, population_size=20)
    return _optuna(optuna.create_study(directions=["maximize"] * 2, sampler=sampler), seed, n, scalar=False)


def optuna_tpe(seed: int, n: int) -> Curve:
    import optuna

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    return _optuna(study, seed, n, scalar=True)


def _optuna(study: Any, seed: int, n: int, *, scalar: bool) -> Curve:
    train = FullTraining(seed)
    for _ in range(n):
        trial = study.ask()
        found = train([trial.suggest_float(f"x{i}", 0.0, 1.0) for i in range(N_COORDINATES)])
        study.tell(trial, sum(found) if scalar else list(found))
    return train.curve()


def deap_nsga2(seed: int, n: int) -> Curve:
    """DEAP's own (μ + λ) loop with its bounded operators and NSGA-II selection, as its examples have it."""
    import random

    from deap import algorithms, base, tools

    class Individual(list):
        def __init__(self, values: Sequence[float]) -> None:
            super().__init__(values)
            self.fitness = pareto.Fitness()

    random.seed(seed)
    train, box = FullTraining(seed), base.Toolbox()
    box.register("evaluate", train)
    box.register("mate", tools.cxSimulatedBinaryBounded, low=0.0, up=1.0, eta=20.0)
    box.register("mutate", tools.mutPolynomialBounded, low=0.0, up=1.0, eta=20.0, indpb=1.0 / N_COORDINATES)
    box.register("select", tools.selNSGA2)
    start = [Individual([random.random() for _ in range(N_COORDINATES)]) for _ in range(20)]
    for _ in range(1000):
        algorithms.eaMuPlusLambda(start, box, 20, 20, 0.7, 0.3, 0 if not train.points else 1, verbose=False)
        if len(train.points) >= n:
            break
    return train.curve()[:n]


def pymoo_nsga2(seed: int, n: int) -> Curve:
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.problem import ElementwiseProblem
    from pymoo.optimize import minimize

    train = FullTraining(seed)

    class Problem(ElementwiseProblem):
        def __init__(self) -> None:
            super().__init__(n_var=N_COORDINATES, n_obj=2, xl=0.0, xu=1.0)

        def _evaluate(self, x: Any, out: dict, *args: Any, **kwargs: Any) -> None:
            out["F"] = [-value for value in train(x)]

    minimize(Problem(), NSGA2(pop_size=20), ("n_eval", n), seed=seed)
    return train.curve()[:n]


def ours(seed: int, n: int, **switches: bool) -> Curve:
    """Our search, until its environment steps are those of n full trainings; read back from its ledger."""
    curve: Curve = []
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder) / "trials.jsonl", fsync=False)
        generations, spent = 0, 0
        while spent < n * WORLD.full_steps:
            generations += 3
            cfg = SearchConfig(**{**_fields(OURS), **switches, "seed": seed, "generations": generations})
            spent = search(WORLD, cfg, ledger, folder).env_steps
        steps, points = 0, []
        for line in ledger.lines("trial"):
            found = line.payload["evaluation"]
            steps += found["env_steps"]
            if line.payload["budget"] == 1.0:
                points.append((found["notes"]["true_profit"], found["notes"]["true_explanation"]))
                curve.append((steps / WORLD.full_steps, 0.0))
    return [(at, volume) for (at, _), volume in zip(curve, _growth(points)) if at <= n]


def scale_out(seconds: float = 0.5) -> dict[str, Any]:
    """The same search on a real Dask cluster of one single-threaded worker and of two, and whether all agree with this
    process: once with trainings that burn a core, once with trainings that wait (for another device, say). The first is a
    lower bound on a machine that has other work to do; the second shows what the search's own order allows."""
    import distributed

    cfg = SearchConfig(generations=2, population=8, trials=1, elites=0, subject="scale")
    found: dict[str, Any] = {"load_average": round(os.getloadavg()[0], 2)}
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "plain"
        heads = {search(WORLD, cfg, Ledger(plain / "l.jsonl", fsync=False), plain).ledger_head}
        for workers in (1, 2):
            cluster = distributed.LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address=None,
                local_directory=folder,
            )
            with cluster, distributed.Client(cluster) as client:
                for kind, training in (("burning", Burning(seconds)), ("waiting", Waiting(seconds))):
                    client.gather(client.map(_warm, range(4 * workers), pure=False))
                    place = Path(folder) / f"{kind}-{workers}"
                    ledger, began = Ledger(place / "l.jsonl", fsync=False), time.perf_counter()
                    result = search(training, cfg, ledger, place, runner=DaskRunner(client))
                    found[f"{kind}_{workers}_s"] = round(time.perf_counter() - began, 2)
                    heads.add(result.ledger_head)
    for kind in ("burning", "waiting"):
        found[f"{kind}_speedup"] = round(found[f"{kind}_1_s"] / found[f"{kind}_2_s"], 3)
    found["agree"] = len(heads) == 1
    return found


@dataclass(frozen=True)
class Waiting:
    """A surrogate training that takes time and no core."""

    seconds: float

    def __call__(self, genome: Genome, params: Params, seed: int, trial_dir: str) -> Evaluation:
        time.sleep(self.seconds)
        return WORLD(genome, params, seed, trial_dir)


@dataclass(frozen=True)
class Burning:
    """A surrogate training that really uses a core."""

    seconds: float

    def __call__(self, genome: Genome, params: Params, seed: int, trial_dir: str) -> Evaluation:
        until = time.thread_time() + self.seconds
        while time.thread_time() < until:
            pass
        return WORLD(genome, params, seed, trial_dir)


def _warm(_: int) -> str:
    return SearchConfig.__name__


PEERS: dict[str, tuple[str, Callable[[int, int], Curve]]] = {
    "optuna-nsga2": ("optuna", optuna_nsga2),
    "optuna-tpe": ("optuna", optuna_tpe),
    "deap": ("deap", deap_nsga2),
    "pymoo": ("pymoo", pymoo_nsga2),
    "random": ("numpy", random_search),
}


def at(curve: Curve, spent: float) -> float:
    """The hypervolume of a curve once so much has been spent."""
    return max((volume for steps, volume in curve if steps <= spent), default=0.0)


def mean_curve(curves: Sequence[Curve], n: int) -> list[float]:
    """Mean hypervolume over the seeds after 1, 2, … n full trainings."""
    return [float(np.mean([at(curve, spent) for curve in curves])) for spent in range(1, n + 1)]


def told(curves: Sequence[Curve], n: int, seconds: float) -> dict[str, Any]:
    finals = [at(curve, n) for curve in curves]
    grid = sorted({max(1, n // 8), max(1, n // 4), max(1, n // 2), n})
    mean = mean_curve(curves, n)
    return {
        "hypervolume": round(float(np.mean(finals)), 4),
        "sd": round(float(np.std(finals, ddof=1)) if len(finals) > 1 else 0.0, 4),
        "by_trainings": {str(spent): round(mean[spent - 1], 4) for spent in grid},
        "seconds": round(seconds, 1),
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--trainings", type=int, default=160, help="full trainings each may spend")
    parser.add_argument("--no-ablations", action="store_true")
    parser.add_argument("--scale", action="store_true", help="also time one and two Dask workers")
    args = parser.parse_args(argv)
    n = args.trainings
    _quiet_optuna()

    def measured(name: str, find: Callable[[int, int], Curve]) -> tuple[list[Curve], dict[str, Any]]:
        began = time.perf_counter()
        curves = []
        for seed in range(args.seeds):
            print(f"{name}: seed {seed + 1} of {args.seeds}", file=sys.stderr)
            curves.append(find(seed, n))
        return curves, told(curves, n, time.perf_counter() - began)

    our_curves, our_told = measured("ours", ours)
    our_mean = mean_curve(our_curves, n)
    peers: dict[str, Any] = {}
    ratios: dict[str, float] = {}
    for name, (package, find) in PEERS.items():
        if importlib.util.find_spec(package) is None:
            print(f"{name}: {package} is not installed, skipped", file=sys.stderr)
            continue
        _, peers[name] = measured(name, find)
        needed = next((i for i, v in enumerate(our_mean, start=1) if v >= peers[name]["hypervolume"]), None)
        peers[name]["ours_needed_trainings"] = needed
        ratios[name] = round(n / needed, 2) if needed else 0.0
    ablations = {}
    if not args.no_ablations:
        for name, switches in (("no inheritance", {"inherit": False}), ("no enqueueing", {"enqueue": False})):
            _, ablations[name] = measured(name, lambda seed, n, s=switches: ours(seed, n, **s))
    if args.scale:
        print("scale: one and two Dask workers", file=sys.stderr)
        our_told["scale"] = scale_out()
    targets = {name: TARGET for name in ratios if name != "random"}
    report = {
        "name": "evolve",
        "ours": {**our_told, "ablations": ablations},
        "peers": peers,
        "ratios": ratios,
        "targets": targets,
        "met": all(ratios[name] >= target for name, target in targets.items()),
        "seeds": args.seeds,
        "trainings": n,
    }
    print(json.dumps(report) if args.json else json.dumps(report, indent=2))
    return 0


def _growth(points: Sequence[pareto.Point]) -> list[float]:
    kept: list[pareto.Point] = []
    grown = []
    for point in points:
        kept.append(point)
        kept = [kept[i] for i in pareto.front(kept)]
        grown.append(pareto.hypervolume(kept))
    return grown


def _pick(values: Sequence[Any], x: float) -> Any:
    return values[min(int(x * len(values)), len(values) - 1)]


def _fields(cfg: SearchConfig) -> dict[str, Any]:
    return {name: getattr(cfg, name) for name in cfg.__dataclass_fields__}


def _quiet_optuna() -> None:
    import warnings

    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)


if __name__ == "__main__":
    sys.exit(main())
