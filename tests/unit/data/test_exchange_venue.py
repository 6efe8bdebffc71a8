"""The loopback venue against unmodified ccxt clients, on a tape made on the spot."""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import suppress

import numpy as np
import polars as pl
import pytest

from decot.data.exchange.faults import Faults, Weather, garble
from decot.data.exchange.feed import Feed, Frames
from decot.data.exchange.venue import point, serve
from decot.errors import ConfigError

SYMBOL = "BTC/USDT"


def tape(seconds: int = 60, seed: int = 1, symbol: str = SYMBOL) -> Frames:
    """A random walk on a 0.01 grid: 20 book rows and 5 trades a second."""
    rng = np.random.default_rng(seed)
    start, n, m = 1_700_000_000_000_000, seconds * 20, seconds * 5
    at = start + np.sort(rng.integers(0, seconds * 1_000_000, n)) // 1000 * 1000
    mid = 10_000 + np.cumsum(rng.integers(-1, 2, n))
    sizes = rng.integers(100, 500, (n, 2)) / 1000
    book = pl.DataFrame(
        {
            "ts_us": at,
            "recv_us": at + 300,
            "bid": (mid - 1) / 100,
            "bid_qty": sizes[:, 0],
            "ask": (mid + 1) / 100,
            "ask_qty": sizes[:, 1],
        }
    ).with_columns(
        bid_qty_5=pl.col("bid_qty") * 5,
        ask_qty_5=pl.col("ask_qty") * 5,
        bid_qty_20=pl.col("bid_qty") * 20,
        ask_qty_20=pl.col("ask_qty") * 20,
    )
    row = np.sort(rng.integers(0, n, m))
    side = rng.choice([-1, 1], m).astype(np.int8)
    trades = pl.DataFrame(
        {
            "ts_us": at[row],
            "recv_us": at[row] + 500,
            "trade_id": np.arange(500, 500 + m),
            "price": (mid[row] + side) / 100,
            "quantity": rng.integers(1, 100, m) / 1000,
            "side": side,
        }
    )
    return Frames(symbol, trades, book)


def client(port: int, **settings):
    import ccxt.pro

    keys = {"apiKey": "loopback", "secret": "loopback", "enableRateLimit": False}
    return point(ccxt.pro.binance({**keys, **settings}), port)


async def forever(watch):
    while True:
        await watch(SYMBOL)


def meet(story, *, the_tape=None, **settings):
    """Open a venue and a client, let the story happen, close both."""

    async def main():
        async with serve(the_tape or tape(), **settings) as venue:
            one = client(venue.port)
            try:
                return await asyncio.wait_for(story(venue, one), 120)
            finally:
                await one.close()

    return asyncio.run(main())


def test_an_unmodified_client_reads_markets_and_streams():
    """load_markets, trades, book, best bid/ask, ticker and candles all arrive with the tape's own numbers."""

    async def story(venue, one):
        await one.load_markets()
        assert one.market(SYMBOL)["limits"]["cost"]["min"] == 5
        trades = await one.watch_trades(SYMBOL)
        assert trades[0]["id"] == "500"
        book = await one.watch_order_book(SYMBOL)
        assert len(book["bids"]) == 20
        assert book["bids"][0][0] < book["asks"][0][0]
        quotes = await one.watch_bids_asks([SYMBOL])
        assert quotes[SYMBOL]["bid"] > 0
        assert (await one.watch_ticker(SYMBOL))["last"] > 0
        assert (await one.watch_ohlcv(SYMBOL, "1m"))[0][5] > 0
        await venue.done.wait()
        candles = await one.fetch_ohlcv(SYMBOL, "1m")
        volume = sum(candle[5] for candle in candles)
        assert volume == pytest.approx(long.trades["quantity"].sum())

    long = tape(500)  # five seconds at this speed: a busy machine takes its time to subscribe
    meet(story, the_tape=long, speed=100)


def test_the_depth_stream_rebuilds_the_book_the_venue_shows():
    """ccxt's book after hundreds of diffs (each U following the last u) equals the REST snapshot."""

    async def story(venue, one):
        await one.load_markets()
        updates = 0
        while not venue.done.is_set():
            try:
                book = await asyncio.wait_for(one.watch_order_book(SYMBOL), 0.5)
                updates += 1
            except TimeoutError:
                break
        rest = await one.fetch_order_book(SYMBOL, 20)
        assert updates > 50
        assert [level[:2] for level in book["bids"][:20]] == rest["bids"]
        assert [level[:2] for level in book["asks"][:20]] == rest["asks"]

    meet(story, speed=50)


def test_orders_go_round_the_whole_way():
    """Market, resting, cancelled and WebSocket orders; the user stream tells each step; balances add up."""

    async def story(venue, one):
        await one.load_markets()
        told = []

        async def listen():
            while True:
                told.extend((o["clientOrderId"], o["status"]) for o in await one.watch_orders(SYMBOL))

        ear = asyncio.ensure_future(listen())
        await one.watch_trades(SYMBOL)
        await asyncio.sleep(0.1)
        bought = await one.create_order(SYMBOL, "market", "buy", 0.06, None, {"newClientOrderId": "a"})
        assert (bought["status"], bought["filled"]) == ("closed", 0.06)
        assert bought["fees"][0]["cost"] == pytest.approx(0.06 * 0.001)
        resting = await one.create_order(SYMBOL, "limit", "buy", 0.06, 90, {"newClientOrderId": "b"})
        assert (await one.fetch_open_orders(SYMBOL))[0]["clientOrderId"] == "b"
        assert (await one.cancel_order(resting["id"], SYMBOL))["status"] == "canceled"
        sold = await one.create_order_ws(SYMBOL, "market", "sell", 0.055, None, {"newClientOrderId": "c"})
        assert sold["status"] == "closed"
        mine = await one.fetch_my_trades(SYMBOL)
        assert sum(trade["amount"] for trade in mine) == pytest.approx(0.115)
        total = (await one.fetch_balance())["total"]
        spent = sum(t["cost"] * (1 if t["side"] == "buy" else -0.999) for t in mine)
        assert total["USDT"] == pytest.approx(50 - spent, abs=1e-6)
        assert total["BTC"] == pytest.approx(0.06 * 0.999 - 0.055)
        await asyncio.sleep(0.2)
        ear.cancel()
        assert [step for step in told if step[0] == "b"] == [("b", "open"), ("b", "canceled")]
        assert ("c", "closed") in told
        assert not (await one.sapiGetAccountApiRestrictions())["enableWithdrawals"]
        assert (await one.fetch_trading_fee(SYMBOL))["taker"] == 0.001

    meet(story, speed=5, balances={"USDT": 50})


def test_trouble_looks_like_trouble_to_the_client():
    """Wrong secret, clock skew, bans, a lost reply and a cut socket reach ccxt as it reports them in the wild."""
    import ccxt

    async def story(venue, one):
        await one.load_markets()
        await one.watch_trades(SYMBOL)
        stranger = client(venue.port, secret="wrong")
        with pytest.raises(ccxt.AuthenticationError):
            await stranger.fetch_balance()
        await stranger.close()

        venue.weather.set(venue.weather.faults.changed({"skew_ms": 20_000}))
        with pytest.raises(ccxt.InvalidNonce):
            await one.fetch_balance()
        await one.load_time_difference()
        one.options["adjustForTimeDifference"] = True
        assert (await one.fetch_balance())["free"]["USDT"] == 19

        venue.arm("http_429")
        with pytest.raises(ccxt.DDoSProtection):
            await one.fetch_order_book(SYMBOL)
        assert float(one.last_response_headers["Retry-After"]) == pytest.approx(0.2)
        with pytest.raises(ccxt.DDoSProtection):
            await one.fetch_order_book(SYMBOL)
        assert venue.state()["requests_while_banned"] == 1
        await asyncio.sleep(0.25)

        venue.arm("lost_reply")
        with pytest.raises(ccxt.ExchangeNotAvailable):
            await one.create_order(SYMBOL, "limit", "buy", 0.06, 90, {"newClientOrderId": "ghost"})
        assert (await one.fetch_order(None, SYMBOL, {"origClientOrderId": "ghost"}))["status"] == "open"

        venue.cut()
        with pytest.raises(ccxt.NetworkError):
            await forever(one.watch_trades)
        assert await asyncio.wait_for(one.watch_trades(SYMBOL), 5)

    meet(story, speed=5, faults=Faults(retry_after_s=0.2))


def test_history_is_paged_by_id_and_by_time():
    """aggTrades from an id or a time and historicalTrades from an id walk the whole tape once."""

    async def story(venue, one):
        await one.load_markets()
        await venue.done.wait()
        whole = tape().trades
        seen, at = [], 0
        params = {"fetchTradesMethod": "publicGetHistoricalTrades"}
        while page := await one.fetch_trades(SYMBOL, limit=100, params={**params, "fromId": at}):
            seen += page
            at = int(page[-1]["id"]) + 1
        assert [int(trade["id"]) for trade in seen] == whole["trade_id"].to_list()
        assert [trade["price"] for trade in seen] == whole["price"].to_list()
        assert [trade["side"] == "buy" for trade in seen] == (whole["side"] > 0).to_list()
        aggregates = await one.fetch_trades(SYMBOL, since=whole["ts_us"][0] // 1000, limit=1000)
        assert sum(trade["amount"] for trade in aggregates) == pytest.approx(whole["quantity"].sum())
        assert int(aggregates[-1]["info"]["l"]) == whole["trade_id"][-1]

    meet(story, speed=0, wait_streams=0)


def test_the_same_seed_is_the_same_weather():
    """Faults depend on seed, stream and frame number alone; over many frames they come as often as asked."""
    one, two = Weather(Faults.all(0.05, seed=3)), Weather(Faults.all(0.05, seed=3))
    other = Weather(Faults.all(0.05, seed=4))
    numbers = random.Random(0).choices(range(20_000), k=3_000)
    assert [one.frame("x", n) for n in range(9_000)] == [two.frame("x", n) for n in range(9_000)]
    assert [one.frame("y", n) for n in numbers] == [two.frame("y", n) for n in numbers]
    assert [one.frame("x", n) for n in range(999)] != [other.frame("x", n) for n in range(999)]
    assert one.seen["drop"] / 12_999 == pytest.approx(0.05, abs=0.01)


def test_faults_that_cannot_be_are_all_named():
    """A probability above one and an unknown name are refused in one message each."""
    with pytest.raises(ConfigError, match=r"(?s)drop.*stall"):
        Faults(drop=2, stall=-1)
    with pytest.raises(ConfigError, match="hail"):
        Faults().changed({"hail": 1})


def test_a_garbled_frame_is_never_the_frame():
    """Two thousand broken frames: none parses to the original."""
    feed, rng = Feed(tape(5), tick=0.01), random.Random(5)
    frame = feed.trade_frame(0, 1_700_000_000_000)
    for _ in range(2_000):
        broken = garble(frame, rng)
        with suppress(ValueError, RecursionError):
            assert json.loads(broken) != json.loads(frame)


def test_two_symbols_share_one_venue_and_the_control_page_steers_it():
    """Each symbol trades on its own tape; faults, speed and pause are set by HTTP on loopback."""
    import aiohttp

    both = [tape(20), tape(20, seed=2, symbol="ETH/USDT")]

    async def story(venue, one):
        await one.load_markets()
        assert {SYMBOL, "ETH/USDT"} <= set(one.symbols)
        async with aiohttp.ClientSession() as session:
            url = f"{venue.url}/_control"
            wish = {"faults": {"drop": 0.5}, "arm": {"http_503": 1}, "speed": 1000}
            async with session.post(url, json=wish) as reply:
                assert (await reply.json())["speed"] == 1000
            async with session.post(url, json={"faults": {"hail": 1}}) as reply:
                assert reply.status == 400
            async with session.get(f"{venue.url}/api/v3/time") as reply:
                assert reply.status == 503
            async with session.get(f"{venue.url}/api/v3/nothing") as reply:
                assert (reply.status, (await reply.json())["code"]) == (404, -1)
        assert venue.weather.faults.drop == 0.5
        books = [await one.fetch_order_book(symbol) for symbol in (SYMBOL, "ETH/USDT")]
        assert books[0]["bids"] != books[1]["bids"]

    meet(story, the_tape=both, speed=1)


def test_a_tape_stamped_now_begins_now():
    """With stamp="now" the wire's times are the wall's, and REST history is asked in the same times."""
    from decot import clock

    async def story(venue, one):
        await one.load_markets()
        first = (await one.watch_trades(SYMBOL))[0]
        assert abs(first["timestamp"] - clock.now_us() // 1000) < 2_000
        await venue.done.wait()
        page = await one.fetch_trades(SYMBOL, since=first["timestamp"], limit=1000)
        assert page[0]["timestamp"] >= first["timestamp"]

    meet(story, speed=60, stamp="now")


def test_settings_that_cannot_be_are_refused_before_a_port_is_opened():
    """A negative speed and an unknown stamp come back in one message."""

    async def main():
        async with serve(tape(5), speed=-1, stamp="then"):
            pass

    with pytest.raises(ConfigError, match=r"(?s)stamp.*speed"):
        asyncio.run(main())
