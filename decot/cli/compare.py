"""The command that puts two runs beside each other. It asks and shows."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from decot.cli.common import HOME, AsJson, Home, guarded, show

app = typer.Typer()

Name = Annotated[str, typer.Argument(help="a run's name, the beginning of it, or its folder")]


@app.command(
    epilog="Examples:  decot compare 20260107-12 20260108-09  ·  decot compare RUN RUN --out compared.html --json"
)
def compare(
    left: Name,
    right: Name,
    out: Annotated[
        Path | None, typer.Option("--out", help="the page; HOME/compared/LEFT-RIGHT.html if not given")
    ] = None,
    home: Home = HOME,
    as_json: AsJson = False,
) -> None:
    """Two finished runs side by side: data, choices, genome, hyper-parameters, every rule of the gate, the accounts.

    Prints what differs and where the page lies: one HTML file that fetches nothing.
    """

    def work(listener: Any) -> tuple[dict[str, Any], str]:
        from decot.experiment.compare import compare as told
        from decot.report.compare import page, terminal

        found = told(home, left, right)
        names = "-".join(run["run"] for run in found["runs"])
        file = out or home / "compared" / f"{names}.html"
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_suffix(".part")
        draft.write_text(page(found), encoding="utf-8")
        os.replace(draft, file)
        return {**found, "page": str(file.resolve())}, terminal(found)

    found, text = guarded(work, quiet=True)
    plain = {key: value for key, value in found.items() if key != "curves"}
    show(json.dumps(plain, ensure_ascii=False) if as_json else f"{text}\n\npage: {found['page']}")
