"""Enrich: regimes and news join the 41 columns, each as it was knowable at the time."""

from __future__ import annotations

from dataclasses import replace

from prefect import flow

from decot.experiment.order import Order
from tasks import enrich as todo
from tasks.enrich import Enriched
from tasks.ingest import Landed


@flow(name="enrich", flow_run_name="read around {order.source}", persist_result=False)
def enrich(order: Order, landed: Landed) -> Enriched:
    """Learn regimes and read the news on the training part, hear who is outside, then widen the table causally."""
    context = todo.learn_context(order, landed)
    heard = todo.listen(order, landed)
    enriched = todo.widen(order, landed, context, heard.until_ms, heard.digest)
    return replace(enriched, outside=heard.servers)
