"""The figures of a model card, made from a home that holds the run: 07, ten sentences, other markets, the price of honesty.

`DECOT_TAPES=… python -m benchmarks.standx_card --home HOME --run RUN --part day|markets|honesty [--json]`; else Markdown.
`day` and `markets` are `decot evaluate`'s; 07 was the gate's look already and chooses nothing here.
`honesty` retrains the chosen genome with heads that may see past the words, on the finals' seeds, and compares both on 06's
validation rows, where each keeps its best look: 07 is not read. Knows how to ask and to lay out; decides nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from decot.evolve.genome import Genome
from decot.experiment.artefact import architecture
from decot.experiment.brief import find
from decot.experiment.config import Experiment
from decot.experiment.evaluate import Question, evaluate
from decot.experiment.place import Place
from decot.experiment.school import rejoin
from decot.experiment.trial import learn, minutes, plan_of
from decot.model.agent import Agent
from decot.model.checkpoint import load

DAY = "2026-01-07"
MARKETS = (
    ("Aster BTCUSDT", "aster-perp", "BTCUSDT"),
    ("Aster ETHUSDT", "aster-perp", "ETHUSDT"),
    ("Hyperliquid BTC", "hyperliquid-2025-09", "BTC"),
    ("Hyperliquid ETH", "hyperliquid-2025-09", "ETH"),
    ("Binance USD-M BTCUSDT, 2023", "binance-ws/bbo_usdm_btcusdt_20230404-05.parquet", ""),
    ("Binance USD-M BTCUSDT, 2024", "binance-ws/bbo_usdm_btcusdt_20240808-08.parquet", ""),
    ("Binance USD-M ETHUSDT, 2024", "binance-ws/bbo_usdm_ethusdt_20240808-08.parquet", ""),
    ("Binance spot BTCUSDT, 2024", "binance-ws/bbo_spot_btcusdt_20240808-09.parquet", ""),
    ("Binance spot ETHUSDT, 2024", "binance-ws/bbo_spot_ethusdt_20240808-09.parquet", ""),
)


def day(home: Path, run: str, tapes: Path) -> dict[str, Any]:
    """The judged day as `decot evaluate` tells it."""
    return evaluate(home, run, Question(tape=tapes / "standx-btcusd", day=DAY))


def markets(home: Path, run: str, tapes: Path) -> dict[str, Any]:
    """Every market it has never seen; same fee, lots and delay."""
    found = {}
    for name, where, symbol in MARKETS:
        found[name] = evaluate(home, run, Question(tape=tapes / where, symbol=symbol, n_sentences=0))
        print(
            f"{name}: {found[name]['net_bps']:+.1f} bps, {found[name]['bars']} bars",
            file=sys.stderr,
            flush=True,
        )
    return found


def honesty(home: Path, run: str, workdir: Path) -> dict[str, Any]:
    """Net bps on 06's validation rows of the finals' seeds, words only and unrestricted, same genome and parameters."""
    brief, place = find(home, run), Place(home)
    experiment = Experiment.of(replace(brief.order, home=str(home)))
    manifest = load(place.home / "artefacts" / brief.artefact)[1]
    school, about = rejoin(experiment, place.lake.check(brief.features), manifest), manifest["about"]
    genome = Genome.from_json(about["genome"])
    free = replace(experiment, net=replace(experiment.net, unrestricted=True))
    found: dict[str, list[float]] = {"words_only": [], "unrestricted": []}
    for row in brief.seeds:
        found["words_only"].append(float(row["validation_bps"]))
        agent = Agent(architecture(free, genome, school.n_features), seed=row["seed"])
        plan = plan_of(free, genome, about["params"])
        done = learn(agent, school, plan, row["seed"], workdir / f"free-{row['seed']}", 1.0)
        found["unrestricted"].append(
            round(float(minutes(free, school, done.agent, school.validation).sum()), 2)
        )
        print(f"seed {row['seed']}: {found}", file=sys.stderr, flush=True)
    means = {name: round(float(np.mean(x)), 1) for name, x in found.items()}
    return {**found, "means": means, "ratio": round(means["words_only"] / means["unrestricted"], 3)}


def day_page(told: dict[str, Any]) -> str:
    """Account, ladder, words and sentences in Markdown."""
    each, words = told["bps_per_trade"], told["words"]
    account = (
        f"this agent {told['net_bps']:+,.1f} ({told['trades']} trades, "
        f"{each['mean']:+.2f} ± {each['ci95']:.2f} bps a trade, drawdown {told['drawdown_bps']:.1f}, "
        f"lower bound of the day {told['net_bps_lower95']:+,.1f}, in the market {told['exposure']:.1%})"
    )
    lines = [
        " · ".join(
            [account, *(f"{name} {rung['net_bps']:+,.1f}" for name, rung in told["baselines"].items())]
        ),
        f"forecast of 10 s against what came over 5/10/30 s: {foreseen(told)}; heads at work: {at_work(told)}",
        f"re-parsed {words['reparsed']:.1%}, forced outlook {words['intervention']:.1%}, stable {words['stability']:.1%}",
        "",
        "| question | agrees | always the commonest |",
        "|-|-|-|",
        *(
            f"| {row['question']} | {row['accuracy']:.3f} | {row['always_the_commonest']:.3f} |"
            for row in sorted(words["questions"], key=lambda row: -row["accuracy"])
        ),
        "",
        "| time (UTC) | row | mid | sentence |",
        "|-|-|-|-|",
        *(
            f"| {one['t'][11:19]} | {one['row']} | {one['mid']:g} | {one['sentence']} |"
            for one in told["sentences"]
        ),
    ]
    return "\n".join(lines)


def markets_page(told: dict[str, dict[str, Any]]) -> str:
    """One line a market."""
    heads = ("tape", "bars", "net bps (lower bound)", "trades", "buy-hold", "least squares",
             "forecast 5/10/30 s", "heads at work", "forced outlook")  # fmt: skip
    lines = [f"| {' | '.join(heads)} |", f"|{'-|' * len(heads)}"]
    for name, one in told.items():
        lower, rungs = one["net_bps_lower95"], one["baselines"]
        cells = (
            name,
            f"{one['bars']:,}{'' if one['is_conclusive'] else ' (too few)'}",
            f"{one['net_bps']:+.1f} ({'–' if lower is None else f'{lower:+.1f}'})",
            one["trades"],
            f"{rungs['buy_hold']['net_bps']:+.1f}",
            f"{rungs['least_squares']['net_bps']:+.1f}",
            foreseen(one),
            at_work(one),
            f"{one['words']['intervention']:.0%}",
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def foreseen(told: dict[str, Any]) -> str:
    """Correlations of the 10-s forecast, horizon by horizon."""
    return "/".join("–" if x is None else f"{x:.2f}" for x in told["forecasts"].values())


def at_work(told: dict[str, Any]) -> str:
    """How many heads are operational on these rows."""
    return f"{sum(head['operational'] for head in told['heads'])} of {len(told['heads'])}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--run", required=True, help="a run or an artefact of the home")
    parser.add_argument("--part", choices=("day", "markets", "honesty"), default="day")
    parser.add_argument("--json", action="store_true", help="the figures themselves instead of Markdown")
    options = parser.parse_args()
    if "DECOT_TAPES" not in os.environ:
        parser.error("set DECOT_TAPES to the folder of recorded tapes")
    tapes = Path(os.environ["DECOT_TAPES"])
    if options.part == "honesty":
        found, page = honesty(options.home, options.run, options.home / "honesty"), ""
    elif options.part == "markets":
        found = markets(options.home, options.run, tapes)
        page = markets_page(found)
    else:
        found = day(options.home, options.run, tapes)
        page = day_page(found)
    print(json.dumps(found) if options.json or not page else page)


if __name__ == "__main__":
    main()
