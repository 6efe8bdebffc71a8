"""A search's W&B Report, written by code. Knows W&B's report blocks; keeps nothing.

Building needs `wandb-workspaces` and no server; saving needs an account. Whoever has none reads the same in
`tracking_views` and the run's own HTML report.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from typing import Any

from decot.errors import ConfigError
from decot.evolve.ledger import Line
from decot.report.tracking_views import leaderboard, rows


def wandb_report(lines: Sequence[Line], *, project: str = "decot", entity: str = "") -> Any:
    """A `wandb_workspaces.reports.v2.Report`: what was searched, the leaderboard, the front, the parallel axes and the
    equity curves of the mirrored runs, grouped by generation. `report.save()` sends it.

    Raises:
        ConfigError: `wandb-workspaces` is not installed.
    """
    if importlib.util.find_spec("wandb_workspaces") is None:
        raise ConfigError(["wandb-workspaces is not installed: pip install wandb-workspaces"])
    blocks = importlib.import_module("wandb_workspaces.reports.v2")
    runs = blocks.Runset(entity=entity, project=project, name="individuals", groupby=["group"])
    panels = [
        blocks.ScatterPlot(title="Pareto front", x="explanation", y="profit"),
        blocks.ParallelCoordinatesPlot(
            columns=[blocks.ParallelCoordinatesPlotColumn(metric=name) for name in _axes(lines)]
        ),
        blocks.LinePlot(title="Equity on validation, bps", x="equity_bps/step", y=["equity_bps"]),
        blocks.ScalarChart(title="Best profit", metric="profit"),
    ]
    return blocks.Report(
        project=project,
        entity=entity,
        title="DECoT: one search",
        description=f"ledger head {lines[-1].hash if lines else 'none'}",
        blocks=[
            blocks.H1("What was searched"),
            blocks.MarkdownBlock(_told(lines)),
            blocks.H1("The best"),
            blocks.MarkdownBlock(_table(leaderboard(rows(lines), 10))),
            blocks.PanelGrid(runsets=[runs], panels=panels),
        ],
    )


def _axes(lines: Sequence[Line]) -> list[str]:
    members = rows(lines)
    genes = [name for name in members[0].genome if name != "questions"] if members else []
    return [*(f"c::{name}" for name in genes), "profit", "explanation"]


def _told(lines: Sequence[Line]) -> str:
    kinds = [line.kind for line in lines]
    steps = sum(line.payload["evaluation"]["env_steps"] for line in lines if line.kind == "trial")
    return (
        f"{kinds.count('trial')} trials in {kinds.count('generation')} generations, {steps:,} environment steps. Every "
        "trial is a line of the hash-chained ledger, which is the truth; this page is its mirror."
    )


def _table(entries: Sequence[dict[str, Any]]) -> str:
    if not entries:
        return "Nothing reached the full budget yet."
    names = list(entries[0])
    head = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    return "\n".join([*head, *("| " + " | ".join(str(entry[n]) for n in names) + " |" for entry in entries)])
