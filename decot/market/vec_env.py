"""The batched market as a stable-baselines3 VecEnv: many accounts, one call per step. Knows no learner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import VecEnv

from decot.market.account import Account
from decot.market.env import EnvConfig, Seats
from decot.market.rules import VenueRules
from decot.market.tape import Tape


class TradingVecEnv(VecEnv):
    """N accounts, each in its own episode; finished ones start anew at once.

    An episode cut by the clock says so (`TimeLimit.truncated`) and hands over its last observation
    (`terminal_observation`), so a learner can value what comes after; a ruined one says that it is not cut.
    """

    def __init__(
        self,
        observations: np.ndarray,
        tape: Tape,
        rules: VenueRules,
        account: Account | None = None,
        config: EnvConfig | None = None,
        *,
        n_envs: int = 16,
        seed: int = 0,
    ) -> None:
        self.seats = Seats(observations, tape, rules, account, config, n_envs)
        self.render_mode = None
        self._rng = np.random.default_rng(seed)
        self._actions = np.zeros(n_envs)
        super().__init__(n_envs, self.seats.observation_space, self.seats.action_space)

    def reset(self) -> np.ndarray:
        if self._seeds[0] is not None:
            self._rng = np.random.default_rng([s for s in self._seeds if s is not None])
            self._reset_seeds()
        self.seats.seat(np.arange(self.num_envs), self._rng)
        return self.seats.observe()

    def step_async(self, actions: np.ndarray) -> None:
        self._actions = np.asarray(actions)

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        rewards, terminated, truncated = self.seats.step(self._actions)
        seen = self.seats.observe()
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        done = terminated | truncated
        over = np.flatnonzero(done)
        for i in over:
            infos[i] = self.seats.facts(int(i)) | {
                "TimeLimit.truncated": bool(truncated[i]),
                "terminal_observation": seen[i].copy(),
            }
        if len(over):
            self.seats.seat(over, self._rng)
            seen[over] = self.seats.observe()[over]
        return seen, rewards.astype(np.float32), done, infos

    def close(self) -> None:
        """Nothing is held open."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        return [getattr(self, attr_name)] * len(self._get_indices(indices))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        setattr(self, attr_name, value)

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        return [getattr(self, method_name)(*args, **kwargs)] * len(self._get_indices(indices))

    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> list[bool]:
        return [False] * len(self._get_indices(indices))

    def _get_indices(self, indices: int | Sequence[int] | None) -> Sequence[int]:
        if indices is None:
            return range(self.num_envs)
        return [indices] if isinstance(indices, int) else indices
