"""Every clock from 100 ms to 1 h: events to features in one batch, in a stream, and in a stream that is restarted."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from decot.data.bars import BAR_COLUMNS, BarStream, build_bars
from decot.data.tape import RawTape
from decot.data.tapes import open_tape
from decot.data.worlds import WorldConfig, make_world
from decot.features.batch import compute
from decot.features.config import FeatureConfig
from decot.features.kernel import BAR_INPUTS, OUT_NAMES
from decot.features.stream import Stream

CLOCKS = {"100ms": 100, "1s": 1_000, "1m": 60_000, "5m": 300_000, "1h": 3_600_000}
ORDER = [BAR_COLUMNS.index(name) - 1 for name in BAR_INPUTS]


def events(tape: RawTape) -> Iterator[tuple[str, tuple]]:
    """Quotes and trades as they were received; at the same moment the quote first."""
    quotes = [(row[1], 0, k) for k, row in enumerate(tape.book.rows())]
    deals = [(row[1], 1, k) for k, row in enumerate(tape.trades.rows())]
    book, trades = (
        tape.book.rows(),
        tape.trades.select("ts_us", "recv_us", "price", "quantity", "side").rows(),
    )
    for _, kind, k in sorted(quotes + deals):
        yield ("trade", trades[k]) if kind else ("book", book[k])


def streamed(
    tape: RawTape, cfg: FeatureConfig, end_us: int, restart_every: int
) -> tuple[np.ndarray, np.ndarray]:
    """Ends of bars and feature rows, event by event; both streams saved and loaded every so many events."""
    bars, features = BarStream(cfg.clock_ms), Stream(cfg)
    ends, rows = [], []

    def take(ended):
        for end, row in ended:
            ends.append(end)
            rows.append(features.step(end, row[ORDER]))

    for number, (kind, values) in enumerate(events(tape), 1):
        take(bars.on_book(*values) if kind == "book" else bars.on_trade(*values))
        if restart_every and number % restart_every == 0:
            bars, features = BarStream.load(bars.save()), Stream.load(features.save())
    take(bars.advance(end_us))
    return np.array(ends), np.array(rows)


def agree(tape: RawTape, clock_ms: int, restart_every: int) -> int:
    """All three ways, compared bit for bit; how many bars there were."""
    cfg = FeatureConfig(clock_ms=clock_ms)
    whole = build_bars(tape, clock_ms)
    batch = np.ascontiguousarray(compute(whole, cfg))
    end_us = int(whole["timestamp"][-1]) * 1_000
    for every in (0, restart_every):
        ends, rows = streamed(tape, cfg, end_us, every)
        assert ends.tolist() == whole["timestamp"].to_list()
        assert (rows.view(np.int64) == batch.view(np.int64)).all(), f"{clock_ms} ms, restarted every {every}"
    return whole.height


@pytest.fixture(scope="module")
def world() -> RawTape:
    """Four hours with a quote every 5 s."""
    return make_world(WorldConfig(days=1, seconds_per_day=14_400, quote_ms=5_000.0, trades_per_s=0.2))


@pytest.mark.parametrize("clock", CLOCKS)
def test_every_clock_gives_the_same_bits_in_batch_in_stream_and_restarted(world, clock):
    """From events to all 66 columns: every cell equal, at any clock, also when both streams restart now and then."""
    ms = CLOCKS[clock]
    start, _ = world.span_us()
    tape = world.between(start, start + 600_000_000) if ms < 60_000 else world
    assert agree(tape, ms, restart_every=37) == pytest.approx((tape.span_us()[1] - start) / 1_000 / ms, abs=2)


@pytest.mark.parametrize("clock", CLOCKS)
def test_every_clock_restarts_anywhere_over_many_bars(make_bars, clock):
    """Past every warm-up window of a clock (2,000 bars): the stream restarted every 333 bars equals the batch."""
    ms = CLOCKS[clock]
    cfg, bars = FeatureConfig(clock_ms=ms), make_bars(2_000, seed=ms, clock_ms=ms)
    batch = np.ascontiguousarray(compute(bars, cfg))
    stream, rows = Stream(cfg), []
    for number, (end, row) in enumerate(zip(bars["timestamp"], bars.select(BAR_INPUTS).to_numpy())):
        if number % 333 == 332:
            stream = Stream.load(stream.save())
        rows.append(stream.step(end, row))
    assert (np.array(rows).view(np.int64) == batch.view(np.int64)).all()


@pytest.mark.slow
@pytest.mark.tapes
@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize(
    ("folder", "symbol", "hours"), [("standx-btcusd", None, 8), ("binance-ws", "usdm_btcusdt", 1)]
)
def test_recorded_markets_agree_at_every_clock(tapes, folder, symbol, hours, clock):
    """Hours of a real market, event by event at every clock: every cell of the stream equals the batch."""
    tape = open_tape(tapes / folder, symbol=symbol)
    start, end = tape.span_us()
    assert agree(tape.between(start, min(end, start + hours * 3_600_000_000)), CLOCKS[clock], 9_973) >= 1


def test_the_ten_indicators_are_ta_lib_at_every_clock(make_bars):
    """A clock changes no formula: at 100 ms and at 1 h every indicator is TA-Lib's to 1e-9 of its scale after warm-up."""
    talib = pytest.importorskip("talib")
    for ms in (100, 3_600_000):
        bars = make_bars(5_000, seed=ms, sigma=1e-4 if ms == 100 else 5e-3, clock_ms=ms)
        close, high, low = (bars[name].to_numpy() for name in ("close", "high", "low"))
        matrix = compute(bars, FeatureConfig(clock_ms=ms))
        ours = dict(zip(OUT_NAMES, matrix.T))
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
            ("cci_20", talib.CCI(high, low, close, 20), 100.0),
        ):
            assert np.nanmax(np.abs(ours[name] - theirs) / scale) <= 1e-9, (name, ms)
