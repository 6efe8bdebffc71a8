"""The venue's own judgement of orders, on numbers small enough to check by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decot.data.exchange.matching import Desk
from decot.data.exchange.orders import Reject, Top
from decot.data.exchange.rules import Rules, split_symbol, wire_symbol
from decot.errors import ConfigError

D = Decimal


def desk(usdt="100", btc="0", **rules) -> Desk:
    events: list[dict] = []
    one = Desk({"USDT": usdt, "BTC": btc}, lambda: 1_000, events.append)
    one.events = events
    one.open_market(Top("BTCUSDT", "BTC", "USDT", Rules.of(rules)))
    book(one, [(99, 1), (98, 2)], [(100, "0.1"), (101, 1)])
    return one


def book(one: Desk, bids, asks) -> None:
    def rows(levels):
        return [[D(str(p)), D(str(q))] for p, q in levels]

    one.on_book("BTCUSDT", rows(bids), rows(asks))


def order(side="BUY", kind="LIMIT", quantity="0.1", price="100", **more) -> dict:
    base = {"symbol": "BTCUSDT", "side": side, "type": kind, "quantity": quantity, **more}
    return base if kind == "MARKET" else base | {"price": price}


def code(one: Desk, params: dict) -> tuple[int, str]:
    with pytest.raises(Reject) as caught:
        one.place(params)
    return caught.value.code, caught.value.message


def test_a_market_order_walks_the_ladder_and_pays_the_taker_fee():
    """0.2 at the market takes 0.1 at 100 and 0.1 at 101; the fee of 10 bps comes off the base received."""
    one = desk()
    answer = one.place(order(kind="MARKET", quantity="0.2"))
    assert answer["status"] == "FILLED"
    assert [(f["price"], f["qty"]) for f in answer["fills"]] == [
        ("100.00000000", "0.10000000"),
        ("101.00000000", "0.10000000"),
    ]
    assert one.free["USDT"] == D("100") - D("20.1")
    assert one.free["BTC"] == D("0.2") * D("0.999")


def test_liquidity_taken_is_gone_until_the_next_row():
    """Two orders cannot both take the same displayed quantity."""
    one = desk()
    one.place(order(quantity="0.1"))
    second = one.place(order(quantity="0.1", timeInForce="IOC"))
    assert second["status"] == "EXPIRED"
    assert second["executedQty"] == "0.00000000"


def test_fill_or_kill_is_all_or_nothing():
    """A FOK larger than what is there changes nothing; one that fits fills whole."""
    one = desk()
    assert one.place(order(quantity="0.2", timeInForce="FOK"))["status"] == "EXPIRED"
    assert one.free["USDT"] == D("100")
    assert one.place(order(quantity="0.1", timeInForce="FOK"))["status"] == "FILLED"


def test_immediate_or_cancel_keeps_what_it_got():
    """An IOC takes what is there and lets the rest go, funds returned."""
    one = desk()
    answer = one.place(order(quantity="0.3", timeInForce="IOC"))
    assert (answer["status"], answer["executedQty"]) == ("EXPIRED", "0.10000000")
    assert one.free["USDT"] == D("90")
    assert one.locked["USDT"] == 0


def test_a_resting_order_waits_behind_the_queue_and_fills_in_parts():
    """At 99 one unit stands before us: 1.04 sold there leaves us 0.04, a trade through the price the rest."""
    one = desk()
    one.place(order(price="99", quantity="0.1", newClientOrderId="a"))
    one.on_trade("BTCUSDT", D(99), D("0.5"), -1)
    one.on_trade("BTCUSDT", D(99), D("0.54"), -1)
    mine = one.find({"symbol": "BTCUSDT", "origClientOrderId": "a"})
    assert (mine.status, mine.filled) == ("PARTIALLY_FILLED", D("0.04"))
    one.on_trade("BTCUSDT", D(99), D("5"), +1)
    assert mine.filled == D("0.04"), "a buyer's trade does not hit a bid"
    one.on_trade("BTCUSDT", D(98), D("5"), -1)
    assert mine.status == "FILLED"
    assert one.fills[-1]["isMaker"]
    assert one.free["USDT"] == D("100") - D("9.9")


def test_a_quote_through_a_resting_price_fills_it():
    """When sellers come down to our bid, we were there first."""
    one = desk()
    one.place(order(price="99", quantity="0.1"))
    book(one, [(97, 1)], [(98, 1)])
    assert one.orders[1].status == "FILLED"
    assert one.orders[1].quote_filled == D("9.9"), "at our price, not the better one"


@pytest.mark.parametrize(
    ("params", "wanted"),
    [
        (order(quantity="0.000001"), (-1013, "Filter failure: LOT_SIZE")),
        (order(quantity="0.100001"), (-1013, "Filter failure: LOT_SIZE")),
        (order(price="100.001"), (-1013, "Filter failure: PRICE_FILTER")),
        (order(quantity="0.04"), (-1013, "Filter failure: NOTIONAL")),
        (order(quantity="2"), (-2010, "Account has insufficient balance for requested action.")),
        (order(side="SELL"), (-2010, "Account has insufficient balance for requested action.")),
        (order(kind="LIMIT_MAKER"), (-2010, "Order would immediately match and take.")),
        (order(kind="STOP_LOSS"), (-1116, "Invalid orderType.")),
        (order(side="HOLD"), (-1117, "Invalid side.")),
        (order(timeInForce="GTX"), (-1115, "Invalid timeInForce.")),
        (order(quantity="x"), None),
        (order(quantity="NaN"), None),
        ({**order(), "symbol": "DOGE"}, (-1121, "Invalid symbol.")),
    ],
)
def test_an_order_the_venue_would_not_take_is_refused_with_its_code(params, wanted):
    """Each filter answers with the code a real venue gives, and nothing moves."""
    one = desk()
    got = code(one, params)
    assert wanted is None or got == wanted
    assert one.free["USDT"] == D(100)
    assert not one.orders


def test_a_client_id_may_not_be_open_twice():
    """The same client id is refused while its order is open and accepted afterwards."""
    one = desk()
    one.place(order(price="98", quantity="0.1", newClientOrderId="x"))
    assert code(one, order(price="98", newClientOrderId="x")) == (-2010, "Duplicate order sent.")
    one.cancel({"symbol": "BTCUSDT", "origClientOrderId": "x"})
    assert one.place(order(price="98", newClientOrderId="x"))["status"] == "NEW"
    with pytest.raises(Reject, match="Unknown order"):
        one.cancel({"symbol": "BTCUSDT", "orderId": "1"})


step = st.tuples(
    st.sampled_from(["BUY", "SELL"]),
    st.sampled_from(["LIMIT", "MARKET", "LIMIT_MAKER"]),
    st.sampled_from(["GTC", "IOC", "FOK"]),
    st.integers(1, 40),
    st.integers(9_700, 10_300),
    st.sampled_from(["place", "cancel", "book", "trade"]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(step, max_size=40))
def test_what_leaves_one_pocket_arrives_in_another(steps):
    """Over any script, balances + fees change exactly by what the fills say, and nothing is ever negative."""
    one = desk(usdt="1000", btc="1", min_notional="1")
    for side, kind, tif, size, cents, act in steps:
        price = D(cents) / 100
        try:
            if act == "place":
                one.place(order(side, kind, str(D(size) / 100), str(price), timeInForce=tif))
            elif act == "cancel":
                one.cancel({"symbol": "BTCUSDT", "orderId": str(size % 7 + 1)})
            elif act == "book":
                book(one, [(price - D("0.5"), 1), (price - 1, 2)], [(price + D("0.5"), size), (price + 1, 1)])
            else:
                one.on_trade("BTCUSDT", price, D(size) / 50, 1 if side == "BUY" else -1)
        except Reject:
            pass
        assert all(amount >= 0 for amount in [*one.free.values(), *one.locked.values()])
    base = quote = D(0)
    for fill in one.fills:
        sign, quantity = (1 if fill["isBuyer"] else -1), D(fill["qty"])
        fee = D(fill["commission"])
        base += sign * quantity - (fee if fill["isBuyer"] else 0)
        quote -= sign * quantity * D(fill["price"]) + (0 if fill["isBuyer"] else fee)
    assert one.free["BTC"] + one.locked.get("BTC", 0) == pytest.approx(D(1) + base, abs=D("1e-6"))
    assert one.free["USDT"] + one.locked.get("USDT", 0) == pytest.approx(D(1000) + quote, abs=D("1e-5"))
    for mine in one.open_orders():
        need = mine.left * mine.price if mine.is_buy else mine.left
        assert mine.locked == need
    assert all(o.status == "FILLED" for o in one.orders.values() if o.left == 0)


def test_symbols_are_read_as_people_write_them():
    """BTC/USDT, BTC-USD, btcusdt and perp names all split; nonsense is refused with a way out."""
    assert split_symbol("BTC-USD") == ("BTC", "USD")
    assert split_symbol("eth/usdt:USDT") == ("ETH", "USDT")
    assert wire_symbol("btcusdt") == "BTCUSDT"
    with pytest.raises(ConfigError, match="BASE/QUOTE"):
        split_symbol("XYZ")


def test_rules_come_from_whatever_carries_them():
    """A mapping or a VenueRules-like object gives the venue its filters; a wrong number is refused."""

    class Snapshot:
        tick, lot, min_notional_usdt, taker_bps = 0.1, 0.001, 10.0, 5

    rules = Rules.of(Snapshot())
    assert (rules.tick, rules.min_notional, rules.taker_bps) == (D("0.1"), D("10.0"), D(5))
    with pytest.raises(ConfigError, match="tick"):
        Rules.of({"tick": 0, "lot": "x"})
