"""The ccxt door against the loopback venue: answers, failures, rights, and no secret in any message."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from decot.data.exchange.venue import point, serve
from decot.data.worlds import WorldConfig, make_world
from decot.errors import RiskHalt
from decot.live.venue import Busy, Rejected, Request, Unclear
from decot.live.venue_ccxt import CcxtVenue
from decot.market.rules import load_rules

KEY, SECRET = "a-key-of-nobody-7391", "a-secret-of-nobody-5520"
RULES = load_rules("binance-spot", "BTC-USDT")


@pytest.fixture(scope="module")
def tape():
    return make_world(WorldConfig(days=1, seconds_per_day=300))


@asynccontextmanager
async def door(tape, secret=SECRET, **settings):
    async with serve(tape, speed=1, wait_streams=0, keys={KEY: SECRET}, **settings) as venue:
        client = CcxtVenue("BTC/USD", key=KEY, secret=secret, prepare=lambda made: point(made, venue.port))
        try:
            yield client, venue
        finally:
            await client.close()


def test_an_order_from_placing_to_its_fills(tape):
    """Market, post-only, cancel, query by our own id: as the venue has them."""

    async def drill():
        async with door(tape) as (client, venue):
            await client.open()
            report = await client.place(Request(client_id="a1", side=1, qty=0.0001))
            assert report.status == "filled"
            assert report.trades[0].fee_in == "base"
            assert (await client.my_trades(order_id=report.order_id))[0].trade_id == report.trades[0].trade_id
            resting = await client.place(
                Request(client_id="a2", side=-1, qty=0.00009, limit=99_000.0, is_post_only=True)
            )
            assert resting.status == "open"
            assert [one.client_id for one in await client.open_orders()] == ["a2"]
            await client.cancel("a2")
            assert (await client.query("a2")).status == "canceled"
            assert await client.query("never") is None
            money = await client.balances()
            assert money.base == pytest.approx(float(venue.desk.free["BTC"]))

    asyncio.run(drill())


def test_the_three_failures(tape):
    """Refused, told to wait, no answer: each is what it is."""

    async def drill():
        async with door(tape) as (client, venue):
            await client.open()
            with pytest.raises(Rejected, match="InsufficientFunds"):
                await client.place(Request(client_id="b1", side=1, qty=1.0))
            venue.arm("lost_reply")
            with pytest.raises(Unclear):
                await client.place(Request(client_id="b2", side=1, qty=0.0001))
            assert (await client.query("b2")).filled == pytest.approx(0.0001)
            venue.arm("http_503")
            with pytest.raises(Unclear):
                await client.place(Request(client_id="b3", side=-1, qty=0.00009))
            venue.arm("http_429")
            with pytest.raises(Busy):
                await client.place(Request(client_id="b4", side=-1, qty=0.00009))

    asyncio.run(drill())


def test_a_key_that_may_withdraw_is_named(tape):
    """One call tells; a key that may only trade has no fault."""

    async def faults_of(withdrawals):
        async with door(tape, withdrawals=withdrawals) as (client, _):
            await client.open()
            return await client.check_key()

    assert asyncio.run(faults_of(False)) == []
    assert "enableWithdrawals" in asyncio.run(faults_of(True))[0]


def test_other_steps_than_the_agents_are_named(tape):
    """The venue's tick, lot and minimum must be those the agent was judged with."""

    async def drill():
        async with door(tape) as (client, _):
            await client.open()
            assert client.unlike(RULES) == []
            other = client.unlike(replace(RULES, lot=0.001, min_qty=0.001))
            assert other[0].startswith("lot: the venue says 1e-05")

    asyncio.run(drill())


def test_no_message_holds_key_secret_or_signature(tape):
    """A wrong secret, refusals, lost answers: the words are the venue's, the secrets are not in them, chained or not."""

    async def drill():
        said = []
        async with door(tape, secret=SECRET + "x") as (client, venue):
            said.append(repr(client))
            await client.open()
            for call in (client.balances, client.check_key, lambda: client.query("z")):
                with pytest.raises((RiskHalt, Rejected, Unclear)) as caught:
                    await call()
                said += [str(caught.value), repr(caught.value.__cause__)]
            venue.arm("http_503", 2)
            with pytest.raises(Unclear) as caught:
                await client.place(Request(client_id="c", side=1, qty=0.0001))
            said += [str(caught.value), repr(caught.value.__cause__)]
        text = "\n".join(said)
        assert KEY not in text
        assert SECRET not in text
        assert "signature=" not in text.replace("signature=…", "")

    asyncio.run(drill())
