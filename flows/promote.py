"""Promote: the gate judges the finalist, and signs only for what it believes; a person opens the way to live."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from prefect import flow
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput

from decot.experiment.order import Order
from tasks import promote as todo
from tasks.enrich import Enriched
from tasks.ingest import Landed
from tasks.promote import Judged
from tasks.train import Trained


class Approval(RunInput):
    """What a person answers in the Prefect UI."""

    decision: Literal["decline", "approve"] = "decline"
    approved_by: str
    reason: str


@flow(name="promote", flow_run_name="judge the agent of {order.source}", persist_result=False)
def promote(order: Order, landed: Landed, enriched: Enriched, trained: Trained) -> Judged:
    """Gather the evidence, judge it, and issue a certificate if every rule holds."""
    return todo.judge(order, landed, enriched, trained)


@flow(name="approve", flow_run_name="may {digest} trade live?", persist_result=False)
def approve(home: str, digest: str, patience_s: int = 86_400, poll_s: int = 5) -> dict[str, Any]:
    """Show the gate card and the paper session, wait for a person, and write down what they say."""
    shown = todo.present(str(Path(home).resolve()), digest)
    asked = Approval.with_initial_data(description=shown.card)
    said = pause_flow_run(wait_for_input=asked, timeout=patience_s, poll_interval=poll_s)
    return todo.settle(
        str(Path(home).resolve()),
        shown.digest,
        shown.session,
        said.decision == "approve",
        said.approved_by,
        said.reason,
    )
