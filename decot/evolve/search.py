"""Breeding genomes against a fitness: NSGA-II outside, one Optuna study inside each individual. Knows generations,
trials and fronts; has never heard of trading.

    generation = breed (tournament, crossover, mutation; duplicates come from the cache)
               → per individual `trials` asks on the lowest rung, then the best by proxy climb the rungs from
                 their checkpoints
               → the elites once more with another seed, so that luck is not selected
               → NSGA-II survivors → one ledger line, one checkpoint

Everything is derived from (root seed, generation, individual, trial), trials are written to the ledger in that order as
they end, and a trial that is already there is read instead of run. So a search that was stopped anywhere, by
Ctrl-C or kill −9, is resumed by calling `search` again, and ends with the same front and the same ledger head.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from decot.errors import ModelFault
from decot.evolve import pareto
from decot.evolve.book import Book
from decot.evolve.breeding import breed
from decot.evolve.config import SearchConfig
from decot.evolve.genome import Genome
from decot.evolve.ledger import Ledger
from decot.evolve.runner import Runner, in_process
from decot.evolve.state import Individual, Member, State, Trial, load_state, save_state
from decot.evolve.study import Study
from decot.evolve.trial import Evaluation, Fitness, Orders, Params, Task

__all__ = ["Evaluation", "Fitness", "Member", "Progress", "SearchConfig", "SearchResult", "search"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a search stands, for a progress bar."""

    generation: int
    generations: int
    trials: int
    """of this generation, done"""
    trials_planned: int
    """of this generation"""
    total_trials: int
    env_steps: int
    hypervolume: float
    best_profit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    individuals: int
    trials: int
    env_steps: int
    front: list[Member]
    """by profit, descending"""
    best: Member
    """the knee of the front"""
    members: list[Member] = field(default_factory=list)
    """every evaluation at full budget"""
    hypervolumes: list[float] = field(default_factory=list)
    """after each generation"""
    ledger_head: str = ""


def search(
    fitness: Fitness,
    cfg: SearchConfig,
    ledger: Ledger,
    workdir: str | Path,
    on_progress: Callable[[Progress], None] | None = None,
    runner: Runner | None = None,
) -> SearchResult:
    """Breeds until `cfg.generations`, or continues where the same search was stopped.

    Args:
        fitness: (genome, params, seed, trial_dir) → Evaluation; the same arguments must give the same answer.
        workdir: holds the trials' folders and the generation checkpoint of each search.
    Raises:
        LedgerBroken: the ledger does not hold, or does not fit what this search would have done.
    """
    breeding = _Breeding(fitness, cfg, ledger, Path(workdir).resolve(), on_progress, runner or in_process)
    return breeding.run()


class _Breeding:
    """One search under way."""

    def __init__(
        self,
        fitness: Fitness,
        cfg: SearchConfig,
        ledger: Ledger,
        workdir: Path,
        on_progress: Callable[[Progress], None] | None,
        runner: Runner,
    ) -> None:
        self.cfg, self.workdir, self.on_progress, self.ledger = cfg, workdir, on_progress, ledger
        self.identity = cfg.identity
        self.folder = workdir / self.identity
        self.book = Book(ledger, self.identity, workdir, fitness, runner)
        found = load_state(self.folder / "generation.json", self.identity, ledger)
        self.state = found or State.fresh(cfg.seed)
        self.done, self.planned = 0, 0

    def run(self) -> SearchResult:
        cfg, state = self.cfg, self.state
        self.book.write("search", {"key": "search", "config": cfg.plain()})
        while state.generation < cfg.generations:
            self._generation()
        kept = pareto.front([member.point for member in state.members])
        members = [member.at(self.workdir) for member in state.members]
        front = [members[i] for i in kept]
        return SearchResult(
            individuals=len(state.individuals),
            trials=state.n_trials,
            env_steps=state.env_steps,
            front=front,
            best=front[pareto.knee([member.point for member in front])],
            members=members,
            hypervolumes=list(state.hypervolumes),
            ledger_head=self.ledger.head,
        )

    def _generation(self) -> None:
        cfg, state = self.cfg, self.state
        newborn = breed(cfg, state)
        elites = self._elites()
        lowest = len(cfg.rungs) - 1 if cfg.founders_whole and state.generation == 0 else 0
        climbers = [self._n_climbers(len(newborn), rung) for rung in range(lowest + 1, len(cfg.rungs))]
        self.done, self.planned = 0, len(newborn) * cfg.trials + sum(climbers) + len(elites)

        n_before = len(state.members)
        studies = [self._study(individual) for individual in newborn]
        for _ in range(cfg.trials):
            asked = [self._ask(individual, study) for individual, study in zip(newborn, studies)]
            self._evaluate(newborn, asked, rung=lowest)
            for trial, study in zip(asked, studies):
                study.tell(trial.index, trial.value)
        for rung in range(lowest + 1, len(cfg.rungs)):
            climbing = self._climbing(newborn, rung)
            self._evaluate([individual for individual, _ in climbing], [t for _, t in climbing], rung=rung)
        self._reevaluate(elites)

        if not state.members:
            raise ModelFault(
                f"all {state.n_trials} trials of the first generation failed; their notes say why"
            )
        competing = state.population + list(range(n_before, len(state.members)))
        chosen = pareto.survivors([state.members[i].point for i in competing], cfg.population)
        state.population = [competing[i] for i in chosen]
        self._close()

    def _n_climbers(self, n_individuals: int, rung: int) -> int:
        """How many trials of a generation are meant to reach a rung; failures may leave fewer."""
        cfg = self.cfg
        if cfg.across:
            return min(n_individuals, max(1, math.ceil(n_individuals / cfg.eta**rung)))
        return n_individuals * max(1, math.ceil(cfg.trials / cfg.eta**rung))

    def _climbing(self, newborn: Sequence[Individual], rung: int) -> list[tuple[Individual, Trial]]:
        """Which trials go on to this rung."""
        n = self._n_climbers(len(newborn), rung)
        each = 1 if self.cfg.across else n // max(len(newborn), 1)
        best = [(individual, trial) for individual in newborn for trial in individual.best(rung - 1, each)]
        if not self.cfg.across:
            return best
        chosen = pareto.survivors([trial.point for _, trial in best], n)
        return [best[i] for i in sorted(chosen)]

    def _elites(self) -> list[int]:
        """Members of the front, those seen least often first."""
        members = self.state.members
        kept = pareto.front([member.point for member in members])
        return sorted(kept, key=lambda i: (len(members[i].again), -members[i].point[0], i))[: self.cfg.elites]

    def _study(self, individual: Individual) -> Study:
        cfg = self.cfg
        study = Study(
            cfg.params,
            sampler=cfg.sampler,
            n_startup=cfg.n_startup,
            storage=cfg.storage,
            name=f"decot-{self.identity}-{individual.name}",
        )
        if cfg.share:
            study.know(self._tried(individual.generation))
        if cfg.enqueue:
            for nth, parent in enumerate(individual.parents[: cfg.trials]):
                seed = self._seed(individual.generation, individual.index, nth, 0)
                study.enqueue(self.state.members[parent].params, cfg.spread, seed)
        return study

    def _tried(self, generation: int) -> list[tuple[Params, float]]:
        """Parameters and proxy of every trial of the generations before."""
        return [
            (trial.params, trial.value)
            for individual in self.state.individuals
            if individual.generation < generation
            for trial in individual.trials
            if trial.value is not None
        ]

    def _ask(self, individual: Individual, study: Study) -> Trial:
        place = (individual.generation, individual.index, len(individual.trials))
        index, params = study.ask(self._seed(*place, 1))
        trial = Trial(owner=individual.name, index=index, params=params, seed=self._seed(*place, 2))
        individual.trials.append(trial)
        return trial

    def _evaluate(self, owners: Sequence[Individual], trials: Sequence[Trial], rung: int) -> None:
        """Takes the trials to a rung; every result is written down and taken in, in order."""
        tasks = {}
        for owner, trial in zip(owners, trials):
            budget, resume = self.cfg.rungs[rung], str(self.workdir / trial.folder) if trial.folder else ""
            orders = Orders(budget=budget, resume_dir=resume, parents=self._inheritance(owner.parents))
            key, descent = f"{trial.name}-r{rung}", self._keys(owner.parents)
            tasks[key] = self._task(key, owner.genome, trial.params, trial.seed, orders, descent)
        for (key, evaluation), owner, trial in zip(self._results(tasks, "trial"), owners, trials):
            trial.rung, trial.value = rung, None if evaluation.is_failed else evaluation.proxy
            trial.point = (evaluation.profit, evaluation.explanation)
            trial.folder = f"{self.identity}/trials/{key}"
            if self.cfg.rungs[rung] == 1.0 and not evaluation.is_failed:
                self.state.members.append(
                    Member(
                        key=key,
                        genome=owner.genome,
                        params=trial.params,
                        seed=trial.seed,
                        generation=owner.generation,
                        individual=owner.name,
                        evaluation=evaluation,
                        parents=self._keys(owner.parents),
                        inherited=tuple(self.state.members[i].artefact for i in owner.parents),
                    )
                )

    def _reevaluate(self, elites: Sequence[int]) -> None:
        """The same member from the same start with another seed; its fitness becomes the mean."""
        tasks = {}
        for i in elites:
            member = self.state.members[i]
            n = len(member.again) + 1
            seed = self._seed(*_words(member.key), 2 + n)
            orders = Orders(parents=self._folders(member.inherited) if self.cfg.inherit else ())
            key = f"{member.key}-a{n}"
            tasks[key] = self._task(key, member.genome, member.params, seed, orders, member.parents)
        for (_, evaluation), i in zip(self._results(tasks, "again"), elites):
            member, point = self.state.members[i], (evaluation.profit, evaluation.explanation)
            self.state.members[i] = replace(member, again=(*member.again, point))

    def _task(
        self, key: str, genome: Genome, params: Params, seed: int, orders: Orders, descent: tuple[str, ...]
    ) -> Task:
        folder = str(self.folder / "trials" / key)
        return Task(genome=genome, params=params, seed=seed, trial_dir=folder, orders=orders, descent=descent)

    def _keys(self, members: Sequence[int]) -> tuple[str, ...]:
        return tuple(self.state.members[i].key for i in members)

    def _inheritance(self, parents: Sequence[int]) -> tuple[str, ...]:
        if not self.cfg.inherit:
            return ()
        return self._folders([self.state.members[i].artefact for i in parents])

    def _folders(self, artefacts: Sequence[str]) -> tuple[str, ...]:
        return tuple(str(self.workdir / artefact) for artefact in artefacts if artefact)

    def _results(self, tasks: Mapping[str, Task], role: str) -> Iterator[tuple[str, Evaluation]]:
        """Every task's evaluation in order, counted."""
        for key, evaluation in self.book.results(tasks, role):
            self.state.n_trials += 1
            self.state.env_steps += evaluation.env_steps
            yield key, evaluation
            self._tick()

    def _close(self) -> None:
        state, points = self.state, [member.point for member in self.state.members]
        state.hypervolumes.append(pareto.hypervolume(points, self.cfg.reference))
        front = [state.members[i] for i in pareto.front(points)]
        payload = {
            "key": f"g{state.generation:03d}",
            "generation": state.generation,
            "population": [state.members[i].key for i in state.population],
            "front": [{"key": m.key, "profit": m.point[0], "explanation": m.point[1]} for m in front],
            "hypervolume": state.hypervolumes[-1],
            "individuals": len(state.individuals),
            "trials": state.n_trials,
            "env_steps": state.env_steps,
        }
        is_new = payload["key"] not in self.book
        self.book.write("generation", payload)
        state.generation += 1
        if is_new:
            save_state(self.folder / "generation.json", state, self.identity, self.ledger)

    def _tick(self) -> None:
        self.done += 1
        if self.on_progress is None:
            return
        state = self.state
        self.on_progress(
            Progress(
                generation=state.generation,
                generations=self.cfg.generations,
                trials=self.done,
                trials_planned=self.planned,
                total_trials=state.n_trials,
                env_steps=state.env_steps,
                hypervolume=state.hypervolumes[-1] if state.hypervolumes else 0.0,
                best_profit=max((member.point[0] for member in state.members), default=0.0),
            )
        )

    def _seed(self, *words: int) -> int:
        """A seed of its own for every place in the search."""
        return int(np.random.SeedSequence([self.cfg.seed, *words]).generate_state(1)[0] >> 1)


def _words(key: str) -> tuple[int, int, int]:
    """(generation, individual, trial) of a trial's key, such as g003-i02-t01-r0."""
    g, i, t, *_ = key.split("-")
    return int(g[1:]), int(i[1:]), int(t[1:])
