"""Ingest: `data` brings a tape, `features` makes the 41 columns, `data` says whether the day is believable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from decot.data.bars import build_bars
from decot.data.checks import plausible
from decot.data.quarantine import LEAVE_OUT, decided, set_aside, ways_out
from decot.data.tape import RawTape
from decot.data.tapes import open_tape
from decot.data.worlds import make_world
from decot.errors import TableRefused
from decot.experiment import news
from decot.experiment.config import Experiment
from decot.experiment.order import Order
from decot.experiment.place import Place
from decot.features.table import base_table
from decot.report.progress import say

_DAY_MS = 86_400_000
_FRAGMENT_S = 600


def fetch(experiment: Experiment, order: Order) -> RawTape:
    """The tape or world of the order, the world's headlines with it."""
    say("ingest", 0, 4, f"reading {order.source}")
    path, symbol = Path(order.tape), order.symbol or None
    tape = open_tape(path, symbol=symbol) if order.tape else make_world(experiment.world)
    say("ingest", 1, 4, f"{tape.book.height:,} book updates, {tape.trades.height:,} trades")
    return news.join(experiment, tape)


def raw_tables(tape: RawTape) -> dict[str, pl.DataFrame]:
    """The raw tables that hold anything."""
    tables = {"raw_trades": tape.trades, "raw_book": tape.book, "headlines": tape.headlines}
    if tape.candles is not None:
        tables["raw_candles"] = tape.candles
    return {name: frame for name, frame in tables.items() if frame.height}


def refine(
    experiment: Experiment, place: Place, symbol: str, raw: Mapping[str, pl.DataFrame]
) -> tuple[dict[str, pl.DataFrame], list[dict[str, Any]]]:
    """Bars and the 41 columns, each day judged against the days before it.

    Raises:
        TableRefused: a day is not plausible and nobody has decided about it; its bars and the reasons are in
            quarantine, nothing has landed.
    """
    bars = _bars(experiment, symbol, raw)
    say("ingest", 2, 4, f"{bars.height:,} bars of {experiment.clock_ms} ms")
    bars, reports = _judged_days(place, symbol, bars)
    base = base_table(bars, replace(experiment.features, clock_ms=experiment.clock_ms))
    say("ingest", 3, 4, f"{base.width} columns, {len(reports)} day(s) taken")
    return {"bars": bars, "base": base}, reports


def _bars(experiment: Experiment, symbol: str, raw: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    from decot.data.tape import BOOK, HEADLINES, TRADES, empty

    tape = RawTape(
        symbol=symbol,
        venue="",
        trades=raw.get("raw_trades", empty(TRADES)),
        book=raw.get("raw_book", empty(BOOK)),
        candles=raw.get("raw_candles"),
        headlines=empty(HEADLINES),
        meta={},
    )
    days = [build_bars(tape.day(day), experiment.clock_ms, experiment.clock_by) for day in tape.days()]
    bars = pl.concat(days).unique("timestamp", keep="first", maintain_order=True)
    return _without_fragments(bars)


def _without_fragments(bars: pl.DataFrame) -> pl.DataFrame:
    """Less than ten minutes of a day, beside whole days, are no day: a late packet after midnight, say."""
    day = pl.col("timestamp").sub(1) // _DAY_MS
    lengths = bars.group_by(day.alias("day")).agg(
        ((pl.col("timestamp").max() - pl.col("timestamp").min()) / 1_000).alias("seconds")
    )
    short = lengths.filter(pl.col("seconds") < _FRAGMENT_S)["day"].to_list()
    if not short or len(short) == lengths.height:
        return bars
    kept = bars.filter(~day.is_in(short))
    say(
        "ingest",
        2,
        4,
        f"left out {bars.height - kept.height} bars of {len(short)} day(s) that hold almost nothing",
    )
    return kept


def _judged_days(place: Place, symbol: str, bars: pl.DataFrame) -> tuple[pl.DataFrame, list[dict[str, Any]]]:
    """The bars of believable days (and of those a person has accepted), and what was found about each.

    Raises:
        TableRefused: with every day that is not believable and undecided, its reasons, and the ways out.
    """
    numbered = bars.with_columns(_day=(pl.col("timestamp") - 1) // _DAY_MS)
    history: list[dict[str, float]] = []
    kept, reports, bad = [], [], []
    for key, numbered_day in numbered.partition_by("_day", as_dict=True, maintain_order=True).items():
        label, day = pl.Series([int(key[0])]).cast(pl.Date)[0].isoformat(), numbered_day.drop("_day")
        report = plausible(day, history=history, docs_dir=place.folder("data-docs"), name=f"{symbol} {label}")
        decision = None if report.success else decided(place.quarantine, symbol, label, day)
        if not report.success and decision is None:
            waiting = set_aside(
                place.quarantine,
                "bars",
                day,
                symbol=symbol,
                day=label,
                failed=report.failed,
                figures=report.figures,
                docs_html=report.docs_html,
            )
            bad.append(waiting)
            continue
        if decision is not None:
            say("ingest", 2, 4, f"{label}: {decision.what}, because {decision.because}")
            if decision.what == LEAVE_OUT:
                continue
        kept.append(day)
        history.append(report.figures)
        found = {"day": label, "success": report.success}
        found |= {k: round(v, 4) for k, v in report.figures.items()} | {"docs": str(report.docs_html)}
        reports.append(found if decision is None else {**found, "accepted": decision.because})
    if bad:
        faults = [f"{one.day}: {reason}" for one in bad for reason in one.failed]
        raise TableRefused(f"{symbol}, {len(bad)} day(s) not believable", [*faults, *ways_out(bad)])
    if not kept:
        raise TableRefused(
            symbol, ["every day was left out; take a decision back with decot quarantine forget"]
        )
    return pl.concat(kept), reports


def plausibility_card(reports: list[dict[str, Any]]) -> str:
    """The days and their figures, in markdown."""
    if not reports:
        return "no day was checked"
    names = [name for name in dict.fromkeys(name for report in reports for name in report) if name != "docs"]
    lines = ["| " + " | ".join(names) + " |", "|" + "-|" * len(names)]
    lines += ["| " + " | ".join(str(report.get(name, "")) for name in names) + " |" for report in reports]
    return "\n".join(["## Every day is believable", "", *lines])
