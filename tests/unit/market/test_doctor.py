"""Doctor: which venues a small account can use, with the number that stands in the way."""

from __future__ import annotations

import pytest

from decot.market.doctor import feasibility, survey
from decot.market.rules import load_rules

PRICES = {"BTC": 90_000.0, "ETH": 3_000.0}


def test_the_known_cases():
    """19 dollars: all spot venues work; Binance and Bybit BTC perps do not, Bitget's does (SCIENCE vii)."""
    found = {f"{f.venue}/{f.symbol}": f for f in survey(PRICES)}
    for name in (
        "binance-spot/BTC-USDT",
        "bitget-spot/BTC-USDT",
        "bybit-spot/BTC-USDT",
        "standx-like/BTC-USD",
    ):
        assert found[name].is_feasible, found[name].why_not
    assert found["bitget-usdt-perp/BTC-USDT"].is_feasible
    refused = found["binance-usdm/BTC-USDT"]
    assert not refused.is_feasible
    assert "minimum notional 100" in refused.why_not[0]
    assert refused.leverage_needed == pytest.approx(180 / 19)
    assert "one lot is 90.00" in found["bybit-linear/BTC-USDT"].why_not[0]
    assert not found["bybit-linear/ETH-USDT"].is_feasible


def test_leverage_opens_what_capital_does_not():
    """At 10x the Binance perp is within reach; the lots and slots are counted."""
    rules = load_rules("binance-usdm", "BTC-USDT")
    assert not feasibility(rules, 90_000, leverage_limit=5).is_feasible
    found = feasibility(rules, 90_000, leverage_limit=10)
    assert found.is_feasible
    assert found.n_lots == 2
    assert found.n_slots == 1


def test_the_stop_is_part_of_the_smallest_entry():
    """On spot, 5 USDT minimum with a 10 % stop, two fees and the buffer means at least 5.6 in whole lots."""
    found = feasibility(load_rules("binance-spot", "BTC-USDT"), 90_000, stop_bps=1000)
    assert found.smallest_entry_usdt == pytest.approx(6.3)
    assert found.n_slots == 2
    assert feasibility(load_rules("binance-spot", "BTC-USDT"), 90_000, 5.5).why_not


def test_rows_are_flat():
    """A feasibility is a table row; reasons are one text."""
    row = survey(PRICES)[-1].as_row()
    assert isinstance(row["why_not"], str)
    assert row["why_not"]
