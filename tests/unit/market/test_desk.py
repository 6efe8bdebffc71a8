"""Desk: fed row by row it is the simulator, fill for fill; a plan is what the simulator would send."""

from __future__ import annotations

import numpy as np
import pytest

from decot.market.desk import Desk, plan
from decot.market.orders import Fill, Holding, execute
from decot.market.rules import load_rules
from decot.market.simulate import Account, simulate


def feed(desk, tape, targets):
    """Rows through the desk as a session would feed them; fills as (row, side, qty, price, fee, maker)."""
    fills = []
    for u in range(len(tape)):
        mine = tape.prints[tape.offsets[u] : tape.offsets[u + 1]]
        row = (tape.timestamp[u], tape.bid[u], tape.ask[u], tape.bid_qty[u], tape.ask_qty[u])
        for f in desk.advance(*row, prints=mine, funding=tape.funding[u]):
            fills.append((u, f.side, f.qty, f.price, f.fee_usdt, f.is_maker))
        desk.decide(int(targets[u]), tape.latency_ms[u])
    return fills


@pytest.mark.parametrize("execution", ["taker", "post_only"])
@pytest.mark.parametrize("latency", [1, 2500, np.random.default_rng(1).integers(1, 9000, 400)])
@pytest.mark.parametrize("venue", ["standx-like/BTC-USD", "bybit-spot/BTC-USDT", "bitget-usdt-perp/BTC-USDT"])
def test_paper_is_the_simulator_fill_for_fill(world, execution, latency, venue):
    """The same rows and targets give the same fills to the bit, and the same equity before the closing row."""
    rules = load_rules(*venue.split("/"))
    account = Account(execution=execution, patience_rows=6, is_depth_limited=True)
    tape = world(400, 7, latency_ms=latency, funding_every=60, tick=rules.tick)
    targets = np.repeat(np.random.default_rng(8).integers(-1, 2, 100), 4)
    run, desk = simulate(tape, targets, rules, account), Desk(rules, account)
    fills = feed(desk, tape, targets)
    kept = run.fills[run.fills["row"] < 399]
    assert len(kept) > 5
    names = ("row", "side", "qty", "price", "fee_usdt", "is_maker")
    assert [f for f in fills if f[0] < 399] == [tuple(x[n].item() for n in names) for x in kept]
    assert desk.refused.get("would_take", 0) <= run.refused.get("would_take", 0) + 1


def test_a_plan_is_what_the_simulator_sends(world):
    """Planned and executed at the touch of the same row, a flip has the simulator's two fills."""
    rules = load_rules("standx-like", "BTC-USD")
    tape = world(60, 9, vol_bps=0.0)
    targets = np.repeat([1, -1, 0, -1, 1, 0], 10)
    run = simulate(tape, targets, rules)
    holding, fills = Holding(cash_usdt=19.0), []
    for u in range(1, 59):
        orders, _ = plan(int(targets[u - 1]), holding, tape.bid[u], tape.ask[u], rules)
        for order in orders:
            fill = execute(order, holding, tape.bid[u], tape.ask[u], rules)
            assert isinstance(fill, Fill)
            holding = holding.after(fill, rules)
            fills.append((u, fill.side, fill.price, pytest.approx(fill.qty)))
    kept = run.fills[run.fills["row"] < 59]
    assert [(f["row"], f["side"], f["price"], f["qty"]) for f in kept] == fills
    assert holding.equity(tape.mid[58], rules) == pytest.approx(run.equity_usdt[58], abs=1e-9)


def test_a_plan_says_what_is_missing():
    """Too little money, or a short on spot: the way out is planned, the entry is explained."""
    spot = load_rules("binance-spot", "BTC-USDT")
    orders, why = plan(1, Holding(cash_usdt=5.0), 90_000.0, 90_001.0, spot)
    assert not orders
    assert why.reason == "too_small"
    orders, why = plan(-1, Holding(cash_usdt=1.0, lots=20), 90_000.0, 90_001.0, spot)
    assert [o.side for o in orders] == [-1]
    assert why.reason == "no_short_on_spot"
    assert plan(0, Holding(cash_usdt=19.0), 90_000.0, 90_001.0, spot) == ([], None)


def test_a_resting_order_can_be_seen(world):
    """While it waits the desk shows the order; a position shows its entry price."""
    rules = load_rules("standx-like", "BTC-USD")
    desk = Desk(rules, Account(execution="post_only"))
    for k in range(2):
        desk.advance(1000 * k, 90_000.0, 90_001.0, 1.0, 1.0)
        desk.decide(1)
    assert desk.resting.limit == 90_000.0
    assert desk.position == 0
    desk.advance(2000, 89_990.0, 89_991.0, 1.0, 1.0)
    assert desk.position == 1
    assert desk.entry_price == 90_000.0
    assert desk.resting is None
