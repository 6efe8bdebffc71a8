"""What a person types. Knows how to ask and how to show; the work is done by what the installation registers."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from decot.errors import DecotError

EXIT = {"promoted": 0, "refused": 3, "insufficient_evidence": 4}
FAILED, INTERRUPTED = 1, 130

app = typer.Typer(
    name="decot",
    help="Breeds, judges and runs small trading agents that say why they act.\n\n"
    "Start with:  decot run --profile demo",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=True,
)
ledger_app = typer.Typer(help="The list of every trial ever made.", no_args_is_help=True)
app.add_typer(ledger_app, name="ledger")

Profile = Annotated[str, typer.Option(help="packaged profile (demo, research, live) or a TOML file")]
World = Annotated[str, typer.Option(help="embedded market: planted-edge, no-edge, regimes, crash")]
TapePath = Annotated[str, typer.Option("--tape", help="recorded market: a file or folder of a known layout")]
Symbol = Annotated[str, typer.Option(help="which symbol, when the tape holds several")]
Seed = Annotated[int | None, typer.Option(help="root seed; the profile's if not given")]
Home = Annotated[Path, typer.Option(envvar="DECOT_HOME", help="where everything a run leaves is kept")]
AsJson = Annotated[bool, typer.Option("--json", help="the last line of stdout is one JSON object")]
Quiet = Annotated[bool, typer.Option("--quiet", help="no progress on stderr")]

HOME = Path(".decot")


@app.command(
    epilog="Examples:  decot run --profile demo  ·  decot run --world no-edge  ·  "
    "decot run --tape ../tapes/standx-btcusd --json"
)
def run(
    profile: Profile = "demo",
    world: World = "",
    tape: TapePath = "",
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
    outcome = _start(
        "run",
        quiet,
        profile=profile,
        world=world,
        tape=tape,
        symbol=symbol,
        seed=seed,
        home=str(home),
        zero_head=zero_head,
    )
    if not as_json:
        _print(_story(outcome))
    else:
        _print(json.dumps(outcome, ensure_ascii=False))
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
    outcome = _start(
        "ingest", quiet, profile=profile, world=world, tape=tape, symbol=symbol, seed=seed, home=str(home)
    )
    _print(json.dumps(outcome) if as_json else _tables(outcome["tables"]))


@app.command(epilog="Example:  decot enrich --tape ../tapes/standx-btcusd --json")
def enrich(
    profile: Profile = "demo",
    world: World = "",
    tape: TapePath = "",
    symbol: Symbol = "",
    seed: Seed = None,
    home: Home = HOME,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Ingest, then regimes and news: the features table, every value knowable at its time."""
    outcome = _start(
        "enrich", quiet, profile=profile, world=world, tape=tape, symbol=symbol, seed=seed, home=str(home)
    )
    _print(json.dumps(outcome) if as_json else _tables(outcome["tables"]))


@app.command(epilog="Example:  decot tables --json")
def tables(home: Home = HOME, as_json: AsJson = False) -> None:
    """What the lake holds: every table with its version, rows, columns and digest."""
    from decot.data.lake import Lake

    lake = Lake(home / "lake")
    found = [lake.ref(name, symbol).to_dict() for name in lake.tables() for symbol in lake.symbols(name)]
    _print(json.dumps(found) if as_json else (_tables(found) or f"the lake under {home} is empty"))


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
    _print(json.dumps(rows) if as_json else "\n".join(diagnosis(row) for row in rows))


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
    summary = _guarded(lambda listener: paper_session(home, digest, profile, minutes, listener), quiet)
    _print(json.dumps(summary) if as_json else summary["card"])


@app.command(epilog="Example:  decot agents --json")
def agents(home: Home = HOME, as_json: AsJson = False) -> None:
    """Every agent the gate has certified, and how far it has come."""
    from decot.gate.registry import Registry

    found = [
        {"digest": entry.digest, "stage": entry.stage, "since": entry.history[-1]["at"]}
        for entry in Registry(home / "registry").entries()
    ]
    lines = [f"{row['digest'][:16]}  {row['stage']:<10} {row['since']}" for row in found]
    _print(json.dumps(found) if as_json else "\n".join(lines) or "no agent has been certified here yet")


@ledger_app.command("verify", epilog="Example:  decot ledger verify .decot/search/NAME/ledger.jsonl")
def ledger_verify(
    path: Annotated[Path, typer.Argument(help="the ledger file")], as_json: AsJson = False
) -> None:
    """Recompute the chain of hashes; a line that was edited, removed or reordered is named."""
    from decot.evolve.ledger import Ledger

    summary = _guarded(lambda listener: Ledger.verify(path), quiet=True)
    plain = {"lines": summary.n_lines, "trials": summary.n_trials, "head": summary.head}
    _print(
        json.dumps(plain)
        if as_json
        else f"whole: {plain['lines']} lines, {plain['trials']} trials, head {plain['head']}"
    )


@app.command(epilog="Example:  decot up   (then open http://127.0.0.1:4200)")
def up(
    home: Home = HOME, port: Annotated[int, typer.Option(help="port of the Prefect server")] = 4200
) -> None:
    """Prefect server, schedules and served flows on this machine, on loopback, until Ctrl-C."""
    _guarded(lambda listener: _registered("up")(home, port), quiet=True)


def _start(word: str, quiet: bool, **order: Any) -> dict[str, Any]:
    from decot.experiment.order import Order

    _check_names(order)
    return _guarded(lambda listener: _registered(word)(Order(**order), listener), quiet)


def _check_names(order: dict[str, Any]) -> None:
    if order.get("world") and order.get("tape"):
        _fail("a run has one source: give --world or --tape, not both", code=2)
    if order.get("tape") and not Path(order["tape"]).exists():
        _fail(f"{order['tape']}: there is no such file or folder; check the path given to --tape", code=2)


def _registered(word: str) -> Callable[..., Any]:
    for found in entry_points(group="decot.flows", name=word):
        return found.load()
    _fail(f"no flow called {word} is installed; install the extra: pip install 'decot[demo]'")


def _guarded(work: Callable[[Any], Any], quiet: bool) -> Any:
    from decot.report.progress import bars

    try:
        with bars(quiet=quiet) as listener:
            return work(listener)
    except KeyboardInterrupt:
        _fail(
            "interrupted; nothing is lost: the same command continues where it can and says so", INTERRUPTED
        )
    except DecotError as refused:
        _fail(f"{type(refused).__name__}: {refused}")
    except ModuleNotFoundError as missing:
        _fail(f"{missing.name} is not installed; pip install 'decot[demo]'")


def _fail(message: str, code: int = FAILED) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(code)


def _print(text: str) -> None:
    typer.echo(text)
    sys.stdout.flush()


def _tables(refs: list[dict[str, Any]]) -> str:
    return "\n".join(
        f"{ref['name']:<12} {ref['symbol']:<10} v{ref['version']:<4} {ref['rows']:>9} rows "
        f"{ref['columns']:>4} columns  {ref['digest'][:16]}"
        for ref in refs
    )


def _story(outcome: dict[str, Any]) -> str:
    gate, train = outcome["gate"], outcome["train"]
    lines = [
        _tables(outcome["tables"]),
        "",
        f"bred {train['individuals']} individuals in {train['trials']} trials, {train['env_steps']:,} env steps",
        "",
        outcome["card"],
    ]
    if outcome["trade"]:
        lines += ["", outcome["trade"]["card"]]
    lines += ["", f"verdict: {gate['verdict'].replace('_', ' ')}", f"report:  {outcome['report']}"]
    return "\n".join(lines)


def main() -> None:
    """The console script."""
    os.environ.setdefault("DO_NOT_TRACK", "1")
    app()
