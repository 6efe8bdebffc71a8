"""Stable-Baselines3's PPO and TD3 on our market, as baselines: rows and the account in, targets out. Knows no words.

They trade through `market.vec_env`, so lots, minimum notional and latency are the simulator's. TD3's target in −1…1 is
quantised to lots inside the market, and what was really held goes into its replay, not what was wished for.
Stable-Baselines3 is imported when something is trained, not before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from decot.errors import ConfigError
from decot.market.account import LOTS, Account
from decot.market.env import EnvConfig, Seats
from decot.market.rules import LOT, VenueRules, load_rules
from decot.market.steps import Steps
from decot.market.tape import Tape

KINDS = ("sb3-ppo", "td3")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Venue:
    """A tape with who trades there."""

    tape: Tape
    rules: VenueRules
    account: Account


def venue_of(steps: Steps, *, price: float = 1_000.0) -> Venue:
    """A book that pays what these steps pay: filled one row later, every cost in the spread, lots of a cent."""
    path = np.concatenate([[0.0, 0.0], np.cumsum(steps.ret_bps)])[: len(steps)] * 1e-4
    mid = price * np.exp(path)
    half = np.concatenate([[0.0], (steps.cost_buy_bps + steps.cost_sell_bps)[:-1] / 2e4])
    tape = Tape.of(np.arange(len(steps)) * 1_000, mid * (1 - half), mid * (1 + half), latency_ms=1)
    return Venue(tape=tape, rules=load_rules("zero-fee", "BTC-USD"), account=Account(buffer_bps=0.0))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Baseline:
    """A trained model of Stable-Baselines3."""

    kind: str
    model: Any
    """an OnPolicyAlgorithm or OffPolicyAlgorithm; its logger and callbacks are its own"""

    def targets(self, obs: np.ndarray, venue: Venue) -> np.ndarray:
        """(T,) what it holds over a tape, walked once from its first row: −1, 0, 1, or a share of the account (TD3).

        The last row decides nothing.
        """
        cfg = EnvConfig(episode_rows=len(obs), is_random_start=False, is_continuous=self.kind == "td3")
        seats = Seats(obs, venue.tape, venue.rules, venue.account, cfg, 1)
        seats.seat(np.array([0]), np.random.default_rng(0))
        asked: list[float] = []
        for _ in range(len(obs) - 1):
            action = self.model.predict(seats.observe(), deterministic=True)[0]
            seats.step(np.asarray(action))
            asked.append(
                float(np.asarray(action).ravel()[0]) if self.kind == "td3" else float(action[0]) - 1.0
            )
        return np.asarray([*asked, asked[-1]])


def train_sb3(
    kind: str,
    obs: np.ndarray,
    market: Steps | Venue,
    *,
    env_steps: int,
    n_envs: int = 16,
    episode_rows: int = 512,
    seed: int = 0,
    callback: Any = None,
    logger: Any = None,
    features_extractor: type | None = None,
    **settings: Any,
) -> Baseline:
    """Teach a baseline on scaled observations.

    Args:
        kind: sb3-ppo or td3.
        obs: (T, F) one row per bar, as in a Lesson.
        market: a venue, or steps to be made one.
        callback: any SB3 callback, or a list of them; logger: one that `stable_baselines3.common.logger.configure` made.
        features_extractor: a BaseFeaturesExtractor; None sees the rows as they are.
        settings: handed to SB3's class, above ours.
    Raises:
        ConfigError: no such kind.
    """
    if kind not in KINDS:
        raise ConfigError([f"kind: {kind!r} is not one of {KINDS}"])
    from decot.market.vec_env import TradingVecEnv

    venue = venue_of(market) if isinstance(market, Steps) else market
    cfg = EnvConfig(episode_rows=min(episode_rows, len(obs) - 2), is_continuous=kind == "td3")
    env = TradingVecEnv(obs, venue.tape, venue.rules, venue.account, cfg, n_envs=n_envs, seed=seed)
    policy: dict[str, Any] = {"net_arch": [64, 64]}
    if features_extractor is not None:
        policy["features_extractor_class"] = features_extractor
    build: Callable[..., Any] = _ppo if kind == "sb3-ppo" else _td3
    model = build(env, venue, {"seed": seed, "device": "cpu", "policy_kwargs": policy} | settings)
    if logger is not None:
        model.set_logger(logger)
    model.learn(env_steps, callback=callback)
    return Baseline(kind=kind, model=model)


def _ppo(env: Any, venue: Venue, settings: dict[str, Any]) -> Any:
    from stable_baselines3 import PPO

    ours = {"n_steps": 128, "batch_size": 512, "n_epochs": 4, "gamma": 0.99, "ent_coef": 0.005}
    return PPO("MlpPolicy", env, **(ours | settings))


def _td3(env: Any, venue: Venue, settings: dict[str, Any]) -> Any:
    """Arrivals of one row at most: only then is what is held after a step what that step decided."""
    from stable_baselines3 import TD3
    from stable_baselines3.common.noise import NormalActionNoise, VectorizedActionNoise

    arrives = venue.tape.fill_index >= 0
    wait = (venue.tape.fill_index - np.arange(len(venue.tape)))[arrives]
    ours: dict[str, Any] = {
        "gamma": 0.95, "learning_rate": 1e-3, "batch_size": 256, "buffer_size": 50_000, "learning_starts": 2_000,
        "train_freq": 4, "gradient_steps": 8,
        "action_noise": VectorizedActionNoise(NormalActionNoise(np.zeros(1), 0.3 * np.ones(1)), env.num_envs),
    }  # fmt: skip
    if wait.max(initial=1) <= 1:
        ours |= {"replay_buffer_class": held_buffer(env.seats, venue)}
    return TD3("MlpPolicy", env, **(ours | settings))


def held_buffer(seats: Seats, venue: Venue) -> type:
    """A replay that keeps the share of the account really held after each step, in whole lots, in place of the wish."""
    from stable_baselines3.common.buffers import ReplayBuffer

    lot = float(venue.rules.vector()[LOT])

    class Held(ReplayBuffer):
        def add(self, obs: Any, next_obs: Any, action: Any, reward: Any, done: Any, infos: Any) -> None:
            accounts = seats.accounts
            mid = accounts.book[accounts.rows, 4]
            share = accounts.states[:, LOTS] * lot * mid / accounts.account.capital_usdt
            kept = np.clip(share, -1, 1)[:, None].astype(np.float32)
            over = np.asarray(done, bool)  # seated anew already: only the wish is known
            kept[over] = np.asarray(action, np.float32).reshape(len(kept), 1)[over]
            super().add(obs, next_obs, kept, reward, done, infos)

    return Held
