"""Is this an ordinary day? Great Expectations over the figures of a day, with Data Docs. Knows no schema.

What may never be wrong is refused by `doors.py`; here is what should not be: holes, stale quotes, silence,
absurd moves, and drift away from earlier days. Great Expectations is imported on the first call only.
"""

from __future__ import annotations

import contextlib
import io
import logging
import math
import os
import shutil
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl


@dataclass(frozen=True, slots=True, kw_only=True)
class DayLimits:
    """What an ordinary day looks like."""

    coverage: float = 0.95
    """share of the day's bars that exist and whose book is not older than `stale_s`"""
    stale_s: float = 10.0
    gap_s: float = 120.0
    """longest stretch without a fresh book"""
    end_stale_s: float = 60.0
    """age of the book when the day ends"""
    zero_volume_share: float = 0.98
    """share of bars without any trade"""
    spread_bps: float = 50.0
    """median spread"""
    move_bps: float = 500.0
    """largest move of the mid from one bar to the next"""
    drift_times: float = 20.0
    """volume, spread and volatility may differ from the median of earlier days by this factor"""
    price_drift: float = 0.5
    """the mean price may differ from the last day's by this share"""


@dataclass(frozen=True, slots=True)
class DayReport:
    """The verdict on a day: its figures, what failed in words, and where the Data Docs are."""

    success: bool
    figures: dict[str, float]
    failed: tuple[str, ...]
    docs_html: Path


_DRIFTING: Final = ("volume_per_hour", "median_spread_bps", "volatility_bps")


def day_figures(frame: pl.DataFrame, *, stale_s: float = 10.0) -> dict[str, float]:
    """A day in a few numbers; `frame` is a bars or base table of one day."""
    names = set(frame.columns)
    mid = frame.select(0.5 * (pl.col("bid_price") + pl.col("ask_price"))).to_series()
    spread = (frame["ask_price"] - frame["bid_price"]) / mid * 1e4
    moves = mid.log().diff().drop_nulls() * 1e4
    steps = frame["timestamp"].diff().drop_nulls()
    step = float(steps.median() or 1.0)  # type: ignore[arg-type]
    span = float(frame["timestamp"][-1] - frame["timestamp"][0]) + step
    if "stale_ms" in names:
        fresh = frame["stale_ms"] <= max(stale_s * 1_000, step)
        longest = max(float(frame["stale_ms"].max()), float(steps.max() or 0.0) - step)  # type: ignore[arg-type]
        end_stale = float(frame["stale_ms"][-1])
    else:
        fresh = pl.repeat(True, frame.height, eager=True)
        longest, end_stale = float(steps.max() or 0.0) - step, 0.0  # type: ignore[arg-type]
    return {
        "rows": float(frame.height),
        "coverage": float(fresh.sum()) * step / span,
        "longest_gap_s": longest / 1_000,
        "end_stale_s": end_stale / 1_000,
        "volume": float(frame["volume"].sum()),
        "volume_per_hour": float(frame["volume"].sum()) / span * 3_600_000,
        "zero_volume_share": float((frame["volume"] <= 0).mean() or 0.0),  # type: ignore[arg-type]
        "median_spread_bps": float(spread.median() or 0.0),  # type: ignore[arg-type]
        "locked_share": float((spread == 0).mean() or 0.0),  # type: ignore[arg-type]
        "largest_move_bps": float(moves.abs().max() or 0.0) if len(moves) else 0.0,  # type: ignore[arg-type]
        "volatility_bps": float(moves.std() or 0.0) if len(moves) > 1 else 0.0,  # type: ignore[arg-type]
        "mean_price": float(mid.mean() or 0.0),  # type: ignore[arg-type]
    }


def plausible(
    frame: pl.DataFrame,
    *,
    history: Sequence[Mapping[str, float]] | None = None,
    docs_dir: Path,
    limits: DayLimits | None = None,
    name: str = "day",
) -> DayReport:
    """One day's bars or base rows against what is ordinary.

    Args:
        frame: eager; has timestamp, bid_price, ask_price, volume (and stale_ms, when it is bars).
        history: figures of earlier days (`DayReport.figures`), oldest first; without it drift is not judged.
        docs_dir: holds one Great Expectations project with its Data Docs per `name`; the newest of a name is kept.
        name: of the asset in the Data Docs, e.g. "bars BTC-USD 2026-01-06".
    """
    limits = limits or DayLimits()
    figures = day_figures(frame, stale_s=limits.stale_s)
    bounds = _bounds(limits, history or ())
    failed, docs = _judge(figures, frame, bounds, docs_dir, name)
    return DayReport(not failed, figures, tuple(failed), docs)


def _bounds(
    limits: DayLimits, history: Sequence[Mapping[str, float]]
) -> dict[str, tuple[float | None, float | None]]:
    """Figure → lowest and highest ordinary value."""
    bounds: dict[str, tuple[float | None, float | None]] = {
        "coverage": (limits.coverage, None),
        "longest_gap_s": (None, limits.gap_s),
        "end_stale_s": (None, limits.end_stale_s),
        "volume": (1e-12, None),
        "zero_volume_share": (None, limits.zero_volume_share),
        "median_spread_bps": (None, limits.spread_bps),
        "largest_move_bps": (None, limits.move_bps),
    }
    for figure in _DRIFTING:
        past = sorted(day[figure] for day in history if day.get(figure, 0.0) > 0)
        if past:
            usual = past[len(past) // 2]
            low, high = bounds.get(figure, (None, None))
            bounds[figure] = (
                max(low or 0.0, usual / limits.drift_times),
                min(high if high is not None else math.inf, usual * limits.drift_times),
            )
    if history and history[-1].get("mean_price"):
        last = history[-1]["mean_price"]
        bounds["mean_price"] = (last * (1 - limits.price_drift), last * (1 + limits.price_drift))
    return bounds


def _judge(
    figures: Mapping[str, float],
    frame: pl.DataFrame,
    bounds: Mapping[str, tuple[float | None, float | None]],
    docs_dir: Path,
    name: str,
) -> tuple[list[str], Path]:
    """Run the checkpoint and write its Data Docs; returns what failed and the index page."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    with warnings.catch_warnings(), _quiet(), tempfile.TemporaryDirectory(prefix="decot-gx-") as workshop:
        warnings.simplefilter("ignore")
        import great_expectations as gx
        import pandas as pd

        project = gx.get_context(mode="file", project_root_dir=workshop)
        project.variables.progress_bars = {"globally": False}
        expect = gx.expectations
        day = [
            expect.ExpectColumnValuesToBeBetween(column=k, min_value=a, max_value=b)
            for k, (a, b) in bounds.items()
        ]
        rows = [
            expect.ExpectColumnValuesToNotBeNull(column=column)
            for column in ("bid_price", "ask_price", "volume")
        ]
        rows += [
            expect.ExpectColumnPairValuesAToBeGreaterThanB(
                column_A="ask_price", column_B="bid_price", or_equal=True
            )
        ]
        rows += [expect.ExpectColumnValuesToBeBetween(column="volume", min_value=0)]
        wanted = frame.select("timestamp", "bid_price", "ask_price", "volume")
        tables = {
            f"{name}, its figures": (pd.DataFrame([dict(figures)]), day),
            f"{name}, its rows": (pd.DataFrame({c.name: c.to_numpy() for c in wanted}), rows),
        }
        source = project.data_sources.add_or_update_pandas("decot")
        failed = []
        for title, (table, expectations) in tables.items():
            key = "".join(sign if sign.isalnum() else "-" for sign in title)
            asset = source.add_dataframe_asset(key)
            batch = asset.add_batch_definition_whole_dataframe("all")
            suite = project.suites.add_or_update(gx.ExpectationSuite(name=key, expectations=expectations))
            check = project.validation_definitions.add_or_update(
                gx.ValidationDefinition(name=key, data=batch, suite=suite)
            )
            # The action renders this run only; rebuilding all docs would cost more every day.
            write = gx.checkpoint.UpdateDataDocsAction(name="docs")
            point = gx.Checkpoint(
                name=key, validation_definitions=[check], actions=[write], result_format="BASIC"
            )
            result = project.checkpoints.add_or_update(point).run(batch_parameters={"dataframe": table})
            failed += _failures(result, bounds, figures)
        docs = _put_away(Path(workshop), docs_dir / "".join(c if c.isalnum() else "-" for c in name))
    return failed, docs


def _put_away(workshop: Path, target: Path) -> Path:
    """Move a finished project to its place, whole: Great Expectations writes its files in place, and one torn by a
    kill would make every later run in the same folder fail. Returns the index page."""
    part = target.parent / f".part-{target.name}"
    target.parent.mkdir(parents=True, exist_ok=True)
    for old in (part, target):
        shutil.rmtree(old, ignore_errors=True)
    shutil.copytree(workshop, part)
    part.replace(target)
    return next(target.rglob("data_docs/local_site/index.html"))


def _failures(
    result: Any, bounds: Mapping[str, tuple[float | None, float | None]], figures: Mapping[str, float]
) -> list[str]:
    """Failed expectations as sentences with the number found and the number allowed."""
    said = []
    for run in result.run_results.values():
        for one in run.results:
            if one.success:
                continue
            arguments = one.expectation_config.kwargs
            column = arguments.get("column") or f"{arguments.get('column_A')} ≥ {arguments.get('column_B')}"
            if column in figures and column in bounds and one.result.get("element_count") == 1:
                low, high = bounds[column]
                allowed = (
                    f"{'-∞' if low is None else f'{low:.6g}'} … {'∞' if high is None else f'{high:.6g}'}"
                )
                said.append(f"{column} is {figures[column]:.6g}, ordinary is {allowed}")
            else:
                count = one.result.get("unexpected_count", "?")
                said.append(f"{column}: {count} rows fail {one.expectation_config.type}")
    return said


@contextlib.contextmanager
def _quiet() -> Any:
    """Great Expectations prints progress and logs freely; the verdict is what we say."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(before)
