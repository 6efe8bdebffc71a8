"""Train as tasks: the search and the finals, each resumable from its own checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from prefect import task
from prefect.artifacts import create_table_artifact

from decot.experiment import train as core
from decot.experiment.config import Experiment
from decot.experiment.order import Order
from decot.experiment.place import Place
from tasks.common import REMEMBERED, progress
from tasks.crew import crew
from tasks.enrich import Enriched


@dataclass(frozen=True, slots=True)
class Searched:
    """What the search found, by name of its folder."""

    folder: str
    individuals: int
    trials: int
    env_steps: int
    front: list[dict[str, Any]]
    ledger_head: str
    best: dict[str, Any]
    """genome and hyper-parameters of the finalist"""


@dataclass(frozen=True, slots=True)
class Trained:
    """The search and its finalist, retrained from scratch."""

    searched: Searched
    artefact: str
    """name of the model's folder under `artefacts/`"""
    weights: str
    """sha256 of the weights"""
    seeds: list[dict[str, Any]]
    """validation result of every retraining"""


@task(name="search", task_run_name="search agents for {enriched.symbol}", **REMEMBERED)
def search(order: Order, enriched: Enriched) -> Searched:
    """A genetic search over architectures with a study inside each individual."""
    experiment, place = Experiment.of(order), Place(order.home)
    with progress("train"), crew(experiment.crew, str(place.home / "dask")) as runner:
        found = core.search(experiment, place, enriched.features, enriched.context, runner)
    create_table_artifact(found["front"], key="pareto-front", description="profit against explanation")
    return Searched(**found)


@task(name="finish", task_run_name="retrain the finalist for {enriched.symbol}", **REMEMBERED)
def finish(order: Order, enriched: Enriched, searched: Searched) -> Trained:
    """The finalist learns again from scratch on several seeds; the median one becomes the artefact."""
    experiment, place = Experiment.of(order), Place(order.home)
    with progress("finals"), crew(experiment.crew, str(place.home / "dask")) as runner:
        final = core.finish(
            experiment, place, enriched.features, enriched.context, zero_head=order.zero_head, runner=runner
        )
    create_table_artifact(final["seeds"], key="finalists", description="the same genome, other seeds")
    return Trained(searched, **final)
