"""Many accounts over one tape: whole walks at once, or step by step, each at its own row. Knows arrays only.

The kernel is the simulator's; a batch of one walk gives the simulator's figures. Nothing is copied per step but an index.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from decot.errors import MarketFault
from decot.market.account import (
    CAPITAL,
    CASH,
    FUNDED,
    LOTS,
    N_FILLS,
    N_STATE,
    N_TRADES,
    PAID,
    R_LOTS,
    RUINED,
    Account,
    fresh,
    worth,
)
from decot.market.orders import REASONS, entry_floor_usdt
from decot.market.rules import LOT, VenueRules
from decot.market.simulate import check_fit, checked_targets
from decot.market.tape import Tape
from decot.market.walk import step_many, walk_many


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Many:
    """What became of N accounts."""

    total_bps: np.ndarray
    """(N,) profit in basis points of the capital"""
    n_trades: np.ndarray
    n_fills: np.ndarray
    fees_usdt: np.ndarray
    funding_usdt: np.ndarray
    refused: np.ndarray
    """(N, reasons) counts, in the order of `orders.REASONS`"""
    is_ruined: np.ndarray
    equity_usdt: np.ndarray
    """(N, T), or (0, 0) when not asked for"""

    def refusals(self) -> dict[str, int]:
        """All accounts' refusals by reason."""
        return {REASONS[i]: int(n) for i, n in enumerate(self.refused.sum(0)) if n}


def simulate_many(
    tape: Tape,
    targets: np.ndarray,
    rules: VenueRules,
    account: Account | None = None,
    *,
    is_continuous: bool = False,
    has_equity: bool = False,
) -> Many:
    """Walk N target sequences (N, T) over one tape.

    Raises:
        MarketFault: as `simulate`.
    """
    account = account or Account()
    given = np.asarray(targets)
    wanted = checked_targets(given, (given.shape[0], len(tape)), is_continuous)
    check_fit(rules, account, is_continuous)
    n = len(wanted)
    states, refused = np.zeros((n, N_STATE)), np.zeros((n, len(REASONS)), np.int64)
    equity = np.empty((n, len(tape)) if has_equity else (0, 0))
    book, vector = tape.book(), rules.vector()
    walk_many(
        book,
        tape.offsets,
        tape.prints,
        tape.fill_index,
        wanted,
        vector,
        account.vector(not is_continuous),
        states,
        refused,
        equity,
    )
    final = np.array([worth(state, book[-1, 4], vector[LOT]) for state in states])
    return Many(
        total_bps=(final / account.capital_usdt - 1) * 1e4,
        n_trades=states[:, N_TRADES].astype(np.int64),
        n_fills=states[:, N_FILLS].astype(np.int64),
        fees_usdt=states[:, PAID],
        funding_usdt=states[:, FUNDED],
        refused=refused,
        is_ruined=states[:, RUINED] >= 0,
        equity_usdt=equity,
    )


class Accounts:
    """N accounts that step through one tape, each at its own row.

    `seat(i, row)` gives account i a fresh start at a row; `step(targets)` lets every account decide at its row and live
    through the next. `rows` are where they stand; the last row cannot be stepped from.
    """

    def __init__(
        self, tape: Tape, rules: VenueRules, account: Account, n: int, *, is_continuous: bool = False
    ) -> None:
        check_fit(rules, account, is_continuous)
        if len(tape) < 3:
            raise MarketFault(f"{len(tape)} rows are too few to step through; give 3 or more")
        self.tape, self.rules, self.account, self.n = tape, rules, account, n
        self.book, self._vector = tape.book(), rules.vector()
        self._settings = account.vector(not is_continuous)
        arrives = tape.fill_index >= 0
        reach = int((tape.fill_index - np.arange(len(tape)))[arrives].max(initial=1)) + 1
        self._ring = np.zeros((n, 1 << reach.bit_length()), np.float64 if is_continuous else np.int8)
        self._decided = np.zeros(n, np.int64)
        self.rows = np.zeros(n, np.int64)
        self.states = np.zeros((n, N_STATE))
        self.refused = np.zeros((n, len(REASONS)), np.int64)
        self._floor = min(float(entry_floor_usdt(self._vector, 0.0, 0.0)), account.capital_usdt / 2)
        self.seat(np.arange(n), np.zeros(n, np.int64))

    def seat(self, who: np.ndarray, rows: np.ndarray) -> None:
        """Fresh accounts at these rows."""
        for i, row in zip(np.atleast_1d(who), np.atleast_1d(rows)):
            fresh(self.states[i], self._settings[CAPITAL])
            self.rows[i] = self._decided[i] = row
            self._ring[i] = 0
            self.refused[i] = 0

    def step(self, targets: np.ndarray) -> np.ndarray:
        """(N,) change of equity over the next row, basis points of the capital."""
        if self.rows.max() >= len(self.book) - 1:
            raise MarketFault(
                f"account {int(self.rows.argmax())} stands on the last row; seat it anew before stepping"
            )
        rewards = np.empty(self.n)
        step_many(
            self.rows,
            self._decided,
            self.book,
            self.tape.offsets,
            self.tape.prints,
            self.tape.fill_index,
            self._ring,
            self._vector,
            self._settings,
            self.states,
            self.refused,
            np.asarray(targets, self._ring.dtype),
            rewards,
        )
        return rewards

    def equity(self) -> np.ndarray:
        """(N,) cash + inventory at mid, quote currency."""
        lot = self._vector[LOT]
        return self.states[:, CASH] + self.states[:, LOTS] * lot * self.book[self.rows, 4]

    def ruined(self) -> np.ndarray:
        """(N,) liquidated, or flat with too little left to open anything: the game is over, not cut."""
        is_flat = (self.states[:, LOTS] == 0) & (self.states[:, R_LOTS] == 0)
        room = self.states[:, CASH] * max(1.0, self.account.leverage)
        return (self.states[:, RUINED] >= 0) | (is_flat & (room < self._floor))
