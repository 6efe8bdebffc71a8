"""The command that tries an agent on any recorded market. It asks and shows; nothing is ever trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from decot.cli.common import HOME, AsJson, Home, Quiet, Symbol, guarded, show

app = typer.Typer()


@app.command(
    epilog="Examples:  decot evaluate 20260107-120000-demo --tape ../tapes/standx-btcusd --day 2026-01-07  ·  "
    "decot evaluate ARTEFACT --tape ../tapes/aster-perp --fee-bps 1 --capital 19 --latency tape --json"
)
def evaluate(
    artefact: Annotated[
        str, typer.Argument(help="a run or an artefact of the home, or the beginning of its name")
    ],
    tape: Annotated[Path, typer.Option(help="recorded market: a file or folder of a known layout")],
    symbol: Symbol = "",
    day: Annotated[
        str, typer.Option(help="one UTC day of the tape, YYYY-MM-DD; all of it if not given")
    ] = "",
    fee_bps: Annotated[float | None, typer.Option(help="fee a side; the venue's if not given")] = None,
    capital: Annotated[float | None, typer.Option(help="USDT, below 20; the artefact's if not given")] = None,
    latency: Annotated[
        str, typer.Option(help="milliseconds until an order arrives, or `tape` for the recording's own delay")
    ] = "",
    sentences: Annotated[int, typer.Option(help="how many of its sentences to show")] = 10,
    home: Home = HOME,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """An artefact on a market it may never have seen: account, ladder of baselines, forecasts, heads, words."""

    def work(listener: Any) -> dict[str, Any]:
        from decot.experiment.evaluate import Question
        from decot.experiment.evaluate import evaluate as tried

        asked = Question(
            tape=tape,
            symbol=symbol,
            day=day,
            fee_bps=fee_bps,
            capital_usdt=capital,
            latency=latency,
            n_sentences=sentences,
        )
        return tried(home, artefact, asked, listener)

    found = guarded(work, quiet)
    show(json.dumps(found) if as_json else page(found))


def page(found: dict[str, Any]) -> str:
    """An evaluation for people."""
    each = found["bps_per_trade"]
    per_trade = "no trade" if each is None else f"{each['mean']:+.2f} bps a trade"
    if each is not None and each["ci95"] is not None:
        per_trade += f" ± {each['ci95']:.2f}"
    fee = found["fee_bps"]
    lines = [
        f"{found['artefact']} on {found['symbol']} of {found['tape']}",
        f"{found['from']} … {found['to']}, {found['bars']:,} bars of {found['clock_ms']} ms",
        f"{found['venue_rules']}: maker {fee['maker']:g}, taker {fee['taker']:g} bps; {found['capital_usdt']:g} USDT; "
        f"orders arrive after {found['latency_ms']} ms",
    ]
    lines += [f"CAUTION: {caution}" for caution in found["cautions"]]
    lines += [
        "",
        f"{'this agent':<16} {found['net_bps']:+10.1f} bps  {found['net_usdt']:+.4f} USDT, {found['trades']} trades, "
        f"{per_trade}, drawdown {found['drawdown_bps']:.1f} bps, in the market {found['exposure']:.0%}",
    ]
    lines += [f"{name:<16} {rung['net_bps']:+10.1f} bps" for name, rung in found["baselines"].items()]
    said = "  ".join(
        f"{h} s {x:+.3f}" if x is not None else f"{h} s –" for h, x in found["forecasts"].items()
    )
    alive = sum(1 for head in found["heads"] if head["operational"])
    words = found["words"]
    lines += [
        "",
        f"forecast against what came: {said}",
        f"heads at work here: {alive} of {len(found['heads'])}",
        f"words: re-parsed {words['reparsed']:.0%}, do(outlook) moves the action as it says {words['intervention']:.0%}",
        "",
    ]
    lines += [f"{one['t']}  {one['mid']:g}  {one['sentence']}" for one in found["sentences"]]
    return "\n".join(lines).rstrip()
