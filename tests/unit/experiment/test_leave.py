"""Out of the market without an agent: what a dead session holds is sold, whatever keeps its worker from starting."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from decot import clock
from decot.data.exchange.venue import point, serve
from decot.data.worlds import WorldConfig, make_world
from decot.errors import ConfigError, RiskHalt
from decot.experiment.leave import LeaveOrder, leave
from decot.experiment.live import LiveOrder, way_out
from decot.live import kill, reconcile
from decot.live.broker import Broker
from decot.live.journal import Journal
from decot.live.lease import Lease
from decot.live.snapshot import Publisher, Snapshot, live_folder
from decot.live.venue import Request
from decot.live.venue_ccxt import CcxtVenue
from decot.market.orders import Order
from decot.market.rules import load_rules

KEY, SECRET = "a-key-of-nobody-7391", "a-secret-of-nobody-5520"
RULES = load_rules("binance-spot", "BTC-USDT")
NAME = "live-of-a-test"


@pytest.fixture(scope="module")
def tape():
    return make_world(WorldConfig(days=1, seconds_per_day=300))


def shown(session, mode):
    """What a session last showed of itself."""
    still = {"position": 1, "quantity": 0.0001, "equity_usdt": 19.0, "day_pnl_usdt": 0.0, "drawdown_bps": 0.0}
    seen = {
        "session": session,
        "symbol": "BTC/USD",
        "mode": mode,
        "venue": RULES.name,
        "bid": 1.0,
        "ask": 2.0,
    }
    return Snapshot(time_ms=1, **seen, **still)


def show(home, mode="live"):
    Publisher(home, NAME).show(shown(NAME, mode))


@asynccontextmanager
async def abandoned(tape, home, *, rests=False, halted=False):
    """A venue, and a session of this home that bought 0.0001 there and is gone."""
    async with serve(tape, speed=1, wait_streams=0, keys={KEY: SECRET}) as venue:
        client = CcxtVenue("BTC/USD", key=KEY, secret=SECRET, prepare=lambda made: point(made, venue.port))
        show(home)
        journal = Journal.open(live_folder(home) / NAME / "journal.sqlite", "a worker", now_ms=now_ms())
        try:
            await client.open()
            broker = Broker(client, journal, RULES, now_ms=now_ms, sleep=sleep_ms, session=NAME)
            assert await reconcile.start(broker) == []
            await broker.submit(Order(side=1, qty=0.0001), *quote(venue), why="a test")
            if rests:
                far = round(quote(venue)[1] * 1.05 / RULES.tick) * RULES.tick
                await broker.submit(Order(side=-1, qty=0.00009, limit=far), *quote(venue), why="a test")
                assert len(venue.desk.open_orders()) == 1
            if halted:
                broker.halt("a person must look")
        finally:
            await client.close()
            journal.close()
        yield venue, client


def quote(venue):
    (feed,) = venue.replay.feeds
    bid, _, ask, _ = feed.rows[venue.replay.rows[feed.wire]][:4]
    return float(bid), float(ask)


def now_ms():
    return clock.now_us() // 1_000


async def sleep_ms(ms):
    await asyncio.sleep(ms / 1_000)


async def left(venue, home, **more):
    """`leave` blocks, and the venue lives in this loop."""
    order = LeaveOrder(session=NAME, home=str(home), **more)
    return await asyncio.to_thread(
        leave, order, key=KEY, secret=SECRET, prepare=lambda made: point(made, venue.port)
    )


def test_what_the_session_holds_is_sold_once(tape, tmp_path):
    """One order, and the venue says flat; asked again there is nothing to do."""

    async def drill():
        async with abandoned(tape, tmp_path) as (venue, _):
            said = await left(venue, tmp_path)
            assert (said["is_flat"], said["orders"], said["differences"]) == (True, 1, [])
            assert float(venue.desk.free["BTC"]) < RULES.lot
            again = await left(venue, tmp_path)
            assert (again["is_flat"], again["orders"]) == (True, 0)

    asyncio.run(drill())


@pytest.mark.parametrize("way", ["rests", "halted", "pulled"])
def test_nothing_that_keeps_a_worker_out_keeps_this_in(tape, tmp_path, way):
    """A resting order is taken back; neither a halt nor the kill switch forbids leaving."""

    async def drill():
        async with abandoned(tape, tmp_path, rests=way == "rests", halted=way == "halted") as (venue, _):
            if way == "pulled":
                kill.pull(tmp_path, who="a test", why="a test")
            said = await left(venue, tmp_path)
            assert said["is_flat"], said
            assert not venue.desk.open_orders()
            assert float(venue.desk.free["BTC"]) < RULES.lot

    asyncio.run(drill())


def test_a_trade_by_hand_is_told_and_everything_sells_all(tape, tmp_path):
    """The journal no longer fits the account: its own part is sold, the rest named, and sold only when asked for."""

    async def drill():
        async with abandoned(tape, tmp_path) as (venue, _):
            hand = CcxtVenue("BTC/USD", key=KEY, secret=SECRET, prepare=lambda made: point(made, venue.port))
            await hand.open()
            await hand.place(Request(client_id="by-hand", side=1, qty=0.00008))
            await hand.close()
            said = await left(venue, tmp_path)
            assert not said["is_flat"]
            assert "not in the journal" in said["differences"][0]
            assert "--everything" in said["card"]
            assert float(venue.desk.free["BTC"]) > 0.00007
            await left(venue, tmp_path, everything=True)
            assert float(venue.desk.free["BTC"]) < RULES.lot

    asyncio.run(drill())


def test_a_worker_that_lives_is_not_pushed_aside(tape, tmp_path):
    """Whoever holds the lease trades; the message says so."""

    async def drill():
        async with abandoned(tape, tmp_path) as (venue, _):
            lease = Lease(live_folder(tmp_path) / NAME / "lease").take("a worker")
            with pytest.raises(RiskHalt, match="another worker trades here"):
                await left(venue, tmp_path)
            lease.give_back()

    asyncio.run(drill())


@pytest.mark.parametrize(
    ("made", "told"),
    [("", "keeps no journal"), ("paper", "was on paper"), ("hidden", "never showed itself")],
)
def test_what_cannot_be_left_is_said(tmp_path, made, told):
    """No such session, a session on paper, one whose market nobody knows: each an error that names the way out."""
    if made:
        show(tmp_path, mode="paper")
        Journal.open(live_folder(tmp_path) / NAME / "journal.sqlite", "a worker", now_ms=1).close()
        if made == "hidden":
            (live_folder(tmp_path) / NAME / "snapshot.json").unlink()
    with pytest.raises(ConfigError, match=told):
        leave(LeaveOrder(session=NAME, home=str(tmp_path)), key=KEY, secret=SECRET)


def test_a_refusal_names_the_way_out(tmp_path):
    """Who may not be begun again is told how to sell what is held; on paper, or where nothing ever traded, nobody is."""
    order = LiveOrder(digest="3f2a9c1d" + "0" * 8, mode="live", home=str(tmp_path))
    assert way_out(order) == ""
    Publisher(tmp_path, "live-3f2a9c1d").show(shown("live-3f2a9c1d", "live"))
    Journal.open(live_folder(tmp_path) / "live-3f2a9c1d" / "journal.sqlite", "a worker", now_ms=1).close()
    assert way_out(order).endswith("decot leave live-3f2a9c1d")
    assert way_out(replace(order, session="live-3f2a9c1d")) == way_out(order)
    assert way_out(replace(order, session="another")) == way_out(replace(order, mode="paper")) == ""
