"""Each limit stops what it says, what is no number stops trading, and a lost day stays lost."""

from __future__ import annotations

import math

import pytest

from decot.errors import ConfigError
from decot.live.risk import DAY_MS, Guard, Limits, Moment, worst


def moment(**change):
    plain = {
        "t_ms": 1_000,
        "equity_usdt": 19.0,
        "position_usdt": 0.0,
        "bid": 99.99,
        "ask": 100.01,
        "stale_s": 0.1,
    }
    return Moment(**(plain | change))


@pytest.mark.parametrize(
    ("change", "state", "word"),
    [
        ({}, "running", ""),
        ({"position_usdt": -25.0}, "reduced", "position_usdt"),
        ({"stale_s": 2.5}, "flat", "stale_s"),
        ({"ask": 101.0}, "reduced", "spread_bps"),
        ({"skew_ms": -1_500.0}, "reduced", "skew_ms"),
        ({"equity_usdt": math.nan}, "halted", "daily_loss"),
        ({"bid": math.nan}, "flat", "spread_bps"),
        ({"anomaly": "words contradict", "anomaly_state": "reduced"}, "reduced", "words"),
        ({"anomaly": "chain", "anomaly_state": "flat"}, "flat", "chain"),
    ],
)
def test_each_limit(change, state, word):
    """One figure beyond its bound gives its state and its name."""
    guard = Guard()
    guard.weigh(moment())
    verdict = guard.weigh(moment(**change))
    assert verdict.state == state
    assert word in verdict.why


def test_the_loss_of_the_day_lasts_until_the_next_and_through_a_restart():
    """Out for the rest of the UTC day, even when the loss is made good, even by another process."""
    guard = Guard(Limits(daily_loss_usdt=1.0))
    guard.weigh(moment())
    assert guard.weigh(moment(equity_usdt=17.9)).state == "flat"
    assert guard.weigh(moment(equity_usdt=19.5)).state == "flat"
    again = Guard(Limits(daily_loss_usdt=1.0))
    again.recall(guard.remembered())
    assert again.weigh(moment()).state == "flat"
    assert again.weigh(moment(t_ms=DAY_MS + 1)).state == "running"


def test_drawdown_and_refusals_halt():
    """A person must look."""
    guard = Guard(Limits(drawdown_bps=500.0, daily_loss_usdt=15.0))
    guard.weigh(moment())
    assert guard.weigh(moment(equity_usdt=18.0)).state == "halted"
    other = Guard(Limits(refusals_in_a_row=3))
    for _ in range(3):
        other.sent(1_000, was_refused=True)
    assert other.weigh(moment()).state == "halted"
    other.sent(1_000, was_refused=False)
    assert other.weigh(moment()).state == "running"


def test_the_rate_of_orders():
    """Counted over a sliding minute."""
    guard = Guard(Limits(orders_per_minute=3))
    for t in (0, 1_000, 2_000):
        guard.sent(t, was_refused=False)
    assert guard.weigh(moment(t_ms=3_000)).state == "reduced"
    assert guard.weigh(moment(t_ms=61_500)).state == "running"


def test_the_cap_and_impossible_limits():
    """20 dollars or more is refused at the start; a limit of zero is no limit."""
    assert Guard().admit(19.99) == []
    assert "cap" in Guard().admit(20.0)[0]
    with pytest.raises(ConfigError, match="stale_s"):
        Limits(stale_s=0)
    assert worst("running", "flat", "reduced") == "flat"
