"""Rules: every snapshot loads, says where it is from, and refuses what cannot be true."""

from __future__ import annotations

from dataclasses import replace

import pytest

from decot.errors import ConfigError
from decot.market.rules import all_rules, load_rules, venues


def test_every_snapshot_loads_and_names_its_source():
    """Each venue's rules pass their own checks, carry a version and a source; spot is never short."""
    rules = all_rules()
    assert len(rules) >= 14
    for r in rules:
        assert not r.faults()
        assert r.source
        assert r.version
        assert r.can_short == (r.kind != "spot")
        assert r.maker_bps <= r.taker_bps or r.is_rebate


def test_swapped_fees_are_refused():
    """A maker fee above the taker's is a swap, and the message says so."""
    with pytest.raises(ConfigError, match="swapped"):
        replace(load_rules("binance-usdm", "BTC-USDT"), maker_bps=5.0, taker_bps=2.0)


def test_all_faults_come_in_one_message():
    """A snapshot with three faults names three."""
    with pytest.raises(ConfigError) as caught:
        replace(load_rules("binance-spot", "BTC-USDT"), tick=0.0, lot=-1.0, leverage_max=3.0)
    assert len(caught.value.faults) == 3


def test_unknown_names_list_the_known():
    """A wrong venue or symbol is answered with those there are."""
    with pytest.raises(ConfigError, match=venues()[0]):
        load_rules("nowhere", "BTC-USDT")
    with pytest.raises(ConfigError, match="BTC-USDT"):
        load_rules("binance-spot", "XYZ-USDT")


def test_the_accounts_own_fees_come_first():
    """Fees told by the account endpoint replace the snapshot's and are named in the source."""
    rules = load_rules("bybit-linear", "BTC-USDT").with_fees(1.0, 4.0, "account endpoint")
    assert (rules.maker_bps, rules.taker_bps) == (1.0, 4.0)
    assert rules.source.startswith("account endpoint")
