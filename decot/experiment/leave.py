"""Out of the market without an agent: what a live session that no longer runs still holds. Enters nothing, so it asks for
no certificate.

For the day a worker is gone and cannot be begun again: its code has changed since it was certified, its certificate was
revoked, the switch is pulled, it was halted. What it holds is what the journal says, and that begins with all the account
had of the coin when the session began (an account of its own is assumed); the venue has the last word.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from decot import clock
from decot.errors import ConfigError
from decot.live import reconcile
from decot.live.broker import Broker
from decot.live.journal import Journal
from decot.live.lease import Lease
from decot.live.reconcile import Flat
from decot.live.snapshot import live_folder, read_snapshot, sessions
from decot.live.venue_ccxt import CcxtVenue
from decot.market.rules import VenueRules, load_rules


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveOrder:
    """One session to be left, as a person asks for it."""

    session: str
    home: str = ".decot"
    symbol: str = ""
    """as the venue writes it; by default what the session last showed"""
    rules: str = ""
    """`VENUE/SYMBOL` of a rules snapshot; by default what the session last showed"""
    exchange: str = "binance"
    everything: bool = False
    """sell all the account has of the coin, also what the journal knows nothing of"""


def leave(
    order: LeaveOrder, *, key: str, secret: str, prepare: Callable[[Any], Any] | None = None
) -> dict[str, Any]:
    """Take back this session's orders and sell what it holds; blocks until the venue says so.

    Returns:
        session, symbol, is_flat, orders (sent now), left (what could not be left, and why), differences (between journal
        and venue), card.
    Raises:
        ConfigError: there is nothing to leave, or it is not known which market it was in.
        RiskHalt: a worker still trades there.
        VenueUnavailable: the venue does not say what the account holds.
    """
    folder = live_folder(Path(order.home)) / order.session
    symbol, rules = _market_of(order, folder)
    lease = Lease(folder / "lease").take("decot leave")
    try:
        journal = Journal.open(folder / "journal.sqlite", "decot leave", now_ms=_now_ms())
        try:
            differences, n_orders, flat = asyncio.run(
                _leave(order, journal, symbol, rules, key, secret, prepare)
            )
        finally:
            journal.close()
    finally:
        lease.give_back()
    return _told(order, symbol, differences, n_orders, flat)


def _market_of(order: LeaveOrder, folder: Path) -> tuple[str, VenueRules]:
    """Symbol and rules, and that there is a journal of orders at all."""
    home = Path(order.home)
    if not (folder / "journal.sqlite").is_file():
        known = ", ".join(sessions(home)) or "none"
        raise ConfigError(
            [f"session {order.session!r} keeps no journal under {home.resolve()}; known here: {known}"]
        )
    shown = read_snapshot(home, order.session)
    if shown is not None and shown.mode == "paper":
        raise ConfigError([f"session {order.session!r} was on paper: it holds nothing at any venue"])
    symbol, rules = (
        order.symbol or (shown.symbol if shown else ""),
        order.rules or (shown.venue if shown else ""),
    )
    if not symbol or not rules:
        raise ConfigError(
            [
                f"session {order.session!r} never showed itself; say --symbol (BTC/USDT) and --rules (binance-spot/BTC-USDT)"
            ]
        )
    venue, _, name = rules.partition("/")
    return symbol, load_rules(venue, name)


async def _leave(
    order: LeaveOrder,
    journal: Journal,
    symbol: str,
    rules: VenueRules,
    key: str,
    secret: str,
    prepare: Callable[[Any], Any] | None,
) -> tuple[list[str], int, Flat]:
    venue = CcxtVenue(symbol, key=key, secret=secret, exchange=order.exchange, prepare=prepare)
    try:
        await venue.open()
        broker = Broker(venue, journal, rules, now_ms=_now_ms, sleep=_sleep_ms, session=order.session)
        if broker.books.opening is None:
            raise ConfigError([f"session {order.session!r} never opened its books: it sent nothing"])
        broker.entries_stopped = "decot leave"
        before = broker.books.n_orders
        differences = await reconcile.start(broker)
        flat = await reconcile.flatten(broker, "decot leave", _nobody_knows, by_venue=order.everything)
        return differences, broker.books.n_orders - before, flat
    finally:
        await venue.close()


def _told(
    order: LeaveOrder, symbol: str, differences: list[str], n_orders: int, flat: Flat
) -> dict[str, Any]:
    base = symbol.partition("/")[0]
    head = f"{order.session}: {'flat' if flat.is_flat else 'NOT FLAT'}, {n_orders} orders sent, {flat.took_ms} ms"
    lines = [head, *(f"the journal differed: {one}" for one in differences)]
    if flat.left:
        lines.append(f"left: {flat.left}")
    if not flat.is_flat and not order.everything:
        lines.append(
            f"look at the account; --everything sells all the {base} it has, also what the journal knows nothing of"
        )
    return {
        "session": order.session,
        "symbol": symbol,
        "is_flat": flat.is_flat,
        "orders": n_orders,
        "left": flat.left,
        "differences": differences,
        "card": "\n".join(lines),
    }


def _nobody_knows() -> tuple[float, float]:
    """No feed is listened to: the venue alone judges the order."""
    return math.nan, math.nan


def _now_ms() -> int:
    return clock.now_us() // 1_000


async def _sleep_ms(ms: float) -> None:
    await asyncio.sleep(ms / 1_000)
