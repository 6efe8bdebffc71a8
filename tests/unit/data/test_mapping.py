"""Any other layout, by a mapping."""

from __future__ import annotations

import json

import pytest

from decot.data.tapes import open_tape
from decot.errors import TapeRefused

MAPPING = {
    "symbol": "BTC-EUR",
    "venue": "kraken",
    "time_unit": "s",
    "trades": {
        "file": "t.csv",
        "columns": {"ts": "time", "price": "px", "quantity": "vol", "side": "kind"},
        "buy": "b",
        "sell": "s",
    },
    "book": {"file": "q.csv", "columns": {"ts": "when", "bid": "B", "ask": "A", "bid_qty": "BS"}},
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "t.csv").write_text("time,px,vol,kind\n1700000000.5,10,1,b\n1700000001,11,2,s\n")
    (tmp_path / "q.csv").write_text("when,B,A,BS\n1700000000.25,9,10,5\n")
    (tmp_path / "mapping.json").write_text(json.dumps(MAPPING))
    return tmp_path


def test_a_mapping_makes_any_file_a_tape(folder):
    """Names, units and sides are translated; what is not given is filled in."""
    tape = open_tape(folder)
    assert (tape.symbol, tape.venue) == ("BTC-EUR", "kraken")
    assert tape.trades.select("ts_us", "trade_id", "price", "side").rows() == [
        (1_700_000_000_500_000, 1, 10.0, 1),
        (1_700_000_001_000_000, 2, 11.0, -1),
    ]
    assert tape.book.select("recv_us", "bid_qty", "ask_qty", "bid_qty_20").row(0) == (
        1_700_000_000_250_000,
        5.0,
        0.0,
        5.0,
    )


def test_headlines_come_along_and_another_symbol_is_refused(folder):
    """A mapped folder may hold headlines; it holds one market."""
    (folder / "headlines.csv").write_text("ts,text\n2023-11-14 22:00:00,Bitcoin rises\n")
    assert open_tape(folder, symbol="BTC-EUR").headlines["text"].to_list() == ["Bitcoin rises"]
    with pytest.raises(TapeRefused, match="holds BTC-EUR, not ETH-EUR"):
        open_tape(folder, symbol="ETH-EUR")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"colour": 1}, "unknown words"),
        ({"time_unit": "weeks"}, "unknown time_unit"),
        ({"trades": {"file": "t.csv"}}, "no file or no columns"),
        ({"trades": {"file": 5, "columns": {"ts": "time"}}}, "no file or no columns"),
        ({"trades": {"file": "t.csv", "columns": {"ts": "time"}}}, "which column is price"),
        ({"trades": {**MAPPING["trades"], "buy": "x"}}, "neither 'x' nor 's'"),
        ({"book": {"file": "nowhere.csv", "columns": {"ts": "a", "bid": "b", "ask": "c"}}}, "no such file"),
    ],
)
def test_a_wrong_mapping_says_which_word(folder, change, said):
    """Unknown words, missing columns and sides nobody declared are refused."""
    (folder / "mapping.json").write_text(json.dumps({**MAPPING, **change}))
    with pytest.raises(TapeRefused, match=said):
        open_tape(folder)
