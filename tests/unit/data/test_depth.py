"""Recorded ladders, from the files of every layout that has them."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from decot.data.depth import open_depth
from decot.data.exchange.ladder import Ladder
from decot.data.tape import BOOK, HEADLINES, TRADES, RawTape
from decot.data.tapes import open_tape

SECOND = 1_000_000
START = 1_700_000_000 * SECOND


def tape(**meta) -> RawTape:
    """No rows; only the meta that says where the depth is looked for."""
    book, trades = pl.DataFrame(schema=BOOK), pl.DataFrame(schema=TRADES)
    news = pl.DataFrame(schema=HEADLINES)
    return RawTape(
        symbol="BTCUSDT", venue="x", trades=trades, book=book, candles=None, headlines=news, meta=meta
    )


def diff(first, last, bids=(), asks=()):
    return {"e": "depthUpdate", "E": 1_700_000_000_000, "U": first, "u": last, "b": bids, "a": asks}


def write_frames(folder, messages, day="20240808"):
    """The messages as recorded lines, one a second."""
    folder.mkdir(exist_ok=True)
    lines = [f"{(START + k * SECOND) * 1000} {json.dumps(message)}" for k, message in enumerate(messages)]
    (folder / f"spot_btcusdt_{day}.jsonl").write_text("\n".join(lines) + "\n")


SNAPSHOT = {"lastUpdateId": 14, "bids": [["9", "1"], ["8", "2"]], "asks": [["10", "1"]]}


def test_a_late_snapshot_is_caught_up_with(tmp_path):
    """Diffs older than the snapshot are dropped, the one that spans it and all later ones are kept, and numbers tell."""
    write_frames(
        tmp_path / "raw",
        [
            diff(10, 12, bids=[["1", "1"]]),
            diff(13, 16, bids=[["9", "5"]]),
            SNAPSHOT,
            diff(17, 20, asks=[["10", "0"], ["11", "3"]]),
        ],
    )
    depth = open_depth(tmp_path, tape(layout="binance-ws", session="spot_btcusdt_20240808-09"))
    assert depth.update.tolist() == [14, 16, 20]
    assert depth.is_whole.tolist() == [True, False, False]
    assert depth.spans == ((START + 2 * SECOND, START + 4 * SECOND),)
    ladder = Ladder()
    for k in range(3):
        (ladder.show if depth.is_whole[k] else ladder.change)(depth.read(k), int(depth.update[k]), 0)
    assert ladder.best(5) == ([(9.0, 5.0), (8.0, 2.0)], [(11.0, 3.0)])


def test_a_break_in_the_numbers_ends_what_is_known(tmp_path):
    """After a lost diff nothing is known until the next snapshot: two stretches, none of the diffs between."""
    later = {**SNAPSHOT, "lastUpdateId": 40}
    write_frames(tmp_path / "raw", [SNAPSHOT, diff(15, 16), diff(19, 20), diff(21, 41), later, diff(42, 43)])
    depth = open_depth(tmp_path, tape(layout="binance-ws", session="spot_btcusdt_20240808-09"))
    assert depth.update.tolist() == [14, 16, 40, 41, 43]
    assert [round((end - begin) / SECOND) for begin, end in depth.spans] == [2, 2]


def test_only_the_days_of_the_session_are_read(tmp_path):
    """Raw lines of another month beside the session's are left alone; without any there is no depth."""
    write_frames(tmp_path / "raw", [SNAPSHOT], day="20240908")
    session = tape(layout="binance-ws", session="spot_btcusdt_20240808-09")
    assert open_depth(tmp_path, session) is None
    assert open_depth(tmp_path, tape(layout="csv")) is None


def test_whole_ladders_far_apart_are_different_stretches(tmp_path):
    """Two minutes without a ladder are a hole; a level without price or size is no level."""
    at = START + np.array([0, 1, 2, 200, 201]) * SECOND
    columns = {"ts_us": at}
    for k in range(10):
        columns |= {f"bid_price_{k}": np.full(5, 9.0 - k), f"bid_qty_{k}": np.full(5, 0.0 if k == 3 else 1.0)}
        columns |= {f"ask_price_{k}": np.full(5, 10.0 + k), f"ask_qty_{k}": np.ones(5)}
    pl.DataFrame(columns).write_parquet(tmp_path / "orderbook_BTCUSDT.parquet")
    depth = open_depth(tmp_path, tape(layout="aster", files=["orderbook_BTCUSDT.parquet"]))
    assert depth.spans == ((at[0], at[2] + SECOND), (at[3], at[4] + SECOND))
    bids, asks = depth.read(0)
    assert len(asks) == 10
    assert [price for price, _ in bids] == [9.0, 8.0, 7.0, 5.0, 4.0, 3.0, 2.0, 1.0]


@pytest.mark.parametrize(
    ("folder", "symbol", "share"),
    [
        ("standx-btcusd", None, 0.45),
        ("binance-ws", None, 0.99),
        ("binance-ws", "spot_btcusdt_20240808-09", 0.99),
        ("bitmex-2020", None, 0.99),
        ("hyperliquid-2025-09", None, 0.01),
        ("aster-perp", None, 0.01),
    ],
)
def test_the_recorded_ladders_stand_where_the_quotes_do(tapes, folder, symbol, share):
    """At a thousand moments of every recorded tape the ladder is not crossed and within 20 bps of the best quotes."""
    recorded = open_tape(tapes / folder, symbol=symbol)
    depth, book = open_depth(tapes / folder, recorded), recorded.book
    at = book["recv_us"].to_numpy()
    known = sum(end - begin for begin, end in depth.spans) / (at[-1] - at[0])
    assert share <= known <= 1.01
    ladder, asked = Ladder(), set(np.linspace(0, len(depth) - 1, 1_000, dtype=int).tolist())
    far = []
    for k in range(len(depth)):
        if depth.is_whole[k] and k not in asked:
            continue
        (ladder.show if depth.is_whole[k] else ladder.change)(depth.read(k), int(depth.update[k]), 0)
        row = np.searchsorted(at, depth.at_us[k], side="right") - 1
        if k in asked and row >= 0:
            (bid, _), (ask, _) = ladder.bids.best(1)[0], ladder.asks.best(1)[0]
            assert bid <= ask
            mid = 0.5 * (book["bid"][int(row)] + book["ask"][int(row)])
            far.append(abs(0.5 * (bid + ask) / mid - 1) * 1e4)
    assert len(far) > 500
    assert np.median(far) < 1
    assert max(far) < 20
