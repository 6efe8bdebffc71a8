"""The commands about tracking: the W&B mirror, a page without an account, studies for a dashboard. All from the ledger."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from decot.cli.common import HOME, AsJson, Home, guarded, show

app = typer.Typer()
track_app = typer.Typer(
    help="A search as others show it: W&B, a page, a dashboard. The ledger is the truth; all of it is rebuilt from there.",
    no_args_is_help=True,
)
app.add_typer(track_app, name="track")

Run = Annotated[
    str,
    typer.Argument(
        help="a run, a search (or the beginning of either) or a ledger file; the newest run if not given"
    ),
]


@track_app.command(epilog="Examples:  decot track sync  ·  decot track sync 20260105 --online --report")
def sync(
    run: Run = "",
    home: Home = HOME,
    online: Annotated[
        bool,
        typer.Option("--online", help="send to W&B (WANDB_API_KEY); kept offline when it does not answer"),
    ] = False,
    base_url: Annotated[str, typer.Option(help="another W&B server than the public one")] = "",
    project: Annotated[str, typer.Option(help="W&B project")] = "decot",
    report: Annotated[bool, typer.Option("--report", help="with --online: also save the Report")] = False,
    time_box: Annotated[float, typer.Option(help="seconds after which W&B is left alone")] = 120.0,
    as_json: AsJson = False,
) -> None:
    """Rebuild the W&B mirror of a search from its ledger: a run per individual, grouped by generation.

    A ledger that does not hold is refused. Offline run folders can be sent later with W&B's own `wandb sync`.
    """

    def work(listener: Any) -> dict[str, Any]:
        from decot.evolve.ledger import Ledger
        from decot.report.tracking import TrackingConfig, sync_from_ledger
        from decot.report.tracking_find import ledger_of
        from decot.report.tracking_report import wandb_report

        ledger = ledger_of(home, run)
        cfg = TrackingConfig(
            mode="online" if online else "offline",
            base_url=base_url,
            project=project,
            close_timeout_s=time_box,
        )
        done = sync_from_ledger(ledger, home / "tracking" / ledger.parent.name, cfg)
        told = {
            "ledger": str(ledger),
            "runs": done.runs,
            "skipped": done.skipped,
            "folder": done.folder,
            "why": done.why,
        }
        if report and online and not done.why:
            wandb_report(Ledger(ledger).lines(), project=project).save()
            told["report"] = "saved"
        return told

    told = guarded(work, quiet=True)
    short = f"{told['runs']} runs under {told['folder']}" + (f"; {told['why']}" if told["why"] else "")
    show(json.dumps(told) if as_json else short)


@track_app.command(epilog="Example:  decot track view   (then open the page it names)")
def view(run: Run = "", home: Home = HOME, as_json: AsJson = False) -> None:
    """A page with leaderboard, Pareto front, lineage, progress and parallel axes; needs no account and no network."""

    def work(listener: Any) -> dict[str, Any]:
        from decot.evolve.ledger import Ledger
        from decot.report.html import search_page
        from decot.report.tracking_find import ledger_of
        from decot.report.tracking_views import views

        ledger = ledger_of(home, run)
        summary = Ledger.verify(ledger)
        drawn = views(Ledger(ledger).lines())
        facts = {
            "search": ledger.parent.name,
            "trials": summary.n_trials,
            "lines": summary.n_lines,
            "head": summary.head,
        }
        page = home / "tracking" / ledger.parent.name / "view.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        draft = page.with_suffix(".part")
        draft.write_text(search_page(drawn, f"The search {ledger.parent.name}", facts), encoding="utf-8")
        os.replace(draft, page)
        return {**facts, "page": str(page.resolve()), "leaderboard": drawn["leaderboard"]}

    told = guarded(work, quiet=True)
    show(json.dumps(told) if as_json else told["page"])


@track_app.command(
    epilog="Example:  decot track studies --to sqlite:///studies.db  then  optuna-dashboard sqlite:///studies.db"
)
def studies(
    to: Annotated[str, typer.Option(help="database URL: sqlite:///FILE or postgresql+psycopg://…")],
    run: Run = "",
    home: Home = HOME,
    as_json: AsJson = False,
) -> None:
    """Rebuild a search's Optuna studies in a database, for optuna-dashboard (a profile's search.storage does so live)."""

    def work(listener: Any) -> dict[str, Any]:
        from decot.evolve.ledger import Ledger
        from decot.evolve.study import rebuild
        from decot.report.tracking_find import ledger_of

        ledger = ledger_of(home, run)
        Ledger.verify(ledger)
        return {"studies": rebuild(Ledger(ledger).lines(), to), "storage": to}

    told = guarded(work, quiet=True)
    show(json.dumps(told) if as_json else f"{told['studies']} studies in {Path(to).name}")
