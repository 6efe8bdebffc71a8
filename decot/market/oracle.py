"""The alarm for results that cannot be: what the best account of that size could make. Knows no policy.

The bound is in money, not in log returns: with linear costs and |position| ≤ q, the best walk uses only −q, 0
and +q (the constraints are totally unimodular), so one recursion over three positions bounds every sizing.
"""

from __future__ import annotations

import numpy as np

from decot.errors import OracleExceeded
from decot.market.exact import Hindsight, hindsight
from decot.market.rules import VenueRules
from decot.market.simulate import Run
from decot.market.steps import Steps
from decot.market.tape import Tape


def oracle(tape: Tape, rules: VenueRules, qty: float) -> Hindsight:
    """The most any account holding at most ±qty could make as a taker; `bound_bps` is in quote currency."""
    steps = _money_steps(tape, rules)
    best = hindsight(steps)
    return Hindsight(best.bound_bps * qty, best.positions)


def check_plausible(run: Run, tape: Tape, rules: VenueRules) -> float:
    """The bound in quote currency, for the largest quantity the run ever held.

    Raises:
        OracleExceeded: the run made more than hindsight allows; a bug or a leak, never a success.
    """
    qty = float(np.abs(run.lots).max(initial=0)) * rules.lot * rules.contract
    if len(run.fills):
        qty = max(qty, float(run.fills["qty"].max()))
    bound = oracle(tape, rules, qty).bound_bps
    if run.pnl_usdt > bound + 1e-9 * max(1.0, abs(bound)):
        raise OracleExceeded(
            f"{rules.name}: the run made {run.pnl_usdt:.6f} USDT, hindsight with {qty:g} allows {bound:.6f}; "
            "look for fills before their orders, future columns or wrong fees"
        )
    return bound


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
