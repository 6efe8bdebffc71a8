"""The kernel against TA-Lib, and batch against stream."""

from __future__ import annotations

import numpy as np
import pytest

from decot.features.batch import compute
from decot.features.kernel import BAR_INPUTS, OUT_NAMES
from decot.features.stream import Stream
from decot.features.table import base_table, features_table
from schemas import tables
from schemas.columns import BASE_COLUMNS, FEATURES_COLUMNS


def test_synthetic_bars_are_lawful(make_bars):
    """What these tests feed in would pass the door."""
    assert tables.faults(make_bars(500), tables.Bars) == []


@pytest.mark.parametrize("price", [90_000.0, 0.02])
def test_indicators_are_ta_lib(price, make_bars):
    """Every indicator equals TA-Lib's to 1e-9 of its scale from the first row TA-Lib has."""
    talib = pytest.importorskip("talib")
    bars = make_bars(20_000, price=price)
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


def test_every_cell_is_finite_from_the_first_row(make_bars):
    """No column waits for its window."""
    assert np.isfinite(compute(make_bars(400))).all()


def test_batch_stream_and_restart_agree_bit_for_bit(make_bars):
    """One bar at a time, with restarts in between, gives every cell of the batch."""
    bars = make_bars(2_000)
    batch = np.ascontiguousarray(compute(bars))
    stream, rows = Stream(), []
    for i, (ms, row) in enumerate(zip(bars["timestamp"], bars.select(BAR_INPUTS).to_numpy())):
        if i % 333 == 0:
            stream = Stream.load(stream.save())
        rows.append(stream.step(ms, row))
    assert (np.array(rows).view(np.int64) == batch.view(np.int64)).all()


def test_tables_pass_their_schema(make_bars):
    """The base table is lawful and both tables have exactly their columns."""
    bars = make_bars(1_000)
    matrix = compute(bars)
    base = base_table(bars, matrix=matrix)
    assert tables.faults(base, tables.BaseTable) == []
    assert base.columns == list(BASE_COLUMNS)
    assert features_table(base, matrix).columns == list(FEATURES_COLUMNS)
    assert base.equals(base_table(bars))
