"""Trade: a certified agent acts on paper, and writes down what it did and why."""

from __future__ import annotations

from prefect import flow

from decot.experiment.order import Order
from tasks import trade as todo
from tasks.enrich import Enriched
from tasks.ingest import Landed
from tasks.promote import Judged
from tasks.trade import Traded


@flow(name="trade", flow_run_name="paper session on {order.source}", persist_result=False)
def trade(order: Order, landed: Landed, enriched: Enriched, judged: Judged) -> Traded:
    """A bounded paper session; an agent without a certificate does not trade."""
    return todo.rehearse(order, landed, enriched, judged)
