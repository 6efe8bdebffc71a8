"""What a row pays a learner, beside its bps: small terms of risk, and gains that count less when words did not mean them.

1) Differential Sharpe and downside ratio (Moody & Saffell 2001): how one return moves the ratio of its own running means.
2) Drawdown: what a return adds to the fall from the highest equity of the walk.
3) Coherence scales, it adds nothing: a gain counts fully where the sentence, read back, spoke for that side and where
   do(outlook) moves the action as the word says; less elsewhere. A loss always counts fully, so words forgive nothing.
The first two remember, so they belong to walks (ppo-gae, grpo) and not to the exact recursion. All are off by default, and
none of them is what a result is reported in.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numba import njit

from decot.model.agent import Agent, Output, decide_from
from decot.model.sentences import parse, sentence
from decot.model.vocabulary import OUTLOOK, SIZES

ETA = 0.02
"""share of the newest return in the running means"""
LIMIT = 5.0
"""no single row's ratio term counts for more than this"""
SIDES = np.array([-1.0, 0.0, 1.0])


class Terms(NamedTuple):
    """Weights of the terms that remember, in units of `unit_bps` per unit of the term."""

    sharpe: float = 0.0
    sortino: float = 0.0
    drawdown: float = 0.0
    """bps taken off per bps of new drawdown"""
    unit_bps: float = 1.0
    """a typical return: what one unit of a ratio is worth, and the spread the running means begin with"""

    @property
    def is_on(self) -> bool:
        return bool(self.sharpe or self.sortino or self.drawdown)


@njit(cache=True)
def differential_sharpe(reward: float, mean: float, square: float) -> float:
    """(B·ΔA − A·ΔB/2) / (B − A²)^1.5 with A, B the running means of the return and its square before this row."""
    spread = square - mean * mean
    if spread <= 1e-12:
        return 0.0
    return (square * (reward - mean) - 0.5 * mean * (reward * reward - square)) / spread**1.5


@njit(cache=True)
def differential_downside(reward: float, mean: float, down: float) -> float:
    """The same of A / DD, DD² the running mean of the squared losses: gains move only A, losses both."""
    if down <= 1e-12:
        return 0.0
    deviation = np.sqrt(down)
    if reward > 0:
        return (reward - 0.5 * mean) / deviation
    return (down * (reward - 0.5 * mean) - 0.5 * mean * reward * reward) / deviation**3


@njit(cache=True)
def shaped(rewards: np.ndarray, sharpe: float, sortino: float, drawdown: float, unit: float) -> np.ndarray:
    """(N, T) rewards of walks in bps, with the terms added."""
    out = rewards.astype(np.float64)
    for i in range(rewards.shape[0]):
        mean, square, down = 0.0, unit * unit, unit * unit / 2
        equity, peak, fall = 0.0, 0.0, 0.0
        for t in range(rewards.shape[1]):
            r = float(rewards[i, t])
            if sharpe != 0.0:
                found = differential_sharpe(r, mean, square)
                out[i, t] += sharpe * unit * min(max(found, -LIMIT), LIMIT)
            if sortino != 0.0:
                found = differential_downside(r, mean, down)
                out[i, t] += sortino * unit * min(max(found, -LIMIT), LIMIT)
            equity += r
            peak = max(peak, equity)
            if peak - equity > fall:
                out[i, t] -= drawdown * (peak - equity - fall)
            fall = peak - equity
            mean += ETA * (r - mean)
            square += ETA * (r * r - square)
            down += ETA * (min(r, 0.0) ** 2 - down)
    return out


def held_pay(ret: np.ndarray, coherent: np.ndarray | None = None, scale: float = 0.0) -> np.ndarray:
    """(B, T, 3) what standing short, flat or long through a row pays.

    Args:
        ret: (B, T) bps of being long.
        coherent: (B, T, 3) in 0…1, how far the words meant that side.
        scale: 0 pays as the market does; 1 gives nothing for a gain nobody spoke for.
    """
    pay = ret[..., None] * SIDES
    if coherent is None or scale == 0:
        return pay
    return np.where(pay > 0, pay * (1 - scale * (1 - coherent)), pay)


@lru_cache(maxsize=4_096)
def _said(chain: tuple[int, ...]) -> int:
    """−1, 0, 1: the side the sentence of these nine answers expects, read back from its text."""
    return int(np.sign(int(parse(sentence(chain))[OUTLOOK]) - SIZES[OUTLOOK] // 2))


def coherence_of(agent: Agent, out: Output) -> np.ndarray:
    """(B, T, 3) how far each side is what was said and what is done: by re-parse and by intervention, in 0, ½, 1.

    Flat is always coherent. A side the outlook names counts 1, any side under "little change" ½, against the outlook 0;
    and nothing counts where do(outlook = a rosier answer) lowers, or never raises, the odds of being long.
    """
    words = out.words.numpy()
    chains, back = np.unique(words.reshape(-1, words.shape[-1]), axis=0, return_inverse=True)
    sides = np.array([_said(tuple(int(word) for word in chain)) for chain in chains])[back.ravel()]
    expected = sides.reshape(words.shape[:2])[..., None]
    agrees = np.where(expected == 0, 0.5, (SIDES * expected > 0).astype(float))
    with torch.no_grad():
        moves = _moves_as_said(agent, out)
    found = agrees * moves[..., None]
    found[..., 1] = 1.0
    return found


def _moves_as_said(agent: Agent, out: Output) -> np.ndarray:
    step = agent.order.index(OUTLOOK)
    leans = []
    for answer in range(SIZES[OUTLOOK]):
        said = out.embedded.clone()
        said[:, :, step] = agent.meaning[step][answer]
        policy, value, leave, _ = agent.judgement(said, out.latent)
        probs = decide_from(policy, value, leave, agent.cfg.value_tilt)
        leans.append((probs[..., 2] - probs[..., 0]).mean(-1))
    lean = torch.stack(leans, -1)
    follows = (lean.diff(dim=-1) > -1e-3).all(-1) & (lean[..., -1] > lean[..., 0] + 1e-3)
    return np.asarray(follows.numpy(), dtype=np.float64)


@njit(cache=True)
def exact_by_pay(
    pi: np.ndarray,
    hold: np.ndarray,
    buy: np.ndarray,
    sell: np.ndarray,
    gamma: float,
    last: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`market.exact.exact_advantages` where each side has its own pay (B, T, 3): advantages, occupancy, values."""
    n_batch, n_rows = buy.shape
    adv = np.empty_like(pi)
    occupancy, values = np.empty((n_batch, n_rows, 3), pi.dtype), np.empty((n_batch, n_rows, 3), pi.dtype)
    after, now, q = np.empty(3), np.empty(3), np.empty(3)
    for b in range(n_batch):
        after[:] = last[b]
        for t in range(n_rows - 1, -1, -1):
            for p in range(3):
                now[p] = 0.0
                for a in range(3):
                    move = a - p
                    paid = move * buy[b, t] if move > 0 else -move * sell[b, t]
                    q[a] = hold[b, t, a] - paid + gamma * after[a]
                    now[p] += pi[b, t, p, a] * q[a]
                for a in range(3):
                    adv[b, t, p, a] = q[a] - now[p]
                values[b, t, p] = now[p]
            after[:] = now
        now[:] = 0.0
        now[1] = 1.0
        for t in range(n_rows):
            occupancy[b, t] = now
            q[:] = 0.0
            for p in range(3):
                for a in range(3):
                    q[a] += now[p] * pi[b, t, p, a]
            now[:] = q
    return adv, occupancy, values
