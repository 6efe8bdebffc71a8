"""Recorded markets: a whole StandX day and a Binance capture, cell by cell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from decot.data.bars import build_bars
from decot.data.tapes import open_tape
from decot.features.batch import compute
from decot.features.causality import check_table
from decot.features.kernel import BAR_INPUTS, OUT_NAMES
from decot.features.stream import Stream
from decot.features.table import build_table
from schemas import tables

pytestmark = pytest.mark.tapes


def _stream_equals_batch(bars: pl.DataFrame, restart_every: int | None) -> float:
    """Share of cells of the stream that equal the batch in every bit."""
    batch = np.ascontiguousarray(compute(bars))
    stream, same = Stream(), 0
    rows = bars.select(BAR_INPUTS).cast(pl.Float64).to_numpy()
    for i, ms in enumerate(bars["timestamp"].to_list()):
        if restart_every and i % restart_every == restart_every - 1:
            stream = Stream.load(stream.save())
        same += int((stream.step(ms, rows[i]).view(np.int64) == batch[i].view(np.int64)).sum())
    return same / batch.size


@pytest.fixture(scope="module")
def standx_day(tapes: Path) -> pl.DataFrame:
    bars = build_bars(open_tape(tapes / "standx-btcusd"), 1_000)
    return bars.filter(pl.from_epoch("timestamp", time_unit="ms").dt.strftime("%d") == "06")


@pytest.fixture(scope="module")
def binance(tapes: Path) -> pl.DataFrame:
    return build_bars(open_tape(tapes / "binance-ws", symbol="usdm_btcusdt"), 100, by="event")


def test_a_standx_day_streams_bit_for_bit(standx_day):
    """86,400 bars × 66 columns, straight through and restarted every 997 bars: all cells equal the batch."""
    assert standx_day.height >= 86_000
    assert _stream_equals_batch(standx_day, None) == 1.0
    assert _stream_equals_batch(standx_day, 997) == 1.0


def test_a_binance_capture_streams_bit_for_bit(binance):
    """100-ms bars of a recorded capture: all cells equal the batch, restarted or not."""
    assert binance.height > 1_000
    assert _stream_equals_batch(binance, None) == 1.0
    assert _stream_equals_batch(binance, 101) == 1.0


def test_recorded_days_make_lawful_tables(standx_day, binance):
    """What the market did passes the schema of the features table, every law of it."""
    for bars in (standx_day, binance):
        assert tables.faults(build_table(bars), tables.FeaturesTable) == []


def test_indicators_are_ta_lib_on_a_recorded_day(standx_day):
    """Half of the bars of this tape stand still; parity holds all the same."""
    talib = pytest.importorskip("talib")
    ours = dict(zip(OUT_NAMES, compute(standx_day).T))
    close, high, low = (standx_day[name].to_numpy() for name in ("close", "high", "low"))
    macd, signal, _ = talib.MACD(close, 12, 26, 9)
    upper, _, lower = talib.BBANDS(close, 20, 2, 2)
    for name, theirs, scale in (
        ("rsi_14", talib.RSI(close, 14), 100.0),
        ("macd", macd, close),
        ("macd_signal", signal, close),
        ("ema_9", talib.EMA(close, 9), close),
        ("ema_21", talib.EMA(close, 21), close),
        ("sma_50", talib.SMA(close, 50), close),
        ("bollinger_upper", upper, close),
        ("bollinger_lower", lower, close),
        ("atr_14", talib.ATR(high, low, close, 14), close),
        ("adx", talib.ADX(high, low, close, 14), 100.0),
    ):
        error = np.abs(ours[name] - theirs) / scale
        assert np.nanmax(error[300:]) <= 1e-9, name


def test_a_recorded_hour_knows_no_future(standx_day):
    """The whole build on real bars: every input bit-exact at random cuts, all five targets move."""
    assert check_table(build_table, standx_day[30_000:33_600], cuts=6) == []
