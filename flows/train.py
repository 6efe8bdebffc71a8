"""Train: a population is bred, and the finalist learns again from scratch on several seeds."""

from __future__ import annotations

from prefect import flow

from decot.experiment.order import Order
from tasks import train as todo
from tasks.enrich import Enriched
from tasks.train import Trained


@flow(name="train", flow_run_name="breed agents on {order.source}", persist_result=False)
def train(order: Order, enriched: Enriched) -> Trained:
    """Search architectures and hyper-parameters, every trial counted; then retrain the finalist."""
    searched = todo.search(order, enriched)
    return todo.finish(order, enriched, searched)
