"""The commands about agents: who is certified, a paper session, the ledger of trials, the gate's calibration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from decot.cli.common import (
    HOME,
    AsJson,
    Home,
    Profile,
    Quiet,
    guarded,
    show,
)

app = typer.Typer()
ledger_app = typer.Typer(help="The list of every trial ever made.", no_args_is_help=True)
gate_app = typer.Typer(help="What is known of the gate itself.", no_args_is_help=True)
app.add_typer(ledger_app, name="ledger")
app.add_typer(gate_app, name="gate")


@app.command(
    epilog="Example:  decot trade --paper 3f2a9c   (beginning of the digest; `decot agents` lists them)"
)
def trade(
    digest: Annotated[str, typer.Argument(help="the agent's digest in the registry, or its beginning")],
    paper: Annotated[
        bool, typer.Option("--paper", help="no real order is sent (the only mode so far)")
    ] = True,
    profile: Profile = "demo",
    minutes: Annotated[float, typer.Option(help="length of the session")] = 30.0,
    home: Home = HOME,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """A paper session of a certified agent on the newest bars of the lake. Without a certificate: refused."""
    from decot.experiment.trade import paper_session

    del paper
    summary = guarded(lambda listener: paper_session(home, digest, profile, minutes, listener), quiet)
    show(json.dumps(summary) if as_json else summary["card"])


@app.command(epilog="Example:  decot agents --json")
def agents(home: Home = HOME, as_json: AsJson = False) -> None:
    """Every agent the gate has certified, and how far it has come."""
    from decot.gate.registry import Registry

    found = [
        {"digest": entry.digest, "stage": entry.stage, "since": entry.history[-1]["at"]}
        for entry in Registry(home / "registry").entries()
    ]
    lines = [f"{row['digest'][:16]}  {row['stage']:<10} {row['since']}" for row in found]
    show(json.dumps(found) if as_json else "\n".join(lines) or "no agent has been certified here yet")


@ledger_app.command("verify", epilog="Example:  decot ledger verify .decot/search/NAME/ledger.jsonl")
def ledger_verify(
    path: Annotated[Path, typer.Argument(help="the ledger file")], as_json: AsJson = False
) -> None:
    """Recompute the chain of hashes; a line that was edited, removed or reordered is named."""
    from decot.evolve.ledger import Ledger

    summary = guarded(lambda listener: Ledger.verify(path), quiet=True)
    plain = {"lines": summary.n_lines, "trials": summary.n_trials, "head": summary.head}
    show(
        json.dumps(plain)
        if as_json
        else f"whole: {plain['lines']} lines, {plain['trials']} trials, head {plain['head']}"
    )


@gate_app.command("calibrate", epilog="Example:  decot gate calibrate --show --json")
def gate_calibrate(
    show_stored: Annotated[
        bool, typer.Option("--show", help="print the stored result instead of running")
    ] = False,
    tape: Annotated[
        Path | None, typer.Option(help="resample this recorded tape instead of a made-up one")
    ] = None,
    workers: Annotated[int, typer.Option(help="processes; the result does not depend on it")] = 1,
    as_json: AsJson = False,
) -> None:
    """How often the gate promotes luck, and how small an edge it finds: the whole selection on markets that are known."""
    from decot.gate.calibrate import main

    words = ["--show"] if show_stored else ["--workers", str(workers)]
    words += ["--tape", str(tape)] if tape is not None else []
    words += ["--json"] if as_json else []
    raise typer.Exit(guarded(lambda listener: main(words), quiet=True))
