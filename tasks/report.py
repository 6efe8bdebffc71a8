"""The telling as a task: one HTML page, and the outcome that machines read."""

from __future__ import annotations

from typing import Any

from prefect import task
from prefect.artifacts import create_link_artifact, create_markdown_artifact

from decot.experiment import tell as core
from decot.experiment.config import Experiment
from decot.experiment.order import Order
from decot.experiment.place import Place
from tasks.common import progress
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
    with progress("report"):
        outcome = core.tell(
            experiment,
            place,
            order,
            tables=(*landed.tables(), enriched.features, *([traded.session] if traded.session else [])),
            enriched={
                "features": enriched.features,
                "context": enriched.context,
                "text": enriched.text,
                "regimes": enriched.regimes,
            },
            searched={
                "individuals": trained.searched.individuals,
                "trials": trained.searched.trials,
                "env_steps": trained.searched.env_steps,
                "front": trained.searched.front,
                "folder": trained.searched.folder,
                "best": trained.searched.best,
            },
            final={"artefact": trained.artefact, "weights": trained.weights, "seeds": trained.seeds},
            judged={
                "verdict": judged.verdict,
                "rules": judged.rules,
                "reasons": judged.reasons,
                "trades_needed": judged.trades_needed,
                "certificate": judged.certificate,
            },
            traded=traded.summary,
        )
    create_link_artifact(f"file://{outcome['report']}", link_text="the report", key="report")
    create_markdown_artifact(core.outcome_card(outcome), key="outcome", description="the run in a few lines")
    return outcome
