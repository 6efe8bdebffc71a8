"""The kernel against TA-Lib, and batch against stream."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from decot.features.batch import compute
from decot.features.kernel import BAR_INPUTS, OUT_NAMES
from decot.features.stream import Stream
from decot.features.table import base_table, features_table
from schemas import tables
from schemas.columns import BASE_COLUMNS, FEATURES_COLUMNS

START_MS = 1_767_571_200_000


def synthetic_bars(rows: int, seed: int = 0, price: float = 90_000.0, sigma: float = 1e-4) -> pl.DataFrame:
    """Lawful bars of a random walk, one a second."""
    rng = np.random.default_rng(seed)
    path = np.cumsum(rng.normal(size=rows * 4) * sigma).reshape(rows, 4)
    mid = price * np.exp(path - path[0, 0])
    close = mid[:, 3]
    op = np.concatenate([mid[:1, 0], close[:-1]])
    half = np.abs(rng.normal(size=rows)) * 1e-5 * close
    volume = rng.exponential(size=rows) * (rng.random(rows) < 0.7)
    buy = volume * rng.random(rows)
    sizes = {
        f"{side}_volume{depth}": rng.exponential(size=rows) * scale
        for depth, scale in (("", 1), ("_5", 5), ("_20", 20))
        for side in ("bid", "ask")
    }
    frame = pl.DataFrame(
        {
            "timestamp": START_MS + 1_000 * np.arange(1, rows + 1),
            "open": op,
            "high": np.maximum(mid.max(1), op),
            "low": np.minimum(mid.min(1), op),
            "close": close,
            "price": close * (1 + 1e-5 * rng.normal(size=rows)),
            "volume": volume,
            "buy_volume": buy,
            "sell_volume": volume - buy,
            "n_trades": rng.integers(0, 9, rows),
            "vwap": close * (1 + 1e-5 * rng.normal(size=rows)),
            "bid_price": close - half,
            "ask_price": close + half,
            **sizes,
            "ofi": rng.normal(size=rows),
            "stale_ms": rng.exponential(size=rows) * 100,
            "latency_ms": np.full(rows, 30.0),
        }
    )
    return frame.select("timestamp", *BAR_INPUTS)


def test_synthetic_bars_are_lawful():
    """What these tests feed in would pass the door."""
    assert tables.faults(synthetic_bars(500), tables.Bars) == []


@pytest.mark.parametrize("price", [90_000.0, 0.02])
def test_indicators_are_ta_lib(price):
    """Every indicator equals TA-Lib's to 1e-9 of its scale from the first row TA-Lib has."""
    talib = pytest.importorskip("talib")
    bars = synthetic_bars(20_000, price=price)
    ours = dict(zip(OUT_NAMES, compute(bars).T))
    close, high, low = (bars[name].to_numpy() for name in ("close", "high", "low"))
    macd, signal, _ = talib.MACD(close, 12, 26, 9)
    upper, _, lower = talib.BBANDS(close, 20, 2, 2)
    theirs = {
        "rsi_14": (talib.RSI(close, 14), 14, 100.0),
        "macd": (macd, 33, close),
        "macd_signal": (signal, 33, close),
        "ema_9": (talib.EMA(close, 9), 8, close),
        "ema_21": (talib.EMA(close, 21), 20, close),
        "sma_50": (talib.SMA(close, 50), 49, close),
        "bollinger_upper": (upper, 19, close),
        "bollinger_lower": (lower, 19, close),
        "atr_14": (talib.ATR(high, low, close, 14), 14, close),
        "adx": (talib.ADX(high, low, close, 14), 27, 100.0),
        "cci_20": (talib.CCI(high, low, close, 20), 19, 100.0),
    }
    for name, (values, first, scale) in theirs.items():
        known = ~np.isnan(values)
        assert np.flatnonzero(known)[0] == first, name
        error = np.abs(ours[name] - values) / scale
        assert error[known].max() <= 1e-9, name


def test_every_cell_is_finite_from_the_first_row():
    """No column waits for its window."""
    assert np.isfinite(compute(synthetic_bars(400))).all()


def test_batch_stream_and_restart_agree_bit_for_bit():
    """One bar at a time, with restarts in between, gives every cell of the batch."""
    bars = synthetic_bars(2_000)
    batch = np.ascontiguousarray(compute(bars))
    stream, rows = Stream(), []
    for i, (ms, row) in enumerate(zip(bars["timestamp"], bars.select(BAR_INPUTS).to_numpy())):
        if i % 333 == 0:
            stream = Stream.load(stream.save())
        rows.append(stream.step(ms, row))
    assert (np.array(rows).view(np.int64) == batch.view(np.int64)).all()


def test_tables_pass_their_schema():
    """The base table is lawful and both tables have exactly their columns."""
    bars = synthetic_bars(1_000)
    matrix = compute(bars)
    base = base_table(bars, matrix=matrix)
    assert tables.faults(base, tables.BaseTable) == []
    assert base.columns == list(BASE_COLUMNS)
    assert features_table(base, matrix).columns == list(FEATURES_COLUMNS)
    assert base.equals(base_table(bars))
