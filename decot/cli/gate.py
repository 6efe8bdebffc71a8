"""The commands about the gate: judge a finished run again, try the gate itself, and the ledger of trials."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from decot.cli.common import HOME, AsJson, Home, Quiet, fail, guarded, show

EXIT = {"promoted": 0, "refused": 3, "insufficient_evidence": 4}


class RunFirst(TyperGroup):
    """`decot gate RUN` means `decot gate judge RUN`: whatever is not a command is the name of a run."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["judge", *args]
        return super().parse_args(ctx, args)


gate_app = typer.Typer(
    cls=RunFirst,
    no_args_is_help=True,
    help="Judge a finished run again (`decot gate RUN`), or ask what is known of the gate itself.",
)
ledger_app = typer.Typer(help="The list of every trial ever made.", no_args_is_help=True)


@gate_app.command(
    "judge",
    epilog="Examples:  decot gate 20260107-120000-demo  ·  decot gate 2026 --json  ·  "
    "decot gate RUN --fee-bps 2 --out docs/gate/standx-2bps.html  ·  decot gate RUN --also ../tapes/aster-perp",
)
def gate_judge(
    run: Annotated[
        str, typer.Argument(help="a run's name (or its beginning, or its run.json), or an artefact")
    ],
    fee_bps: Annotated[
        float | None,
        typer.Option(
            "--fee-bps",
            help="what if the taker paid this much a side; never certified, counted as an attempt",
        ),
    ] = None,
    also: Annotated[
        str, typer.Option("--also", metavar="TAPE", help="another recorded market it must pass as well")
    ] = "",
    out: Annotated[
        list[Path] | None,
        typer.Option(
            "--out", help="also write the card here: .html, .svg, .md, .txt or .json; may be repeated"
        ),
    ] = None,
    home: Home = HOME,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Judge the finalist of a finished run from its files: artefact, tables, ledger; in a process that never saw it.

    Prints the gate card and where its page lies. Each call is written to the list of attempts; a new question (another
    artefact, fee or bound on the same rows) leaves less error for the next.

    Exit code: 0 promoted, 3 refused, 4 insufficient evidence; anything else is a failure.
    """
    from decot.experiment.promote import WhatIf, judge_again

    files = out or []
    for file in files:
        if file.suffix not in _FORMS:
            fail(f"--out {file}: give a name that ends in {', '.join(_FORMS)}", code=2)
    asked = WhatIf(fee_bps=fee_bps, also=also)
    judged = guarded(lambda listener: judge_again(home, run, asked, listener), quiet)
    plain = {key: judged[key] for key in _SHOWN}
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(_FORMS[file.suffix](judged, plain), encoding="utf-8")
    if as_json:
        show(json.dumps(plain, ensure_ascii=False))
    else:
        show(judged["text"])
        show(f"\ncard: {', '.join(str(file) for file in files) or judged['page']}")
    raise typer.Exit(EXIT[judged["verdict"]])


_SHOWN = (
    "verdict", "rules", "reasons", "trades_needed", "attempt", "looks", "ladder", "stress", "notes", "certificate", "page",
)  # fmt: skip
_FORMS: dict[str, Any] = {
    ".html": lambda judged, plain: Path(judged["page"]).read_text(encoding="utf-8"),
    ".svg": lambda judged, plain: judged["svg"],
    ".md": lambda judged, plain: judged["card"],
    ".txt": lambda judged, plain: judged["text"] + "\n",
    ".json": lambda judged, plain: json.dumps(plain, ensure_ascii=False, indent=1) + "\n",
}


@gate_app.command(
    "calibrate",
    epilog="Examples:  decot gate calibrate --show --json  ·  decot gate calibrate --show --picture docs/gate/power.svg",
)
def gate_calibrate(
    show_stored: Annotated[
        bool, typer.Option("--show", help="print the stored result instead of running")
    ] = False,
    tape: Annotated[
        Path | None, typer.Option(help="resample this recorded tape instead of a made-up one")
    ] = None,
    workers: Annotated[int, typer.Option(help="processes; the result does not depend on it")] = 1,
    picture: Annotated[
        Path | None, typer.Option(help="draw the power curve into this SVG file as well")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="keep the result here instead of beside the code")] = None,
    as_json: AsJson = False,
) -> None:
    """How often the gate promotes luck, and how small an edge it finds: the whole selection on markets that are known.

    Exit code: 0 if at most 5 % of luck passes (upper 95 % bound) and 80 % of the declared edge is found, 1 if not.
    """
    from decot.gate.calibrate import main

    words = ["--show"] if show_stored else ["--workers", str(workers)]
    words += ["--tape", str(tape)] if tape is not None else []
    words += ["--picture", str(picture)] if picture is not None else []
    words += ["--out", str(out)] if out is not None else []
    words += ["--json"] if as_json else []
    raise typer.Exit(guarded(lambda listener: main(words), quiet=True))


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
