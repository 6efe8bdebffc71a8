"""Bars: small ones by hand, and batch against stream to the bit."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decot.data.bars import BAR_COLUMNS, BarStream, bars_frame, build_bars
from decot.data.tape import BOOK, HEADLINES, TRADES, RawTape, empty
from decot.data.tapes import open_tape
from decot.data.worlds import WorldConfig, make_world
from decot.errors import GapInData
from schemas.tables import Bars, faults

S = 1_000_000


def tape_of(books, trades):
    """A tape from (recv_s, bid, bid_qty, ask, ask_qty) and (recv_s, price, quantity, side)."""
    book = [(int(t * S) - 200_000, int(t * S), b, bq, a, aq, bq, aq, bq, aq) for t, b, bq, a, aq in books]
    trade = [(int(t * S) - 100_000, int(t * S), n, p, q, s) for n, (t, p, q, s) in enumerate(trades)]
    return RawTape(
        symbol="X",
        venue="test",
        book=pl.DataFrame(book, schema=BOOK, orient="row"),
        trades=pl.DataFrame(trade, schema=TRADES, orient="row"),
        candles=None,
        headlines=empty(HEADLINES),
        meta={},
    )


def streamed(tape, clock_ms, restart_every=None):
    """The tape through BarStream, event by event, closed by the clock at the end; saved and loaded on the way."""
    stream, bars = BarStream(clock_ms), []
    events = [(r[1], 0, r) for r in tape.book.rows()] + [(r[1], 1, r) for r in tape.trades.rows()]
    for n, (_, kind, row) in enumerate(sorted(events, key=lambda event: (event[0], event[1]))):
        if restart_every and n % restart_every == 0:
            stream = BarStream.load(stream.save())
        bars += stream.on_book(*row) if kind == 0 else stream.on_trade(row[0], row[1], row[3], row[4], row[5])
    return bars_frame(bars + stream.advance(-(-tape.span_us()[1] // (clock_ms * 1000)) * clock_ms * 1000))


def test_two_bars_by_hand():
    """Mids, order flow, volumes, carried values and ages as worked out on paper."""
    tape = tape_of(
        [(0.2, 99, 2, 101, 3), (0.6, 100, 1, 101, 4), (2.0, 100, 5, 101, 4)],
        [(0.3, 101, 2, 1), (0.7, 100, 1, -1), (2.5, 101, 1, 0)],
    )
    bars = build_bars(tape, 1_000)
    assert bars["timestamp"].to_list() == [1_000, 2_000, 3_000]
    first, second, third = bars.rows(named=True)
    assert (first["open"], first["high"], first["low"], first["close"]) == (100, 100.5, 100, 100.5)
    assert first["ofi"] == 1 - 4 + 3  # bid up: +1 new size; same ask: −4 new, +3 old
    assert (first["volume"], first["buy_volume"], first["sell_volume"], first["n_trades"]) == (3, 2, 1, 2)
    assert first["vwap"] == pytest.approx(302 / 3)
    assert (first["price"], first["stale_ms"], first["latency_ms"]) == (100, 400, 200)
    assert second["ofi"] == 5 - 1 - 4 + 4  # an update stamped exactly at the end belongs to that bar
    assert (second["bid_volume"], second["stale_ms"], second["n_trades"]) == (5, 0, 0)
    assert (second["vwap"], second["price"]) == (second["close"], 100)
    assert (third["open"], third["close"], third["ofi"], third["stale_ms"]) == (100.5, 100.5, 0, 1_000)
    assert (third["volume"], third["buy_volume"], third["sell_volume"], third["price"]) == (1, 0, 0, 101)


@pytest.mark.parametrize("clock_ms", [100, 250, 1_000, 60_000])
@pytest.mark.parametrize("kind", ["planted-edge", "crash"])
def test_stream_equals_batch(kind, clock_ms):
    """Every cell of every bar is the same, one event at a time or all at once."""
    tape = make_world(WorldConfig(kind=kind, days=1, seconds_per_day=900))
    batch = build_bars(tape, clock_ms)
    assert streamed(tape, clock_ms).equals(batch)
    assert faults(batch, Bars) == []
    assert batch.columns == list(BAR_COLUMNS)
    assert (batch["timestamp"].diff().drop_nulls() == clock_ms).all()


def test_prices_wait_for_the_book():
    """Trades before the first quote make no bar; only their last price is carried."""
    tape = tape_of([(5.5, 99, 1, 101, 1)], [(1.0, 90, 7, 1), (5.2, 91, 1, 1)])
    bars = build_bars(tape, 1_000)
    assert bars["timestamp"].to_list() == [6_000]
    assert (bars["price"][0], bars["volume"][0]) == (91, 1)
    assert streamed(tape, 1_000).equals(bars)
    early = tape_of([(5.5, 99, 1, 101, 1)], [(1.0, 90, 7, 1)])
    assert build_bars(early, 1_000).select("price", "volume").row(0) == (90, 0)
    assert streamed(early, 1_000).equals(build_bars(early, 1_000))


def test_the_event_clock_is_another_order():
    """Bars by the exchange's clock hold the same trades, placed at other moments."""
    tape = make_world(WorldConfig(days=1, seconds_per_day=900))
    received, happened = build_bars(tape, 1_000), build_bars(tape, 1_000, by="event")
    assert received["volume"].sum() == pytest.approx(happened["volume"].sum(), rel=0.01)
    assert not np.array_equal(received["close"].head(800), happened["close"].head(800))


def test_no_book_and_absurd_grids_are_refused():
    """A tape without quotes, or two tapes years apart, name the way out."""
    with pytest.raises(GapInData, match="record the book"):
        build_bars(tape_of([], [(1, 2, 3, 1)]), 1_000)
    with pytest.raises(GapInData, match="coarser clock"):
        build_bars(tape_of([(1, 1, 1, 2, 1), (1e8, 1, 1, 2, 1)], []), 100)
    with pytest.raises(ValueError, match="recv"):
        build_bars(tape_of([(1, 1, 1, 2, 1)], []), 1_000, by="moon")
    with pytest.raises(ValueError, match="at least 1 ms"):
        build_bars(tape_of([(1, 1, 1, 2, 1)], []), 0)


@st.composite
def small_tapes(draw):
    """A few dozen events at awkward times: ties, bar ends, long silences, trades before the book."""
    steps = st.sampled_from([0.0, 0.000001, 0.1, 0.25, 0.999999, 1.0, 1.000001, 7.5])
    prices, sizes = st.integers(90, 110).map(float), st.sampled_from([0.0, 0.5, 1.0, 3.0])
    t, books, trades = draw(st.sampled_from([0.5, 1.0, 3.0])), [], []
    for _ in range(draw(st.integers(1, 40))):
        t += draw(steps)
        if draw(st.booleans()):
            bid = draw(prices)
            books.append((t, bid, draw(sizes), bid + draw(st.sampled_from([0.0, 0.5, 2.0])), draw(sizes)))
        else:
            trades.append(
                (t, draw(prices), draw(st.sampled_from([0.5, 1.0])), draw(st.sampled_from([-1, 0, 1])))
            )
    return tape_of(books or [(t, 100.0, 1.0, 101.0, 1.0)], trades)


@settings(max_examples=150, deadline=None)
@given(small_tapes(), st.sampled_from([100, 1_000, 5_000]), st.integers(1, 7))
def test_any_tape_is_the_same_in_batch_in_stream_and_restarted(tape, clock_ms, restart_every):
    """Whatever the times: contiguous, lawful bars, equal to the bit, also when saved and loaded on the way."""
    batch = build_bars(tape, clock_ms)
    assert streamed(tape, clock_ms).equals(batch)
    assert streamed(tape, clock_ms, restart_every).equals(batch)
    assert (batch["timestamp"].diff().drop_nulls() == clock_ms).all()
    begun = tape.trades.filter(pl.col("recv_us") > (batch["timestamp"][0] - clock_ms) * 1_000)
    assert batch["volume"].sum() == pytest.approx(begun["quantity"].sum())
    assert batch["n_trades"].sum() == begun.height


@settings(max_examples=60, deadline=None)
@given(small_tapes(), st.sampled_from([100, 1_000]), st.randoms(use_true_random=False))
def test_what_comes_later_changes_no_bar_that_has_ended(tape, clock_ms, chance):
    """Cut the tape anywhere: every bar that had ended by then is the same, to the bit."""
    whole = build_bars(tape, clock_ms)
    first, last = int(tape.book["recv_us"][0]), tape.span_us()[1]
    cut = first + 1 + int(chance.random() * (last - first))
    head = build_bars(tape.between(0, cut), clock_ms)
    ended = head.filter(pl.col("timestamp") * 1_000 < cut)
    assert ended.equals(whole.head(ended.height))


def test_a_foreign_save_is_refused():
    """Only what `save` wrote is loaded."""
    with pytest.raises(ValueError, match="not a saved bar stream"):
        BarStream.load(b'{"state": [1, 2]}')


@pytest.mark.tapes
def test_a_recorded_evening_is_the_same_in_batch_and_stream(tapes):
    """The first StandX recording, event by event with restarts: 100 % of the cells equal."""
    tape = open_tape(tapes / "standx-btcusd" / "bbo_2026-01-05.parquet")
    for clock_ms in (250, 1_000):
        assert streamed(tape, clock_ms, restart_every=1_000).equals(build_bars(tape, clock_ms))


@pytest.mark.slow
@pytest.mark.tapes
def test_a_whole_recorded_day_is_the_same_in_batch_and_stream(tapes):
    """All 427,130 events of 2026-01-06: 100 % of the cells equal, also restarted every 10,000 events."""
    tape = open_tape(tapes / "standx-btcusd" / "bbo_2026-01-06.parquet")
    batch = build_bars(tape, 1_000)
    assert streamed(tape, 1_000).equals(batch)
    assert streamed(tape, 1_000, restart_every=10_000).equals(batch)
    print(f"{tape.book.height + tape.trades.height:,} events, {batch.height * batch.width:,} cells equal")
