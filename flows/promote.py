"""Promote: the gate judges the finalist, and signs only for what it believes."""

from __future__ import annotations

from prefect import flow

from decot.experiment.order import Order
from tasks import promote as todo
from tasks.enrich import Enriched
from tasks.ingest import Landed
from tasks.promote import Judged
from tasks.train import Trained


@flow(name="promote", flow_run_name="judge the agent of {order.source}", persist_result=False)
def promote(order: Order, landed: Landed, enriched: Enriched, trained: Trained) -> Judged:
    """Gather the evidence, judge it, and issue a certificate if every rule holds."""
    return todo.judge(order, landed, enriched, trained)
