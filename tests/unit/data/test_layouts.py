"""StandX and Binance recordings: which session is meant, what is estimated, what is said to be unknown."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from decot.data.layouts import choose_session, estimated_ts
from decot.data.tapes import open_tape
from decot.errors import TapeRefused

SESSIONS = [
    "cm_btcusd_perp_20240808-09",
    "spot_btcusdt_20230405-05",
    "usdm_btcusdt_20230404-05",
    "usdm_btcusdt_20240808-08",
]


@pytest.mark.parametrize(
    ("symbol", "session"),
    [
        (None, "usdm_btcusdt_20240808-08"),
        ("BTC/USDT", "usdm_btcusdt_20240808-08"),
        ("spot_btcusdt", "spot_btcusdt_20230405-05"),
        ("usdm_btcusdt_20230404-05", "usdm_btcusdt_20230404-05"),
        ("BTCUSD", "cm_btcusd_perp_20240808-09"),
    ],
)
def test_a_session_is_found_by_as_little_as_needed(symbol, session):
    """By whole name, by market and symbol (the latest), by the bare symbol, or by default."""
    assert choose_session(SESSIONS, symbol, Path("x")) == session


def test_an_unknown_session_lists_those_there_are():
    """The refusal names every session of the folder."""
    with pytest.raises(TapeRefused, match="spot_btcusdt_20230405-05"):
        choose_session(SESSIONS, "DOGEUSDT", Path("x"))


def test_an_estimated_time_knows_only_the_past():
    """A quote without exchange time is as late as the last trade received strictly before it; time never goes back."""
    book = pl.DataFrame({"recv_us": [100, 200, 300, 310]})
    trades = pl.DataFrame({"recv_us": [150, 200, 305], "ts_us": [130, 100, 300]})
    assert estimated_ts(book, trades).to_list() == [100, 180, 200, 305]


@pytest.mark.tapes
def test_recordings_say_what_they_do_not_know(tapes):
    """StandX sides are inferred; Binance depth is unknown and, on spot, the exchange time is estimated."""
    standx = open_tape(tapes / "standx-btcusd")
    assert (standx.meta["side_known"], round(standx.meta["locked_share"], 2)) == ("inferred", 0.46)
    assert standx.book.height == 528_904
    spot = open_tape(tapes / "binance-ws", symbol="spot_btcusdt")
    assert spot.meta["ts_estimated"]
    assert spot.book["ts_us"].is_sorted()
    futures = open_tape(tapes / "binance-ws")
    assert not futures.meta["ts_estimated"]
    assert futures.book["bid_qty"].equals(futures.book["bid_qty_20"], check_names=False)
