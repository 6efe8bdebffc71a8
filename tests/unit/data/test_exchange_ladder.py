"""The venue's ladder, alone and as a ccxt client rebuilds it from the depth stream."""

from __future__ import annotations

import asyncio

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decot.data.depth import Depth, of_ladders, open_depth
from decot.data.exchange.faults import Faults
from decot.data.exchange.feed import Frames
from decot.data.exchange.ladder import Ladder, Side
from decot.data.exchange.venue import point, serve
from decot.data.record import RecordConfig, record
from decot.data.tapes import open_tape

SYMBOL = "BTC/USDT"
START = 1_700_000_000_000_000
STEP = 100_000
SECOND_US = 1_000_000
KEYS = {"apiKey": "loopback", "secret": "loopback", "enableRateLimit": False}
LEVELS = st.dictionaries(st.integers(1, 40), st.integers(1, 9), max_size=12)


@given(st.lists(LEVELS, min_size=1, max_size=6), st.sampled_from([-1, 1]))
def test_a_side_becomes_whatever_it_is_told(targets, sign):
    """After the changes towards any target the side is that target, best first, and asks for no more."""
    side = Side(sign)
    for target in targets:
        wanted = [(float(price), float(size)) for price, size in target.items()]
        for price, size in side.towards(wanted):
            side.set(price, size)
        assert side.best(99) == sorted(wanted, key=lambda level: sign * level[0])
        assert side.towards(wanted) == []


def test_numbers_run_on_without_a_hole():
    """Every step begins one after the last, also when the venue's own number lags behind."""
    ladder = Ladder()
    seen = []
    for update in (7, 7, 3, 20):
        ladder.change(([], []), update, 0)
        seen.append((ladder.first, ladder.update))
    assert seen == [(1, 7), (8, 8), (9, 9), (10, 20)]


def test_fresher_quotes_push_old_levels_aside():
    """Levels the best quote has left behind are gone, and a quote without size is no level."""
    ladder = Ladder()
    ladder.show(([(9.0, 1.0), (8.0, 2.0)], [(10.0, 1.0), (11.0, 3.0)]), 1, 0)
    assert ladder.behind((8.5, 4.0), (10.5, 0.0), 9) == ([(8.5, 4.0), (8.0, 2.0)], [(11.0, 3.0)])


def quotes(n: int) -> Frames:
    """A quote every 50 ms, a trade every 500."""
    at = START + np.arange(n) * STEP // 2
    book = pl.DataFrame(
        {"ts_us": at, "recv_us": at, "bid": 99.0 + np.arange(n) % 7 / 100, "bid_qty": 1.0}
    ).with_columns(ask=pl.col("bid") + 1, ask_qty=2.0)
    trades = pl.DataFrame({"ts_us": at[::10], "recv_us": at[::10]}).with_columns(
        trade_id=pl.int_range(pl.len()) + 1, price=99.5, quantity=1.0, side=pl.lit(1, pl.Int8)
    )
    return Frames(SYMBOL, trades, book)


def ladders(n: int, *, first: int = 0) -> Depth:
    """A ladder of 30 levels every 100 ms that no rule would make up."""
    rng = np.random.default_rng(4)
    at = START + (first + np.arange(n)) * STEP + 7
    bids = [[(90.0 - k / 4, float(q)) for k, q in enumerate(rng.integers(1, 99, 30))] for _ in range(n)]
    asks = [[(110.0 + k / 4, float(q)) for k, q in enumerate(rng.integers(1, 99, 30))] for _ in range(n)]
    return of_ladders(at, at, lambda k: (bids[k], asks[k]))


def watched(the_tape, depth, *, pages=1, **settings):
    """ccxt's book at the end of the tape, the REST snapshot, and the venue's state."""
    import ccxt.pro

    async def main():
        async with serve(the_tape, speed=20, depth={the_tape.symbol: depth}, **settings) as venue:
            one = point(ccxt.pro.binance(dict(KEYS)), venue.port)
            try:
                await one.load_markets()
                while not venue.done.is_set():
                    try:
                        book = await asyncio.wait_for(one.watch_order_book(SYMBOL), 0.5)
                    except TimeoutError:
                        break
                rest = await one.fetch_order_book(SYMBOL, 50)
                ticket = await one.create_order(SYMBOL, "market", "buy", 3, None)
                return [level[:2] for level in book["bids"]], rest, ticket, venue.state()
            finally:
                await one.close()

    return asyncio.run(asyncio.wait_for(main(), 60))


def test_recorded_depth_is_replayed_level_by_level():
    """ccxt's book and the REST snapshot are the last recorded ladder, and an order walks it behind the best quote."""
    tape, depth = quotes(400), ladders(200)
    book, rest, ticket, state = watched(tape, depth, balances={"USDT": 1_000})
    bids, asks = depth.read(199)
    assert [tuple(level) for level in book] == bids
    assert [tuple(level) for level in rest["asks"]] == asks
    best = tape.book["ask"][-1]
    assert [(fill["price"], fill["amount"]) for fill in ticket["trades"]] == [(best, 2.0), (110.0, 1.0)]
    assert state["depth_recorded_share"][SYMBOL] > 0.95


def test_outside_the_recording_depth_is_made_of_the_quotes():
    """Where ladders end the venue goes over to the best quotes without a break in its numbers; the share says so."""
    tape, depth = quotes(400), ladders(60, first=40)
    book, rest, ticket, state = watched(tape, depth, balances={"USDT": 1_000})
    last = tape.book.row(-1, named=True)
    assert book == rest["bids"] == [[last["bid"], last["bid_qty"]]]
    assert state["depth_recorded_share"][SYMBOL] == pytest.approx(0.345, abs=0.02)
    assert ticket["filled"] == 2.0


def test_a_tape_cut_out_among_diffs_knows_its_ladder():
    """Beginning in the middle of a stretch of diffs, the ladder is what all diffs before made of it."""
    whole = ladders(1).read(0)
    changes = [([(90.0 - k / 4, 1_000.0 + k)], []) for k in range(30)]
    steps = np.arange(31) * 6 * STEP
    depth = Depth(
        START + steps,
        START + steps,
        np.zeros(31, np.int64),
        np.arange(31) == 0,
        lambda k: whole if k == 0 else changes[k - 1],
        ((START, START + int(steps[-1]) + SECOND_US),),
    )
    late = quotes(370)
    cut = Frames(SYMBOL, late.trades, late.book.filter(pl.col("recv_us") > START + 10 * SECOND_US))
    book, *_ = watched(cut, depth, balances={"USDT": 1_000})
    assert [tuple(level) for level in book] == [level for change in changes for level in change[0]]


def test_a_real_capture_gives_the_recorder_its_real_sums(tapes, tmp_path):
    """Twenty seconds of Binance's own diffs, in a storm: every trade once, and the 5- and 20-level sums kept are
    sums the recorded ladder really had."""
    folder = tapes / "binance-ws"
    recorded = open_tape(folder, symbol="spot_btcusdt_20240808-09")
    begin = int(recorded.book["recv_us"][0]) + 5 * SECOND_US
    piece = recorded.between(begin, begin + 20 * SECOND_US)
    tape = Frames(SYMBOL, piece.trades, piece.book)
    depth = open_depth(folder, recorded)
    ladder, sums = Ladder(), set()
    for k in range(len(depth)):
        if depth.at_us[k] >= begin + 21 * SECOND_US:
            break
        (ladder.show if depth.is_whole[k] else ladder.change)(depth.read(k), int(depth.update[k]), 0)
        bids, asks = ladder.best(20)
        levels = [[size for _, size in side] for side in (bids, asks)]
        sums.add(tuple(round(sum(side[:n]), 6) for n in (5, 20) for side in levels))

    async def main():
        faults = Faults(drop=0.01, dup=0.01, reorder=0.01, disconnect=0.0005, seed=2)
        async with serve(tape, faults=faults, speed=10, depth={SYMBOL: depth}, wait_streams=3) as venue:
            stop = asyncio.Event()
            config = RecordConfig(folder=tmp_path, client=dict(KEYS), grace_s=0.05, heartbeat_s=1.0)
            task = asyncio.create_task(record(config, stop, prepare=lambda c: point(c, venue.port)))
            await asyncio.wait_for(venue.done.wait(), 60)
            await asyncio.sleep(0.1)
            stop.set()
            return await task

    report = asyncio.run(main())
    got = open_tape(report.symbols[0].tape)
    columns = ["ts_us", "trade_id", "price", "quantity", "side"]
    want = tape.trades.select(columns).sort("trade_id")
    assert got.trades.select(columns).sort("trade_id").equals(want)
    named = ("bid_qty_5", "ask_qty_5", "bid_qty_20", "ask_qty_20")
    # a sum is never less than the fresher best quote, so rows in which a sum is that quote say nothing of the depth
    deep = got.book.filter(*(pl.col(f"{side}_qty_5") > pl.col(f"{side}_qty") for side in ("bid", "ask")))
    found = {tuple(round(value, 6) for value in row) for row in deep.select(named).unique().rows()}
    assert len(found) > 50
    assert found <= sums
