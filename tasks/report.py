"""The telling as a task: one HTML page, and the outcome that machines read."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from prefect import task
from prefect.artifacts import create_link_artifact, create_markdown_artifact

from decot.experiment import tell as core
from decot.experiment.config import Experiment
from decot.experiment.order import Order
from decot.experiment.place import Place
from tasks.common import address_of, pointing, progress
from tasks.enrich import Enriched
from tasks.ingest import Landed
from tasks.promote import Judged
from tasks.trade import Traded
from tasks.train import Trained


@task(name="tell", task_run_name="write the report of {order.source}")
def tell(
    order: Order, landed: Landed, enriched: Enriched, trained: Trained, judged: Judged, traded: Traded
) -> dict[str, Any]:
    """Everything a person wants to see, in one file; everything a machine wants to know, in one object."""
    experiment, place = Experiment.of(order), Place(order.home)
    session = (traded.session,) if traded.session else ()
    with progress("report"):
        outcome = core.tell(
            experiment,
            place,
            order,
            run_id=core.new_run_id(order),
            tables=(*landed.tables(), enriched.features, *session),
            features=enriched.features,
            context=enriched.context,
            around={"text": enriched.text, "regimes": enriched.regimes},
            searched=asdict(trained.searched),
            final={"artefact": trained.artefact, "weights": trained.weights, "seeds": trained.seeds},
            judged=asdict(judged),
            traded=traded.summary,
        )
    _show(order.home, outcome)
    return outcome


def _show(home: str, outcome: dict[str, Any]) -> None:
    """What the Prefect UI gets: a link that can be followed when somebody serves the home, and the run in a few lines."""
    url = address_of(home, outcome["report"])
    if url:
        create_link_artifact(
            url, link_text="the report", key="report", description="the whole run on one page"
        )
    seen = {**outcome, "report": pointing(home, outcome["report"], "the whole run on one page")}
    create_markdown_artifact(core.outcome_card(seen), key="outcome", description="the run in a few lines")
