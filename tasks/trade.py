"""Trade as a task: a bounded paper session of a certified agent, put away as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from prefect import task
from prefect.artifacts import create_markdown_artifact

from decot.experiment import trade as core
from decot.experiment.config import Experiment
from decot.experiment.enrich import news_of
from decot.experiment.order import Order
from decot.experiment.place import Place
from schemas.ref import Ref
from tasks.common import progress
from tasks.enrich import Enriched
from tasks.ingest import Landed
from tasks.promote import Judged


@dataclass(frozen=True, slots=True)
class Traded:
    """What the session did; `summary` is empty when nobody was allowed to trade."""

    summary: dict[str, Any]
    session: Ref | None


@task(name="rehearse", task_run_name="paper session on {landed.symbol}")
def rehearse(order: Order, landed: Landed, enriched: Enriched, judged: Judged) -> Traded:
    """The certificate is checked, then bars arrive one by one, as they would live."""
    experiment, place = Experiment.of(order), Place(order.home)
    with progress("trade"):
        news = news_of(place, landed.raw)
        session = core.rehearse(experiment, place, landed.bars, news, enriched.context, judged.certificate)
    if session is None:
        return Traded({}, None)
    ref = place.put("session", session.table, symbol=landed.symbol, sources=(landed.bars,))
    create_markdown_artifact(session.card(), key="paper-session", description="what it did and why")
    return Traded(session.summary(), ref)
