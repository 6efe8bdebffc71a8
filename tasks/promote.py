"""Promote as a task: the gate's verdict, with a certificate when there is one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from prefect import task
from prefect.artifacts import create_markdown_artifact

from decot.experiment import promote as core
from decot.experiment.config import Experiment
from decot.experiment.order import Order
from decot.experiment.place import Place
from tasks.common import progress
from tasks.enrich import Enriched
from tasks.ingest import Landed
from tasks.train import Trained


@dataclass(frozen=True, slots=True)
class Judged:
    """What the gate said, and the name of the certificate (empty without one)."""

    verdict: str
    rules: list[dict[str, Any]]
    reasons: list[str]
    trades_needed: int
    certificate: str
    card: str
    """the gate card in markdown"""
    text: str
    html: str
    heads: list[dict[str, Any]]
    words: list[dict[str, Any]]
    p99_us: float
    """99th percentile of one decision"""


@task(name="judge", task_run_name="judge the agent of {enriched.symbol}")
def judge(order: Order, landed: Landed, enriched: Enriched, trained: Trained) -> Judged:
    """Evidence from the days the agent has not seen, judged; never remembered, always looked at again."""
    experiment, place = Experiment.of(order), Place(order.home)
    with progress("promote"):
        judged = core.judge(
            experiment,
            place,
            order,
            enriched.features,
            landed.bars,
            enriched.context,
            trained.searched.folder,
            trained.artefact,
            trained.seeds,
        )
    create_markdown_artifact(judged["card"], key="gate-card", description=f"verdict: {judged['verdict']}")
    return Judged(**judged)
