"""A real worker process for the drills: real ccxt.pro, real journal, real lease; only the mind is a coin.

Imported once by a fork server, which then makes a fresh process in milliseconds: heavy imports and compiled kernels are
loaded here, before anything is asked.
"""

from __future__ import annotations

import asyncio
import random
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ccxt.pro  # noqa: F401  loaded before the fork
import numpy as np

from decot import clock
from decot.data.exchange.venue import point
from decot.errors import DecotError
from decot.features.kernel import OUT_NAMES
from decot.live.broker import Broker, Patience
from decot.live.feed import CcxtFeed, WallPace
from decot.live.hand_live import LiveHand
from decot.live.journal import Journal
from decot.live.lease import Lease
from decot.live.risk import Guard, Limits
from decot.live.venue_ccxt import CcxtVenue
from decot.live.worker import Worker
from decot.live.worker_parts import WorkerConfig
from decot.market.account import Account
from decot.market.desk import plan
from decot.market.orders import Holding
from decot.market.rules import VenueRules, load_rules

SYMBOL, SESSION = "BTC/USD", "drill"


def rules() -> VenueRules:
    """Spot rules with fees so small that an account lives through hundreds of orders."""
    return replace(load_rules("binance-spot", "BTC-USDT"), maker_bps=1.0, taker_bps=1.0)


class Coin:
    """Long or flat by chance, changing its mind often, so that orders are nearly always under way."""

    def __init__(self, seed: int, eager: float) -> None:
        self.rng, self.eager, self.action = random.Random(seed), eager, 1

    def read(self, timestamp_ms: int, bar_row: Any) -> Any:
        return np.zeros(len(OUT_NAMES) + 31)

    def decide(self, row: Any, position: int) -> Any:
        if self.rng.random() < self.eager:
            self.action = 1 - self.action
        words = np.zeros(9, np.int8)
        return SimpleNamespace(action=self.action, words=words, forecasts=(), say=lambda lang: "a coin")


async def session(order: dict[str, Any]) -> Any:
    """One life of a worker on the loopback venue."""
    home, folder = Path(order["home"]), Path(order["home"]) / "live" / SESSION
    lease = Lease(folder / "lease").take(f"drill {order['seed']}")
    pace = WallPace(order.get("speed", 20.0), origin_us=order.get("origin_us"))

    def towards(client: Any) -> Any:
        return point(client, order["port"])

    now_ms = lambda: clock.now_us() // 1_000  # noqa: E731
    journal = Journal.open(folder / "journal.sqlite", f"drill {order['seed']}", now_ms=now_ms())
    venue = CcxtVenue(SYMBOL, key=order["key"], secret=order["secret"], prepare=towards)
    feed = CcxtFeed(SYMBOL, pace, prepare=towards, has_depth=False, stale_s=order.get("stale_s", 2.0))
    limits = Limits(
        **{"daily_loss_usdt": 15.0, "drawdown_bps": 9_000.0, "orders_per_minute": 1e6, **order["limits"]}
    )
    guard = Guard(limits)

    async def sleep(ms: float) -> None:
        await asyncio.sleep(ms / 1_000)

    try:
        await venue.open()
        if order.get("check_key"):
            faults = await venue.check_key()
            if faults:
                raise DecotError("; ".join(faults))
        broker = Broker(
            venue,
            journal,
            rules(),
            now_ms=now_ms,
            sleep=sleep,
            session=SESSION,
            patience=Patience(poll_ms=10, lag_ms=300),
        )
        hand = LiveHand(
            broker,
            Account(),
            touch=lambda: (worker.bid, worker.ask),
            on_sent=lambda t_ms, was_refused: guard.sent(t_ms, was_refused=was_refused),
        )
        config = WorkerConfig(
            session=SESSION,
            symbol=SYMBOL,
            mode="live",
            max_bars=order.get("max_bars", 0),
            reconcile_s=1.0,
            show_s=0.1,
        )
        worker = Worker(config, home, Coin(order["seed"], order.get("eager", 0.4)), hand, feed, pace, guard)
        worker.stop_on_signals()
        return await worker.run()
    finally:
        await feed.close()
        await venue.close()
        journal.close()
        lease.give_back()


def life(order: dict[str, Any]) -> None:
    """The entry of a process; everything it says goes to a log, as a supervisor would keep it."""
    log = open(Path(order["home"]) / "worker.log", "a", buffering=1)  # noqa: SIM115  lives as long as the process
    sys.stdout = sys.stderr = log
    try:
        ended = asyncio.run(session(order))
        print(f"ended: {ended}")
    except DecotError as error:
        print(f"refused: {type(error).__name__}: {error}")
        raise SystemExit(3) from error


def _warm() -> None:
    """Load the compiled kernels, so that a fork finds them."""
    plan(1, Holding(cash_usdt=19.0), 90_000.0, 90_001.0, rules(), Account())
    from decot.data.bars import BarStream

    bars = BarStream(1_000)
    for k in range(3):
        bars.on_book(k * 1_000_000, k * 1_000_000, 1.0, 1.0, 2.0, 1.0)
        bars.on_trade(k * 1_000_000, k * 1_000_000, 1.5, 1.0, 1)


_warm()
