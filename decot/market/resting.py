"""A post-only order waits: where it stands in the queue, and what trades leave of it. Knows no targets' meaning.

The book shows how much stands at the best price, the prints show what was taken from it. An order joins behind what is
shown; prints at its price eat the queue, then the order, in part if need be; a print or a touch beyond its price fills it.
What others cancel is seen when less is shown than stood in front. 1) hidden orders and own impact are not modelled.
2) behind the best price nothing is known: the place is taken when the best price comes back to the order.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from decot.market.account import (
    CASH,
    LOTS,
    PATIENCE,
    QUEUE,
    R_AHEAD,
    R_DECIDED,
    R_LIMIT,
    R_LOTS,
    R_SIDE,
    R_SINCE,
    book,
    take,
    wanted_lots,
)
from decot.market.orders import OK, TOO_SMALL, validate_order
from decot.market.rules import LOT, MAKER, TICK

IDLE = -1.0


@njit(cache=True)
def place_in_queue(side: int, limit: float, touch: np.ndarray, share: float, tick: float) -> float:
    """Quantity in front of an order that joins at `limit`: what is shown there, none at a better price, unknown behind."""
    best, shown = (touch[0], touch[2]) if side > 0 else (touch[1], touch[3])
    if abs(limit - best) < tick / 2:
        return shown * share
    return 0.0 if side * (limit - best) > 0 else np.inf


@njit(cache=True)
def rest(
    side: int,
    limit: float,
    n: int,
    ahead: float,
    touch: np.ndarray,
    prints: np.ndarray,
    start: int,
    stop: int,
    share: float,
    rules: np.ndarray,
) -> tuple[int, float]:
    """One row of waiting: lots filled (≤ n) and the quantity now in front.

    Args:
        touch: bid, ask, bid_qty, ask_qty at the end of the row.
        prints: (M, 3) price, quantity, aggressor (+1 buy, −1 sell, 0 unknown); rows start…stop belong to this row.
    """
    lot, eps = rules[LOT], rules[TICK] / 2
    filled = 0
    for k in range(start, stop):
        beyond = side * (limit - prints[k, 0])
        if beyond > eps:
            return n, 0.0
        if beyond > -eps and prints[k, 2] != side:
            ahead -= prints[k, 1]
            if ahead < 0:
                got = min(int(np.floor(-ahead / lot + 1e-9)), n - filled)
                filled += got
                ahead += got * lot
                if filled == n:
                    return n, 0.0
    opposite = touch[1] if side > 0 else touch[0]
    if side * (limit - opposite) > eps:
        return n, 0.0
    best, shown = (touch[0], touch[2]) if side > 0 else (touch[1], touch[3])
    if abs(limit - best) < eps:
        ahead = min(ahead, shown * share)
    return filled, ahead


@njit(cache=True, inline="always")
def is_touched(
    state: np.ndarray,
    u: int,
    book: np.ndarray,
    offsets: np.ndarray,
    prints: np.ndarray,
    share: float,
    tick: float,
) -> bool:
    """Whether row u can change anything for the resting order: a print or a touch at its price or beyond."""
    side, limit, eps = state[R_SIDE], state[R_LIMIT], tick / 2
    best, shown = (book[u, 0], book[u, 2]) if side > 0 else (book[u, 1], book[u, 3])
    opposite = book[u, 1] if side > 0 else book[u, 0]
    found = side * (limit - opposite) > eps or (abs(limit - best) < eps and shown * share < state[R_AHEAD])
    for k in range(offsets[u], offsets[u + 1]):
        beyond = side * (limit - prints[k, 0])
        found = found or beyond > eps or (beyond > -eps and prints[k, 2] != side)
    return found


@njit(cache=True, inline="always")
def keeps_waiting(
    state: np.ndarray, target: float, seen_bid: float, seen_ask: float, patience: float, tick: float
) -> bool:
    """Whether a decision changes nothing: already there and idle, or the right order rests at a price still best."""
    lots, side = state[LOTS], state[R_SIDE]
    is_there = (target > 0 and lots > 0) or (target < 0 and lots < 0) or (target == 0 and lots == 0)
    if state[R_LOTS] == 0:
        return is_there and state[R_SINCE] < 0
    serves = side == target if is_there or target != 0 else side * lots < 0
    seen = seen_bid if side > 0 else seen_ask
    return serves and patience == 0 and side * (seen - state[R_LIMIT]) < tick / 2


@njit(cache=True)
def wait(
    state: np.ndarray,
    row: int,
    touch: np.ndarray,
    prints: np.ndarray,
    start: int,
    stop: int,
    rules: np.ndarray,
    account: np.ndarray,
    fills: np.ndarray,
    trades: np.ndarray,
) -> None:
    """The account's resting order lives through one row; what is filled is booked at its limit with the maker fee."""
    side, n = int(state[R_SIDE]), int(state[R_LOTS])
    got, ahead = rest(
        side, state[R_LIMIT], n, state[R_AHEAD], touch, prints, start, stop, account[QUEUE], rules
    )
    state[R_AHEAD] = ahead
    if got > 0:
        state[R_LOTS] -= got
        book(
            state,
            int(state[R_DECIDED]),
            row,
            side,
            got,
            state[R_LIMIT],
            rules[MAKER],
            True,
            np.inf,
            rules,
            fills,
            trades,
        )


@njit(cache=True)
def arrive_post(
    state: np.ndarray,
    decided: int,
    row: int,
    target: float,
    seen: np.ndarray,
    touch: np.ndarray,
    rules: np.ndarray,
    account: np.ndarray,
    refused: np.ndarray,
    fills: np.ndarray,
    trades: np.ndarray,
) -> None:
    """A post-only decision arrives: cancel what no longer serves, keep a place worth keeping, join the queue anew.

    The limit is the touch that was *seen*; when the book has moved through it meanwhile, the venue refuses
    (`would_take`) and the next decision tries again. After `patience_rows` the rest is taken.
    """
    held = int(state[LOTS])
    sign = 1 if held > 0 else (-1 if held < 0 else 0)
    heading = int(target)
    side = heading if heading != 0 and heading != sign else -sign
    if state[R_LOTS] > 0 and heading == sign and state[R_SIDE] == heading:
        side = heading
    is_done = heading == sign and not (state[R_LOTS] > 0 and state[R_SIDE] == heading)
    if state[R_LOTS] > 0 and (is_done or state[R_SIDE] != side):
        state[R_LOTS] = 0.0
        state[R_SINCE] = IDLE
    if is_done:
        state[R_SINCE] = IDLE
        return

    limit = seen[0] if side > 0 else seen[1]
    if state[R_SINCE] < 0:
        state[R_SINCE] = decided
    is_leaving = held != 0 and side == -sign
    is_out_of_patience = account[PATIENCE] > 0 and decided - state[R_SINCE] >= account[PATIENCE]
    if state[R_LOTS] > 0:
        if not is_out_of_patience and side * (limit - state[R_LIMIT]) < rules[TICK] / 2:
            return
        n = int(state[R_LOTS])
    elif is_leaving:
        n = abs(held)
    else:
        n = wanted_lots(state, target, seen, rules, account)
        if n == 0:
            refused[TOO_SMALL] += 1
            return
    if is_out_of_patience:
        state[R_LOTS], state[R_SINCE] = 0.0, IDLE
        take(state, decided, row, side, n, is_leaving, touch, rules, account, refused, fills, trades)
        return
    code = validate_order(side, n, limit, is_leaving, True, held, state[CASH], touch[0], touch[1], rules)
    if code != OK:
        refused[code] += 1
        return
    state[R_SIDE], state[R_LOTS], state[R_LIMIT], state[R_DECIDED] = side, n, limit, decided
    state[R_AHEAD] = place_in_queue(side, limit, touch, account[QUEUE], rules[TICK])
