"""Many sampled walks over one stretch, counted together: what each (position, action) was worth where it was met.

The market does not know us, so every walk of a stretch lives through the very same path, and a hundred of them cost
one pass of the trunk. Two walks that stand at the same position in the same row are in the same state: the mean of
their returns knows the path, which no critic can, and is the better yardstick and the better thing to look ahead to.
The critic speaks after the last row and where nobody stood. Knows no network.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from decot.rl.reward import Terms, held_pay, shaped


class Tally(NamedTuple):
    """B stretches, T rows, 3 positions, 3 actions."""

    weight: np.ndarray
    """(B, T, 3, 3) share of the walks that met this pair; sums to 1 per row"""
    advantage: np.ndarray
    """(B, T, 3, 3) bps, mean over those walks; 0 where nobody was"""
    stand: np.ndarray
    """(B, T, 3) bps to come when standing there after the decision, mean of what was met"""
    seen: np.ndarray
    """(B, T, 3) share of the walks that stood there after it"""
    rewards: np.ndarray
    """(B, W) what each walk earned, bps"""


def tally(
    pi: np.ndarray,
    values: np.ndarray,
    ret: np.ndarray,
    buy: np.ndarray,
    sell: np.ndarray,
    *,
    walks: int,
    gamma: float,
    lam: float,
    rng: np.random.Generator,
    by_peers: bool = True,
    last_values: np.ndarray | None = None,
    is_ruin: np.ndarray | None = None,
    hold: np.ndarray | None = None,
    terms: Terms | None = None,
    wander: float = 0.0,
) -> Tally:
    """Walk every stretch `walks` times, each from a random position, and judge by λ-returns (arXiv 1506.02438, eq. 16).

    Luck is dealt in even parts: at every row one walk draws from each 1/W of the unit interval.

    Args:
        pi: (B, T, 3, 3) probability of each action given each position; values: (B, T, 3) the critic's.
        ret, buy, sell: (B, T) what a row pays and costs, bps.
        lam: 1 looks ahead along the walk itself, 0 to the mean of those who stand where it goes next (`by_peers`) or to
            the critic; the same λ-return either way.
        by_peers: measure a walk against the others that stood where it stands (the critic is one of them), and look
            ahead to such means; else to the critic alone, as Schulman et al. do.
        last_values: (B, 3) worth of each position after the last row, where the stretch is *truncated*: cut by the
            clock while the market goes on. None is worth nothing.
        hold: (B, T, 3) what each side is paid in place of −ret, 0, ret; terms: what is added to every walk's rewards.
        is_ruin: (B, T) rows that *terminate*: nothing that comes after them is anybody's. None is never.
    """
    n_batch, n_rows = ret.shape
    last = np.zeros((n_batch, 3)) if last_values is None else np.asarray(last_values, np.float64)
    over = np.zeros((n_batch, n_rows), np.bool_) if is_ruin is None else np.asarray(is_ruin, np.bool_)
    luck = rng.permuted(np.broadcast_to(np.arange(walks), (n_batch, n_rows, walks)), axis=2)
    luck = (luck + rng.random(luck.shape, np.float32)) / walks
    start = rng.integers(0, 3, (n_batch, walks)).astype(np.int8)
    pay = (np.asarray(x, np.float64) for x in (held_pay(ret) if hold is None else hold, buy, sell))
    extra = np.asarray(terms or Terms(), np.float64)
    return Tally(
        *_tally(
            pi, values, *pay, gamma, lam, by_peers, luck.astype(np.float32), last, over, start, extra, wander
        )
    )


@njit(cache=True)
def _tally(
    pi: np.ndarray,
    values: np.ndarray,
    hold: np.ndarray,
    buy: np.ndarray,
    sell: np.ndarray,
    gamma: float,
    lam: float,
    by_peers: bool,
    luck: np.ndarray,
    last: np.ndarray,
    over: np.ndarray,
    start: np.ndarray,
    extra: np.ndarray,
    wander: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    n_batch, n_rows = buy.shape
    n_walks = luck.shape[2]
    has_terms = extra[0] != 0 or extra[1] != 0 or extra[2] != 0
    weight, signal = np.zeros(pi.shape, np.float32), np.zeros(pi.shape, np.float32)
    stand, seen = np.zeros((n_batch, n_rows, 3), np.float32), np.zeros((n_batch, n_rows, 3), np.float32)
    earned = np.zeros((n_batch, n_walks))
    held, gone = np.empty((n_rows, n_walks), np.int8), np.empty((n_rows, n_walks), np.int8)
    paid, found = np.empty((n_rows, n_walks)), np.empty((n_rows, n_walks))
    reward, rho = np.empty((n_walks, n_rows)), np.empty((n_rows, n_walks))
    total, count, ahead = np.empty(3), np.empty(3), np.empty(3)
    for b in range(n_batch):
        for w in range(n_walks):
            p = start[b, w]
            for t in range(n_rows):
                u = luck[b, t, w]
                if u < wander:
                    a = min(int(3 * u / wander), 2)
                else:
                    u = (u - wander) / (1 - wander)
                    a = 0 if u < pi[b, t, p, 0] else (1 if u < pi[b, t, p, 0] + pi[b, t, p, 1] else 2)
                own = pi[b, t, p, a]
                rho[t, w] = own / ((1 - wander) * own + wander / 3)
                move = a - p
                paid[t, w] = move * buy[b, t] if move > 0 else -move * sell[b, t]
                reward[w, t] = hold[b, t, a] - paid[t, w]
                earned[b, w] += reward[w, t]
                held[t, w], gone[t, w] = p, a
                p = a
        if has_terms:
            reward = shaped(reward, extra[0], extra[1], extra[2], extra[3])
        ahead[:] = last[b]
        for t in range(n_rows - 1, -1, -1):
            total[:], count[:] = 0.0, 0.0
            for w in range(n_walks):
                p, a = held[t, w], gone[t, w]
                after = ahead[a]
                if t + 1 < n_rows:
                    after = ahead[a] + lam * min(rho[t + 1, w], 1.0) * (found[t + 1, w] - ahead[a])
                if over[b, t]:
                    after = 0.0
                found[t, w] = reward[w, t] + gamma * after
                total[p] += rho[t, w] * found[t, w]
                count[p] += rho[t, w]
            for p in range(3):
                ahead[p] = total[p] / count[p] if by_peers and count[p] > 1e-6 else values[b, t, p]
        for t in range(n_rows):
            total[:], count[:] = 0.0, 0.0
            for w in range(n_walks):
                total[held[t, w]] += rho[t, w] * found[t, w]
                count[held[t, w]] += rho[t, w]
            for w in range(n_walks):
                p, a = held[t, w], gone[t, w]
                yardstick = values[b, t, p]
                if by_peers:
                    others = count[p] - rho[t, w]
                    yardstick = (total[p] - rho[t, w] * found[t, w] + yardstick) / (others + 1.0)
                weight[b, t, p, a] += 1.0
                signal[b, t, p, a] += found[t, w] - yardstick
                stand[b, t, a] += found[t, w] + paid[t, w]
                seen[b, t, a] += 1.0
            for p in range(3):
                for a in range(3):
                    if weight[b, t, p, a] > 0:
                        signal[b, t, p, a] /= weight[b, t, p, a]
                        weight[b, t, p, a] /= n_walks
                if seen[b, t, p] > 0:
                    stand[b, t, p] /= seen[b, t, p]
                    seen[b, t, p] /= n_walks
    return weight, signal, stand, seen, earned


def pooled_to_go(
    rewards: np.ndarray,
    positions: np.ndarray,
    actions: np.ndarray,
    gamma: float = 1.0,
    ratio: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """(B, G, T) what each decision is worth to the end: its reward, then the mean of all that stand where it went; and
    how much that is above the mean of all that stood where it was taken.

    The same expectation as following the walk itself, without the noise of what that one walk did later.

    Args:
        rewards: (B, G, T) bps; positions, actions: (B, G, T) index 0, 1, 2 before and after the decision.
        ratio: (B, G, T) policy ÷ what the walks were drawn from, where the two differ.
    """
    weights = np.ones(rewards.shape) if ratio is None else ratio.astype(np.float64)
    after, apart = _pooled(rewards.astype(np.float64), positions, actions, gamma, weights)
    return after, apart


@njit(cache=True)
def _pooled(
    rewards: np.ndarray, positions: np.ndarray, actions: np.ndarray, gamma: float, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    n_batch, n_walks, n_rows = rewards.shape
    found, apart = np.empty(rewards.shape), np.empty(rewards.shape)
    ahead, total, count = np.zeros(3), np.zeros(3), np.zeros(3)
    for b in range(n_batch):
        ahead[:] = 0.0
        for t in range(n_rows - 1, -1, -1):
            total[:], count[:] = 0.0, 0.0
            for w in range(n_walks):
                p = positions[b, w, t]
                found[b, w, t] = rewards[b, w, t] + gamma * ahead[actions[b, w, t]]
                total[p] += weights[b, w, t] * found[b, w, t]
                count[p] += weights[b, w, t]
            for p in range(3):
                ahead[p] = total[p] / count[p] if count[p] > 1e-6 else 0.0
            for w in range(n_walks):
                p = positions[b, w, t]
                apart[b, w, t] = found[b, w, t] - ahead[p] if count[p] > 1e-6 else 0.0
    return found, apart
