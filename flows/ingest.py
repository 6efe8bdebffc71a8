"""Ingest: a market's raw data becomes the 41 columns, or is refused at the door."""

from __future__ import annotations

from prefect import flow

from decot.experiment.order import Order
from tasks import ingest as todo
from tasks.ingest import Landed


@flow(name="ingest", flow_run_name="bring {order.source} home", persist_result=False)
def ingest(order: Order) -> Landed:
    """Fetch, make bars and the 41 columns, check the day, land it in the lake."""
    raw = todo.fetch(order)
    refined = todo.refine(order, raw)
    return todo.land(order, raw, refined)
