"""The market as a Gymnasium environment: an observation per bar, a target per step, profit as reward. Knows no learner.

The clock cutting an episode is `truncated` and its value lives on; ruin is `terminated` and it does not: never merged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from numba import njit

from decot.errors import ConfigError
from decot.market.account import CASH, COST, ENTRY_ROW, LOTS, LOTS_IN, Account
from decot.market.batch import Accounts
from decot.market.rules import LOT, VenueRules
from decot.market.tape import Tape

ACCOUNT_NAMES = ("position", "asked", "unrealised", "held", "drawdown", "equity")
"""what an account shows of itself, beside the market's columns"""
N_ACCOUNT = len(ACCOUNT_NAMES)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvConfig:
    """How episodes are cut from a tape."""

    episode_rows: int = 1_024
    """steps before the clock cuts the episode"""
    window: int = 1
    """bars per observation; 1 gives a vector, more give (window, columns)"""
    is_continuous: bool = False
    """a target in −1…1, quantised to lots inside, instead of −1, 0, 1"""
    is_random_start: bool = True
    """start anywhere on the tape, else at its first row with a full window"""


class Seats:
    """N accounts on one tape with what they see: the shared middle of both environments.

    Args:
        observations: (T, F) market columns per bar, finite; never targets or system columns.
    Raises:
        ConfigError: observations that do not fit the tape, or a tape shorter than an episode needs.
    """

    def __init__(
        self,
        observations: np.ndarray,
        tape: Tape,
        rules: VenueRules,
        account: Account | None,
        config: EnvConfig | None,
        n: int,
    ) -> None:
        self.config = config or EnvConfig()
        self.market = np.ascontiguousarray(observations, np.float32)
        faults = []
        if self.market.ndim != 2 or len(self.market) != len(tape):
            faults.append(f"observations {self.market.shape} need one row for each of {len(tape)} bars")
        elif not np.isfinite(self.market).all():
            faults.append(
                f"observations hold {int((~np.isfinite(self.market)).sum())} values that are not finite"
            )
        if len(tape) < self.config.window + 2:
            faults.append(f"{len(tape)} bars are too few for a window of {self.config.window}")
        if self.config.episode_rows < 1 or self.config.window < 1:
            faults.append("episode_rows and window must be 1 or more")
        if faults:
            raise ConfigError(faults)
        self.accounts = Accounts(
            tape, rules, account or Account(), n, is_continuous=self.config.is_continuous
        )
        self._lot = float(rules.vector()[LOT])
        self._asked = np.zeros(n)
        self._peak = np.full(n, self.accounts.account.capital_usdt)
        self._left = np.zeros(n, np.int64)
        width = self.market.shape[1] + N_ACCOUNT
        self.shape = (width,) if self.config.window == 1 else (self.config.window, width)

    @property
    def observation_space(self) -> gym.spaces.Box:
        return gym.spaces.Box(-np.inf, np.inf, self.shape, np.float32)

    @property
    def action_space(self) -> gym.Space:
        """0, 1, 2 for −1, 0, 1; or one number in −1…1."""
        if self.config.is_continuous:
            return gym.spaces.Box(-1.0, 1.0, (1,), np.float32)
        return gym.spaces.Discrete(3)

    def seat(self, who: np.ndarray, rng: np.random.Generator) -> None:
        """Fresh accounts, each at the start of a new episode."""
        first, last = self.config.window - 1, len(self.market) - 2
        room = max(first, last + 1 - self.config.episode_rows)
        starts = (
            rng.integers(first, room + 1, len(who))
            if self.config.is_random_start
            else np.full(len(who), first)
        )
        self.accounts.seat(who, starts)
        self._asked[who] = 0.0
        self._peak[who] = self.accounts.account.capital_usdt
        self._left[who] = np.minimum(self.config.episode_rows, last + 1 - starts)

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rewards in bps of capital, terminated, truncated; an account that is ruined at the last bar is terminated."""
        targets = actions.reshape(self.accounts.n, -1)[:, 0]
        targets = np.clip(targets, -1, 1) if self.config.is_continuous else targets.astype(np.int64) - 1
        rewards = self.accounts.step(targets)
        self._asked[:] = targets
        self._peak = np.maximum(self._peak, self.accounts.equity())
        self._left -= 1
        terminated = self.accounts.ruined()
        return rewards, terminated, (self._left <= 0) & ~terminated

    def observe(self) -> np.ndarray:
        """(N, *shape) float32: the market's columns, then the account's (`ACCOUNT_NAMES`) on every bar of the window."""
        out = np.empty((self.accounts.n, self.config.window, self.market.shape[1] + N_ACCOUNT), np.float32)
        _observe(
            self.market,
            self.accounts.rows,
            self.accounts.states,
            self.accounts.book,
            self._asked,
            self._peak,
            self._lot,
            self.accounts.account.capital_usdt,
            out,
        )
        return out.reshape(self.accounts.n, *self.shape)

    def facts(self, i: int) -> dict[str, Any]:
        """What account i may be asked about after a step."""
        return {
            "row": int(self.accounts.rows[i]),
            "equity_usdt": float(self.accounts.equity()[i]),
            "position": int(np.sign(self.accounts.states[i, LOTS])),
        }


class TradingEnv(gym.Env):
    """One account. Actions 0, 1, 2 ask for −1, 0, 1; reward is the change of equity in bps of the capital."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}

    def __init__(
        self,
        observations: np.ndarray,
        tape: Tape,
        rules: VenueRules,
        account: Account | None = None,
        config: EnvConfig | None = None,
    ) -> None:
        self.seats = Seats(observations, tape, rules, account, config, 1)
        self.observation_space = self.seats.observation_space
        self.action_space = self.seats.action_space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.seats.seat(np.array([0]), self.np_random)
        return self.seats.observe()[0], self.seats.facts(0)

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        rewards, terminated, truncated = self.seats.step(np.asarray(action).reshape(1, -1))
        return (
            self.seats.observe()[0],
            float(rewards[0]),
            bool(terminated[0]),
            bool(truncated[0]),
            self.seats.facts(0),
        )


@njit(cache=True)
def _observe(
    market: np.ndarray,
    rows: np.ndarray,
    states: np.ndarray,
    book: np.ndarray,
    asked: np.ndarray,
    peak: np.ndarray,
    lot: float,
    capital: float,
    out: np.ndarray,
) -> None:
    """Account columns are of order one: unrealised and drawdown in percent, time held as log(1 + rows) / 8."""
    window, n_market = out.shape[1], market.shape[1]
    for i in range(len(rows)):
        state, u = states[i], rows[i]
        mid = book[u, 4]
        equity = state[CASH] + state[LOTS] * lot * mid
        unrealised, held = 0.0, 0.0
        if state[LOTS] != 0:
            entry = state[COST] / (state[LOTS_IN] * lot)
            unrealised = np.sign(state[LOTS]) * (mid / entry - 1) * 100
            held = np.log1p(max(u - state[ENTRY_ROW], 0.0)) / 8
        for k in range(window):
            for j in range(n_market):
                out[i, k, j] = market[u - window + 1 + k, j]
            out[i, k, n_market] = np.sign(state[LOTS])
            out[i, k, n_market + 1] = asked[i]
            out[i, k, n_market + 2] = unrealised
            out[i, k, n_market + 3] = held
            out[i, k, n_market + 4] = (equity / peak[i] - 1) * 100
            out[i, k, n_market + 5] = equity / capital - 1
