"""Anomalies: planted where they are said to be, legal bars still, and nothing else touched."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from decot.gate.drills import DRILLS, drill_bars


@pytest.fixture
def bars() -> pl.DataFrame:
    rng = np.random.default_rng(0)
    n = 1_000
    mid = 60_000 + np.cumsum(rng.normal(size=n))
    touch = {"bid_price": mid - 0.5, "ask_price": mid + 0.5}
    sizes = {
        f"{side}_volume{depth}": np.full(n, 5.0) for side in ("bid", "ask") for depth in ("", "_5", "_20")
    }
    return pl.DataFrame(
        {
            "timestamp": np.arange(n, dtype=np.int64) * 1_000,
            "open": mid,
            "high": mid + 1,
            "low": mid - 1,
            "close": mid,
            "price": mid + 0.5,
            "vwap": mid,
            "volume": np.full(n, 2.0),
            "buy_volume": np.full(n, 1.0),
            "sell_volume": np.full(n, 1.0),
            "n_trades": np.full(n, 3, np.int64),
            "ofi": rng.normal(size=n),
            "stale_ms": np.full(n, 50.0),
            **touch,
            **sizes,
        }
    )


@pytest.mark.parametrize("name", DRILLS)
@pytest.mark.parametrize("at", [None, 0, 990])
def test_bars_stay_legal(bars, name, at):
    """Same rows, columns and types; the past untouched; low ≤ open, close ≤ high and bid ≤ ask throughout."""
    out = drill_bars(bars, name, at)
    assert out.schema == bars.schema
    start = bars.height // 2 if at is None else at
    assert out[:start].equals(bars[:start])
    assert not out.equals(bars)
    law = (out["low"] <= out["open"]) & (out["close"] <= out["high"]) & (out["bid_price"] <= out["ask_price"])
    assert law.all()
    assert out.null_count().sum_horizontal()[0] == 0


def test_depths(bars):
    """The crash is 5 % deep and comes back, the gap stays, the spread is 1 %, the silent feed does not move."""
    mid = lambda frame: ((frame["bid_price"] + frame["ask_price"]) / 2).to_numpy()  # noqa: E731
    before = mid(bars)
    crash, low, high = (mid(drill_bars(bars, n)) / before for n in ("flash_crash", "gap_down", "gap_up"))
    assert crash.min() == pytest.approx(0.95)
    assert crash[600] == pytest.approx(1.0)
    assert low[-1] == pytest.approx(0.97)
    assert high[-1] == pytest.approx(1.03)
    wide = drill_bars(bars, "spread_blow_out")
    assert ((wide["ask_price"] - wide["bid_price"]).to_numpy() / before).max() == pytest.approx(0.01)
    silent = drill_bars(bars, "stale_feed")[500:620]
    assert silent["close"].n_unique() == 1
    assert silent["volume"].sum() == 0
    assert silent["stale_ms"][-1] == 120_000.0
