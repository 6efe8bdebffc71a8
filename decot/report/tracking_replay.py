"""A trial ledger told as tracked runs. Knows ledger lines and a tracker's verbs; knows nothing of W&B."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from decot.evolve.ledger import Line

if TYPE_CHECKING:
    from decot.report.tracking import Tracker


def replay(tracker: Tracker, lines: Sequence[Line]) -> None:
    """One run per individual, grouped by generation: its trials as history, its best as summary, and in the config
    the genome and the ledger's head. Notes named `curves` ({name: numbers}) and `tables` ({name: {columns,
    rows}}) are shown."""
    head = lines[-1].hash if lines else ""
    trials: dict[tuple[str, str], list[Line]] = {}
    for line in lines:
        if line.kind == "trial":
            individual = "-".join(line.payload["key"].split("-")[:2])
            trials.setdefault((line.payload["search"], individual), []).append(line)
    for (search, individual), own in trials.items():
        _replay_individual(tracker, search, individual, own, head)


def _replay_individual(
    tracker: Tracker, search: str, individual: str, own: Sequence[Line], head: str
) -> None:
    run, generation = f"{search}-{individual}", int(individual[1:].split("-")[0])
    genes, first = own[0].payload["genome"], own[0].payload
    config = {
        **genes,
        "search": search,
        "genome_hash": first["genome_hash"],
        "ledger_head": head,
        "ledger_line": own[0].n,
    }
    tracker.start(run, group=f"generation-{generation:03d}", config=config)
    for line in own:
        found = line.payload["evaluation"]
        figures = {name: found[name] for name in ("profit", "explanation", "proxy", "env_steps")}
        params = {f"param/{name}": value for name, value in line.payload["params"].items()}
        tracker.log(run, {"ledger_line": line.n, "budget": line.payload["budget"], **figures, **params})
    best = max(own, key=lambda line: (line.payload["budget"], line.payload["evaluation"]["proxy"]))
    found = best.payload["evaluation"]
    curves = {"equity_bps": _cumulated(found["period_pnl"]), **found["notes"].get("curves", {})}
    for name, values in curves.items():
        for i, value in enumerate(values):
            tracker.log(run, {f"{name}/step": i, name: value})
    for name, table in found["notes"].get("tables", {}).items():
        tracker.table(run, name, table["columns"], table["rows"])
    if found["artefact"]:
        tracker.artefact(
            run, f"model-{run}", "model", path=found["artefact"], metadata={"ledger_line": best.n}
        )
    for name, digest in found["notes"].get("data", {}).items():
        tracker.artefact(run, f"data-{name}", "dataset", metadata={"digest": digest})
    tracker.finish(
        run,
        {
            "profit": found["profit"],
            "explanation": found["explanation"],
            "proxy": found["proxy"],
            "env_steps": sum(line.payload["evaluation"]["env_steps"] for line in own),
            "trials": len(own),
            "ledger_line": best.n,
        },
    )


def _cumulated(pnl: Sequence[float]) -> list[float]:
    total, curve = 0.0, []
    for value in pnl:
        total += value
        curve.append(total)
    return curve
