"""What a person types: every command in one place. Knows how to ask; the work is done elsewhere."""

from __future__ import annotations

import os

import typer

from decot.cli import agents, context, data, evaluate, feeds, flows, track, trade, watch

app = typer.Typer(
    name="decot",
    help="Breeds, judges and runs small trading agents that say why they act.\n\n"
    "Start with:  decot run --profile demo",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=True,
)
for part in (flows, feeds, data, context, agents, evaluate, trade, track, watch):
    app.add_typer(part.app)


def main() -> None:
    """The console script."""
    os.environ.setdefault("DO_NOT_TRACK", "1")
    app()
