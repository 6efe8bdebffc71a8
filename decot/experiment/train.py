"""Train: `evolve` breeds genomes against a fitness that `rl` and `market` compute; the finalist learns again."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from decot.evolve.finalists import retrain
from decot.evolve.genome import Genome
from decot.evolve.ledger import Ledger
from decot.evolve.search import Evaluation, Fitness, Progress, SearchConfig, SearchResult
from decot.evolve.search import search as breed
from decot.evolve.trial import read_orders
from decot.experiment.artefact import Params, architecture, keep, lessons_plan, silence
from decot.experiment.code import code_version
from decot.experiment.config import Experiment
from decot.experiment.enrich import open_context
from decot.experiment.place import Place
from decot.experiment.school import Part, School, enrol
from decot.gate.evidence import periods
from decot.market.oracle import check_plausible
from decot.market.simulate import simulate
from decot.model.agent import Agent
from decot.model.checkpoint import load, save, weights_hash
from decot.model.play import decide, walk
from decot.report.progress import say
from decot.rl.faithful import word_report
from decot.rl.ppo import Trained, train
from schemas.ref import Ref

PERIOD_MS = 60_000
"""length of a period in the ledger: one minute"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bench:
    """Everything a search works with, laid out the same way each time."""

    school: School
    cfg: SearchConfig
    ledger: Ledger
    folder: Path
    fitness: Fitness


def bench(experiment: Experiment, place: Place, features: Ref, context: str) -> Bench:
    """The school, the ledger and the fitness of one search; a search that was begun is found again."""
    school = enrol(experiment, place.get(features))
    known = open_context(place, context)
    cfg = replace(experiment.search, seed=experiment.seed, subject=subject(experiment, features, context))
    folder = place.folder("search", cfg.identity)
    ledger = Ledger(folder / "ledger.jsonl")
    if ledger.repaired:
        say("train", 0, 0, f"the ledger was mended: {ledger.repaired}")

    def fitness(genome: Genome, params: Params, seed: int, trial_dir: str) -> Evaluation:
        budget = read_orders(trial_dir).budget
        agent = Agent(architecture(experiment, genome, school.n_features), seed=seed)
        done = _taught(agent, school, lessons_plan(experiment, genome, params, budget), seed)
        about = {"genome": genome.to_json(), "params": params, "seed": seed, "env_steps": done.env_steps}
        keep(Path(trial_dir) / "agent", done.agent, experiment, school, known, features, about)
        return _examined(experiment, school, done, Path(trial_dir) / "agent", seed)

    return Bench(school=school, cfg=cfg, ledger=ledger, folder=folder, fitness=fitness)


def search(experiment: Experiment, place: Place, features: Ref, context: str) -> dict[str, Any]:
    """The genetic search; stops anywhere and goes on from there, every trial in the ledger."""
    at = bench(experiment, place, features, context)
    begun = sum(1 for _ in at.ledger.lines("trial"))
    if begun:
        say("train", 0, 0, f"{begun} trials of this very search are in the ledger: it goes on from there")
    told = _told(at.cfg.population * at.cfg.trials)
    return _summary(at.cfg.identity, breed(at.fitness, at.cfg, at.ledger, at.folder, on_progress=told))


def _taught(agent: Agent, school: School, plan: Any, seed: int) -> Trained:
    valid = (school.validation.lesson, school.validation.steps)
    return train(agent, school.train.lesson, school.train.steps, plan, validation=valid, seed=seed)


def _examined(experiment: Experiment, school: School, done: Trained, artefact: Path, seed: int) -> Evaluation:
    """What a trial is worth: its account on validation rows, and whether its words hold."""
    pnl = minutes(experiment, school, done.agent, school.validation)
    words = word_report(done.agent, school.validation.lesson, n_sentences=20)
    error = float(pnl.std(ddof=1) / np.sqrt(pnl.size)) if pnl.size > 1 else 0.0
    return Evaluation(
        profit=float(pnl.mean()) - error,
        explanation=words.score,
        proxy=done.best_bps,
        period_pnl=[round(float(x), 6) for x in pnl],
        env_steps=done.env_steps,
        artefact=str(artefact),
        notes={"net_bps": round(float(pnl.sum()), 4), "best_step": done.best_step, "seed": seed},
    )


def minutes(experiment: Experiment, school: School, agent: Agent, part: Part) -> np.ndarray:
    """(P,) net P&L per minute of one account that follows the agent over a part, bps of its capital."""
    targets = targets_on(experiment, agent, part)
    run = simulate(part.tape, targets, school.rules, school.account)
    check_plausible(run, part.tape, school.rules)
    return periods(run.net_bps, period_bars(experiment))


def targets_on(experiment: Experiment, agent: Agent, part: Part) -> np.ndarray:
    """(T,) the positions the agent asks for over a part; flat while its memory warms up."""
    burn = experiment.split.burn_in
    wanted = walk(decide(agent, part.lesson.obs).actions_if[burn:])
    return np.concatenate([np.zeros(burn, np.int8), wanted])


def period_bars(experiment: Experiment) -> int:
    """Bars in a minute, at least one."""
    return max(1, PERIOD_MS // experiment.clock_ms)


def finish(
    experiment: Experiment, place: Place, features: Ref, context: str, *, zero_head: str = ""
) -> dict[str, Any]:
    """The knee of the front learns from scratch on several seeds; the median one on validation is the artefact.

    Every retraining is a line of the ledger, so that the gate counts it.
    """
    at = bench(experiment, place, features, context)
    found = breed(at.fitness, at.cfg, at.ledger, at.folder)
    seeds = experiment.finals.seeds

    def watched(genome: Genome, params: Params, seed: int, trial_dir: str) -> Evaluation:
        done = at.fitness(genome, params, seed, trial_dir)
        say(
            "finals",
            len(list(at.ledger.lines("trial"))) - found.trials + 1,
            seeds,
            "from scratch, another seed",
        )
        return done

    say("finals", 0, seeds, "the finalist's genome from scratch")
    finalist = retrain(watched, [found.best], at.cfg, at.ledger, at.folder, n_seeds=seeds)[0]
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
    decides = {key: plain[key] for key in ("seed", "clock_ms", "market", "split", "net", "learning")}
    return json.dumps([features.digest, context, code_version(), decides], sort_keys=True, default=str)


def _told(per_generation: int) -> Any:
    def tell(at: Progress) -> None:
        total = per_generation * at.generations
        done = min(total, at.generation * per_generation + at.trials)
        note = f"generation {at.generation + 1}/{at.generations}, best {at.best_profit:+.3f}, {at.env_steps:,} env steps"
        say("train", done, total, note)

    return tell


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
