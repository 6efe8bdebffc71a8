"""The commands that start a flow: run, ingest, enrich. Knows no flow; asks the installation for it."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from decot.cli.common import (
    HOME,
    AsJson,
    Home,
    News,
    Profile,
    Quiet,
    Seed,
    Symbol,
    TapePath,
    World,
    listed,
    show,
    start,
)

EXIT = {"promoted": 0, "refused": 3, "insufficient_evidence": 4}
"""the verdict as a script sees it"""

app = typer.Typer()


@app.command(
    epilog="Examples:  decot run --profile demo  ·  decot run --world no-edge  ·  "
    "decot run --tape ../tapes/standx-btcusd --json"
)
def run(
    profile: Profile = "demo",
    world: World = "",
    tape: TapePath = "",
    news: News = "",
    symbol: Symbol = "",
    seed: Seed = None,
    home: Home = HOME,
    zero_head: Annotated[
        str, typer.Option(help="a drill: silence this head after training and watch the gate refuse it")
    ] = "",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """The whole pipeline: ingest, enrich, train, promote, trade; ends with a verdict and a report.

    Exit code: 0 promoted, 3 refused, 4 insufficient evidence; anything else is a failure.
    """
    outcome = start(
        "run",
        quiet,
        profile=profile,
        world=world,
        tape=tape,
        news=news,
        symbol=symbol,
        seed=seed,
        home=str(home),
        zero_head=zero_head,
    )
    if not as_json:
        show(story(outcome))
    else:
        show(json.dumps(outcome, ensure_ascii=False))
    raise typer.Exit(EXIT[outcome["gate"]["verdict"]])


@app.command(epilog="Example:  decot ingest --tape ../tapes/standx-btcusd --json")
def ingest(
    profile: Profile = "demo",
    world: World = "",
    tape: TapePath = "",
    symbol: Symbol = "",
    seed: Seed = None,
    home: Home = HOME,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Bring a market home: raw tables, bars, the 41 columns; nothing lands that does not pass the doors."""
    outcome = start(
        "ingest", quiet, profile=profile, world=world, tape=tape, symbol=symbol, seed=seed, home=str(home)
    )
    show(json.dumps(outcome) if as_json else listed(outcome["tables"]))


@app.command(epilog="Example:  decot enrich --tape ../tapes/standx-btcusd --json")
def enrich(
    profile: Profile = "demo",
    world: World = "",
    tape: TapePath = "",
    news: News = "",
    symbol: Symbol = "",
    seed: Seed = None,
    home: Home = HOME,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Ingest, then regimes and news: the features table, every value knowable at its time."""
    outcome = start(
        "enrich",
        quiet,
        profile=profile,
        world=world,
        tape=tape,
        news=news,
        symbol=symbol,
        seed=seed,
        home=str(home),
    )
    show(json.dumps(outcome) if as_json else told(outcome))


def told(outcome: dict[str, Any]) -> str:
    """What an enrich run says to a person."""
    return f"{listed(outcome['tables'])}\n\n{outcome['told']}\n\nregimes: {outcome['picture']}"


def story(outcome: dict[str, Any]) -> str:
    gate, train = outcome["gate"], outcome["train"]
    lines = [
        listed(outcome["tables"]),
        "",
        f"bred {train['individuals']} individuals in {train['trials']} trials, {train['env_steps']:,} env steps",
        "",
        outcome["card"],
    ]
    if outcome["trade"]:
        lines += ["", outcome["trade"]["card"]]
    lines += ["", f"verdict: {gate['verdict'].replace('_', ' ')}", f"report:  {outcome['report']}"]
    return "\n".join(lines)
