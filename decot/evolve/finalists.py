"""The few that are meant for the gate, trained from scratch over several seeds. Knows members and a bound; judges
nothing.

A member of a front was chosen, so its own figures are its luck's as well; and its weights may descend from a
long line. What counts is what the same genome reaches without inheritance, with seeds nobody has chosen among, and with
the parameters of the member or of the founder of its line.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy import stats

from decot.errors import ConfigError, ModelFault
from decot.evolve.book import Book
from decot.evolve.ledger import Ledger
from decot.evolve.runner import Runner, in_process
from decot.evolve.search import SearchConfig
from decot.evolve.state import Member
from decot.evolve.trial import Evaluation, Fitness, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Finalist:
    """One member, retrained."""

    member: Member
    evaluations: tuple[Evaluation, ...]
    """one per seed, failures included"""
    profit: float
    """mean over the seeds"""
    profit_lower: float
    """one-sided lower confidence bound of that mean (Student's t)"""
    explanation: float
    chosen: Evaluation
    """the seed whose profit is the median: the one to carry on with, neither the luckiest nor the unluckiest"""


def retrain(
    fitness: Fitness,
    members: Sequence[Member],
    cfg: SearchConfig,
    ledger: Ledger,
    workdir: str | Path,
    *,
    n_seeds: int = 5,
    level: float = 0.95,
    runner: Runner | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> list[Finalist]:
    """Trains every member from scratch with `n_seeds` fresh seeds; each training is a ledger line of role `finalist`,
    and one that is already written is read.

    Args:
        on_progress: told how many trainings are done, after each.
    Returns:
        The finalists by lower bound, the best first.
    Raises:
        ConfigError: fewer than two seeds have no spread.
        ModelFault: a member failed with every seed.
    """
    if n_seeds < 2:
        raise ConfigError([f"n_seeds {n_seeds}: at least 2, or there is no lower bound"])
    workdir = Path(workdir).resolve()
    book = Book(ledger, cfg.identity, workdir, fitness, runner or in_process)
    tasks: dict[str, Task] = {}
    for member in members:
        for n in range(n_seeds):
            words = np.frombuffer(f"{member.key} finalist {n}".encode(), dtype=np.uint8)
            seed = int(np.random.SeedSequence([cfg.seed, *words.tolist()]).generate_state(1)[0] >> 1)
            key = f"{member.key}-f{n}"
            folder = str(workdir / cfg.identity / "trials" / key)
            tasks[key] = Task(genome=member.genome, params=member.params, seed=seed, trial_dir=folder)
    found = []
    for _, evaluation in book.results(tasks, "finalist"):
        found.append(_at(evaluation, workdir))
        if on_progress is not None:
            on_progress(len(found))
    finalists = [
        _finalist(member, found[i * n_seeds : (i + 1) * n_seeds], level) for i, member in enumerate(members)
    ]
    return sorted(finalists, key=lambda finalist: -finalist.profit_lower)


def founder_of(member: Member, members: Sequence[Member]) -> Member:
    """The most profitable of a member's ancestors that inherited from nobody; itself when it did not."""
    known = {one.key: one for one in members}
    line, founders = [member], []
    while line:
        one = line.pop()
        if one.parents:
            line += [known[key] for key in one.parents]
        else:
            founders.append(one)
    return max(founders, key=lambda one: (one.point[0], one.key))


def lower_bound(values: Sequence[float], level: float = 0.95) -> float:
    """One-sided lower confidence bound of the mean of independent values."""
    n = len(values)
    return float(np.mean(values) - stats.t.ppf(level, n - 1) * np.std(values, ddof=1) / math.sqrt(n))


def _finalist(member: Member, evaluations: Sequence[Evaluation], level: float) -> Finalist:
    whole = sorted((e for e in evaluations if not e.is_failed), key=lambda e: e.profit)
    if not whole:
        raise ModelFault(
            f"{member.key} failed with all {len(evaluations)} seeds: {evaluations[0].notes['failed']}"
        )
    profits = [e.profit for e in evaluations]
    return Finalist(
        member=member,
        evaluations=tuple(evaluations),
        profit=float(np.mean(profits)),
        profit_lower=lower_bound(profits, level),
        explanation=float(np.mean([e.explanation for e in evaluations])),
        chosen=whole[(len(whole) - 1) // 2],
    )


def _at(evaluation: Evaluation, workdir: Path) -> Evaluation:
    if not evaluation.artefact:
        return evaluation
    return replace(evaluation, artefact=str(workdir / evaluation.artefact))
