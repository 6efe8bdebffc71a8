"""The right answer to a made-up market, as far as bars can tell it. Knows the world's own numbers; no agent may.

The hidden signal and the three blurs are AR(1), so the Kalman filter over the four of them, fed with the
log-odds of bid size at each bar's end, is the best linear guess there is from the book. What a threshold on
it earns is the yardstick for a learner; it uses the world's true parameters, which nobody else has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numba import njit
from numpy.typing import NDArray

from decot.data.worlds import WorldConfig

_LN2 = 0.6931471805599453


@dataclass(frozen=True, slots=True)
class Earned:
    """What a rule made: bps per round trip after costs, and how clearly."""

    total_bps: float
    n_trades: int
    mean_bps: float
    t_value: float


@njit(cache=True)
def _filter(observed: Any, seen: Any, variance: Any, phi: Any, out: Any) -> None:
    """Kalman filter of (signal, blur, blur, blur); observation k is seen[k]·signal + blur[k], exactly."""
    x = np.zeros(4)
    p = np.diag(variance)
    for t in range(len(observed)):
        for i in range(4):
            x[i] *= phi[i]
            for j in range(4):
                p[i, j] *= phi[i] * phi[j]
            p[i, i] += (1.0 - phi[i] * phi[i]) * variance[i]
        for k in range(3):
            gain = np.empty(4)
            for i in range(4):
                gain[i] = seen[k] * p[i, 0] + p[i, k + 1]
            spread = seen[k] * gain[0] + gain[k + 1] + 1e-9
            missed = observed[t, k] - seen[k] * x[0] - x[k + 1]
            for i in range(4):
                x[i] += gain[i] / spread * missed
            for i in range(4):
                for j in range(4):
                    p[i, j] -= gain[i] * gain[j] / spread
        out[t] = x[0]


def best_guess(bars: pl.DataFrame, cfg: WorldConfig, clock_ms: int = 1_000) -> NDArray[np.float64]:
    """(T,) the best linear guess of the hidden signal at the end of each bar of one day, from its book alone."""
    sides = [
        (bars[f"bid_volume{k}"].to_numpy(), bars[f"ask_volume{k}"].to_numpy()) for k in ("", "_5", "_20")
    ]
    levels = [np.log(bid / ask) for bid, ask in sides]
    seconds = clock_ms / 1_000
    half_lives = np.array([cfg.half_life_s, *(cfg.blur_half_life_s,) * 3])
    variance = np.array([1.0, *(blur * blur for blur in cfg.blur)])
    guess = np.empty(bars.height)
    _filter(np.stack(levels, 1), np.array(cfg.seen), variance, np.exp(-_LN2 * seconds / half_lives), guess)
    return guess


@njit(cache=True)
def _round_trips(guess: Any, bid: Any, ask: Any, enter: float, cost_bps: float, late: int, out: Any) -> int:
    """Enter beyond ±`enter`, leave at 0 or turn; filled at the touch `late` bars on. Returns the number of trips."""
    position, entry, n = 0, 0.0, 0
    for t in range(len(guess) - late):
        wanted = position
        if guess[t] > enter:
            wanted = 1
        elif guess[t] < -enter:
            wanted = -1
        elif position * guess[t] < 0.0:
            wanted = 0
        if wanted == position:
            continue
        if position != 0:
            out[n] = (
                position * np.log((bid[t + late] if position > 0 else ask[t + late]) / entry) * 1e4 - cost_bps
            )
            n += 1
        entry = ask[t + late] if wanted > 0 else bid[t + late]
        position = wanted
    return n


def earned(
    guess: NDArray[np.float64],
    bars: pl.DataFrame,
    *,
    enter: float = 1.2,
    cost_bps: float = 9.0,
    late: int = 1,
) -> Earned:
    """What a threshold on a guess makes on one day's bars, at the touch, after `cost_bps` of fees a round trip."""
    out = np.empty(bars.height)
    n = _round_trips(
        guess, bars["bid_price"].to_numpy(), bars["ask_price"].to_numpy(), enter, cost_bps, late, out
    )
    trips = out[:n]
    if n < 2:
        return Earned(float(trips.sum()), n, float(trips.sum()), 0.0)
    spread = float(trips.std(ddof=1))
    return Earned(float(trips.sum()), n, float(trips.mean()), float(trips.mean() / spread * np.sqrt(n)))
