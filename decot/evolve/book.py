"""A search's side of the ledger: what is written there is read, what is not is run and written. Knows keys, tasks and
lines; knows nothing of how they were chosen.

So resuming is nothing special: the same keys are asked for again, and those that are answered cost nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from decot.errors import LedgerBroken
from decot.evolve.ledger import Ledger
from decot.evolve.runner import Runner
from decot.evolve.trial import Evaluation, Fitness, Task, run_task

KINDS = ("search", "trial", "generation", "finalist")


class Book:
    """The lines of one search, by key.

    Args:
        search: identity of the search; lines of others are passed over.
        workdir: artefacts below it are written down relative to it, so that the ledger names no place.
    """

    def __init__(self, ledger: Ledger, search: str, workdir: Path, fitness: Fitness, runner: Runner) -> None:
        self.ledger, self.search, self.workdir, self.runner = ledger, search, workdir, runner
        self._call: Callable[[Task], Evaluation] = partial(run_task, fitness)
        self._lines = {
            line.payload["key"]: line.payload
            for line in ledger.lines()
            if line.kind in KINDS and line.payload.get("search") == search
        }

    def __contains__(self, key: object) -> bool:
        return key in self._lines

    def results(self, tasks: Mapping[str, Task], role: str) -> Iterator[tuple[str, Evaluation]]:
        """(key, evaluation) of every task in order; each new one is written down before it is handed on."""
        missing = [task for key, task in tasks.items() if key not in self._lines]
        fresh = iter(self.runner(self._call, missing) if missing else ())
        for key, task in tasks.items():
            known = self._lines.get(key)
            found = known.get("evaluation", {}) if known else self._relative(next(fresh)).to_json()
            self.write("trial", _payload(key, role, task, found))
            yield key, Evaluation(**self._lines[key]["evaluation"])

    def write(self, kind: str, payload: Mapping[str, Any]) -> None:
        """One line; a line that is already there must say the same.

        Raises:
            LedgerBroken: it says something else.
        """
        line = json.loads(json.dumps({"search": self.search, **payload}))
        key = line["key"]
        if key not in self._lines:
            self.ledger.append(kind, line)
            self._lines[key] = line
        elif json.dumps(self._lines[key], sort_keys=True) != json.dumps(line, sort_keys=True):
            raise LedgerBroken(
                f"{self.ledger.path.name}: the line {key} of search {self.search} is not what this search would "
                "write: the code or the fitness has changed; give the config another `subject`"
            )

    def _relative(self, evaluation: Evaluation) -> Evaluation:
        if not evaluation.artefact:
            return evaluation
        path = Path(evaluation.artefact).resolve()
        if not path.is_relative_to(self.workdir):
            return evaluation
        return replace(evaluation, artefact=str(path.relative_to(self.workdir)))


def _payload(key: str, role: str, task: Task, evaluation: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "key": key,
        "role": role,
        "genome": task.genome.to_json(),
        "genome_hash": task.genome.hash,
        "params": task.params,
        "seed": task.seed,
        "budget": task.orders.budget,
        "parents": list(task.descent),
        "evaluation": dict(evaluation),
    }
