"""Does the table of a market know its own future? Joins the bars of `data` with the checker of `features`."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import polars as pl

from decot.data.bars import build_bars
from decot.experiment.config import Experiment
from decot.experiment.ingest import fetch
from decot.experiment.order import Order
from decot.features.causality import check_table
from decot.features.table import build_table
from decot.report.progress import say


def causality(order: Order, *, cuts: int, rows: int) -> dict[str, Any]:
    """The features table of the order's market, cut and asked: rows, columns, cuts, and every leak.

    Args:
        rows: how many bars of the market's first day are judged; each cut builds the table three times.
    """
    experiment = Experiment.of(order)
    tape = fetch(experiment, order)
    bars = build_bars(tape.day(tape.days()[0]), experiment.clock_ms, experiment.clock_by).head(rows)
    cfg = replace(experiment.features, clock_ms=experiment.clock_ms)
    built: list[int] = []

    def build(frame: pl.DataFrame) -> pl.DataFrame:
        table = build_table(frame, cfg)
        built.append(table.width)
        say("causality", len(built), 1 + 3 * cuts, f"{frame.height:,} bars")
        return table

    leaks = check_table(build, bars, cuts=cuts, seed=experiment.seed)
    return {
        "source": order.source,
        "rows": bars.height,
        "columns": built[0],
        "cuts": cuts,
        "leaks": [asdict(leak) for leak in leaks],
    }
