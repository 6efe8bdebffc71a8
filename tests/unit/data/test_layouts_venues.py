"""Aster, Hyperliquid and BitMEX: small folders of each, and the recorded ones."""

from __future__ import annotations

import polars as pl
import pytest

from decot.data.bars import build_bars
from decot.data.layouts_venues import sum_levels
from decot.data.tapes import open_tape
from decot.errors import TapeRefused
from schemas.tables import Bars, RawBook, RawTrades, faults

T0 = 1_758_700_000_000_000


def wide(price, size, levels, n=50, step=100_000, start=T0, **more):
    """A book of `levels` levels, one unit of size each, moving up by one a row."""
    columns = {"ts_us": [start + k * step for k in range(n)], **more}
    for k in range(levels):
        for side, sign in (("bid", -1), ("ask", 1)):
            columns[price.format(side=side, k=k)] = [1_000.0 + row + sign * (1 + k) for row in range(n)]
            columns[size.format(side=side, k=k)] = [1.0 + k] * n
    return pl.DataFrame(columns)


def test_level_sums_reach_as_deep_as_the_book():
    """Five levels of 1…5 are 15; a 10-level book's 20-level sum is all ten."""
    frame = sum_levels(wide("{side}_p{k}", "{side}_q{k}", 10), "{side}_p{k}", "{side}_q{k}", 10)
    assert frame.select("bid", "bid_qty", "bid_qty_5", "bid_qty_20").row(0) == (999.0, 1.0, 15.0, 55.0)


def test_aster_takes_sizes_where_the_full_book_is_known(tmp_path):
    """Quotes without sizes fill in only outside the stretches of full books; symbols are told apart."""
    wide("{side}_price_{k}", "{side}_qty_{k}", 10).write_parquet(tmp_path / "orderbook_BTCUSDT.parquet")
    times = [T0 - 120_000_000, T0 + 50_001, T0 + 200_000_000]
    prices = pl.DataFrame({"ts_us": times, "bid": [990.0] * 3, "ask": [991.0] * 3})
    prices.write_parquet(tmp_path / "prices_BTCUSDT.parquet")
    trades = pl.DataFrame({"ts_us": [T0], "id": [7], "side": ["SELL"], "price": [1_000.0], "quantity": [2.0]})
    trades.write_parquet(tmp_path / "trades_BTCUSDT.parquet")
    tape = open_tape(tmp_path)
    assert (tape.symbol, tape.venue) == ("BTCUSDT", "aster")
    assert tape.book.height == 52
    assert tape.book["bid_qty"].to_list()[::51] == [0.0, 0.0]
    assert tape.trades.row(0) == (T0, T0, 7, 1_000.0, 2.0, -1)
    with pytest.raises(TapeRefused, match="choose one of: BTCUSDT"):
        open_tape(tmp_path, symbol="DOGE")


def test_hyperliquid_keeps_both_clocks(tmp_path):
    """Exchange and local time are those recorded; a wrong side is refused."""
    book = wide("{side}_price_{k}", "{side}_size_{k}", 20)
    book.with_columns(recv_us=pl.col("ts_us") + 400_000).write_parquet(tmp_path / "orderbooks_BTC.parquet")
    trades = pl.DataFrame(
        {"ts_us": [T0], "recv_us": [T0 + 9], "price": [1.0], "size": [2.0], "side": ["buy"], "trade_id": [3]}
    )
    trades.write_parquet(tmp_path / "trades_BTC.parquet")
    tape = open_tape(tmp_path / "trades_BTC.parquet")
    assert (tape.symbol, tape.venue, tape.trades["side"][0]) == ("BTC-USD", "hyperliquid", 1)
    assert ((tape.book["recv_us"] - tape.book["ts_us"]) == 400_000).all()
    assert tape.book["bid_qty_20"][0] == 210.0
    trades.with_columns(side=pl.lit("up")).write_parquet(tmp_path / "trades_BTC.parquet")
    with pytest.raises(TapeRefused, match=r"trades_BTC.parquet, column side, row 0: not a side"):
        open_tape(tmp_path)


def test_bitmex_tells_symbols_apart_and_drops_repeated_trades(tmp_path):
    """Two symbols in one file; `partial` rows were traded before the recording began."""
    both = [wide("{side}_px_{k}", "{side}_qty_{k}", 10, symbol=[name] * 50) for name in ("XBTUSD", "ETHUSD")]
    pl.concat(both).sort("ts_us").write_parquet(tmp_path / "l2_10_2020-03-10.parquet")
    pl.DataFrame(
        {
            "ts_us": [T0, T0, T0 + 1],
            "symbol": ["XBTUSD", "XBTUSD", "ETHUSD"],
            "price": [5.0, 6.0, 7.0],
            "size_usd": [10.0, 20.0, 30.0],
            "action": ["partial", "insert", "insert"],
            "side": ["Buy", "Sell", "Buy"],
        }
    ).write_parquet(tmp_path / "trades_2020-03-10.parquet")
    tape = open_tape(tmp_path)
    assert (tape.symbol, tape.book.height) == ("XBTUSD", 50)
    assert tape.trades.select("trade_id", "price", "quantity", "side").rows() == [
        (202003100000001, 6.0, 20.0, -1)
    ]
    assert open_tape(tmp_path, symbol="eth").symbol == "ETHUSD"


@pytest.mark.tapes
@pytest.mark.parametrize(
    ("folder", "symbol"),
    [
        ("aster-perp", None),
        ("aster-perp", "BNB"),
        ("hyperliquid-2025-09", "ETH"),
        ("bitmex-2020", None),
        ("bitmex-2020", "ETH"),
    ],
)
def test_recorded_tapes_of_every_venue_are_lawful(tapes, folder, symbol):
    """They open, pass their schemas, and make lawful bars."""
    tape = open_tape(tapes / folder, symbol=symbol)
    first = tape.day(tape.days()[0])
    for frame, model in ((tape.book, RawBook), (tape.trades, RawTrades), (build_bars(first, 1_000), Bars)):
        assert faults(frame, model) == []
