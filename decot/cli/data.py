"""The commands about data: what the lake holds and gives out, what a table knows, what an account can trade."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from decot import clock
from decot.cli.common import (
    FAILED,
    HOME,
    AsJson,
    Home,
    Profile,
    Quiet,
    Seed,
    Symbol,
    TapePath,
    World,
    check_names,
    guarded,
    listed,
    show,
)

app = typer.Typer()


@app.command(epilog="Examples:  decot tables  ·  decot tables base --history  ·  decot tables --json")
def tables(
    table: Annotated[str, typer.Argument(help="only this table; all by default")] = "",
    history: Annotated[
        bool, typer.Option("--history", help="also every version there was, oldest first")
    ] = False,
    home: Home = HOME,
    as_json: AsJson = False,
) -> None:
    """What the lake holds, and what each table was made of: versions, rows, digests, sources.

    A source marked `old` has a newer version in the lake: what was made of it is behind.
    """

    def work(listener: Any) -> list[dict[str, Any]]:
        from decot.data.lake import Lake
        from decot.data.lake_care import family
        from decot.errors import LakeBroken

        lake = Lake(home / "lake")
        known = lake.tables()
        if table and table not in known:
            raise LakeBroken(f"no table {table!r} under {home}; there are: {', '.join(known) or 'none'}")
        refs = lake.refs([table] if table else None)
        found = [family(lake, ref) for ref in refs]
        if history:
            for entry, ref in zip(found, refs):
                past = lake.history(ref.table)
                entry["history"] = [commit for commit in past if commit["symbol"] == ref.symbol]
        return found

    found = guarded(work, quiet=True)
    show(json.dumps(found) if as_json else (grown(found) or f"the lake under {home} is empty"))


def grown(found: list[dict[str, Any]]) -> str:
    """The tables, and under each the tree of what it was made of."""
    lines = []
    for entry in found:
        lines += [listed([entry]) + (f"  {entry['note']}" if entry["note"] else ""), *_branches(entry, "  ")]
        lines += [
            f"    v{commit['version']:<4} {clock.iso(commit['timestamp_ms'])} {commit['rows']:>9} rows  "
            f"{commit['digest'][:16]}  {commit['note']}".rstrip()
            for commit in entry.get("history", ())
        ]
    return "\n".join(lines)


def _branches(entry: dict[str, Any], stem: str) -> list[str]:
    lines, sources = [], entry["made_of"]
    for number, source in enumerate(sources, 1):
        is_last = number == len(sources)
        marks = [] if source["is_latest"] else ["old" if source["is_here"] else "not in this lake"]
        marks += ["see above"] if source.get("is_told") else []
        said = f"{source['name']} v{source['version']}  {source['rows']:,} rows  {source['digest'][:16]}"
        lines.append(
            f"{stem}{'└─' if is_last else '├─'} {said}" + (f"  ({', '.join(marks)})" if marks else "")
        )
        lines += _branches(source, stem + ("   " if is_last else "│  "))
    return lines


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


@app.command(epilog="Example:  decot export base --to base.csv")
def export(
    table: Annotated[str, typer.Argument(help="name of a table; `decot tables` lists them")],
    to: Annotated[Path, typer.Option(help="file to write: .parquet, .csv or .jsonl")],
    symbol: Annotated[str, typer.Option(help="which symbol, when the table holds several")] = "",
    home: Home = HOME,
    as_json: AsJson = False,
) -> None:
    """Write a table of the lake to a file, whole or not at all, with all its digits."""

    def work(listener: Any) -> dict[str, Any]:
        from decot.data.export import export as written
        from decot.data.lake import Lake
        from decot.errors import LakeBroken

        lake = Lake(home / "lake")
        if table not in lake.tables():
            raise LakeBroken(
                f"no table {table!r} under {home}; there are: {', '.join(lake.tables()) or 'none'}"
            )
        known = lake.symbols(table)
        if not symbol and len(known) > 1:
            raise LakeBroken(f"{table} holds {', '.join(known)}; name one with --symbol")
        ref = lake.ref(table, symbol or None)
        frame = lake.get(ref.table, symbol=ref.symbol, version=ref.version)
        return {"file": str(written(frame, to)), **ref.to_dict()}

    done = guarded(work, quiet=True)
    show(json.dumps(done) if as_json else f"{listed([done])}\n{done['file']}")


@app.command(
    "check-causality",
    epilog="Examples:  decot check-causality --json  ·  decot check-causality --tape ../tapes/standx-btcusd --cuts 16",
)
def check_causality(
    tape: TapePath = "",
    world: World = "",
    profile: Profile = "demo",
    symbol: Symbol = "",
    seed: Seed = None,
    cuts: Annotated[
        int, typer.Option(help="moments at which the future is taken away and replaced", min=1)
    ] = 8,
    rows: Annotated[int, typer.Option(help="bars judged, from the first day", min=8)] = 3_000,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Build the features with and without the future: no input column may change in a single bit.

    Exit code 1 when one does; each is named with its first row. Targets are the opposite: they must change.
    """
    check_names({"tape": tape, "world": world})

    def work(listener: Any) -> dict[str, Any]:
        from decot.experiment.causal import causality
        from decot.experiment.order import Order
        from decot.report.progress import listening

        order = Order(profile=profile, world=world, tape=tape, symbol=symbol, seed=seed)
        with listening(listener):
            return causality(order, cuts=cuts, rows=rows)

    found = guarded(work, quiet)
    show(json.dumps(found) if as_json else judged(found))
    if found["leaks"]:
        raise typer.Exit(FAILED)


def judged(found: dict[str, Any]) -> str:
    what = f"{found['columns']} columns of {found['rows']:,} bars ({found['source']}), {found['cuts']} cuts"
    if not found["leaks"]:
        return f"{what}: no input knows its future, every target does"
    named = (
        f"{leak['column']}: row {leak['row']} changed with what came after row {leak['cut']} ({leak['kind']})"
        for leak in found["leaks"]
    )
    return "\n".join([f"{what}: {len(found['leaks'])} leaks", *named])
