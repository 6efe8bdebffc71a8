"""The same account, one row at a time: what paper trading runs on and what live trading plans with. Knows no strategy.

`Desk` gives the simulator's fills when it is fed the simulator's rows, because it is the simulator's kernel on a tape of
one row. `plan` is what would be sent now, as orders a venue understands.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from decot.errors import MarketFault
from decot.market.account import (
    CASH,
    COST,
    FILL_WIDTH,
    FUNDED,
    LOTS,
    LOTS_IN,
    N_FILLS,
    N_STATE,
    N_TRADES,
    PAID,
    R_LIMIT,
    R_LOTS,
    R_SIDE,
    RUINED,
    TRADE_WIDTH,
    Account,
    fresh,
    wanted_lots,
    worth,
)
from decot.market.orders import REASONS, TOO_SMALL, Fill, Holding, Order, Refusal, refusal, validate
from decot.market.rules import LOT, VenueRules
from decot.market.simulate import check_fit
from decot.market.walk import close_out, live_row

NO_PRINTS = np.empty((0, 3))


class Desk:
    """One account fed row by row.

    Order of calls per row: `advance(row)` first, then `decide(target)` on what it showed.
    """

    def __init__(self, rules: VenueRules, account: Account | None = None) -> None:
        self.rules, self.account = rules, account or Account()
        check_fit(rules, self.account, False)
        self._vector, self._settings = rules.vector(), self.account.vector()
        self.state = np.zeros(N_STATE)
        self._refused = np.zeros(len(REASONS), np.int64)
        self._pending: deque[tuple[int, int, np.ndarray, int]] = deque()
        self._row, self._time, self._due = -1, -1, -1
        self._touch = np.zeros(6)
        fresh(self.state, self.account.capital_usdt)

    def advance(
        self,
        timestamp: int,
        bid: float,
        ask: float,
        bid_qty: float = np.inf,
        ask_qty: float = np.inf,
        *,
        prints: np.ndarray = NO_PRINTS,
        funding: float = 0.0,
    ) -> list[Fill]:
        """The next bar has ended: what arrives is filled, what rests may be; the fills of this row.

        Args:
            prints: (M, 3) price, quantity, aggressor of the trades since the last row.
        """
        self._row, self._time = self._row + 1, timestamp
        self._touch = np.array([bid, ask, bid_qty, ask_qty, (bid + ask) / 2, funding])
        due = [self._pending.popleft() for _ in range(self._n_due())]
        # A tape of the decisions that arrive now, and this row at its end: the kernel sees nothing else.
        book = np.stack([*(seen for _, _, seen, _ in due), self._touch])
        here = len(due)
        wanted = np.array([target for _, target, _, _ in due] + [0], np.int8)
        offsets = np.zeros(here + 2, np.int64)
        offsets[-1] = len(prints)
        log = np.empty((2 * here + 3, FILL_WIDTH))
        self.state[N_FILLS] = self.state[N_TRADES] = 0
        live_row(
            here,
            0,
            book,
            offsets,
            np.ascontiguousarray(prints, np.float64),
            np.r_[np.full(here, here), -1],
            wanted,
            -1,
            self._vector,
            self._settings,
            self.state,
            self._refused,
            log,
            np.empty((0, TRADE_WIDTH)),
            (due[-1][3] - here + 1) if due else self._row,
        )
        return [
            Fill(side=int(side), qty=qty, price=price, fee_usdt=fee, is_maker=bool(is_maker))
            for _, _, side, qty, price, fee, is_maker in log[: int(self.state[N_FILLS])].tolist()
        ]

    @property
    def touch(self) -> list[float]:
        """Bid, ask, their sizes, mid and funding of the last row; zeros before the first."""
        return [float(x) for x in self._touch]

    @property
    def has_touch(self) -> bool:
        """Whether it has seen a price; one that takes over another's account has not, until it is told."""
        return bool(self._touch[0] > 0)

    def see(self, bid: float, ask: float, bid_qty: float = np.inf, ask_qty: float = np.inf) -> None:
        """A price without a row: what `close` takes before the first one."""
        self._touch = np.array([bid, ask, bid_qty, ask_qty, (bid + ask) / 2, 0.0])

    def close(self) -> list[Fill]:
        """End of the session: cancel what rests, forget what is on its way, take the touch with what is held.

        Raises:
            MarketFault: something is held and no price was ever seen.
        """
        if self.state[LOTS] and not self.has_touch:
            raise MarketFault("desk: something is held and no price is known; feed it a row, or `see` one")
        self._pending.clear()
        log = np.empty((1, FILL_WIDTH))
        self.state[N_FILLS] = self.state[N_TRADES] = 0
        close_out(
            0,
            self._touch[None],
            self._vector,
            self._settings,
            self.state,
            self._refused,
            log,
            np.empty((0, TRADE_WIDTH)),
        )
        return [
            Fill(side=int(side), qty=qty, price=price, fee_usdt=fee, is_maker=bool(is_maker))
            for _, _, side, qty, price, fee, is_maker in log[: int(self.state[N_FILLS])].tolist()
        ]

    def decide(self, target: int, latency_ms: float = 1.0) -> None:
        """Send a target on its way; it meets the first row at or after now + latency, in order."""
        due = max(self._time + max(int(np.ceil(latency_ms)), 1), self._due)
        self._due = due
        self._pending.append((due, target, self._touch, self._row))

    def _n_due(self) -> int:
        return sum(due <= self._time for due, *_ in self._pending)

    @property
    def position(self) -> int:
        """Sign of what is held."""
        return int(np.sign(self.state[LOTS]))

    @property
    def holding(self) -> Holding:
        return Holding(cash_usdt=float(self.state[CASH]), lots=int(self.state[LOTS]))

    @property
    def equity_usdt(self) -> float:
        """Cash + inventory at the mid of the last row."""
        return float(worth(self.state, self._touch[4], self._vector[LOT]))

    @property
    def entry_price(self) -> float:
        """Of the open position, 0 when flat."""
        held = self.state[LOTS] != 0
        return float(self.state[COST] / (self.state[LOTS_IN] * self._vector[LOT])) if held else 0.0

    @property
    def resting(self) -> Order | None:
        """The order that waits in the queue, if one does."""
        if self.state[R_LOTS] <= 0:
            return None
        qty, side = float(self.state[R_LOTS] * self._vector[LOT]), int(self.state[R_SIDE])
        return Order(side=side, qty=qty, limit=float(self.state[R_LIMIT]), is_post_only=True)

    @property
    def fees_usdt(self) -> float:
        return float(self.state[PAID])

    @property
    def funding_usdt(self) -> float:
        return float(self.state[FUNDED])

    @property
    def is_ruined(self) -> bool:
        return bool(self.state[RUINED] >= 0)

    @property
    def refused(self) -> dict[str, int]:
        """Refusals so far, by reason."""
        return {REASONS[i]: int(n) for i, n in enumerate(self._refused) if n}


def plan(
    target: int,
    holding: Holding,
    bid: float,
    ask: float,
    rules: VenueRules,
    account: Account | None = None,
) -> tuple[list[Order], Refusal | None]:
    """The orders that bring a holding to −1, 0 or 1 at this touch, first leaving, then entering.

    A flip is planned as two orders; the entry is sized on the holding after the exit at this touch. With post-only
    execution the limits are the near touch; a flip then plans only the exit, as the simulator does.

    Returns:
        the orders in the order they are to be sent, and why something is missing, if it is.
    """
    account = account or Account()
    vector, is_post = rules.vector(), account.execution == "post_only"
    lot, orders = float(vector[LOT]), []
    sign = int(np.sign(holding.lots))
    if target == sign:
        return [], None
    if holding.lots:
        limit = (ask if sign > 0 else bid) if is_post else None
        leave = Order(
            side=-sign, qty=abs(holding.lots) * lot, limit=limit, is_reduce_only=True, is_post_only=is_post
        )
        if refused := validate(leave, holding, bid, ask, rules):
            return [], refused
        orders.append(leave)
        price = bid if sign > 0 else ask
        fee = leave.qty * price * (rules.maker_bps if is_post else rules.taker_bps) * 1e-4
        fill = Fill(side=-sign, qty=leave.qty, price=price, fee_usdt=fee)
        holding = holding.after(fill, rules)
    if target == 0 or (orders and is_post):
        return orders, None

    state = np.zeros(N_STATE)
    state[CASH] = holding.cash_usdt
    touch = np.array([bid, ask, np.inf, np.inf, (bid + ask) / 2, 0.0])
    n = wanted_lots(state, float(target), touch, vector, account.vector())
    if n == 0:
        return orders, refusal(TOO_SMALL)
    limit = (bid if target > 0 else ask) if is_post else None
    enter = Order(side=target, qty=n * lot, limit=limit, is_post_only=is_post)
    if refused := validate(enter, holding, bid, ask, rules):
        return orders, refused
    return [*orders, enter], None
