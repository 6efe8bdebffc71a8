"""How an order is sized, judged and filled: one code for simulator, paper and live. Knows no strategy.

The kernels work in whole lots, so a quantity is never off its step. Reasons are numbers inside.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from decot.market.rules import (
    EXIT_EXEMPT,
    KIND,
    LEVERAGE,
    LOT,
    MAKER,
    MIN_NOTIONAL,
    MIN_QTY,
    SPOT,
    TAKER,
    TICK,
    VenueRules,
)

REASONS = (
    "ok",
    "too_small",
    "off_lot",
    "min_qty",
    "min_notional",
    "no_short_on_spot",
    "not_enough_margin",
    "off_tick",
    "would_take",
    "not_reducing",
)
OK, TOO_SMALL, OFF_LOT, LOW_QTY, LOW_NOTIONAL, NO_SHORT, NO_MARGIN, OFF_TICK, WOULD_TAKE, NOT_REDUCING = (
    range(10)
)
WHY = {
    "too_small": "the account cannot buy a quantity it could later sell under the minimum notional",
    "off_lot": "the quantity is not a multiple of the lot",
    "min_qty": "the quantity is below the venue's minimum",
    "min_notional": "the value of the order is below the venue's minimum",
    "no_short_on_spot": "a spot account cannot sell what it does not hold",
    "not_enough_margin": "the account cannot pay for the order and its fee",
    "off_tick": "the limit price is not a multiple of the tick",
    "would_take": "a post-only order would have taken liquidity",
    "not_reducing": "a reduce-only order would open or enlarge a position",
}
NO_PRICE = np.nan
OFF_STEP = 1e-4  # of a step: far above rounding at any price, far below any order meant


@njit(cache=True)
def lots_of(qty: float, lot: float) -> int:
    """Whole lots in a quantity, or −1 when it is off the step."""
    n = np.round(qty / lot)
    if abs(qty / lot - n) > OFF_STEP:
        return -1
    return int(n)


@njit(cache=True)
def entry_floor_usdt(rules: np.ndarray, stop: float, buffer: float) -> float:
    """The smallest entry that can be left again, quote currency.

    Where exits must meet the minimum too: min notional × (1 + stop + fees of both sides + buffer).
    Where a reduce-only exit is exempt: min notional × (1 + buffer), so that it survives the way to the venue.
    """
    if rules[EXIT_EXEMPT] > 0:
        return rules[MIN_NOTIONAL] * (1.0 + buffer)
    return rules[MIN_NOTIONAL] * (1.0 + stop + 2.0 * rules[TAKER] + buffer)


@njit(cache=True)
def size_lots(
    notional: float, price: float, equity: float, rules: np.ndarray, stop: float, buffer: float
) -> int:
    """Whole lots of an entry worth at most `notional`, 0 when no entry that can be left again fits.

    A spot account keeps back the taker fee and the buffer, so that the order can be paid when it arrives.
    """
    room = rules[LEVERAGE] * equity / (1.0 + rules[LEVERAGE] * rules[TAKER] + buffer)
    n = int(np.floor(min(notional, room) / price / rules[LOT] + 1e-9))
    if n <= 0 or n * rules[LOT] < rules[MIN_QTY] - 1e-12:
        return 0
    if n * rules[LOT] * price < entry_floor_usdt(rules, stop, buffer):
        return 0
    return n


@njit(cache=True)
def validate_order(
    side: int,
    n_lots: int,
    limit: float,
    is_reduce_only: bool,
    is_post_only: bool,
    held_lots: int,
    cash: float,
    bid: float,
    ask: float,
    rules: np.ndarray,
) -> int:
    """OK (0), or the reason the venue would give. `limit` NaN is a market order.

    Source: order filters LOT_SIZE, MIN_NOTIONAL, PRICE_FILTER as the venues document them; margin is
    equity after the fill ≥ notional after the fill ÷ leverage.
    """
    if n_lots < 0:
        return OFF_LOT
    qty = n_lots * rules[LOT]
    if n_lots == 0 or qty < rules[MIN_QTY] - 1e-12:
        return LOW_QTY
    after = held_lots + side * n_lots
    is_reducing = held_lots * side < 0 and abs(after) < abs(held_lots) and after * held_lots >= 0
    if is_reduce_only and not is_reducing:
        return NOT_REDUCING
    price = limit
    fee = rules[MAKER] if is_post_only else rules[TAKER]
    if np.isnan(limit):
        price = ask if side > 0 else bid
    else:
        ticks = limit / rules[TICK]
        if limit <= 0 or abs(ticks - np.round(ticks)) > OFF_STEP:
            return OFF_TICK
        if is_post_only and ((side > 0 and limit >= ask) or (side < 0 and limit <= bid)):
            return WOULD_TAKE
    if qty * price < rules[MIN_NOTIONAL] * (1.0 - 1e-12) and not (rules[EXIT_EXEMPT] > 0 and is_reduce_only):
        return LOW_NOTIONAL
    if rules[KIND] == SPOT and after < 0:
        return NO_SHORT
    if not is_reducing:
        left = cash - side * qty * price - fee * qty * price
        if rules[KIND] == SPOT:
            if left < -1e-9:
                return NO_MARGIN
        elif left + after * rules[LOT] * price < abs(after) * rules[LOT] * price / rules[LEVERAGE] - 1e-9:
            return NO_MARGIN
    return OK


@njit(cache=True)
def match(
    side: int,
    n_lots: int,
    bid: float,
    ask: float,
    bid_qty: float,
    ask_qty: float,
    is_depth_limited: bool,
    rules: np.ndarray,
) -> tuple[int, float, float]:
    """A taker order meets the touch: lots filled, price, fee in quote currency.

    An account under 20 dollars takes the touch without moving it; with `is_depth_limited` no more than the
    quantity shown is filled and the rest is cancelled (immediate or cancel).
    """
    price = ask if side > 0 else bid
    filled = n_lots
    if is_depth_limited:
        shown = ask_qty if side > 0 else bid_qty
        filled = min(n_lots, int(np.floor(shown / rules[LOT] + 1e-9)))
    return filled, price, filled * rules[LOT] * price * rules[TAKER]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is sent to a venue: a side, a quantity in base currency, and how."""

    side: int
    """+1 buy, −1 sell"""
    qty: float
    limit: float | None = None
    """None is a market order"""
    is_reduce_only: bool = False
    is_post_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """What came back: quantity, price and fee in quote currency."""

    side: int
    qty: float
    price: float
    fee_usdt: float
    is_maker: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why an order was not taken, in the venue's terms."""

    reason: str
    why: str
    order: Order | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What an account has: cash in quote currency and a signed number of lots."""

    cash_usdt: float
    lots: int = 0

    def equity(self, price: float, rules: VenueRules) -> float:
        return self.cash_usdt + self.lots * rules.lot * rules.contract * price

    def after(self, fill: Fill, rules: VenueRules) -> Holding:
        """The holding once a fill is booked; conservation holds to rounding."""
        lot = rules.lot * rules.contract
        cash = self.cash_usdt - fill.side * fill.qty * fill.price - fill.fee_usdt
        return Holding(cash_usdt=cash, lots=self.lots + fill.side * lots_of(fill.qty, lot))


def validate(order: Order, holding: Holding, bid: float, ask: float, rules: VenueRules) -> Refusal | None:
    """None when the venue would take the order, else why not."""
    vector = rules.vector()
    code = validate_order(
        order.side,
        lots_of(order.qty, vector[LOT]),
        np.nan if order.limit is None else order.limit,
        order.is_reduce_only,
        order.is_post_only,
        holding.lots,
        holding.cash_usdt,
        bid,
        ask,
        vector,
    )
    return None if code == OK else refusal(code, order)


def execute(
    order: Order,
    holding: Holding,
    bid: float,
    ask: float,
    rules: VenueRules,
    bid_qty: float = np.inf,
    ask_qty: float = np.inf,
    is_depth_limited: bool = False,
) -> Fill | Refusal:
    """A market order meets the touch, judged and filled by the simulator's own kernels."""
    if refused := validate(order, holding, bid, ask, rules):
        return refused
    vector = rules.vector()
    n, price, fee = match(
        order.side, lots_of(order.qty, vector[LOT]), bid, ask, bid_qty, ask_qty, is_depth_limited, vector
    )
    return Fill(side=order.side, qty=n * vector[LOT], price=price, fee_usdt=fee)


def refusal(code: int, order: Order | None = None) -> Refusal:
    """A reason number in words."""
    return Refusal(reason=REASONS[code], why=WHY[REASONS[code]], order=order)
