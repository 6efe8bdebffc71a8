"""The whole story in five words: ingest, enrich, train, promote, trade; then it is told."""

from __future__ import annotations

from typing import Any

from prefect import flow

from decot.experiment.order import Order
from flows.enrich import enrich
from flows.ingest import ingest
from flows.promote import promote
from flows.trade import trade
from flows.train import train
from tasks.report import tell


@flow(name="decot", flow_run_name="{order.title} on {order.source}", persist_result=False)
def pipeline(order: Order) -> dict[str, Any]:
    """From raw data to a verdict, a paper session and a report."""
    landed = ingest(order)
    enriched = enrich(order, landed)
    trained = train(order, enriched)
    judged = promote(order, landed, enriched, trained)
    traded = trade(order, landed, enriched, judged)
    return tell(order, landed, enriched, trained, judged, traded)
