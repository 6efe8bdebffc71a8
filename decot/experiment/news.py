"""Headlines of a run: those that came with the tape and those of a file. Knows when each could be read, no language."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from decot.context.aggregate import possibly_seen
from decot.context.headlines import SCHEMA, HeadlinesConfig, read_headlines, settle
from decot.data.tape import RawTape
from decot.experiment.config import Experiment
from decot.report.progress import say

_DAY_MS = 86_400_000


def join(experiment: Experiment, tape: RawTape) -> RawTape:
    """The tape with the profile's headlines among its own; without a file, the tape as it is.

    Headlines that became available after the tape's end say nothing about it; those long before its start
    (`news.history_days`) are only of use to the projection, and are left out too.

    Raises:
        TapeRefused: the file cannot be read; its column, row and the way out are named.
    """
    path = experiment.news.path
    if not path:
        return tape
    cfg = HeadlinesConfig(
        assumed_delay_s=experiment.news.assumed_delay_s, repeat_hours=experiment.news.repeat_hours
    )
    read = read_headlines(Path(path), cfg)
    first, last = _span_ms(tape)
    history_ms = round(experiment.news.history_days * _DAY_MS)
    usable = read.frame.filter(pl.col("available_ms").is_between(first - history_ms, last))
    both = settle([*tape.headlines.to_dicts(), *usable.to_dicts()], cfg).frame
    told = (
        f"{usable.height:,} of {read.frame.height:,} headlines of {Path(path).name} fall in the tape's time"
    )
    more = f", {read.n_repeats:,} repeats dropped, availability assumed for {read.n_assumed:,}"
    say("news", 1, 3, told + more)
    return replace(tape, headlines=both.select(list(SCHEMA)))


def _span_ms(tape: RawTape) -> tuple[int, int]:
    stamps = [frame["recv_us"] for frame in (tape.book, tape.trades) if frame.height]
    if not stamps and tape.candles is not None and tape.candles.height:
        return int(tape.candles["timestamp"][0]), int(tape.candles["timestamp"][-1])
    if not stamps:
        return 0, 0
    return min(int(s[0]) for s in stamps) // 1_000, max(int(s[-1]) for s in stamps) // 1_000


def figures(experiment: Experiment, headlines: pl.DataFrame | None, is_stand_in: bool) -> dict[str, Any]:
    """How many headlines there are, how late we had them, and how many the encoder may have met when it was trained.

    A stand-in has met none of them: it was trained on the spot, on made-up words.
    """
    if headlines is None or headlines.height == 0:
        return {"headlines": 0, "possibly_seen": 0, "median_delay_s": None}
    seen = 0 if is_stand_in else int(possibly_seen(headlines, experiment.text).sum())
    delay_ms = (headlines["available_ms"] - headlines["published_ms"]).median()
    return {
        "headlines": headlines.height,
        "possibly_seen": seen,
        "trained_until": "" if is_stand_in else experiment.text.trained_until,
        "median_delay_s": float(str(delay_ms)) / 1_000,
    }


def told(
    experiment: Experiment, headlines: pl.DataFrame, n_teaching: int, encoder: str, is_stand_in: bool
) -> str:
    """One line for the person who waits: who read how much, and how much of it the encoder may remember."""
    known = figures(experiment, headlines, is_stand_in)
    line = f"{known['headlines']:,} headlines read by {encoder}, {n_teaching:,} of them while the tape taught"
    if n_teaching == 0:
        line += ": no projection could be fitted, so text_* are masked; sentiment and news_known are not"
    if known["possibly_seen"]:
        line += f"; possibly seen by the encoder in its own training: {known['possibly_seen']:,}"
    return line
