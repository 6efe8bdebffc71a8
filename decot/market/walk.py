"""Accounts through time: one row for one account, a whole tape for one, for many. Knows arrays only."""

from __future__ import annotations

import numpy as np
from numba import njit

from decot.market.account import (
    CAPITAL,
    CASH,
    COST,
    DISCRETE,
    DUST,
    FEES,
    FUNDED,
    LOTS,
    LOTS_IN,
    PATIENCE,
    POST,
    QUEUE,
    R_LOTS,
    RUINED,
    arrive,
    fresh,
    liquidate,
    take,
    worth,
)
from decot.market.resting import arrive_post, is_touched, keeps_waiting, wait
from decot.market.rules import KIND, LOT, MAINTENANCE, PERP, SPOT, TICK

FUNDING = 5
"""columns of a book row: bid, ask, bid_qty, ask_qty, mid, funding (fraction of notional a long pays)"""


@njit(cache=True)
def live_row(
    u: int,
    d: int,
    book: np.ndarray,
    offsets: np.ndarray,
    prints: np.ndarray,
    fill_index: np.ndarray,
    wanted: np.ndarray,
    mask: int,
    rules: np.ndarray,
    account: np.ndarray,
    state: np.ndarray,
    refused: np.ndarray,
    fills: np.ndarray,
    trades: np.ndarray,
    origin: int,
) -> int:
    """One account lives through row u; `d` is the first decision not yet arrived, and the answer is the next one.

    In this order: funding is paid on what was held, a resting order meets the prints of the row, decisions that
    arrive meet the touch at its end, and an account below its maintenance margin is liquidated.
    `wanted[d & mask]` is the target decided at row d (mask −1 for a whole tape, ring size − 1 for a ring). Rows are
    written down as row + `origin`.
    """
    lot, mid = rules[LOT], book[u, 4]
    if book[u, FUNDING] != 0.0 and state[LOTS] != 0.0 and rules[KIND] == PERP:
        paid = state[LOTS] * lot * mid * book[u, FUNDING]
        state[CASH] -= paid
        state[FEES] += paid
        state[FUNDED] += paid
    touch = book[u]
    if state[R_LOTS] > 0:
        wait(state, u + origin, touch, prints, offsets[u], offsets[u + 1], rules, account, fills, trades)
    while d < len(fill_index) and fill_index[d] == u:
        if state[RUINED] < 0:
            target, seen = wanted[d & mask], book[d]
            if account[POST] > 0:
                arrive_post(
                    state, d + origin, u + origin, target, seen, touch, rules, account, refused, fills, trades
                )
            else:
                arrive(
                    state, d + origin, u + origin, target, seen, touch, rules, account, refused, fills, trades
                )
        d += 1
    if state[LOTS] != 0.0 and rules[KIND] != SPOT:
        margin = rules[MAINTENANCE] * abs(state[LOTS]) * lot * mid
        if worth(state, mid, lot) < margin:
            liquidate(state, u + origin, touch, rules, fills, trades)
    return d


@njit(cache=True)
def quiet_until(
    u: int,
    d: int,
    stop: int,
    book: np.ndarray,
    offsets: np.ndarray,
    prints: np.ndarray,
    fill_index: np.ndarray,
    wanted: np.ndarray,
    mask: int,
    rules: np.ndarray,
    account: np.ndarray,
    state: np.ndarray,
) -> tuple[int, int]:
    """The first row from u on, before `stop`, that `live_row` would not leave as it is; and the decision it starts with.

    Nearly all rows are quiet, so a batch spends its time here, on plain numbers. It never changes an account.
    """
    lots, lot, is_post = state[LOTS], rules[LOT], account[POST] > 0
    cash, held, margin = state[CASH], lots * lot + state[DUST], rules[MAINTENANCE] * abs(lots) * lot
    is_paying, is_watched = lots != 0 and rules[KIND] == PERP, lots != 0 and rules[KIND] != SPOT
    is_ruined, is_discrete, is_resting = state[RUINED] >= 0, account[DISCRETE] > 0, state[R_LOTS] > 0
    sign = 1 if lots > 0 else (-1 if lots < 0 else 0)
    n = len(fill_index)
    while u < stop:
        mid = book[u, 4]
        if is_paying and book[u, FUNDING] != 0.0:
            return u, d
        if is_watched and cash + held * mid < margin * mid:
            return u, d
        if is_resting and is_touched(state, u, book, offsets, prints, account[QUEUE], rules[TICK]):
            return u, d
        while d < n and fill_index[d] == u:
            if not is_ruined:
                target = wanted[d & mask]
                if is_post:
                    if not keeps_waiting(
                        state, target, book[d, 0], book[d, 1], account[PATIENCE], rules[TICK]
                    ):
                        return u, d
                elif not (is_discrete and target == sign):
                    return u, d
            d += 1
        u += 1
    return u, d


@njit(cache=True)
def close_out(
    u: int,
    book: np.ndarray,
    rules: np.ndarray,
    account: np.ndarray,
    state: np.ndarray,
    refused: np.ndarray,
    fills: np.ndarray,
    trades: np.ndarray,
) -> None:
    """End of the tape: cancel what rests, take the touch with what is held, however little is shown."""
    state[R_LOTS] = 0.0
    if state[LOTS] != 0.0:
        side = -1 if state[LOTS] > 0 else 1
        touch = book[u].copy()
        touch[2] = touch[3] = np.inf
        take(state, u, u, side, int(abs(state[LOTS])), True, touch, rules, account, refused, fills, trades)


@njit(cache=True)
def walk_one(
    book: np.ndarray,
    offsets: np.ndarray,
    prints: np.ndarray,
    fill_index: np.ndarray,
    wanted: np.ndarray,
    rules: np.ndarray,
    account: np.ndarray,
    fills: np.ndarray,
    trades: np.ndarray,
    state: np.ndarray,
    refused: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Equity, lots and entry price per row of one account, with its fills and trades logged."""
    n_rows = len(book)
    equity, lots, entry = np.empty(n_rows), np.zeros(n_rows, np.int64), np.zeros(n_rows)
    fresh(state, account[CAPITAL])
    u, d = 0, 0
    while u < n_rows:
        start = u
        u, d = quiet_until(u, d, n_rows, book, offsets, prints, fill_index, wanted, -1, rules, account, state)
        stop = min(u, n_rows - 1)
        note_rows(start, stop, book, rules[LOT], state, equity, lots, entry)
        if u < n_rows:
            d = live_row(
                u,
                d,
                book,
                offsets,
                prints,
                fill_index,
                wanted,
                -1,
                rules,
                account,
                state,
                refused,
                fills,
                trades,
                0,
            )
            note_rows(u, u + 1, book, rules[LOT], state, equity, lots, entry)
            u += 1
    close_out(n_rows - 1, book, rules, account, state, refused, fills, trades)
    note_rows(n_rows - 1, n_rows, book, rules[LOT], state, equity, lots, entry)
    return equity, lots, entry


@njit(cache=True)
def note_rows(
    start: int,
    stop: int,
    book: np.ndarray,
    lot: float,
    state: np.ndarray,
    equity: np.ndarray,
    lots: np.ndarray,
    entry: np.ndarray,
) -> None:
    """Write down rows start…stop of an account that does not change in them."""
    paid = state[COST] / (state[LOTS_IN] * lot) if state[LOTS] != 0.0 else 0.0
    for k in range(start, stop):
        equity[k] = worth(state, book[k, 4], lot)
        lots[k] = int(state[LOTS])
        entry[k] = paid


@njit(cache=True)
def walk_many(
    book: np.ndarray,
    offsets: np.ndarray,
    prints: np.ndarray,
    fill_index: np.ndarray,
    wanted: np.ndarray,
    rules: np.ndarray,
    account: np.ndarray,
    states: np.ndarray,
    refused: np.ndarray,
    equity: np.ndarray,
) -> None:
    """Many accounts over one tape; (N, T) targets, equity written where there is room for it, nothing logged."""
    n_rows = len(book)
    fills, trades = np.empty((0, 7)), np.empty((0, 9))
    for i in range(len(states)):
        state, mine, refusals = states[i], wanted[i], refused[i]
        fresh(state, account[CAPITAL])
        u, d = 0, 0
        while u < n_rows:
            start = u
            u, d = quiet_until(
                u, d, n_rows, book, offsets, prints, fill_index, mine, -1, rules, account, state
            )
            if len(equity):
                for k in range(start, u):
                    equity[i, k] = worth(state, book[k, 4], rules[LOT])
            if u == n_rows:
                break
            d = live_row(
                u,
                d,
                book,
                offsets,
                prints,
                fill_index,
                mine,
                -1,
                rules,
                account,
                state,
                refusals,
                fills,
                trades,
                0,
            )
            if len(equity):
                equity[i, u] = worth(state, book[u, 4], rules[LOT])
            u += 1
        close_out(n_rows - 1, book, rules, account, state, refusals, fills, trades)
        if len(equity):
            equity[i, n_rows - 1] = worth(state, book[n_rows - 1, 4], rules[LOT])


@njit(cache=True)
def step_many(
    rows: np.ndarray,
    decided: np.ndarray,
    book: np.ndarray,
    offsets: np.ndarray,
    prints: np.ndarray,
    fill_index: np.ndarray,
    ring: np.ndarray,
    rules: np.ndarray,
    account: np.ndarray,
    states: np.ndarray,
    refused: np.ndarray,
    targets: np.ndarray,
    rewards: np.ndarray,
) -> None:
    """Each account decides at its own row and lives through the next; rewards in basis points of the capital."""
    fills, trades = np.empty((0, 7)), np.empty((0, 9))
    mask = ring.shape[1] - 1
    for i in range(len(rows)):
        u = rows[i]
        before = worth(states[i], book[u, 4], rules[LOT])
        ring[i, u & mask] = targets[i]
        mine, state = ring[i], states[i]
        row, d = quiet_until(
            u + 1, decided[i], u + 2, book, offsets, prints, fill_index, mine, mask, rules, account, state
        )
        if row == u + 1:
            d = live_row(
                row,
                d,
                book,
                offsets,
                prints,
                fill_index,
                mine,
                mask,
                rules,
                account,
                state,
                refused[i],
                fills,
                trades,
                0,
            )
        decided[i] = d
        rows[i] = u + 1
        rewards[i] = (worth(state, book[u + 1, 4], rules[LOT]) - before) / account[CAPITAL] * 1e4
