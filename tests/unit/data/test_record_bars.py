"""A real capture through the recorder's own book-keeping makes the bars of the tidy tables."""

from __future__ import annotations

import polars as pl
import pytest

from decot.data.bars import build_bars
from decot.data.layouts import assemble
from decot.data.record_decode import Change, Notice, Quote, Trade, decode
from decot.data.record_station import Station
from decot.data.record_store import read_lines
from decot.data.tape import BOOK, TRADES
from decot.data.tapes import open_tape


def recorded(files, folder):
    """Each line decoded and taken as a live session takes it; nothing may be turned away."""
    station = Station("BTC/USDT", "BTCUSDT", folder, is_numbered=False, depth=lambda: None)
    take = {Trade: station.on_trade, Quote: station.on_quote, Change: station.on_change}
    for file in files:
        for line in read_lines(file):
            stamp, frame = line.split(" ", 1)
            event = decode(frame)
            if not isinstance(event, Notice):
                refusal = take[type(event)](event, int(stamp) // 1000)
                assert refusal is None, refusal
    book = pl.DataFrame(station.book.rows, schema=BOOK, orient="row")
    trades = pl.DataFrame(station.trades.rows, schema=TRADES, orient="row")
    return assemble("BTC-USDT", "binance", book, trades, {})


@pytest.mark.tapes
@pytest.mark.parametrize(
    ("symbol", "days"), [("usdm_btcusdt", ["20240808"]), ("spot_btcusdt", ["20240808", "20240809"])]
)
def test_recorded_frames_make_the_bars_of_the_tidy_tables(tapes, tmp_path, symbol, days):
    """Every cell of every bar is equal, to the bit."""
    folder = tapes / "binance-ws"
    files = [folder / "raw" / f"{symbol}_{day}.jsonl.zst" for day in days]
    live, tidy = recorded(files, tmp_path), open_tape(folder, symbol=symbol)
    for clock_ms in (100, 1_000):
        assert build_bars(live, clock_ms).equals(build_bars(tidy, clock_ms))
