"""What a person types: every command in one place. Knows how to ask; the work is done elsewhere."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from decot import __version__
from decot.cli import agents, context, data, evaluate, feeds, flows, house, reports, track, trade, watch
from decot.cli.common import EXIT_CODES
from decot.cli.compare import app as compare_app

app = typer.Typer(
    name="decot",
    help="Breeds, judges and runs small trading agents that say why they act.\n\n"
    "Start with:  decot run --profile demo",
    epilog=f"{EXIT_CODES}\n\nTab completion for your shell:  decot --install-completion   (or --show-completion)",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=True,
    suggest_commands=True,
)
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""what a user may still override by setting the variable"""
for part in (flows, house, reports, feeds, data, context, agents, evaluate, trade, track, watch):
    app.add_typer(part.app)
app.add_typer(compare_app)


def _version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"decot {__version__}")
        raise typer.Exit()


@app.callback()
def decot(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="say the version and end")
    ] = False,
) -> None:
    """Breeds, judges and runs small trading agents that say why they act.

    Start with:  decot run --profile demo
    """


def main() -> None:
    """The console script."""
    os.environ.setdefault("DO_NOT_TRACK", "1")
    for name in (
        ONE_THREAD
    ):  # before numpy is loaded: our matrices are small, and a second thread mostly waits in a loop
        os.environ.setdefault(name, "1")
    app()
