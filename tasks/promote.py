"""Promote as a task: the gate's verdict, with a certificate when there is one; and a person's word before live."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from prefect import task
from prefect.artifacts import create_markdown_artifact

from decot.experiment import promote as core
from decot.experiment import stages
from decot.experiment.config import Experiment
from decot.experiment.order import Order
from decot.experiment.place import Place
from tasks.common import pointing, progress
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
            landed.raw.get("headlines"),
        )
    page = pointing(order.home, judged["page"], "the card as a page")
    said = judged["verdict"].replace("_", " ")
    create_markdown_artifact(f"{judged['card']}\n\n{page}", key="gate-card", description=f"verdict: {said}")
    return Judged(**{item.name: judged[item.name] for item in fields(Judged)})


@task(name="present", task_run_name="show the gate card")
def present(home: str, digest: str) -> stages.Presented:
    """Everything the person who decides must see; refused before anybody is asked if a paper does not hold."""
    presented = stages.present(Place(home), digest)
    create_markdown_artifact(presented.card, key="approval", description=f"before {digest[:12]} goes live")
    return presented


@task(name="settle", task_run_name="sign what {approved_by} said")
def settle(
    home: str, digest: str, session: str, is_approved: bool, approved_by: str, reason: str
) -> dict[str, Any]:
    """The person's word, signed and written into the registry."""
    place = Place(home)
    if not is_approved:
        return stages.declined(place, digest, approved_by, reason)
    return stages.go_live(place, digest, session, approved_by, reason)
