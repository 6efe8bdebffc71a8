"""The search inside one individual: an Optuna study asked and told by one coordinator. Knows hyper-parameters and
one number to maximise; knows no genome.

Reproducible by construction: every ask brings its own seed, values are told in index order, and a study is rebuilt by
adding its trials again (Optuna cannot resume a trial, and is not reproducible with `n_jobs > 1`). A database, when one
is named, is a mirror for dashboards and never read.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import optuna

from decot.errors import ConfigError
from decot.evolve.ledger import Line
from decot.evolve.trial import Params

SAMPLERS = ("tpe", "random", "gp")
optuna.logging.set_verbosity(optuna.logging.WARNING)
logging.getLogger("optuna").setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """One hyper-parameter: a range, or a set of words."""

    name: str
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    choices: tuple[str, ...] = ()

    def distribution(self) -> optuna.distributions.BaseDistribution:
        if self.choices:
            return optuna.distributions.CategoricalDistribution(self.choices)
        return optuna.distributions.FloatDistribution(self.low, self.high, log=self.log)


DEFAULT_PARAMS = (
    Param(name="learning_rate", low=3e-4, high=1e-2, log=True),
    Param(name="clip", low=0.1, high=0.3),
    Param(name="entropy", low=1e-4, high=3e-2, log=True),
    Param(name="discount_gap", low=1e-3, high=1e-1, log=True),  # gamma = 1 − gap
    Param(name="gae_lambda", low=0.8, high=0.99),
    Param(name="aux_weight", low=0.1, high=3.0, log=True),
    Param(name="cost_anneal", low=0.3, high=0.8),
)
"""gamma is searched as its distance from one, where it is felt"""


class Study:
    """Seeded ask/tell over one individual's parameters; larger values are better.

    Args:
        sampler: one of `SAMPLERS`.
        n_startup: asks drawn at random before the sampler models anything.
        storage: database URL to mirror into, or empty for memory only.
        name: name of the study there; a study of that name is replaced.
    """

    def __init__(
        self,
        params: Sequence[Param],
        *,
        sampler: str = "tpe",
        n_startup: int = 3,
        storage: str = "",
        name: str = "",
    ) -> None:
        if sampler not in SAMPLERS:
            raise ConfigError([f"sampler {sampler!r}: one of {', '.join(SAMPLERS)}"])
        self._distributions = {param.name: param.distribution() for param in params}
        self._sampler, self._n_startup = sampler, n_startup
        self._study = optuna.create_study(direction="maximize", sampler=self._seeded(0))
        self._mirror = _mirror(storage, name)
        self._n_known = 0

    def ask(self, seed: int) -> tuple[int, Params]:
        """The next point to try: its index and parameters. Same trials so far and same seed, same answer."""
        self._study.sampler = self._seeded(seed)
        trial = self._study.ask(self._distributions)
        return trial.number - self._n_known, dict(trial.params)

    def tell(self, index: int, value: float | None) -> None:
        """The value of an asked point; None for a failed trial, which is no evidence."""
        state = optuna.trial.TrialState.FAIL if value is None else None
        number = index + self._n_known
        self._study.tell(number, value, state=state)
        if self._mirror is not None:
            self._reflect(self._study.trials[number])

    def know(self, tried: Sequence[tuple[Params, float]]) -> None:
        """What other studies found, before the first ask: the sampler learns from it, indices and mirror do not see it."""
        self._study.add_trials(
            [
                optuna.trial.create_trial(params=dict(params), distributions=self._distributions, value=value)
                for params, value in tried
            ]
        )
        self._n_known += len(tried)

    def add(self, params: Params, value: float | None) -> None:
        """A point tried elsewhere or before: a rebuilt trial, or a parent's."""
        state = optuna.trial.TrialState.COMPLETE if value is not None else optuna.trial.TrialState.FAIL
        trial = optuna.trial.create_trial(
            params=dict(params), distributions=self._distributions, value=value, state=state
        )
        self._study.add_trial(trial)
        self._reflect(trial)

    def enqueue(self, params: Params, spread: float = 0.0, seed: int = 0) -> None:
        """The next ask answers these parameters, each number moved by chance with this standard deviation (a share of
        its range, or of its logarithm's) and kept inside."""
        if spread > 0:
            rng = np.random.default_rng(seed)
            params = {
                name: self._moved(name, value, spread * rng.standard_normal())
                for name, value in params.items()
            }
        self._study.enqueue_trial(dict(params))

    def _moved(self, name: str, value: float | str, by: float) -> float | str:
        kind = self._distributions[name]
        if not isinstance(kind, optuna.distributions.FloatDistribution):
            return value
        low, high, at = (math.log(x) if kind.log else x for x in (kind.low, kind.high, float(value)))
        at = min(max(at + by * (high - low), low), high)
        return min(max(math.exp(at) if kind.log else at, kind.low), kind.high)

    @property
    def n_trials(self) -> int:
        return len(self._study.get_trials(deepcopy=False)) - self._n_known

    def _seeded(self, seed: int) -> optuna.samplers.BaseSampler:
        if self._sampler == "random":
            return optuna.samplers.RandomSampler(seed=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            if self._sampler == "gp":
                return optuna.samplers.GPSampler(
                    seed=seed, n_startup_trials=self._n_startup, deterministic_objective=False
                )
            return optuna.samplers.TPESampler(
                seed=seed, n_startup_trials=self._n_startup, multivariate=True, n_ei_candidates=24
            )

    def _reflect(self, trial: Any) -> None:
        if self._mirror is not None and trial.state.is_finished():
            self._mirror.add_trial(trial)


def _mirror(storage: str, name: str) -> optuna.Study | None:
    if not storage:
        return None
    database = _database(storage)
    if name in optuna.get_all_study_names(database):
        optuna.delete_study(study_name=name, storage=database)
    return optuna.create_study(study_name=name, storage=database, direction="maximize")


@lru_cache(maxsize=4)
def _database(url: str) -> optuna.storages.RDBStorage:
    """One connection pool per database: opening it costs more than a trial."""
    return optuna.storages.RDBStorage(url)


def rebuild(lines: Sequence[Line], storage: str) -> int:
    """Every individual's study as the ledger tells it, in a database for a dashboard; gives how many. Of a trial that
    climbed, its last rung counts."""
    configs = {line.payload["search"]: line.payload["config"] for line in lines if line.kind == "search"}
    found: dict[str, dict[str, Line]] = {}
    for line in lines:
        if line.kind == "trial" and line.payload["role"] == "trial":
            own = line.payload
            trial = own["key"].rsplit("-r", 1)[0]
            name = f"decot-{own['search']}-{trial.rsplit('-t', 1)[0]}"
            found.setdefault(name, {})[trial] = line
    for name, trials in found.items():
        search = next(iter(trials.values())).payload["search"]
        params = [Param(**{**one, "choices": tuple(one["choices"])}) for one in configs[search]["params"]]
        study = Study(params, sampler="random", storage=storage, name=name)
        for line in trials.values():
            figures = line.payload["evaluation"]
            study.add(line.payload["params"], None if "failed" in figures["notes"] else figures["proxy"])
    return len(found)
