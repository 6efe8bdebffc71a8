"""Follow: what has just been brought home is read around, by whoever heard that it arrived."""

from __future__ import annotations

from prefect import flow

from decot.experiment.order import Order
from flows.enrich import enrich
from flows.ingest import ingest
from tasks.enrich import Enriched


@flow(name="follow", flow_run_name="{order.source} is home, read around it", persist_result=False)
def follow(order: Order) -> Enriched:
    """The same order again: ingest answers from memory, and enrich goes on from there."""
    landed = ingest(order)
    return enrich(order, landed)
