"""What the journal adds up to, after any number of orders: the same sums, at the same cost."""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest

from decot.live import books as room
from decot.live.books import Books
from decot.live.reconcile import unlike
from decot.live.venue import Balances
from decot.market.rules import load_rules

RULES = load_rules("binance-spot", "BTC-USDT")


def entry_again(fills, lot):
    """The mean price of the open position, from all fills at once."""
    lots = cost = 0.0
    for side, qty, price in fills:
        signed = side * qty
        if lots * signed >= 0:
            cost += signed * price
        elif abs(signed) < abs(lots):
            cost *= 1 + signed / lots
        else:
            cost = (lots + signed) * price
        lots += signed
        if abs(lots) < lot / 2:
            lots = cost = 0.0
    return cost / lots if lots else 0.0


def traded(n, seed=1):
    """Books after n orders of one or two fills, long and short, and every fill there was."""
    dice, books, fills = random.Random(seed), Books(RULES), []
    books.take("opening", 0, "", {"base": 0.0, "quote": 1e6, "trade_id": 0}, 1)
    for k in range(n):
        name, side = f"o{k}", dice.choice((-1, 1))
        pieces = [dice.randrange(1, 5) * RULES.lot for _ in range(dice.choice((1, 2)))]
        said = {"side": side, "qty": sum(pieces), "limit": None, "post": False, "why": ""}
        books.take("intent", k, name, said, 1)
        books.take("ack", k, name, {"order_id": str(k), "filled": 0.0}, 1)
        for qty in pieces:
            price = 90_000.0 + dice.randrange(1_000)
            fills.append((side, qty, price))
            more = {
                "trade_id": len(fills),
                "side": side,
                "qty": qty,
                "price": price,
                "fee": 0.0,
                "fee_in": "quote",
            }
            books.take("fill", k, name, more, 1)
        books.take("done", k, name, {"status": "filled"}, 1)
        if books.holding.lots:
            assert books.entry_price == pytest.approx(entry_again(fills, RULES.lot), rel=1e-6)
    return books, fills


def test_the_open_position_costs_what_its_fills_did():
    """Carried along fill by fill, through flips and partial exits: what all fills at once say."""
    books, fills = traded(300)
    assert books.base == pytest.approx(sum(side * qty for side, qty, _ in fills))
    assert books.quote == pytest.approx(1e6 - sum(side * qty * price for side, qty, price in fills))


def test_what_is_over_is_not_kept_for_ever(monkeypatch):
    """Only the last are at hand, all are counted, and what is open is never forgotten."""
    monkeypatch.setattr(room, "KEPT", 50)
    books, fills = Books(RULES), 0
    said = {"side": 1, "qty": RULES.lot, "limit": 1.0, "post": True, "why": ""}
    books.take("intent", 0, "rests", said, 1)
    books.take("ack", 0, "rests", {"order_id": "r", "filled": 0.0}, 1)
    more, fills = traded(400)
    assert (more.n_orders, more.n_fills) == (400, len(fills))
    assert len(more.orders) == len(more.by_order_id) == len(more.fills) == 50
    assert more.is_known(len(fills))
    assert not more.is_known(1)
    assert more.unclosed == []
    for k in range(200):
        books.take("intent", k, f"o{k}", said, 1)
        books.take("ack", k, f"o{k}", {"order_id": str(k), "filled": 0.0}, 1)
        books.take("done", k, f"o{k}", {"status": "canceled"}, 1)
    assert [order.client_id for order in books.unclosed] == ["rests"]
    assert books.by_order_id["r"] == "rests"


@pytest.mark.parametrize(("n", "apart", "is_told"), [(0, 1e-8, False), (0, 1e-7, True), (10**6, 1e-5, True)])
def test_a_difference_is_told_however_many_fees_were_rounded(n, apart, is_told):
    """Rounding excuses little after few fills, and never as much as could be traded."""
    books = Books(RULES, base=0.001, quote=10.0, n_fills=n)
    broker = SimpleNamespace(books=books, rules=RULES)
    assert bool(unlike(broker, Balances(0.001 + apart, 10.0))) == is_told
