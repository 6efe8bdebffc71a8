"""Is the account what the journal says? And out of the market, until the venue confirms it. Knows a broker, no strategy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from decot.errors import VenueUnavailable
from decot.live.books import whole_lots
from decot.live.broker import Broker
from decot.live.venue import Balances, Busy, Unclear
from decot.market.orders import Order, validate

Answer = TypeVar("Answer")

ATTEMPTS = 8
CENT = 0.01
"""quote currency: however many fees were rounded, more than this is a difference"""
OVERLAP = 50
"""trades asked for again, so that one that showed late is seen"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flat:
    """How leaving went."""

    is_flat: bool
    """nothing is held that the venue would let us sell, and nothing is open, as the venue says"""
    lots: int
    took_ms: int
    left: str = ""
    """what could not be left, and why"""


async def open_books(broker: Broker) -> None:
    """First start of a journal: what the account had before our time.

    Raises:
        VenueUnavailable: the venue does not answer.
    """
    if broker.books.opening is not None:
        return
    trades = await patiently(broker, lambda: broker.venue.my_trades())
    balances = await patiently(broker, broker.venue.balances)
    last = max((trade.trade_id for trade in trades), default=0)
    broker.note("opening", "", {"base": balances.base, "quote": balances.quote, "trade_id": last})


async def reconcile(broker: Broker, why: str) -> list[str]:
    """Every difference between journal and venue; ours that were lost in between are found and written down first.

    Raises:
        VenueUnavailable: the venue does not answer, so nothing is known: do not trade.
    """
    async with broker.one:
        found = await _differences(broker)
        kind = "mismatch" if found else "reconciled"
        broker.note(kind, "", {"why": why, "differences": found})
        broker.is_ready = not found
        return found


async def start(broker: Broker) -> list[str]:
    """What a worker does before its first order: open the books, take back what still rests, reconcile."""
    await open_books(broker)
    async with broker.one:
        for order in broker.books.unclosed:
            await broker.settle(order)
            if not order.is_closed and order.order_id and order.limit is not None:
                await broker.take_back(order)
    return await reconcile(broker, "start")


async def _differences(broker: Broker) -> list[str]:
    for order in broker.books.unclosed:
        if not await broker.settle(order):
            raise VenueUnavailable(
                f"order {order.client_id} is still in doubt; nothing is sent until the venue says what became of it"
            )
    found = await _strangers(broker)
    since = max(broker.books.first_trade_id + 1, broker.books.last_trade_id - OVERLAP)
    for trade in await patiently(broker, lambda: broker.venue.my_trades(from_id=since)):
        client_id = broker.books.by_order_id.get(trade.order_id)
        if client_id is None:
            found.append(
                f"trade {trade.trade_id} belongs to order {trade.order_id}, which is not in the journal"
            )
        elif broker.books.orders[client_id].is_closed:
            before = broker.books.n_fills
            broker.book(broker.books.orders[client_id], [trade])
            if broker.books.n_fills > before:
                found.append(f"trade {trade.trade_id} came after its order was over")
        else:
            broker.book(broker.books.orders[client_id], [trade])
    return found + await _money(broker)


async def _strangers(broker: Broker) -> list[str]:
    """Orders open at the venue that the journal does not have open; asked again while the list may only be old."""
    found: list[str] = []
    for _ in range(ATTEMPTS):
        still = await patiently(broker, broker.venue.open_orders)
        known = {order.client_id for order in broker.books.unclosed}
        found = [
            f"order {report.client_id} is open at the venue and not in the journal"
            for report in still
            if report.client_id not in known
        ]
        if not found:
            break
        await broker.sleep(broker.patience.lag_ms / 4)
    return found


async def _money(broker: Broker) -> list[str]:
    """Balances, asked again while they may only be late."""
    found: list[str] = []
    for _ in range(ATTEMPTS):
        n_fills = broker.books.n_fills
        balances = await patiently(broker, broker.venue.balances)
        found = unlike(broker, balances)
        if not found:
            return []
        await broker.sleep(broker.patience.lag_ms / 4)
        for order in broker.books.unclosed:  # something may have filled while we asked
            await broker.settle(order)
        if broker.books.n_fills > n_fills:
            continue
    return found


def unlike(broker: Broker, balances: Balances) -> list[str]:
    """Where balances differ from the books by more than rounded fees; those never add up to anything to trade."""
    books, rounding = broker.books, 2e-8 * (broker.books.n_fills + 1)
    pairs = (
        ("base", balances.base, books.base, broker.rules.lot / 2),
        ("quote", balances.quote, books.quote, CENT),
    )
    return [
        f"{name}: the venue says {theirs:.8f}, the journal {ours:.8f}"
        for name, theirs, ours, most in pairs
        if abs(theirs - ours) > min(rounding, most) + 1e-12 * abs(ours)
    ]


async def flatten(
    broker: Broker, why: str, touch: Callable[[], tuple[float, float]], *, by_venue: bool = False
) -> Flat:
    """Cancel everything, sell what is held, and ask the venue whether that is so.

    Args:
        touch: bid and ask now; NaN when nobody knows, then the venue alone judges the order.
        by_venue: believe the venue's balance rather than the journal (after a mismatch).
    """
    began = broker.now_ms()
    async with broker.one:
        left = ""
        for _ in range(ATTEMPTS):
            for order in broker.books.unclosed:
                await broker.take_back(order)
            lots = await _held(broker) if by_venue else broker.books.holding.lots
            if lots == 0:
                break
            order_out = Order(
                side=-1 if lots > 0 else 1, qty=abs(lots) * broker.rules.lot, is_reduce_only=True
            )
            bid, ask = touch()
            refused = validate(order_out, broker.books.holding, bid, ask, broker.rules) if bid > 0 else None
            if refused is not None and refused.reason in ("min_notional", "min_qty"):
                left = f"{abs(lots) * broker.rules.lot:.8f} cannot be sold: {refused.why}"
                break
            sent = await broker.send(order_out, why=why)
            if sent.status == "rejected":
                await broker.sleep(broker.patience.poll_ms)
        found = await _confirmed(broker)
        flat = Flat(
            is_flat=not found and (bool(left) or broker.books.holding.lots == 0),
            lots=broker.books.holding.lots,
            took_ms=broker.now_ms() - began,
            left="; ".join([left, *found]).strip("; "),
        )
        said = {
            "why": why,
            "flat": flat.is_flat,
            "lots": flat.lots,
            "took_ms": flat.took_ms,
            "left": flat.left,
        }
        broker.note("flat", "", said)
        return flat


async def _held(broker: Broker) -> int:
    return whole_lots((await patiently(broker, broker.venue.balances)).base, broker.rules)


async def _confirmed(broker: Broker) -> list[str]:
    """What the venue still shows open, and where its balances differ."""
    try:
        return await _strangers(broker) + await _money(broker)
    except VenueUnavailable as away:
        return [str(away)]


async def patiently(broker: Broker, call: Callable[[], Awaitable[Answer]]) -> Answer:
    """An answer, asked for again while the venue is busy or silent.

    Raises:
        VenueUnavailable: it never came.
    """
    for attempt in range(ATTEMPTS - 1):
        try:
            return await call()
        except (Busy, Unclear):
            await broker.sleep(broker.patience.poll_ms * 2**attempt)
    return await call()
