"""Public dumps: with and without header, ms and µs, packed and plain, joined over days; folders of candles."""

from __future__ import annotations

import zipfile

import polars as pl
import pytest

from decot.data.bars import build_bars
from decot.data.tapes import open_tape
from decot.errors import TapeRefused

MS = 1_704_067_200_000
SPOT = f"1,42000.5,0.01,420.0,{MS},True,True\n2,42001.0,0.02,840.0,{MS + 500},False,True\n"
AGG = f"9,42000.5,0.01,1,2,{MS},true,true\n10,42001.0,0.02,3,3,{MS + 900},false,true\n"
QUOTES = f"1,42000,1.5,42001,2.5,{MS},{MS + 1}\n2,42000,1.6,42001,2.5,{MS + 1_000},{MS + 1_001}\n"
KLINE = f"{MS},10,12,9,11,5,{MS + 59_999},1,2,3,4,0\n{MS + 60_000},11,13,10,12,6,{MS + 119_999},1,2,3,4,0\n"


def test_trades_without_header_make_a_locked_book(tmp_path):
    """Spot trades: the maker flag is the seller's side, and the book made of them is declared so."""
    (tmp_path / "BTCUSDT-trades-2024-01-01.csv").write_text(SPOT)
    tape = open_tape(tmp_path)
    assert tape.trades.select("ts_us", "trade_id", "side").rows() == [
        (MS * 1_000, 1, -1),
        (MS * 1_000 + 500_000, 2, 1),
    ]
    assert tape.book.select("bid", "ask", "bid_qty").row(1) == (42_001.0, 42_001.0, 0.0)
    assert "made of trades" in tape.meta["book"]


def test_a_header_and_microseconds_change_nothing(tmp_path):
    """The same rows with a header, zipped, in µs: the same tape."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "BTCUSDT-aggTrades-2024-01-01.csv").write_text(AGG)
    header = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker,best\n"
    micro = AGG.replace(f"{MS},", f"{MS}000,").replace(f"{MS + 900},", f"{MS + 900}000,")
    (tmp_path / "b").mkdir()
    with zipfile.ZipFile(tmp_path / "b" / "BTCUSDT-aggTrades-2024-01-01.zip", "w") as packed:
        packed.writestr("BTCUSDT-aggTrades-2024-01-01.csv", header + micro)
    one, two = open_tape(tmp_path / "a"), open_tape(tmp_path / "b")
    assert one.trades.equals(two.trades)
    assert one.trades["trade_id"].to_list() == [9, 10]


def test_quotes_trades_and_days_join(tmp_path):
    """bookTicker is the book; two days of trades are one table; other symbols stay out."""
    (tmp_path / "BTCUSDT-bookTicker-2024-01-01.csv").write_text(QUOTES)
    (tmp_path / "BTCUSDT-trades-2024-01-01.csv").write_text(SPOT)
    (tmp_path / "BTCUSDT-trades-2024-01-02.csv").write_text(
        SPOT.replace(str(MS)[:6], "170415").replace("1,42", "3,42", 1)
    )
    (tmp_path / "ETHUSDT-trades-2024-01-01.csv").write_text(SPOT)
    tape = open_tape(tmp_path)
    assert (tape.symbol, tape.book.height, tape.trades.height) == ("BTCUSDT", 2, 4)
    assert tape.book["bid_qty"].to_list() == [1.5, 1.6]
    assert open_tape(tmp_path, symbol="ETHUSDT").symbol == "ETHUSDT"
    with pytest.raises(TapeRefused, match="choose one of: BTCUSDT, ETHUSDT"):
        open_tape(tmp_path, symbol="XYZ")


def test_klines_end_when_they_end(tmp_path):
    """A candle's time is the end of it, and candles make bars on their own clock or a multiple."""
    (tmp_path / "BTCUSDT-1m-2024-01-01.csv").write_text(KLINE)
    tape = open_tape(tmp_path)
    assert tape.candles["timestamp"].to_list() == [MS + 60_000, MS + 120_000]
    bars = build_bars(tape, 120_000)
    assert bars.select("open", "high", "low", "close", "volume").row(0) == (10, 13, 9, 12, 11)


@pytest.mark.parametrize(
    ("text", "column", "row", "said"),
    [
        (SPOT.replace("42001.0", "-1"), "price", 1, "not a positive"),
        (SPOT.replace("False", "maybe"), "maker", 1, "neither true nor false"),
        (SPOT.replace(str(MS + 500), str(MS - 5)), "ts_us", 1, "goes back"),
        (SPOT.replace("0.02", "much"), "quantity", 1, "not a number"),
        ("1,2,3\n", "maker", None, "3 columns"),
        ("", None, None, "empty"),
    ],
)
def test_a_bad_dump_is_refused(tmp_path, text, column, row, said):
    """File, column, row and value."""
    (tmp_path / "BTCUSDT-trades-2024-01-01.csv").write_text(text)
    with pytest.raises(TapeRefused, match=said) as refused:
        open_tape(tmp_path)
    assert (refused.value.column, refused.value.row) == (column, row)


def test_a_file_of_many_symbols_is_a_market_each(tmp_path):
    """Candles with a symbol column: the one asked for, on a contiguous grid though a minute is missing."""
    frame = pl.DataFrame(
        {
            "symbol": ["A", "A", "A", "B"],
            "ts": [MS, MS + 60_000, MS + 180_000, MS],
            **{name: [1.0, 2.0, 3.0, 4.0] for name in ("open", "high", "low", "close", "volume")},
        }
    )
    frame.write_parquet(tmp_path / "ohlcv_1m.parquet")
    tape = open_tape(tmp_path, symbol="A")
    bars = build_bars(tape, 60_000)
    assert bars["close"].to_list() == [1.0, 2.0, 2.0, 3.0]
    assert bars["volume"].to_list() == [1.0, 2.0, 0.0, 3.0]
    assert bars["stale_ms"].to_list() == [0.0, 0.0, 60_000.0, 0.0]
    with pytest.raises(TapeRefused, match="choose one of: A, B"):
        open_tape(tmp_path, symbol="C")


def test_candles_with_dates_as_text_are_the_same(tmp_path):
    """ISO 8601 in UTC is read; another time zone is refused by row; a damaged archive and an empty table too."""
    file = tmp_path / "ohlcv_1m.csv"
    head = "ts,open,high,low,close,volume\n"
    file.write_text(head + "2025-05-04T15:37:00.000+0000,1,2,1,2,5\n2025-05-04T15:38:00Z,1,2,1,2,5\n")
    assert open_tape(tmp_path).candles["timestamp"].to_list() == [1_746_373_080_000, 1_746_373_140_000]
    file.write_text(head + "2025-05-04 15:37:00,1,2,1,2,5\n2025-05-04T17:38:00+02:00,1,2,1,2,5\n")
    with pytest.raises(TapeRefused, match=r"column ts, row 1: not in UTC"):
        open_tape(tmp_path)
    file.write_text("symbol," + head)
    with pytest.raises(TapeRefused, match="no rows"):
        open_tape(tmp_path)
    torn = tmp_path / "z" / "BTCUSDT-trades-2024-01-01.zip"
    torn.parent.mkdir()
    with zipfile.ZipFile(torn, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("BTCUSDT-trades-2024-01-01.csv", SPOT * 50)
    data = bytearray(torn.read_bytes())
    data[60:90] = b"\xff" * 30
    torn.write_bytes(bytes(data))
    with pytest.raises(TapeRefused, match="cannot be read as CSV"):
        open_tape(torn)
