"""How the command line starts a flow: prepare the place, then import the engine. Knows no flow's contents."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from decot.experiment.order import Order
from decot.report.progress import Listener, Stopwatch, listening, say
from tasks.environment import prepare


def run_pipeline(order: Order, listener: Listener | None = None) -> dict[str, Any]:
    """The five stages on one order; returns the outcome that `--json` prints."""
    watch = Stopwatch(listener)
    with listening(watch):
        _wake(order)
        from flows.pipeline import pipeline

        return {**pipeline(order), "seconds": watch.stop()}


def run_ingest(order: Order, listener: Listener | None = None) -> dict[str, Any]:
    """Only the first stage; returns the tables that landed."""
    with listening(listener):
        _wake(order)
        from flows.ingest import ingest

        landed = ingest(order)
        return {"tables": [ref.to_dict() for ref in landed.tables()]}


def run_enrich(order: Order, listener: Listener | None = None) -> dict[str, Any]:
    """The first two stages; returns the tables and what the regimes are."""
    with listening(listener):
        _wake(order)
        from flows.enrich import enrich
        from flows.ingest import ingest

        landed = ingest(order)
        enriched = enrich(order, landed)
        tables = [ref.to_dict() for ref in (*landed.tables(), enriched.features)]
        regimes = dict(enriched.regimes)
        picture = regimes.pop("picture")
        return {
            "tables": tables,
            "regimes": regimes,
            "text": enriched.text,
            "outside": enriched.outside,
            "told": enriched.told,
            "picture": picture,
        }


def run_approve(home: Path, digest: str) -> dict[str, Any]:
    """Ask a person, in the Prefect UI, whether a paper agent may go live; waits until they answer.

    Raises:
        VenueUnavailable: no Prefect server is up, so nobody could answer.
    """
    from decot.errors import VenueUnavailable

    prepare(home)
    if "PREFECT_API_URL" not in os.environ:
        raise VenueUnavailable(
            "nobody could answer: no Prefect server with a UI is up; start one in another terminal: decot up"
        )
    from flows.promote import approve

    return approve(str(home), digest)


def _wake(order: Order) -> None:
    """Prefect reads its settings at import, and starts a server of its own when none is there."""
    prepare(Path(order.home))
    say("engine", 0, 1, "starting Prefect (its own server if none is up: up to a minute)")
    import prefect

    say("engine", 1, 1, f"Prefect {prefect.__version__}")
