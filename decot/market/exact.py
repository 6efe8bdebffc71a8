"""Exact answers on a fixed tape: the advantage of every action at every position, and the best of hindsight.

An account under 20 dollars does not move the market, so the three positions are the whole state and one
backward recursion is exact (DESIGN §5). Positions and actions are indexed 0, 1, 2 for −1, 0, +1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from decot.errors import MarketFault
from decot.market.steps import Steps


class Exact(NamedTuple):
    """Shapes: B stretches, T rows, 3 positions, 3 actions."""

    advantages: np.ndarray
    """(B, T, 3, 3) [position, action]: reward-to-go of the action minus the policy's; Σ pi·A = 0"""
    occupancy: np.ndarray
    """(B, T, 3) probability of standing at each position when the policy walks from `start`"""
    values: np.ndarray
    """(B, T, 3) reward-to-go of the policy from each position"""


class Hindsight(NamedTuple):
    """The best walk there was."""

    bound_bps: float
    """no walk of −1, 0, 1 over these steps earns more"""
    positions: np.ndarray
    """(T,) int8 a walk that earns it"""


class Rollout(NamedTuple):
    """Sampled walks; (B, T) each."""

    positions: np.ndarray
    """int8 index of the position before the decision"""
    actions: np.ndarray
    """int8 index of the position chosen"""
    rewards: np.ndarray
    advantages: np.ndarray
    """generalised advantage estimate"""
    returns: np.ndarray
    """advantages + values: what the critic is fitted to"""


def exact_advantages(
    pi: np.ndarray,
    ret_bps: np.ndarray,
    cost_buy_bps: np.ndarray,
    cost_sell_bps: np.ndarray,
    gamma: float = 1.0,
    *,
    last_values: np.ndarray | None = None,
    start: np.ndarray | None = None,
) -> Exact:
    """The advantage of all nine (position, action) pairs at every row, without sampling.

    Args:
        pi: (B, T, 3, 3) probability of each action given each position.
        ret_bps, cost_buy_bps, cost_sell_bps: (B, T) from `Steps`.
        last_values: (B, 3) value after the last row. A stretch cut by the clock is truncated: hand in the
            critic's values. `Steps.close_bps` is the true end of a tape. None is zero: left open, marked at mid.
        start: (B, 3) occupancy of the first row; None starts flat.
    Raises:
        MarketFault: shapes that do not fit.
    """
    shape = _same_shape(pi, ret_bps, cost_buy_bps, cost_sell_bps)
    last = np.zeros((shape[0], 3)) if last_values is None else np.asarray(last_values, np.float64)
    first = np.tile([0.0, 1.0, 0.0], (shape[0], 1)) if start is None else np.asarray(start, np.float64)
    return Exact(*_exact(pi, ret_bps, cost_buy_bps, cost_sell_bps, gamma, last, first))


def hindsight(steps: Steps, *, is_closed: bool = True) -> Hindsight:
    """The upper bound of any walk over these steps, closing at the end unless told otherwise.

    Ties prefer to stay, so that a market without edge gives an idle walk.
    """
    last = steps.close_bps if is_closed else np.zeros(3)
    return Hindsight(
        *_hindsight(steps.ret_bps, steps.cost_buy_bps, steps.cost_sell_bps, last, steps.n_tradable)
    )


def rollout(
    pi: np.ndarray,
    values: np.ndarray,
    ret_bps: np.ndarray,
    cost_buy_bps: np.ndarray,
    cost_sell_bps: np.ndarray,
    *,
    gamma: float,
    lam: float,
    seed: int,
    last_values: np.ndarray | None = None,
    start: np.ndarray | None = None,
) -> Rollout:
    """Walks sampled from a policy, one per stretch, with GAE (arXiv 1506.02438, eq. 16).

    Args:
        pi: (B, T, 3, 3); values: (B, T, 3) the critic's; zeros are fine where there is no critic (GRPO).
        seed: the same seed gives the same walks.
        last_values: (B, 3) bootstrap at the cut; None is zero.
        start: (B,) index of the first position; None starts flat.
    """
    shape = _same_shape(pi, ret_bps, cost_buy_bps, cost_sell_bps)
    last = np.zeros((shape[0], 3)) if last_values is None else np.asarray(last_values, np.float64)
    first = np.ones(shape[0], np.int8) if start is None else np.asarray(start, np.int8)
    luck = np.random.default_rng(seed).random(shape)
    return Rollout(*_rollout(pi, values, ret_bps, cost_buy_bps, cost_sell_bps, gamma, lam, luck, last, first))


def _same_shape(pi: np.ndarray, *arrays: np.ndarray) -> tuple[int, int]:
    shapes = {x.shape for x in arrays} | {pi.shape[:2]}
    if len(shapes) != 1 or pi.shape[2:] != (3, 3):
        raise MarketFault(f"pi {pi.shape} needs (B, T, 3, 3) beside steps of shape (B, T), got {shapes}")
    return int(pi.shape[0]), int(pi.shape[1])


@njit(cache=True)
def _pay(position: int, action: int, ret: float, buy: float, sell: float) -> float:
    """Reward of choosing `action` at `position`, both as 0, 1, 2."""
    move = action - position
    return (action - 1) * ret - (move * buy if move > 0 else -move * sell)


@njit(cache=True)
def _exact(
    pi: np.ndarray,
    ret: np.ndarray,
    buy: np.ndarray,
    sell: np.ndarray,
    gamma: float,
    last: np.ndarray,
    first: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n_batch, n_rows = ret.shape
    adv = np.empty_like(pi)
    occupancy = np.empty((n_batch, n_rows, 3), pi.dtype)
    values = np.empty((n_batch, n_rows, 3), pi.dtype)
    after, now, q = np.empty(3), np.empty(3), np.empty(3)
    for b in range(n_batch):
        after[:] = last[b]
        for t in range(n_rows - 1, -1, -1):
            for p in range(3):
                now[p] = 0.0
                for a in range(3):
                    q[a] = _pay(p, a, ret[b, t], buy[b, t], sell[b, t]) + gamma * after[a]
                    now[p] += pi[b, t, p, a] * q[a]
                for a in range(3):
                    adv[b, t, p, a] = q[a] - now[p]
                values[b, t, p] = now[p]
            after[:] = now
        now[:] = first[b]
        for t in range(n_rows):
            for a in range(3):
                occupancy[b, t, a] = now[a]
                q[a] = 0.0
            for p in range(3):
                for a in range(3):
                    q[a] += now[p] * pi[b, t, p, a]
            now[:] = q
    return adv, occupancy, values


@njit(cache=True)
def _hindsight(
    ret: np.ndarray, buy: np.ndarray, sell: np.ndarray, last: np.ndarray, n_tradable: int
) -> tuple[float, np.ndarray]:
    n_rows = len(ret)
    best = np.empty((n_rows, 3), np.int8)
    after, now = last.copy(), np.empty(3)
    for t in range(n_rows - 1, -1, -1):
        for p in range(3):
            now[p] = _pay(p, p, ret[t], buy[t], sell[t]) + after[p]
            best[t, p] = p
            if t >= n_tradable:
                continue
            for a in range(3):
                q = _pay(p, a, ret[t], buy[t], sell[t]) + after[a]
                if q > now[p]:
                    now[p] = q
                    best[t, p] = a
        after[:] = now
    walk = np.empty(n_rows, np.int8)
    p = 1
    for t in range(n_rows):
        p = best[t, p]
        walk[t] = p - 1
    return after[1], walk


@njit(cache=True)
def _rollout(
    pi: np.ndarray,
    values: np.ndarray,
    ret: np.ndarray,
    buy: np.ndarray,
    sell: np.ndarray,
    gamma: float,
    lam: float,
    luck: np.ndarray,
    last: np.ndarray,
    first: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    n_batch, n_rows = ret.shape
    positions, actions = np.empty((n_batch, n_rows), np.int8), np.empty((n_batch, n_rows), np.int8)
    rewards, adv, returns = (
        np.empty((n_batch, n_rows)),
        np.empty((n_batch, n_rows)),
        np.empty((n_batch, n_rows)),
    )
    for b in range(n_batch):
        p = first[b]
        for t in range(n_rows):
            u = luck[b, t]
            a = 0 if u < pi[b, t, p, 0] else (1 if u < pi[b, t, p, 0] + pi[b, t, p, 1] else 2)
            positions[b, t], actions[b, t] = p, a
            rewards[b, t] = _pay(p, a, ret[b, t], buy[b, t], sell[b, t])
            p = a
        trace, after = 0.0, last[b, p]
        for t in range(n_rows - 1, -1, -1):
            value = values[b, t, positions[b, t]]
            trace = rewards[b, t] + gamma * after - value + gamma * lam * trace
            adv[b, t] = trace
            returns[b, t] = trace + value
            after = value
    return positions, actions, rewards, adv, returns
