"""Hypervolume against environment steps: our search and its peers, on a cheap surrogate training and on real ones.

    python -m benchmarks.evolve [--json] [--worlds surrogate planted] [--seeds 10] [--pieces FOLDER] [--only ours deap …]
    python -m benchmarks.evolve --noise 40        pure noise: is the front's lower bound above zero?
    python -m benchmarks.evolve --scale           one and two Dask workers on a training that burns a core

ratio = steps the peer spent ÷ steps we needed to the peer's final hypervolume, on the curves' mean over the seeds; 0
when we never got there. `--pieces` keeps every finished (world, method, seed), so that a long comparison can be stopped, or
run in parts by several processes (`--only`). On the planted world every seed is another market, and a training's true value
is what its agent does on the other day, which no search has seen. How long a training is decides who wins there
(`--env-steps`): a short one learns something by itself in one of ten draws, one of 32,768 steps in every second.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.evolve_peers import PEERS, Curve, growth
from benchmarks.evolve_subjects import Cheap, Planted
from decot.evolve.ledger import Ledger
from decot.evolve.search import search

TARGET = 2.0
PATIENT = ", 4x as long"
ABLATIONS = {"no inheritance": {"inherit": False}, "no enqueueing": {"enqueue": False}}


def ours(subject: Any, seed: int, n: int, **switches: bool) -> Curve:
    """Our search, until its environment steps are those of n full trainings; read back from its ledger."""
    curve: Curve = []
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder) / "trials.jsonl", fsync=False)
        generations, spent = 0, 0
        while spent < n * subject.full_steps:
            generations += 1
            cfg = replace(subject.cfg, **switches, seed=seed, generations=generations)
            spent = search(subject.fitness, cfg, ledger, folder).env_steps
        steps, points = 0, []
        for line in ledger.lines("trial"):
            found = line.payload["evaluation"]
            steps += found["env_steps"]
            if line.payload["budget"] == 1.0:
                points.append((found["notes"]["true_profit"], found["notes"]["true_explanation"]))
                curve.append((steps / subject.full_steps, 0.0))
    return [(at, volume) for (at, _), volume in zip(curve, growth(points)) if at <= n]


def at(curve: Curve, spent: float) -> float:
    """The hypervolume of a curve once so much has been spent."""
    return max((volume for steps, volume in curve if steps <= spent), default=0.0)


def mean_curve(curves: Sequence[Curve], n: int) -> list[float]:
    """Mean hypervolume over the seeds after 1, 2, … n full trainings."""
    return [float(np.mean([at(curve, spent) for curve in curves])) for spent in range(1, n + 1)]


def needed_by(curve: Curve, volume: float, n: int) -> float | None:
    """Full trainings this one curve spent to such a hypervolume; None when it never did."""
    spent = next((steps for steps, reached in curve if reached >= volume and steps <= n), None)
    return None if spent is None else round(spent, 2)


def patient(find: Callable[[Any, int, int], Curve], subject: Any, seed: int, n: int) -> Curve:
    """A peer that spends the same steps on a quarter as many trainings, each four times as long."""
    curve = find(subject.longer(4 * subject.full_steps), seed, n // 4)
    return [(4 * spent, volume) for spent, volume in curve]


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


def compare(world: str, subject_of: Callable[[int], Any], args: argparse.Namespace) -> dict[str, Any]:
    """Everybody on the same subjects, seeds and budget; seed after seed, so that a comparison that is stopped has whole
    seeds to show."""
    n, seeds = args.trainings, range(args.first_seed, args.first_seed + args.seeds)
    methods = methods_of(world, args)
    curves: dict[str, list[Curve]] = {name: [] for name in methods}
    seconds = dict.fromkeys(methods, 0.0)
    for seed in seeds:
        subject = subject_of(seed)
        for name, find in methods.items():
            print(f"{world}, {name}: seed {seed}", file=sys.stderr, flush=True)
            began = time.perf_counter()
            curves[name].append(
                kept(args.pieces, f"{world} {name} {seed} {n}", partial(find, subject, seed, n))
            )
            seconds[name] += time.perf_counter() - began
    found = {name: told(curves[name], n, seconds[name]) for name in methods}
    beside = [name for name in methods if name.removesuffix(PATIENT) in PEERS]
    if "ours" not in methods or not beside:
        return found
    peers = {name: found[name] | against(curves["ours"], curves[name], n) for name in beside}
    ratios = {name: peers[name]["ratio"] for name in peers}
    return {
        "ours": {**found["ours"], "ablations": {name: found[name] for name in methods if name in ABLATIONS}},
        "peers": peers,
        "best_peer": max(peers, key=lambda name: peers[name]["hypervolume"]),
        "ratios": ratios,
        "seeds": [seeds.start, seeds.stop - 1],
        "trainings": n,
    }


def methods_of(world: str, args: argparse.Namespace) -> dict[str, Callable[[Any, int, int], Curve]]:
    """Ours, every peer that is installed, and ours with one thing switched off."""
    methods: dict[str, Callable[[Any, int, int], Curve]] = {"ours": ours}
    for name, (package, find) in PEERS.items():
        if importlib.util.find_spec(package) is None:
            print(f"{name}: {package} is not installed, skipped", file=sys.stderr)
        else:
            methods[name] = find
    if world.startswith("planted"):
        methods |= {f"{name}{PATIENT}": partial(patient, methods[name]) for name in PEERS if name in methods}
    if not args.no_ablations:
        methods |= {name: partial(ours, **switches) for name, switches in ABLATIONS.items()}
    return {name: methods[name] for name in args.only} if args.only else methods


def against(our_curves: Sequence[Curve], curves: Sequence[Curve], n: int) -> dict[str, Any]:
    """Trainings we needed to a peer's final hypervolume: on the mean curves, seed by seed, and how far the ratio moves
    when the seeds are drawn again (95 % of 2,000 draws)."""
    mine = np.array([[at(curve, spent) for spent in range(1, n + 1)] for curve in our_curves])
    final = np.array([at(curve, n) for curve in curves])
    drawn = np.random.default_rng(0).integers(len(final), size=(2_000, len(final)))
    ratios = [_ratio(mine[rows].mean(0), float(final[rows].mean()), n) for rows in drawn]
    ratio = _ratio(mine.mean(0), float(final.mean()), n)
    return {
        "ours_needed_trainings": round(n / ratio) if ratio else None,
        "ratio": round(ratio, 2),
        "ratio_95": [round(float(x), 2) for x in np.percentile(ratios, (2.5, 97.5))],
        "by_seed": [needed_by(own, at(peer, n), n) for own, peer in zip(our_curves, curves, strict=True)],
    }


def _ratio(curve: np.ndarray, volume: float, n: int) -> float:
    reached = np.flatnonzero(curve >= volume)
    return float(n / (reached[0] + 1)) if len(reached) else 0.0


def kept(folder: Path | None, name: str, find: Callable[[], Curve]) -> Curve:
    """A finished piece is read; a new one is put away."""
    if folder is None:
        return find()
    path = folder / (name.replace(" ", "_") + ".json")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(find()))
    return [(spent, volume) for spent, volume in json.loads(path.read_text())]


def surrogate(args: argparse.Namespace) -> dict[str, Any]:
    """Trainings that cost nothing and whose truth is known."""
    return compare("surrogate", lambda seed: Cheap(), args)


def planted(args: argparse.Namespace) -> dict[str, Any]:
    """Real trainings, one thread each."""
    from threadpoolctl import threadpool_limits

    import benchmarks.planted  # noqa: F401 — what has threads is loaded before it is told to have one

    with tempfile.TemporaryDirectory() as nowhere, threadpool_limits(1):
        make = partial(Planted, args.pieces or Path(nowhere), args.env_steps)
        return {"env_steps": args.env_steps, **compare(f"planted-{args.env_steps}", make, args)}


@dataclass(frozen=True)
class World:
    """A comparison and how it is run unless told otherwise."""

    run: Callable[[argparse.Namespace], dict[str, Any]]
    first_seed: int
    """nothing was chosen on these seeds"""
    trainings: int


WORLDS = {"surrogate": World(surrogate, 200, 160), "planted": World(planted, 420, 32)}


def everywhere(args: argparse.Namespace) -> dict[str, Any]:
    """One comparison after the other; a peer's ratio on the planted world is called planted/PEER."""
    told: dict[str, dict[str, Any]] = {}
    for name in args.worlds:
        world, own = WORLDS[name], argparse.Namespace(**vars(args))
        own.first_seed = world.first_seed if args.first_seed is None else args.first_seed
        own.trainings = args.trainings or world.trainings
        told[name] = world.run(own)
    ratios = {
        peer if name == "surrogate" else f"{name}/{peer}": ratio
        for name, found in told.items()
        for peer, ratio in found.get("ratios", {}).items()
    }
    targets = {name: TARGET for name in ratios if not name.endswith(PATIENT)}
    sides = {
        side: {name: found.pop(side) for name, found in told.items() if side in found}
        for side in ("ours", "peers")
    }
    return {
        **sides,
        "worlds": told,
        "ratios": ratios,
        "targets": targets,
        "met": bool(targets) and all(ratios[name] >= TARGET for name in targets),
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--worlds", nargs="+", choices=tuple(WORLDS), default=list(WORLDS))
    parser.add_argument("--env-steps", type=int, default=8_192, help="planted: of one full training")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, help="200 and on the planted world 420 unless given")
    parser.add_argument(
        "--trainings", type=int, default=0, help="full trainings each may spend (160; planted 32)"
    )
    parser.add_argument("--pieces", type=Path, default=None, help="folder that keeps what is finished")
    parser.add_argument("--no-ablations", action="store_true")
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="METHOD",
        help="only these: for --pieces, or for want of time",
    )
    parser.add_argument("--noise", type=int, default=0, metavar="N", help="only: N searches of pure noise")
    parser.add_argument("--scale", action="store_true", help="only: time one and two Dask workers")
    args = parser.parse_args(argv)
    _quiet_optuna()
    if args.noise:
        from benchmarks.evolve_noise import noise

        report = {"name": "evolve-noise", **noise(args.noise, args.first_seed or 0)}
    elif args.scale:
        from benchmarks.evolve_scale import scale_out

        report = {"name": "evolve-scale", **scale_out()}
    else:
        report = {"name": "evolve", **everywhere(args)}
    print(json.dumps(report) if args.json else json.dumps(report, indent=2))
    return 0


def _quiet_optuna() -> None:
    import warnings

    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)


if __name__ == "__main__":
    sys.exit(main())
