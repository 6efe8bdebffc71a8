"""The commands about agents: who is certified and how far it has come, and a paper session."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from decot.cli.common import (
    HOME,
    AsJson,
    Home,
    Profile,
    Quiet,
    fail,
    guarded,
    registered,
    show,
)
from decot.cli.gate import gate_app, ledger_app
from decot.cli.keys import keys_app

app = typer.Typer()
agents_app = typer.Typer(
    help="Who is certified and how far it has come; on its own: the list.", invoke_without_command=True
)
app.add_typer(agents_app, name="agents")
app.add_typer(gate_app, name="gate")
app.add_typer(keys_app, name="keys")
app.add_typer(ledger_app, name="ledger")

Digest = Annotated[str, typer.Argument(help="the agent's digest in the registry, or its beginning")]


@agents_app.callback(invoke_without_command=True)
def agents(ctx: typer.Context, home: Home = HOME, as_json: AsJson = False) -> None:
    """Every agent the gate has certified, and how far it has come: candidate → certified → paper → live → retired."""
    if ctx.invoked_subcommand is not None:
        return
    from decot.gate.registry import Registry

    found = [
        {"digest": entry.digest, "stage": entry.stage, "since": entry.history[-1]["at"]}
        for entry in Registry(home / "registry").entries()
    ]
    lines = [f"{row['digest'][:16]}  {row['stage']:<10} {row['since']}" for row in found]
    show(json.dumps(found) if as_json else "\n".join(lines) or "no agent has been certified here yet")


@agents_app.command("verify", epilog="Example:  decot agents verify 3f2a9c --json")
def agents_verify(digest: Digest, home: Home = HOME, as_json: AsJson = False) -> None:
    """Is the certificate whole, in time, of a trusted key, and about these very bytes and this very code?"""
    plain = guarded(lambda listener: _verified(home, digest), quiet=True)
    history = "\n".join(
        f"  {event['at'][:19]}  {event['stage']:<10} {event['why']}" for event in plain["history"]
    )
    told = (
        f"holds: {plain['digest'][:16]} is {plain['stage']}, certificate {plain['serial'][:16]} of key {plain['key']}, "
        f"until {plain['expires'][:10]}\n{history}"
    )
    show(json.dumps(plain) if as_json else told)


@agents_app.command(
    "promote", epilog="Examples:  decot agents promote 3f2a9c paper  ·  decot agents promote 3f2a9c live"
)
def agents_promote(
    digest: Digest,
    stage: Annotated[str, typer.Argument(help="paper, or live; nothing can be skipped")],
    profile: Profile = "demo",
    minutes: Annotated[float, typer.Option(help="paper: length of the session")] = 30.0,
    home: Home = HOME,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """One stage on. Paper runs a paper session and signs its figures; live asks a person in the Prefect UI.

    Live needs a server with a UI (`decot up` in another terminal) and waits there, paused, for a name, a decision and a
    reason. There is no option that skips the question.
    """
    if stage == "paper":
        from decot.experiment.stages import to_paper

        plain = guarded(lambda listener: to_paper(home, digest, profile, minutes, listener), quiet)
        told = f"{plain['card']}\n\n{plain['digest'][:16]} is on paper"
    elif stage == "live":
        plain = guarded(lambda listener: registered("approve")(home, digest), quiet)
        told = f"{plain['digest'][:16]} is {plain['stage']}: {plain['reason']}"
    else:
        fail(
            f"{stage!r}: an agent is promoted to paper or live; the gate alone certifies: decot gate RUN",
            code=2,
        )
    show(json.dumps(plain) if as_json else told)


@agents_app.command("retire", epilog="Example:  decot agents retire 3f2a9c --why 'its market is gone'")
def agents_retire(
    digest: Digest,
    why: Annotated[str, typer.Option(help="the reason, kept in the registry")],
    home: Home = HOME,
    as_json: AsJson = False,
) -> None:
    """Out of service for good."""
    from decot.experiment.place import Place
    from decot.experiment.stages import retire

    plain = guarded(lambda listener: retire(Place(home), digest, why), quiet=True)
    show(json.dumps(plain) if as_json else f"{plain['digest'][:16]} is retired: {plain['reason']}")


def _verified(home: Path, digest: str) -> dict[str, Any]:
    from decot.experiment.place import Place
    from decot.experiment.stages import verified

    entry, signed = verified(Place(home), digest)
    return {
        "digest": entry.digest,
        "stage": entry.stage,
        "serial": signed.serial,
        "key": signed.key_id,
        "issued": signed.issued,
        "expires": signed.expires,
        "history": list(entry.history),
    }
