"""What a frame says, and that a broken one never says anything."""

from __future__ import annotations

import json
import random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decot.data.exchange.faults import garble
from decot.data.record_decode import Change, Notice, Quote, Refused, Trade, decode
from decot.data.record_store import read_lines

TRADE = {
    "e": "trade",
    "E": 1_700_000_000_001,
    "s": "BTCUSDT",
    "t": 7,
    "p": "100.10",
    "q": "0.5",
    "T": 1_700_000_000_000,
    "m": True,
    "M": True,
}
QUOTE = {"u": 9, "s": "BTCUSDT", "b": "100.0", "B": "1", "a": "100.1", "A": "2.5"}
DIFF = {
    "e": "depthUpdate",
    "E": 1_700_000_000_000,
    "s": "BTCUSDT",
    "U": 5,
    "u": 6,
    "b": [["1", "0"]],
    "a": [],
}


def test_good_frames_are_read_exactly():
    """Trade, aggregate, quote with and without time, diff, combined wrapper, acknowledgement."""
    assert decode(json.dumps(TRADE)) == Trade("BTCUSDT", 1_700_000_000_000_000, 7, 100.1, 0.5, -1)
    agg = {**{k: v for k, v in TRADE.items() if k != "t"}, "e": "aggTrade", "a": 3, "m": False}
    assert decode(json.dumps(agg)).side == 1
    assert decode(json.dumps(QUOTE)) == Quote("BTCUSDT", None, 9, 100.0, 1.0, 100.1, 2.5)
    stamped = {"e": "bookTicker", **QUOTE, "E": 1_700_000_000_000, "T": 1_700_000_000_000}
    assert decode(json.dumps({"stream": "x", "data": stamped})).ts_us == 1_700_000_000_000_000
    assert decode(json.dumps(DIFF).encode()) == Change("BTCUSDT", 1_700_000_000_000_000, 5, 6)
    assert decode('{"result":null,"id":1}') == Notice("reply")


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        ({**TRADE, "p": "-1"}, "p = "),
        ({**TRADE, "p": "0"}, "not above 0"),
        ({**TRADE, "p": 100.1}, "no number"),
        ({**TRADE, "p": "1e5"}, "no number"),
        ({**TRADE, "q": "١٢"}, "no number"),
        ({**TRADE, "t": True}, "no id"),
        ({**TRADE, "t": "7"}, "no id"),
        ({**TRADE, "T": 17}, "no time"),
        ({**TRADE, "m": "true"}, "true or false"),
        ({**TRADE, "s": 5}, "no symbol"),
        ({**QUOTE, "b": "101"}, "above ask"),
        ({**QUOTE, "B": None}, "no number"),
        ({**DIFF, "U": 7}, "above u"),
        ({**DIFF, "b": [["1"]]}, "not [price"),
        ({**DIFF, "a": {}}, "no list"),
        ({"e": "surprise"}, "unknown event"),
        ([1, 2], "object was expected"),
        (None, "object was expected"),
    ],
)
def test_a_wrong_frame_is_refused_with_its_reason(frame, why):
    """The reason names the field and what was found."""
    refused = decode(json.dumps(frame))
    assert isinstance(refused, Refused)
    assert why in refused.reason


def test_two_thousand_fuzzed_frames_enter_nothing():
    """Every garbled trade, quote and diff is refused or is no market data; none is ever taken, none raises."""
    rng, reasons = random.Random(11), set()
    for _ in range(2_000):
        frame = json.dumps(rng.choice([TRADE, QUOTE, DIFF]), separators=(",", ":"))
        said = decode(garble(frame, rng))
        if isinstance(said, Trade | Quote | Change):
            assert said.symbol == "NOSUCH", (
                "only the symbol was changed; the recorder does not follow that one"
            )
        else:
            reasons.add(getattr(said, "reason", "notice"))
    assert len(reasons) > 20


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.text(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(st.sampled_from("estupqbaBATEUm"), inner, max_size=6)
            ),
            max_leaves=12,
        ).map(json.dumps),
    )
)
def test_no_input_at_all_makes_the_decoder_raise(line):
    """Any bytes, text or JSON gives an answer."""
    assert decode(line) is not None


@pytest.mark.tapes
def test_the_recorded_frames_of_a_real_capture_give_its_tidy_tables(tapes):
    """Every line of the raw Binance capture decodes to exactly the Parquet made of it: 19,904 trades, 73,174 quotes."""
    folder = tapes / "binance-ws"
    events = []
    for day in ("20240808", "20240809"):
        for line in read_lines(folder / "raw" / f"spot_btcusdt_{day}.jsonl.zst"):
            stamp, frame = line.split(" ", 1)
            events.append((int(stamp) // 1000, decode(frame)))
    assert not [event for _, event in events if isinstance(event, Refused)]
    trades = pl.DataFrame(
        [
            (at, e.ts_us // 1000, e.id, e.price, e.quantity, e.side)
            for at, e in events
            if isinstance(e, Trade)
        ],
        schema=["recv_us", "trade_ms", "trade_id", "price", "qty", "taker_side"],
        orient="row",
    )
    tidy = pl.read_parquet(folder / "trades_spot_btcusdt_20240808-09.parquet")
    assert trades.equals(tidy.select(trades.columns))
    quotes = pl.DataFrame(
        [(at, e.update, e.bid, e.bid_qty, e.ask, e.ask_qty) for at, e in events if isinstance(e, Quote)],
        schema=["recv_us", "update_id", "bid", "bid_qty", "ask", "ask_qty"],
        orient="row",
    )
    tidy = pl.read_parquet(folder / "bbo_spot_btcusdt_20240808-09.parquet")
    assert quotes.equals(tidy.select(quotes.columns))
