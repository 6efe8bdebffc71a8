"""Ingest as tasks: raw data is fetched, refined and checked in staging, and only then landed in the lake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from prefect import task
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from decot.experiment import ingest as core
from decot.experiment.config import Experiment
from decot.experiment.order import Order
from decot.experiment.place import Place
from schemas.ref import Ref
from tasks.common import REMEMBERED, pointing, progress


@dataclass(frozen=True, slots=True)
class Raw:
    """What was fetched, by name, in staging."""

    symbol: str
    tables: dict[str, Ref]


@dataclass(frozen=True, slots=True)
class Refined:
    """Bars and the 41 columns, by name, in staging, with what was found plausible."""

    symbol: str
    tables: dict[str, Ref]
    plausibility: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Landed:
    """What the lake holds now."""

    symbol: str
    raw: dict[str, Ref]
    bars: Ref
    base: Ref
    plausibility: list[dict[str, Any]]

    def tables(self) -> tuple[Ref, ...]:
        """Every table, base last."""
        return (*self.raw.values(), self.bars, self.base)


@task(name="fetch", task_run_name="fetch {order.source}", **REMEMBERED)
def fetch(order: Order) -> Raw:
    """The tape or world of the order, admitted at the first door, put away in staging."""
    experiment, place = Experiment.of(order), Place(order.home)
    with progress("ingest"):
        tape = core.fetch(experiment, order)
        return Raw(tape.symbol, place.stage(tape.symbol, core.raw_tables(tape)))


@task(name="refine", task_run_name="refine {raw.symbol}", **REMEMBERED)
def refine(order: Order, raw: Raw) -> Refined:
    """Bars and the 41 columns of the raw tables; an implausible day goes to quarantine with its report."""
    experiment, place = Experiment.of(order), Place(order.home)
    with progress("ingest"):
        tables, reports = core.refine(experiment, place, raw.symbol, place.staged(raw.tables))
        return Refined(raw.symbol, place.stage(raw.symbol, tables), reports)


@task(name="land", task_run_name="land {raw.symbol}", **REMEMBERED)
def land(order: Order, raw: Raw, refined: Refined) -> Landed:
    """Everything that passed moves from staging into the lake, through the second door."""
    place = Place(order.home)
    with progress("ingest"):
        refs = place.land(raw.symbol, {**raw.tables, **refined.tables})
    create_table_artifact([ref.to_dict() for ref in refs.values()], key="tables", description="what landed")
    checked = [
        pointing(order.home, day["docs"], f"what was checked on {day['day']}") for day in refined.plausibility
    ]
    card = "\n\n".join([core.plausibility_card(refined.plausibility), *checked])
    create_markdown_artifact(card, key="plausibility", description="is every day believable?")
    kept = {name: ref for name, ref in refs.items() if name not in {"bars", "base"}}
    return Landed(raw.symbol, kept, refs["bars"], refs["base"], refined.plausibility)
