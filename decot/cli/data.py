"""The commands about data: what the lake holds, what an account can trade on."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from decot.cli.common import (
    HOME,
    AsJson,
    Home,
    listed,
    show,
)

app = typer.Typer()


@app.command(epilog="Example:  decot tables --json")
def tables(home: Home = HOME, as_json: AsJson = False) -> None:
    """What the lake holds: every table with its version, rows, columns and digest."""
    from decot.data.lake import Lake

    lake = Lake(home / "lake")
    found = [lake.ref(name, symbol).to_dict() for name in lake.tables() for symbol in lake.symbols(name)]
    show(json.dumps(found) if as_json else (listed(found) or f"the lake under {home} is empty"))


@app.command(epilog="Example:  decot doctor --capital 19 --price 90000")
def doctor(
    capital: Annotated[float, typer.Option(help="USDT on the account")] = 19.0,
    price: Annotated[float, typer.Option(help="price of one BTC to reckon with, USDT")] = 90_000.0,
    stop_bps: Annotated[float, typer.Option(help="stop distance to keep in reserve, basis points")] = 100.0,
    as_json: AsJson = False,
) -> None:
    """Which venues such an account can trade BTC on at all, and why not the others."""
    from decot.experiment.doctor import diagnosis, feasible_venues

    rows = feasible_venues(price=price, capital_usdt=capital, stop_bps=stop_bps)
    show(json.dumps(rows) if as_json else "\n".join(diagnosis(row) for row in rows))
