"""Venue info: rules as venues tell them, and fees from the best source."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from decot.errors import ConfigError
from decot.market.venue_info import Fees, best_fees, from_exchange_info, from_market

MARKET = {
    "base": "BTC",
    "quote": "USDT",
    "swap": True,
    "inverse": False,
    "maker": 0.0001,
    "taker": 0.0006,
    "contractSize": 0.001,
    "precision": {"price": 0.1, "amount": 1.0},
    "limits": {"amount": {"min": 1.0}, "cost": {"min": 5.0}, "leverage": {"max": 100.0}},
}


def test_fees_come_from_the_best_source():
    """Account before snapshot before default, and a default says that it is one."""
    assert best_fees("bybit-linear", "BTC-USDT", account=(1.0, 4.0)).source == "account endpoint"
    assert best_fees("bybit-linear", "BTC-USDT", default=(1.0, 6.0))[:2] == (2.0, 5.5)
    with pytest.warns(UserWarning, match="not your tier"):
        assert best_fees("elsewhere", "BTC-USDT", default=(1.0, 6.0)).taker_bps == 6.0
    with pytest.raises(ConfigError, match="no default"):
        best_fees("elsewhere", "BTC-USDT")


def test_a_contract_is_counted_in_base():
    """A step of one contract of 0.001 BTC is a lot of 0.001 BTC, whoever tells it."""
    rules = from_market(MARKET, venue="okx-like", version="t", account_fees=Fees(2, 5, "account"))
    assert rules.kind == "perp"
    assert rules.vector()[3] == pytest.approx(0.001)
    assert rules.leverage_max == 100
    with pytest.raises(ConfigError, match="inverse"):
        from_market(MARKET | {"inverse": True}, venue="x", version="t")
    with pytest.raises(ConfigError, match=r"precision\.amount"):
        from_market(
            MARKET | {"precision": {"price": 0.1}}, venue="x", version="t", account_fees=Fees(1, 2, "")
        )


def test_swapped_fees_of_a_library_are_caught():
    """A maker fee above the taker's in the library's default is refused."""
    with pytest.warns(UserWarning, match="default"), pytest.raises(ConfigError, match="swapped"):
        from_market(MARKET | {"maker": 0.0006, "taker": 0.0001}, venue="x", version="t")


@pytest.mark.tapes
@pytest.mark.parametrize(
    ("name", "kind", "lot", "least"),
    [
        ("binance_spot_exchangeInfo_2021-10-12", "spot", 1e-5, 10.0),
        ("binance_usdm_exchangeInfo_2021-07-22", "perp", 1e-3, 5.0),
    ],
)
def test_recorded_exchange_info_becomes_rules(tapes, name, kind, lot, least):
    """Recorded answers of the venue give the steps of their time, and a missing filter is named."""
    raw = pa.OSFile(str(tapes / "exchange-rules" / f"{name}.json.zst"))
    info = json.loads(pa.CompressedInputStream(raw, "zstd").read())
    info = info.get("data", info)
    entry = next(e for e in info["symbols"] if e["symbol"] == "BTCUSDT")
    rules = from_exchange_info(
        entry, venue="binance", kind=kind, fees=Fees(2, 5, "t"), version="2021", leverage_max=1.0
    )
    assert rules.symbol == "BTC-USDT"
    assert rules.lot == pytest.approx(lot)
    assert rules.min_notional_usdt == least
    with pytest.raises(ConfigError, match="LOT_SIZE"):
        from_exchange_info(
            entry | {"filters": []}, venue="b", kind=kind, fees=Fees(2, 5, "t"), version="2021"
        )
