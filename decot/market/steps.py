"""The tape as an agent is taught on it: what holding earns, what changing costs. Knows no lots.

Rewards are basis points of the notional held. A position decided at t is held from its fill to the next
decision's, so `Σ target·ret − costs` telescopes to the log return between fills; what is open at the end is
closed at the last row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from decot.market.rules import VenueRules
from decot.market.tape import Tape


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Steps:
    """What each row pays; T rows, basis points of notional."""

    ret_bps: np.ndarray
    """(T,) of being long from the fill of row t to the fill of row t+1"""
    cost_buy_bps: np.ndarray
    """(T,) of buying one unit of position at the fill of row t: half-spread + taker fee"""
    cost_sell_bps: np.ndarray
    n_tradable: int
    """rows whose order still arrives; later rows hold what there is"""

    def __len__(self) -> int:
        return len(self.ret_bps)

    @property
    def close_bps(self) -> np.ndarray:
        """(3,) what it costs to leave −1, 0, 1 at the end, as a value (≤ 0): the last row's costs."""
        return np.array([-self.cost_buy_bps[-1], 0.0, -self.cost_sell_bps[-1]])

    def slice(self, start: int, stop: int) -> Steps:
        return Steps(
            ret_bps=self.ret_bps[start:stop],
            cost_buy_bps=self.cost_buy_bps[start:stop],
            cost_sell_bps=self.cost_sell_bps[start:stop],
            n_tradable=int(np.clip(self.n_tradable - start, 0, stop - start)),
        )

    def scaled(self, cost: float) -> Steps:
        """The same returns with every cost multiplied: how costs are annealed in."""
        return Steps(
            ret_bps=self.ret_bps,
            cost_buy_bps=self.cost_buy_bps * cost,
            cost_sell_bps=self.cost_sell_bps * cost,
            n_tradable=self.n_tradable,
        )


def step_rewards(tape: Tape, rules: VenueRules) -> Steps:
    """What the tape pays under these fees. An order that comes too late earns nothing, costs a closing."""
    mid = tape.mid
    n = int((tape.fill_index >= 0).sum())
    rows = np.full(len(tape) + 1, len(tape) - 1)
    rows[:n] = tape.fill_index[:n]
    at = rows[:-1]
    half = (tape.ask - tape.bid) / 2 / mid
    fee = rules.taker_bps
    paid = np.r_[0.0, np.cumsum(tape.funding if rules.kind == "perp" else np.zeros(len(tape)))]
    return Steps(
        ret_bps=(np.log(mid[rows[1:]] / mid[at]) - (paid[rows[1:] + 1] - paid[at + 1])) * 1e4,
        cost_buy_bps=half[at] * 1e4 + fee * (1 + half[at]),
        cost_sell_bps=half[at] * 1e4 + fee * (1 - half[at]),
        n_tradable=n,
    )


def walk_bps(steps: Steps, targets: np.ndarray) -> np.ndarray:
    """(T,) reward of each row for a walk of targets that starts flat and is closed at the end.

    Targets of rows whose order no longer arrives change nothing, as in the simulator.
    """
    held = np.asarray(targets, np.float64).copy()
    held[steps.n_tradable :] = held[steps.n_tradable - 1] if steps.n_tradable else 0.0
    change = np.diff(held, prepend=0.0)
    reward = held * steps.ret_bps
    reward -= np.maximum(change, 0) * steps.cost_buy_bps + np.maximum(-change, 0) * steps.cost_sell_bps
    reward[-1] += held[-1] * steps.close_bps[2] if held[-1] > 0 else -held[-1] * steps.close_bps[0]
    return reward
