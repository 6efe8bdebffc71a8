"""Enrich as tasks: what surrounds the market is learnt on the training part and joined causally."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl
from prefect import task
from prefect.artifacts import create_markdown_artifact

from decot.experiment import enrich as core
from decot.experiment import listen as outside
from decot.experiment import refit
from decot.experiment.config import Experiment
from decot.experiment.listen import Heard
from decot.experiment.order import Order
from decot.experiment.place import Place
from decot.report.strip import as_image, regime_strip
from schemas.ref import Ref
from tasks.common import REMEMBERED, pointing, progress
from tasks.ingest import Landed


@dataclass(frozen=True, slots=True)
class ContextRef:
    """What was learnt about regimes and news, by name."""

    name: str
    """folder under `contexts/`, the hash of its contents"""
    text: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Enriched:
    """The wide table, and what it was widened with."""

    symbol: str
    features: Ref
    context: str
    regimes: dict[str, Any]
    text: dict[str, Any]
    told: str = ""
    """regimes, what the refit changed, and who read the news, in words"""
    outside: tuple[dict[str, Any], ...] = ()
    """per MCP server: name, known, why it is masked, usable readings"""


@task(name="learn context", task_run_name="learn regimes and news of {landed.symbol}", **REMEMBERED)
def learn_context(order: Order, landed: Landed) -> ContextRef:
    """Regime model and news projection, fitted on the training days only."""
    experiment, place = Experiment.of(order), Place(order.home)
    with progress("enrich"):
        news = core.news_of(place, landed.raw)
        context = core.learn(experiment, place, place.get(landed.bars), news, landed.symbol)
    return ContextRef(context.name, context.text_summary(experiment, news))


@task(name="listen", task_run_name="ask the MCP servers", retries=0)
def listen(order: Order, landed: Landed) -> Heard:
    """Every configured server is asked once, time-boxed, and what it said is kept with its time of arrival."""
    experiment, place = Experiment.of(order), Place(order.home)
    with progress("enrich"):
        until_ms = int(place.get(landed.bars)["timestamp"][-1])
        return outside.listen(experiment, place, until_ms)


@task(name="widen", task_run_name="widen {landed.symbol}", **REMEMBERED)
def widen(order: Order, landed: Landed, context: ContextRef, until_ms: int, heard: str) -> Enriched:
    """The features table: 41 columns and the extension, every value knowable at its time.

    `heard` is the digest of what the MCP servers had said by `until_ms`: another one makes the table anew.
    """
    experiment, place = Experiment.of(order), Place(order.home)
    with progress("enrich"):
        known = core.open_context(place, context.name)
        base, bars, news = place.get(landed.base), place.get(landed.bars), core.news_of(place, landed.raw)
        said = outside.columns(experiment, place, bars["timestamp"].to_numpy(), until_ms)
        frame = core.widen(experiment, place, known, base, bars, news, said)
        ref = place.put("features", frame, symbol=landed.symbol, sources=(landed.base, landed.bars))
        regimes = refit.told(place, context.name, known.regimes, frame, experiment.clock_ms)
    told = refit.card(regimes, context.text)
    _show(order.home, landed.symbol, frame, regimes, told)
    return Enriched(landed.symbol, ref, context.name, regimes, context.text, told)


def _show(home: str, symbol: str, frame: pl.DataFrame, regimes: dict[str, Any], told: str) -> None:
    """The regimes for the Prefect UI: the picture travels inside the note, so it shows wherever the server stands."""
    states = regimes["states"]
    drawn = regime_strip(
        frame["timestamp"].to_numpy(),
        frame["close"].to_numpy(),
        frame.select(f"regime_{k}" for k in range(len(states))).to_numpy(),
        names=[f"{row['state']}: {row['volatility']:.2g} bps a bar, {row['share']:.0%}" for row in states],
        title=f"{symbol}: each stretch in the colour of its likeliest regime",
    )
    picture = as_image(drawn, f"price of {symbol} by regime")
    more = pointing(home, regimes["picture"], "transitions, dwell times and every bar")
    create_markdown_artifact(
        f"{picture}\n\n{told}\n\n{more}", key="regimes", description=f"regimes of {symbol}"
    )
