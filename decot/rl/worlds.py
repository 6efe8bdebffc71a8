"""Tiny worlds with a known answer: what to do is planted, so what was learned can be checked by hand. Knows no learner."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from decot.errors import ConfigError
from decot.market.exact import hindsight
from decot.market.steps import Steps, walk_bps
from decot.model.lesson import Lesson
from decot.model.vocabulary import N_QUESTIONS, OUTLOOK, RISK, SIZES

World = tuple[Lesson, Steps]


def as_world(obs: np.ndarray, ret_bps: np.ndarray, cost_bps: float) -> World:
    """Observations and the return that follows each, as a lesson and its steps; a target's unit is 1e-4."""
    n = len(ret_bps)
    path = np.concatenate([[0.0], np.cumsum(ret_bps)])
    rows = np.arange(n)
    ahead = np.stack([path[np.minimum(rows + k, n)] - path[rows] for k in range(11)], 1)
    five, ten = ahead[:, 5], ahead[:, 10]
    targets = np.stack(
        [
            five,
            ten,
            np.sign(ten) * (np.abs(ten) > 2) * 1e4,
            ahead.min(1),
            np.maximum(np.abs(ten) - 2 * cost_bps, 0),
        ],
        1,
    )
    words = np.zeros((n, N_QUESTIONS), np.int8)
    for k, size in enumerate(SIZES):
        words[:, k] = _quantiles(obs[:, k % obs.shape[1]], int(size))
    sd = ten.std()
    words[:, OUTLOOK] = np.searchsorted([-sd, -0.3 * sd, 0.3 * sd, sd], ten)
    words[:, RISK] = _quantiles(-ahead.min(1), 4)
    cost = np.full(n, float(cost_bps))
    steps = Steps(ret_bps=ret_bps, cost_buy_bps=cost, cost_sell_bps=cost.copy(), n_tradable=n)
    return Lesson(obs.astype(np.float32), words, (targets * 1e-4).astype(np.float32)), steps


def _quantiles(x: np.ndarray, n: int) -> np.ndarray:
    return np.searchsorted(np.quantile(x, np.linspace(0, 1, n + 1)[1:-1]), x)


def repeat(n: int, seed: int) -> World:
    """The first column says which way the next move goes; moving costs nothing."""
    rng = np.random.default_rng(seed)
    obs = rng.normal(size=(n, 8))
    obs[:, 0] = rng.choice([-1.0, 1.0], n)
    return as_world(obs, 2.0 * obs[:, 0], 0.0)


def oracle(n: int, seed: int) -> World:
    """One column is the next return itself, the others are noise; a unit change costs 1 bps."""
    rng = np.random.default_rng(seed)
    ret = 2.0 * rng.normal(size=n)
    obs = np.column_stack([ret / 2.0, rng.normal(size=(n, 7))])
    return as_world(obs, ret, 1.0)


def planted(n: int, seed: int, *, push: float = 0.12, half_life: float = 200.0, cost: float = 3.0) -> World:
    """A hidden AR(1) pushes the price and shows, under noise, in the first of 41 columns."""
    rng = np.random.default_rng(seed)
    signal = _slow(rng, n, half_life)
    ret = push * signal + rng.normal(size=n)
    obs = np.column_stack([0.5 * signal + rng.normal(size=n), np.roll(ret, 1), rng.normal(size=(n, 39))])
    obs[0, 1] = 0.0
    return as_world(obs, ret, cost)


def noise(n: int, seed: int) -> World:
    """Nothing that is seen says anything about what follows; a unit change costs 1 bps."""
    rng = np.random.default_rng(seed)
    return as_world(rng.normal(size=(n, 8)), rng.normal(size=n), 1.0)


def readable(n: int, seed: int) -> World:
    """Seven columns are the seven readings, a slow eighth pushes the price, a ninth says how wild it is."""
    rng = np.random.default_rng(seed)
    push = _slow(rng, n, 40.0)
    wild = np.exp(0.7 * _slow(rng, n, 150.0))
    ret = 0.6 * push + wild * rng.normal(size=n)
    readings = np.column_stack([_slow(rng, n, 15.0) for _ in range(7)])
    obs = np.column_stack([readings, push + 0.5 * rng.normal(size=n), np.log(wild), rng.normal(size=(n, 3))])
    return as_world(obs, ret, 1.0)


def _slow(rng: np.random.Generator, n: int, half_life: float) -> np.ndarray:
    phi = 0.5 ** (1 / half_life)
    out, shock = np.zeros(n), rng.normal(size=n) * np.sqrt(1 - phi**2)
    out[0] = rng.normal()
    for t in range(1, n):
        out[t] = phi * out[t - 1] + shock[t]
    return out


def kalman_bps(world: World, *, half_life: float = 200.0) -> float:
    """The filter with the true parameters and its best threshold: what the planted world is worth to one who knows it."""
    lesson, steps = world
    phi = 0.5 ** (1 / half_life)
    state, spread = 0.0, 1.0
    guess = np.empty(len(lesson))
    for t, seen in enumerate(lesson.obs[:, 0].astype(float)):
        state, spread = phi * state, phi * phi * spread + 1 - phi**2
        gain = spread * 0.5 / (0.25 * spread + 1)
        state, spread = state + gain * (seen - 0.5 * state), spread * (1 - 0.5 * gain)
        guess[t] = state
    return max(float(walk_bps(steps, _threshold(guess, level)).sum()) for level in np.linspace(0, 1.5, 16))


def _threshold(guess: np.ndarray, level: float) -> np.ndarray:
    wish = np.where(guess > level, 1, np.where(guess < -level, -1, 0))
    last = np.maximum.accumulate(np.where(wish != 0, np.arange(len(wish)), -1))
    return np.where(last >= 0, wish[last], 0).astype(np.int8)


class Kind(NamedTuple):
    """One world and what it is worth to one who knows it."""

    make: Callable[..., World]
    worth: Callable[[World], float]
    """bps of the best that could be done: hindsight, or the true filter with its best threshold; 0 in noise"""
    bound: float
    """share of that worth a learner must earn"""


def _hindsight_bps(world: World) -> float:
    return hindsight(world[1]).bound_bps


KINDS: dict[str, Kind] = {
    "repeat": Kind(repeat, _hindsight_bps, 0.95),
    "oracle": Kind(oracle, _hindsight_bps, 0.80),
    "planted": Kind(planted, kalman_bps, 0.70),
    "noise": Kind(noise, lambda _: 0.0, 0.0),
    "readable": Kind(readable, _hindsight_bps, 0.0),
}


def make(kind: str, n: int, seed: int, **more: float) -> World:
    """A world of `n` rows; another seed is another tape of the same kind.

    Raises:
        ConfigError: no such kind.
    """
    if kind not in KINDS:
        raise ConfigError([f"kind: {kind!r} is not one of {sorted(KINDS)}"])
    return KINDS[kind].make(n, seed, **more)
