"""What one account holds, and how an order that arrives changes it. Knows rules and a touch; knows no tape and no policy.

An account is one row of numbers (`N_STATE`), so that one kernel serves the simulator, a batch of thousands and the
environments. Every fill, taker or maker, is booked by `book`, so money is conserved in one place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from decot.errors import ConfigError
from decot.market.orders import NO_PRICE, OK, TOO_SMALL, match, size_lots, validate_order
from decot.market.rules import FEE_IN_BASE, LIQUIDATION, LOT, TAKER

# An account's row: holdings · the open trade · the resting order · counters.
CASH, LOTS, DUST, RUINED = 0, 1, 2, 3
DECIDED, ENTRY_ROW, LOTS_IN, COST, LOTS_OUT, PROCEEDS, FEES, CASH_BEFORE, DUST_BEFORE = range(4, 13)
R_SIDE, R_LOTS, R_LIMIT, R_AHEAD, R_DECIDED, R_SINCE = range(13, 19)
N_FILLS, N_TRADES, PAID, FUNDED = range(19, 23)
N_STATE = 23

# An account's settings as the kernels read them.
CAPITAL, SIZE, STOP, BUFFER, COMPOUND, DEPTH, POST, PATIENCE, QUEUE, BAND, DISCRETE = range(11)

FILL_WIDTH, TRADE_WIDTH = 7, 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """How much there is, how an entry is sized and how it is sent."""

    capital_usdt: float = 19.0
    leverage: float = 1.0
    """notional of an entry as a multiple of the capital; the venue's maximum still holds"""
    stop_bps: float = 1_000.0
    """the adverse move after which an entry must still be large enough to be sold"""
    buffer_bps: float = 50.0
    """kept back for the move between decision and arrival"""
    is_compounding: bool = False
    """size on current equity instead of the capital at the start"""
    is_depth_limited: bool = False
    """fill no more than the quantity shown at the touch, cancel the rest"""
    execution: str = "taker"
    """`taker` meets the touch; `post_only` rests at the touch that was seen and waits in the queue"""
    patience_rows: int = 0
    """post-only: rows to wait before taking instead; 0 waits for ever"""
    queue: float = 1.0
    """post-only: share of the quantity shown that stands in front of us; above 1 is worse than last"""
    band: float = 0.0
    """continuous targets: a change smaller than this share of the capital is not traded"""

    def __post_init__(self) -> None:
        laws = (
            ("capital_usdt", "above 0", self.capital_usdt > 0),
            ("leverage", "above 0", self.leverage > 0),
            ("stop_bps", "0 or more", self.stop_bps >= 0),
            ("buffer_bps", "0 or more", self.buffer_bps >= 0),
            ("execution", "taker or post_only", self.execution in ("taker", "post_only")),
            ("patience_rows", "0 or more", self.patience_rows >= 0),
            ("queue", "0 or more", self.queue >= 0),
            ("band", "in 0…1", 0 <= self.band <= 1),
        )
        faults = [
            f"account: {name} {getattr(self, name)!r} must be {law}" for name, law, holds in laws if not holds
        ]
        if faults:
            raise ConfigError(faults)

    def vector(self, is_discrete: bool = True) -> np.ndarray:
        """(11,) float64 for the kernels."""
        out = np.zeros(11)
        out[CAPITAL], out[SIZE] = self.capital_usdt, self.leverage
        out[STOP], out[BUFFER] = self.stop_bps * 1e-4, self.buffer_bps * 1e-4
        out[COMPOUND], out[DEPTH], out[POST] = (
            self.is_compounding,
            self.is_depth_limited,
            self.execution == "post_only",
        )
        out[PATIENCE], out[QUEUE], out[BAND], out[DISCRETE] = (
            self.patience_rows,
            self.queue,
            self.band,
            is_discrete,
        )
        return out


@njit(cache=True)
def fresh(state: np.ndarray, capital: float) -> None:
    """Make the row a new account: all cash."""
    state[:] = 0.0
    state[CASH] = capital
    state[RUINED] = state[R_SINCE] = -1.0


@njit(cache=True, inline="always")
def worth(state: np.ndarray, price: float, lot: float) -> float:
    """Cash + inventory at a price, quote currency."""
    return state[CASH] + (state[LOTS] * lot + state[DUST]) * price


@njit(cache=True)
def book(
    state: np.ndarray,
    decided: int,
    row: int,
    side: int,
    n: int,
    price: float,
    rate: float,
    is_maker: bool,
    fee_max: float,
    rules: np.ndarray,
    fills: np.ndarray,
    trades: np.ndarray,
) -> None:
    """Write a fill of n lots down: cash, inventory, fee, the open trade, and the logs as far as they have room.

    A fee in base leaves dust: what was bought, less the fee, in whole lots, and the rest beside them. `fee_max` caps
    the fee (a liquidation takes what is left, no more). A trade closes when no lot is held.
    """
    lot = rules[LOT]
    qty = n * lot
    fee = min(qty * price * rate, fee_max)
    if state[LOTS] == 0.0:
        state[DECIDED], state[ENTRY_ROW] = decided, row
        state[LOTS_IN], state[COST], state[LOTS_OUT], state[PROCEEDS], state[FEES] = 0.0, 0.0, 0.0, 0.0, 0.0
        state[CASH_BEFORE], state[DUST_BEFORE] = state[CASH], state[DUST]
    was = state[LOTS]
    state[CASH] -= side * qty * price
    if side > 0 and rules[FEE_IN_BASE] > 0:
        got = qty * (1.0 - rate) + state[DUST]
        whole = np.floor(got / lot + 1e-9)
        state[LOTS] += whole
        state[DUST] = got - whole * lot
    else:
        state[CASH] -= fee
        state[LOTS] += side * n
    if was * side >= 0:
        state[LOTS_IN] += n
        state[COST] += qty * price
    else:
        state[LOTS_OUT] += n
        state[PROCEEDS] += qty * price
    state[FEES] += fee
    state[PAID] += fee
    k = int(state[N_FILLS])
    if k < len(fills):
        fills[k, 0], fills[k, 1], fills[k, 2], fills[k, 3] = decided, row, side, qty
        fills[k, 4], fills[k, 5], fills[k, 6] = price, fee, is_maker
    state[N_FILLS] += 1
    if state[LOTS] == 0.0:
        k = int(state[N_TRADES])
        if k < len(trades):
            trades[k, 0], trades[k, 1], trades[k, 2], trades[k, 3] = (
                state[DECIDED],
                state[ENTRY_ROW],
                row,
                -side,
            )
            trades[k, 4], trades[k, 5] = state[LOTS_IN] * lot, state[COST] / (state[LOTS_IN] * lot)
            trades[k, 6], trades[k, 7] = state[PROCEEDS] / max(state[LOTS_OUT] * lot, 1e-300), state[FEES]
            trades[k, 8] = state[CASH] - state[CASH_BEFORE] + (state[DUST] - state[DUST_BEFORE]) * price
        state[N_TRADES] += 1


@njit(cache=True)
def take(
    state: np.ndarray,
    decided: int,
    row: int,
    side: int,
    n: int,
    is_reduce_only: bool,
    touch: np.ndarray,
    rules: np.ndarray,
    account: np.ndarray,
    refused: np.ndarray,
    fills: np.ndarray,
    trades: np.ndarray,
) -> bool:
    """Send n lots to the touch: judged, matched, booked. True when all of them were filled."""
    code = validate_order(
        side, n, NO_PRICE, is_reduce_only, False, int(state[LOTS]), state[CASH], touch[0], touch[1], rules
    )
    if code != OK:
        refused[code] += 1
        return False
    got, price, _ = match(side, n, touch[0], touch[1], touch[2], touch[3], account[DEPTH] > 0, rules)
    if got > 0:
        book(state, decided, row, side, got, price, rules[TAKER], False, np.inf, rules, fills, trades)
    return got == n


@njit(cache=True)
def wanted_lots(
    state: np.ndarray, target: float, seen: np.ndarray, rules: np.ndarray, account: np.ndarray
) -> int:
    """Whole lots, without sign, that a target asks for at the touch that was seen; 0 when too small to be left."""
    price = seen[1] if target > 0 else seen[0]
    equity = worth(state, price, rules[LOT])
    base = equity if account[COMPOUND] > 0 else account[CAPITAL]
    return size_lots(abs(target) * account[SIZE] * base, price, equity, rules, account[STOP], account[BUFFER])


@njit(cache=True)
def arrive(
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
    """A taker decision meets the book: leave what must be left, then enter.

    Discrete targets −1, 0, 1 trade only when the sign changes; continuous ones are quantised to lots and trade
    the difference when it is above the band. `seen` is the touch of the decision, `touch` that of the arrival.
    """
    held = int(state[LOTS])
    sign = 1 if held > 0 else (-1 if held < 0 else 0)
    if account[DISCRETE] > 0 and target == sign:
        return
    heading = 1 if target > 0 else (-1 if target < 0 else 0)
    if held != 0 and heading != sign:
        if not take(
            state, decided, row, -sign, abs(held), True, touch, rules, account, refused, fills, trades
        ):
            return
        held = int(state[LOTS])
        if held != 0:
            return
    if heading == 0:
        return
    n = wanted_lots(state, target, seen, rules, account)
    if n == 0:
        refused[TOO_SMALL] += 1
        if held == 0:
            return
    change = n - abs(held)
    value = abs(change) * rules[LOT] * touch[4]
    if change == 0 or (held != 0 and n != 0 and value < account[BAND] * account[CAPITAL]):
        return
    side = heading if change > 0 else -heading
    take(state, decided, row, side, abs(change), change < 0, touch, rules, account, refused, fills, trades)


@njit(cache=True)
def liquidate(
    state: np.ndarray, row: int, touch: np.ndarray, rules: np.ndarray, fills: np.ndarray, trades: np.ndarray
) -> None:
    """The venue closes the position at the touch, with its fee as far as money is left; the account is ruined."""
    side = -1 if state[LOTS] > 0 else 1
    n = int(abs(state[LOTS]))
    price = touch[1] if side > 0 else touch[0]
    left = max(state[CASH] - side * n * rules[LOT] * price, 0.0)
    rate = rules[TAKER] + rules[LIQUIDATION]
    book(state, row, row, side, n, price, rate, False, left, rules, fills, trades)
    state[R_LOTS], state[RUINED] = 0.0, row
