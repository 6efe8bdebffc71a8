"""Train: `evolve` breeds genomes against a fitness that `rl` and `market` compute; the finalist learns again."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from decot.evolve.finalists import founder_of, retrain
from decot.evolve.genome import Genome
from decot.evolve.ledger import Ledger
from decot.evolve.runner import Runner
from decot.evolve.search import Evaluation, Progress, SearchConfig, SearchResult
from decot.evolve.search import search as breed
from decot.experiment.artefact import silence
from decot.experiment.code import code_version
from decot.experiment.config import Experiment
from decot.experiment.place import Place
from decot.experiment.trial import Trial, minutes, period_bars, targets_on
from decot.model.checkpoint import load, save, weights_hash
from decot.report.progress import say
from schemas.ref import Ref

__all__ = ["bench", "finish", "label", "minutes", "period_bars", "search", "subject", "targets_on"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bench:
    """Everything a search works with, laid out the same way each time."""

    cfg: SearchConfig
    ledger: Ledger
    folder: Path
    fitness: Trial


def bench(experiment: Experiment, place: Place, features: Ref, context: str) -> Bench:
    """The ledger and the fitness of one search; a search that was begun is found again."""
    cfg = replace(experiment.search, seed=experiment.seed, subject=subject(experiment, features, context))
    folder = place.folder("search", cfg.identity)
    ledger = Ledger(folder / "ledger.jsonl")
    if ledger.repaired:
        say("train", 0, 0, f"the ledger was mended: {ledger.repaired}")
    fitness = Trial(experiment=experiment, home=str(place.home.resolve()), features=features, context=context)
    return Bench(cfg=cfg, ledger=ledger, folder=folder, fitness=fitness)


def search(
    experiment: Experiment, place: Place, features: Ref, context: str, runner: Runner | None = None
) -> dict[str, Any]:
    """The genetic search; stops anywhere and goes on from there, every trial in the ledger, whoever evaluates it."""
    at = bench(experiment, place, features, context)
    begun = sum(1 for _ in at.ledger.lines("trial"))
    if begun:
        say("train", 0, 0, f"{begun} trials of this very search are in the ledger: it goes on from there")
    return _summary(at.cfg.identity, breed(at.fitness, at.cfg, at.ledger, at.folder, _told, runner))


def finish(
    experiment: Experiment,
    place: Place,
    features: Ref,
    context: str,
    *,
    zero_head: str = "",
    runner: Runner | None = None,
) -> dict[str, Any]:
    """The knee of the front learns from scratch on several seeds; the median one on validation is the artefact.

    Every retraining is a line of the ledger, so that the gate counts it.
    """
    at = bench(experiment, place, features, context)
    found = breed(at.fitness, at.cfg, at.ledger, at.folder, runner=runner)
    seeds = experiment.finals.seeds

    def tell(done: int) -> None:
        say("finals", done, seeds, "from scratch, another seed")

    say("finals", 0, seeds, "the finalist's genome from scratch")
    best = found.best
    if at.cfg.inherit and experiment.finals.begin == "founder":
        best = replace(best, params=founder_of(best, found.members).params)
    finalist = retrain(
        at.fitness, [best], at.cfg, at.ledger, at.folder, n_seeds=seeds, runner=runner, on_progress=tell
    )[0]
    rows = [
        _kept(place, experiment.name, one, zero_head) for one in finalist.evaluations if not one.is_failed
    ]
    say("finals", seeds, seeds, "the median seed is judged")
    chosen = rows[[one for one in finalist.evaluations if not one.is_failed].index(finalist.chosen)]
    return {"artefact": chosen["artefact"], "weights": chosen["weights"], "seeds": rows}


def _kept(place: Place, profile: str, one: Evaluation, zero_head: str) -> dict[str, Any]:
    """A finalist's artefact under its own name, its head silenced where a drill asks for it."""
    agent, manifest = load(Path(one.artefact))
    if zero_head:
        silence(agent, zero_head)
        manifest["about"]["drill"] = f"head {zero_head} was silenced after training"
    weights = weights_hash(agent)
    name = f"{profile}-{weights[:12]}"
    save(place.folder("artefacts") / name, agent, manifest)
    return {
        "seed": one.notes["seed"],
        "validation_bps": round(sum(one.period_pnl), 2),
        "best_step": one.notes["best_step"],
        "env_steps": one.env_steps,
        "weights": weights,
        "artefact": name,
    }


def subject(experiment: Experiment, features: Ref, context: str) -> str:
    """What a trial's result depends on beside its genome; another subject is another search."""
    plain = experiment.to_dict()
    decides = {
        key: plain[key] for key in ("seed", "clock_ms", "scaler", "market", "split", "net", "learning")
    }
    return json.dumps([features.digest, context, code_version(), decides], sort_keys=True, default=str)


def _told(at: Progress) -> None:
    total = at.trials_planned * at.generations
    done = min(total, at.generation * at.trials_planned + at.trials)
    note = f"generation {at.generation + 1}/{at.generations}, best {at.best_profit:+.3f}, {at.env_steps:,} env steps"
    say("train", done, total, note)


def _summary(identity: str, found: SearchResult) -> dict[str, Any]:
    on_front = {id(member) for member in found.front}
    points = [(member.point, member) for member in found.members]
    rows = []
    for point, member in points:
        is_front = id(member) in on_front or any(point == other.point for other in found.front)
        rows.append(
            {
                "profit": round(float(point[0]), 6),
                "explanation": round(float(point[1]), 6),
                "is_front": is_front,
                "label": label(member.genome),
                "genome": member.genome.to_json(),
            }
        )
    return {
        "folder": identity,
        "individuals": found.individuals,
        "trials": found.trials,
        "env_steps": found.env_steps,
        "front": sorted(rows, key=lambda row: (not row["is_front"], -row["profit"])),
        "ledger_head": found.ledger_head,
        "best": {"genome": found.best.genome.to_json(), "params": dict(found.best.params)},
    }


def label(genome: Genome) -> str:
    """A genome in a few words."""
    return (
        f"conv {genome.conv_filters}×{genome.kernel}, lstm {genome.lstm_units}, {len(genome.questions)} thoughts of "
        f"width {genome.word_width}, {genome.algorithm}"
    )
