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
from decot.cli.feeds import VenuePort, aim, settings
from decot.cli.quarantine import app as quarantine_app

app = typer.Typer()
app.add_typer(quarantine_app, name="quarantine")


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


@app.command(
    epilog="Examples:  decot doctor  ·  decot doctor --network --json  ·  decot doctor --capital 19  ·  "
    "decot doctor --venue binance-spot --json  ·  decot doctor --exchange bybit --quote USDT --capital 19"
)
def doctor(
    capital: Annotated[
        float | None,
        typer.Option(help="USDT on the account: which markets can it trade? (19 with another venue option)"),
    ] = None,
    venue: Annotated[str, typer.Option(help="only this venue of the packaged rules; all by default")] = "",
    exchange: Annotated[
        str, typer.Option(help="ask this exchange itself, through ccxt: all its symbols at today's prices")
    ] = "",
    quote: Annotated[list[str], typer.Option(help="with --exchange: quote currencies looked at")] = ["USDT"],  # noqa: B006
    price: Annotated[float, typer.Option(help="price of one BTC for the packaged rules, USDT")] = 90_000.0,
    stop_bps: Annotated[float, typer.Option(help="stop distance to keep in reserve, basis points")] = 100.0,
    venue_port: VenuePort = 0,
    network: Annotated[
        bool, typer.Option("--network", help="also see whether W&B and the model hub can be reached")
    ] = False,
    home: Home = HOME,
    as_json: AsJson = False,
) -> None:
    """On its own: is this installation fit to work, and how is it mended? With --capital: which markets can be traded?

    The installation: packages of each extra, home, disk, ports, clock; exit code 1 when something must be mended.
    The markets, with --capital, --venue or --exchange: minimum with stop and fees, lots, slots. Without --exchange the
    packaged rules of BTC on each venue are judged; with it every symbol the exchange lists.
    """
    if capital is None and not (venue or exchange or venue_port):
        from decot.cli import installation

        seen = installation.examine(home, network=network)
        show(json.dumps(seen) if as_json else installation.told(seen))
        raise typer.Exit(FAILED if installation.is_bad(seen) else 0)
    usdt = 19.0 if capital is None else capital
    from decot.experiment.doctor import diagnosis, feasible_venues

    def work(listener: Any) -> list[dict[str, Any]]:
        if exchange or venue_port:
            return listed_markets(exchange or "binance", tuple(quote), usdt, stop_bps, venue_port)
        from decot.errors import ConfigError

        rows = feasible_venues(price=price, capital_usdt=usdt, stop_bps=stop_bps)
        known = sorted({row["venue"] for row in rows})
        if venue and venue not in known:
            there = f"there are rules of {', '.join(known)}; or ask an exchange itself with --exchange"
            raise ConfigError([f"venue {venue!r}: {there}"])
        return [row for row in rows if venue in ("", row["venue"])]

    rows = guarded(work, quiet=True)
    n_feasible = sum(row["is_feasible"] for row in rows)
    told = [diagnosis(row) for row in rows] + [
        f"{n_feasible} of {len(rows)} can be traded with {usdt:g} USDT"
    ]
    show(json.dumps(rows) if as_json else "\n".join(told))


def listed_markets(
    exchange: str, quotes: tuple[str, ...], capital: float, stop_bps: float, venue_port: int
) -> list[dict[str, Any]]:
    """One row per market the exchange lists, those that can be traded first, the smallest entry first."""
    import warnings

    from decot.data.listings import listings
    from decot.errors import ConfigError
    from decot.market.doctor import feasibility
    from decot.market.venue_info import from_market

    rows: list[dict[str, Any]] = []
    for one in listings(exchange, quotes=quotes, client=settings(venue_port, ""), prepare=aim(venue_port)):
        unknown = {
            "venue": exchange,
            "symbol": one.symbol,
            "kind": one.market.get("type", ""),
            "is_feasible": False,
        }
        if one.price is None:
            rows.append({**unknown, "why_not": "the venue tells no price"})
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # library fees: the row's source says so
                rules = from_market(one.market, venue=exchange, version="now")
        except ConfigError as refused:
            rows.append({**unknown, "why_not": "; ".join(refused.faults)})
            continue
        found = feasibility(rules, one.price, capital, stop_bps).as_row()
        rows.append({**found, "rules": rules.source})
    return sorted(
        rows, key=lambda row: (not row["is_feasible"], row.get("smallest_entry_usdt", 0.0), row["symbol"])
    )


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
