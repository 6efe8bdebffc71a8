"""Orders: the face in Python is the kernel the simulator uses, and every refusal has a reason."""

from __future__ import annotations

import pytest

from decot.market.orders import Fill, Holding, Order, Refusal, execute, validate
from decot.market.rules import load_rules

SPOT = load_rules("binance-spot", "BTC-USDT")
PERP = load_rules("binance-usdm", "BTC-USDT")
BID, ASK = 90_000.0, 90_001.0


def test_a_market_order_meets_the_touch():
    """A buy pays the ask and the taker fee; the holding after it conserves money."""
    fill = execute(Order(side=1, qty=2e-4), Holding(cash_usdt=19.0), BID, ASK, SPOT)
    assert isinstance(fill, Fill)
    assert (fill.price, fill.qty) == (ASK, pytest.approx(2e-4))
    assert fill.fee_usdt == pytest.approx(2e-4 * ASK * 1e-3)
    after = Holding(cash_usdt=19.0).after(fill, SPOT)
    assert after.lots == 20
    assert after.equity(ASK, SPOT) == pytest.approx(19.0 - fill.fee_usdt, abs=1e-12)


@pytest.mark.parametrize(
    ("order", "rules", "reason"),
    [
        (Order(side=1, qty=1.5e-5), SPOT, "off_lot"),
        (Order(side=1, qty=0.0), SPOT, "min_qty"),
        (Order(side=1, qty=5e-5), SPOT, "min_notional"),
        (Order(side=-1, qty=1e-4), SPOT, "no_short_on_spot"),
        (Order(side=1, qty=3e-4), SPOT, "not_enough_margin"),
        (Order(side=1, qty=1e-3), PERP, "min_notional"),
        (Order(side=1, qty=1e-4, limit=90_000.001), SPOT, "off_tick"),
        (Order(side=1, qty=1e-4, limit=90_001.0, is_post_only=True), SPOT, "would_take"),
        (Order(side=1, qty=2e-3, is_reduce_only=True), PERP, "not_reducing"),
    ],
)
def test_every_refusal_has_a_reason(order, rules, reason):
    """What a venue would reject is refused with the venue's reason and in words."""
    refused = validate(order, Holding(cash_usdt=19.0), BID, ASK, rules)
    assert isinstance(refused, Refusal)
    assert refused.reason == reason
    assert refused.why


def test_reduce_only_may_be_small():
    """Below the minimum notional a reduce-only order still closes where the venue exempts it."""
    held = Holding(cash_usdt=-100.0, lots=1)
    assert isinstance(execute(Order(side=-1, qty=1e-3, is_reduce_only=True), held, BID, ASK, PERP), Fill)
    assert validate(Order(side=-1, qty=1e-3), held, BID, ASK, PERP).reason == "min_notional"
