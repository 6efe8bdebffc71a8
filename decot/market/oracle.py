"""The alarm for results that cannot be: what the best account of that size could make. Knows no policy.

The bound is in money, not in log returns: with linear costs and |position| ≤ q, the best walk uses only −q, 0
and +q (the constraints are totally unimodular), so one recursion over three positions bounds every sizing.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from decot.errors import OracleExceeded
from decot.market.exact import Hindsight, hindsight
from decot.market.rules import VenueRules
from decot.market.simulate import Run
from decot.market.steps import Steps
from decot.market.tape import Tape


def oracle(tape: Tape, rules: VenueRules, qty: float) -> Hindsight:
    """The most any account holding at most ±qty could make as a taker; `bound_bps` is in quote currency."""
    best = hindsight(_money_steps(tape, rules))
    return Hindsight(best.bound_bps * qty, best.positions)


def maker_oracle(tape: Tape, rules: VenueRules, qty: float) -> float:
    """The most an account at ±qty could make if it may also rest orders, quote currency.

    Loose on purpose: in every bar it buys at the lowest and sells at the highest price anything traded at, first in the
    queue and without latency, and then takes the touch if it likes. No resting order is ever filled at better.
    """
    low, high = tape.ask.copy(), tape.bid.copy()
    bar = np.repeat(np.arange(len(tape)), np.diff(tape.offsets))
    np.minimum.at(low, bar, tape.prints[: len(bar), 0])
    np.maximum.at(high, bar, tape.prints[: len(bar), 0])
    paid = tape.funding * tape.mid if rules.kind == "perp" else np.zeros(len(tape))
    maker, taker = rules.maker_bps * 1e-4, rules.taker_bps * 1e-4
    return qty * float(_maker_bound(tape.bid, tape.ask, low, high, paid, maker, taker))


def bound_of(run: Run, tape: Tape, rules: VenueRules) -> float:
    """The most an account of this run's largest quantity could make on this tape, quote currency.

    A run with maker fills is held against the looser bound of those who may rest orders; one without fills against 0.
    """
    if not len(run.fills):
        return 0.0
    qty = max(float(np.abs(run.lots).max()) * rules.lot * rules.contract, float(run.fills["qty"].max()))
    qty += run.dust_qty
    return (
        maker_oracle(tape, rules, qty) if run.fills["is_maker"].any() else oracle(tape, rules, qty).bound_bps
    )


def check_plausible(run: Run, tape: Tape, rules: VenueRules) -> float:
    """The bound of a run (`bound_of`), if the run is within it.

    Raises:
        OracleExceeded: the run made more than hindsight allows; a bug or a leak, never a success.
    """
    bound = bound_of(run, tape, rules)
    if run.pnl_usdt > bound + 1e-9 * max(1.0, abs(bound)):
        raise OracleExceeded(
            f"{rules.name}: the run made {run.pnl_usdt:.6f} USDT, hindsight with at most "
            f"{run.fills['qty'].max(initial=0):g} allows {bound:.6f}; "
            "look for fills before their orders, future columns or wrong fees"
        )
    return bound


@njit(cache=True)
def _maker_bound(
    bid: np.ndarray,
    ask: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    paid: np.ndarray,
    maker: float,
    taker: float,
) -> float:
    """Backward over rows; in each: funding, one resting order filled at its best, then the touch, then hold."""
    last = len(bid) - 1
    after, mid_stage = np.zeros(3), np.zeros(3)
    for u in range(last, -1, -1):
        drift = 0.0 if u == last else (bid[u + 1] + ask[u + 1] - bid[u] - ask[u]) / 2
        mid = (bid[u] + ask[u]) / 2
        for p in range(3):
            mid_stage[p] = -np.inf
            for a in range(3):
                if u == last and a != 1:
                    continue
                move = a - p
                cost = (
                    move * (ask[u] * (1 + taker) - mid) if move > 0 else -move * (mid - bid[u] * (1 - taker))
                )
                mid_stage[p] = max(mid_stage[p], (a - 1) * drift + after[a] - cost)
        for p in range(3):
            after[p] = -np.inf
            for a in range(3):
                move = a - p
                cost = (
                    move * (low[u] * (1 + maker) - mid) if move > 0 else -move * (mid - high[u] * (1 - maker))
                )
                after[p] = max(after[p], mid_stage[a] - cost - (p - 1) * paid[u])
    return after[1]


def _money_steps(tape: Tape, rules: VenueRules) -> Steps:
    """Steps of one unit of base currency, in quote currency instead of basis points."""
    n = int((tape.fill_index >= 0).sum())
    rows = np.full(len(tape) + 1, len(tape) - 1)
    rows[:n] = tape.fill_index[:n]
    mid, at = tape.mid, rows[:-1]
    half, fee = (tape.ask - tape.bid) / 2, rules.taker_bps * 1e-4
    paid = np.r_[0.0, np.cumsum(tape.funding * mid if rules.kind == "perp" else np.zeros(len(tape)))]
    return Steps(
        ret_bps=mid[rows[1:]] - mid[at] - (paid[rows[1:] + 1] - paid[at + 1]),
        cost_buy_bps=half[at] + tape.ask[at] * fee,
        cost_sell_bps=half[at] + tape.bid[at] * fee,
        n_tradable=n,
    )
