"""The broker on a venue made of dice: what is sent once, what is asked after, what is never done."""

from __future__ import annotations

import random

import pytest

from decot.errors import OrderRefused, VenueUnavailable
from decot.live.books import Books
from decot.live.broker import Broker, Patience
from decot.live.journal import Fenced, Journal
from decot.live.reconcile import flatten, reconcile, start
from decot.live.scripted import FastClock, Scripted, Troubles, drive
from decot.live.venue import Rejected, Unclear
from decot.market.orders import Order, Refusal
from decot.market.rules import load_rules

RULES = load_rules("binance-spot", "BTC-USDT")
CALM = Troubles(
    lost_reply=0, lost_request=0, late=0, busy=0, silent=0, old=0, doubled=0, dead=0, expired=0, pieces=0
)  # fmt: skip
BUY = Order(side=1, qty=0.0001)


def desk(tmp_path, troubles=CALM, seed=1, on_step=None):
    clock = FastClock()
    venue = Scripted(random.Random(seed), clock, RULES, troubles=troubles, on_step=on_step)
    journal = Journal.open(tmp_path / "j.sqlite", "me", now_ms=clock.now_ms(), reserve_bytes=0)
    broker = Broker(
        venue,
        journal,
        RULES,
        now_ms=clock.now_ms,
        sleep=clock.sleep,
        session="s",
        patience=Patience(settle_ms=8_000),
    )
    return broker, venue, clock


def buy(broker, order=BUY):
    return drive(broker.submit(order, 90_000.0, 90_000.0, why="test"))


def test_nothing_is_sent_before_the_account_was_reconciled(tmp_path):
    """A broker that has not compared itself with the venue refuses."""
    broker, venue, _ = desk(tmp_path)
    with pytest.raises(OrderRefused, match="reconciled"):
        buy(broker)
    assert venue.orders == []


def test_an_order_is_written_down_before_it_is_sent(tmp_path):
    """When the venue first sees the order, its intent is already in the journal."""
    seen = []
    broker, venue, _ = desk(
        tmp_path,
        on_step=lambda name: seen.append(len(broker.journal.events("intent"))) if name == "place" else None,
    )
    drive(start(broker))
    sent = buy(broker)
    assert seen == [1]
    assert sent.status == "filled"
    assert broker.books.base == pytest.approx(venue.money.base)
    assert broker.books.quote == pytest.approx(venue.money.quote)
    assert len(sent.client_id) <= 36


def test_a_lost_answer_is_asked_after_not_sent_again(tmp_path):
    """The venue took the order and nobody told us: one order, its fills booked."""
    broker, venue, _ = desk(tmp_path)
    drive(start(broker))
    venue.troubles = Troubles(**{**_plain(CALM), "lost_reply": 1.0})
    sent = buy(broker)
    assert len(venue.orders) == 1
    assert sent.status == "filled"
    assert sent.booked == pytest.approx(0.0001)


def test_a_lost_request_becomes_void_only_after_its_window(tmp_path):
    """Unknown to the venue: asked until the request could no longer arrive."""
    broker, venue, clock = desk(tmp_path)
    drive(start(broker))
    venue.troubles = Troubles(**{**_plain(CALM), "lost_request": 1.0})
    before = clock.now_ms()
    sent = buy(broker)
    assert sent.status == "void"
    assert clock.now_ms() - before > venue.recv_window_ms
    assert venue.orders == []


def test_a_late_request_is_found_or_void_and_never_both(tmp_path):
    """Over many seeds: what arrives in time is booked, what does not is void."""
    for seed in range(40):
        broker, venue, _ = desk(tmp_path / str(seed), seed=seed)
        drive(start(broker))
        venue.troubles = Troubles(**{**_plain(CALM), "late": 1.0})
        sent = buy(broker)
        venue.settle_all()
        assert (sent.status == "filled") == (len(venue.orders) == 1)


def test_while_an_order_is_in_doubt_no_other_enters(tmp_path):
    """A dead line leaves the first in doubt; the second is refused, not queued."""
    broker, venue, _ = desk(tmp_path)
    drive(start(broker))
    venue._dead_until = venue.clock.ms + 60_000
    sent = buy(broker)
    assert sent.status == "sent"
    with pytest.raises(OrderRefused, match="in doubt"):
        buy(broker)
    with pytest.raises(VenueUnavailable):
        drive(reconcile(broker, "timer"))
    venue.clock.advance(60_000)
    assert drive(reconcile(broker, "timer")) == []
    assert broker.books.orders[sent.client_id].status == "void"


def test_what_the_market_room_refuses_is_not_sent(tmp_path):
    """The same check as the simulator's: too small, off the lot, too dear."""
    broker, venue, _ = desk(tmp_path)
    drive(start(broker))
    refusals = [buy(broker, Order(side=1, qty=qty)) for qty in (0.00001, 0.000123456, 1.0)]
    assert all(isinstance(refused, Refusal) for refused in refusals)
    assert venue.orders == []
    assert broker.journal.events("intent") == []


def test_a_post_only_order_rests_is_replaced_and_taken_back(tmp_path):
    """Replacing sends what is left, once; what was filled before is booked."""
    broker, venue, clock = desk(tmp_path, seed=5)
    drive(start(broker))
    resting = buy(broker, Order(side=1, qty=0.0001, limit=89_990.0, is_post_only=True))
    assert resting.status == "open"
    again = drive(broker.replace(resting.client_id, 89_995.0, 90_000.0, 90_001.0))
    clock.advance(100)
    last = again if again is not None else resting
    done = drive(broker.cancel(last.client_id))
    assert done.is_closed
    assert sum(fill["qty"] for fill in broker.books.fills) == pytest.approx(
        sum(trade.qty for trade in venue.trades)
    )


def test_a_fenced_broker_does_not_send(tmp_path):
    """A twin opened the journal: the first one's next order never leaves."""
    broker, venue, clock = desk(tmp_path)
    drive(start(broker))
    Journal.open(tmp_path / "j.sqlite", "twin", now_ms=clock.now_ms(), reserve_bytes=0)
    with pytest.raises(Fenced):
        buy(broker)
    assert venue.orders == []


def test_a_stop_between_intent_and_sending_is_obeyed(tmp_path):
    """Entries stopped after the intent was written: the order is not sent."""
    broker, venue, _ = desk(tmp_path)
    drive(start(broker))
    write = broker.note

    def note(kind, client_id, said):
        found = write(kind, client_id, said)
        if kind == "intent":
            broker.entries_stopped = "kill switch"
        return found

    broker.note = note
    assert buy(broker).status == "rejected"
    assert venue.orders == []


def test_a_trade_by_hand_is_a_mismatch_that_halts_and_flattens(tmp_path):
    """Somebody else's trade is found at the next reconciliation; we leave by the venue's own figures."""
    broker, venue, _ = desk(tmp_path)
    drive(start(broker))
    venue.foreign_trade(1, 0.0001)
    found = drive(reconcile(broker, "timer"))
    assert any("not in the journal" in line for line in found)
    assert not broker.is_ready
    broker.halt("; ".join(found))
    drive(flatten(broker, "mismatch", lambda: (90_000.0, 90_000.0), by_venue=True))
    assert abs(venue.money.base) < RULES.lot
    assert Books.of(RULES, broker.journal.events()).halted


def test_flat_is_confirmed_by_the_venue(tmp_path):
    """Leaving sells what is held, cancels what rests, and says how long it took."""
    broker, venue, _ = desk(tmp_path)
    drive(start(broker))
    buy(broker)
    flat = drive(flatten(broker, "kill", lambda: (90_000.0, 90_000.0)))
    assert flat.is_flat
    assert flat.took_ms < 1_000
    assert venue.money.base < RULES.lot


def test_the_failures_of_a_venue_are_told_apart():
    """Who catches Unclear must not catch Rejected."""
    assert not issubclass(Rejected, Unclear)
    assert issubclass(Unclear, VenueUnavailable)


def _plain(troubles):
    return {name: getattr(troubles, name) for name in troubles.__dataclass_fields__}
