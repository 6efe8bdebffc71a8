"""A recorded tape, cut down to what trying the gate needs: returns, half-spreads, and signals known at each bar.

Knows bars and simple readings of the book; a stand-in for features, so that the gate can be tried without a model.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from decot.data.bars import build_bars
from decot.data.tapes import open_tape
from decot.gate.bootstrap import Floats
from decot.gate.nulls import Base, Day
from decot.market.tape import Tape

SPANS = (1, 5, 30, 120)
"""bars over which imbalances and flow are averaged"""


def signals_of(bars: pl.DataFrame) -> Floats:
    """(T, K) book imbalances, signed flow and returns over several spans, each scaled to spread 1; causal."""

    def column(name: str) -> Floats:
        return bars[name].to_numpy().astype(np.float64)

    mid = np.log((column("bid_price") + column("ask_price")) / 2)
    raw = [
        (column(f"bid_volume{depth}") - column(f"ask_volume{depth}"))
        / np.maximum(column(f"bid_volume{depth}") + column(f"ask_volume{depth}"), 1e-12)
        for depth in ("_5", "_20")
    ]
    flow = column("buy_volume") - column("sell_volume")
    raw.append(np.sign(flow) * np.sqrt(np.abs(flow)))
    columns = [trailing_mean(x, span) for x in raw for span in SPANS]
    columns += [mid - np.r_[np.full(span, mid[0]), mid[:-span]] for span in SPANS]
    found = np.column_stack(columns)
    return found / np.maximum(found.std(axis=0), 1e-12)


def trailing_mean(x: Floats, span: int) -> Floats:
    """(T,) mean of the last `span` values, of fewer at the start."""
    total = np.cumsum(x)
    before = np.r_[np.zeros(span), total[:-span]] if span < x.size else np.zeros(x.size)
    return (total - before) / np.minimum(np.arange(1, x.size + 1), span)


def base_of(bars: pl.DataFrame) -> Base:
    """What the resampled edge-free markets draw from."""
    bid, ask = bars["bid_price"].to_numpy(), bars["ask_price"].to_numpy()
    mid = (bid + ask) / 2
    returns = np.diff(np.log(mid), prepend=np.log(mid[0])) * 1e4
    return Base(returns, (ask - bid) / 2 / mid * 1e4, signals_of(bars))


def day_of(bars: pl.DataFrame, columns: Floats, rows: slice, latency_ms: int) -> Day:
    """A stretch of the recorded bars as a day of its own."""
    part = bars[rows]
    tape = Tape.of(
        part["timestamp"].to_numpy(),
        part["bid_price"].to_numpy(),
        part["ask_price"].to_numpy(),
        latency_ms=latency_ms,
    )
    return Day(tape, columns[rows])


def open_base(path: Path, clock_ms: int = 1_000) -> Base:
    """The base of a recorded tape in any layout that the house reads."""
    return base_of(build_bars(open_tape(path), clock_ms))
