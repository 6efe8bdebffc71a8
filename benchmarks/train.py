"""How many env steps a second training takes, beside Stable-Baselines3 on 100×41 windows and RecurrentPPO; one thread.

`python -m benchmarks.train --json [--skill SECONDS]`. Same trunk (Conv1d 41→32, LSTM 64), same planted market; 4 epochs
and 16 gradient steps per 2,048 env steps for everybody, 512 samples each. Ours is `rl.swift` (state carried, as
RecurrentPPO carries it) and learns nine answers, five forecasts and the words' coherence beside the policy. Rates are per
CPU-second, ours and the peers' in turns. An env step is one decision. The plain ratios compare rows of the market decided
on, each counted once however many accounts decide there, and only rows that are taught from. `…/account-steps` compares
decisions of accounts, which is what the peers count: four sampled walks share the pass over a row, 512 account-steps on
128 rows a gradient step. `--skill` also measures the time to 70 % of the Kalman profit; a peer that is not there after
SECONDS is reported with the ratio it has at least. `--before` adds the learner that reads a burn-in before each stretch.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from benchmarks.worlds import Cache
from decot.market.steps import Steps, walk_bps
from decot.model.agent import Agent, ModelConfig
from decot.model.lesson import Lesson
from decot.rl.algorithms import learn
from decot.rl.settings import PPOConfig
from decot.rl.worlds import as_world

World = tuple[Lesson, Steps]
WINDOW, FEATURES, HALF_LIFE, COST = 100, 41, 200.0, 3.0
TARGETS = {"sb3-ppo": 40.0, "recurrent-ppo": 5.0, "time-to-skill/sb3-ppo": 20.0}
EQUAL: dict[str, Any] = {"batch": 8, "length": 64, "epochs": 4, "eval_every": 10**9, "carried": True}
"""512 rows an update, 4 gradient steps on them: 16 per 2,048, every row seen 4 times"""
SHARED = EQUAL | {"batch": 4, "length": 32, "advantage": "gae", "accounts": 4}
"""512 account-steps an update on 128 rows, 4 gradient steps on them"""
ROUNDS = 7
"""in turns; a peer's rate moves by a tenth from one to the next"""
BEFORE = EQUAL | {"batch": 4, "length": 128, "carried": False}


def planted(n: int, seed: int) -> World:
    """A hidden AR(1) pushes the price and shows, under noise, in one of 41 columns; words are named from the columns."""
    rng = np.random.default_rng(seed)
    phi = 0.5 ** (1 / HALF_LIFE)
    signal, shock = np.zeros(n), rng.normal(size=n) * np.sqrt(1 - phi**2)
    for t in range(1, n):
        signal[t] = phi * signal[t - 1] + shock[t]
    ret = 0.12 * signal + rng.normal(size=n)
    obs = np.column_stack(
        [0.5 * signal + rng.normal(size=n), np.roll(ret, 1), rng.normal(size=(n, FEATURES - 2))]
    )
    return as_world(obs, ret, COST)


def kalman_bps(world: World) -> float:
    """What the true-parameter filter with its best threshold earns."""
    lesson, steps = world
    phi, state, spread = 0.5 ** (1 / HALF_LIFE), 0.0, 1.0
    guess = np.empty(len(lesson))
    for t, seen in enumerate(lesson.obs[:, 0].astype(float)):
        state, spread = phi * state, phi * phi * spread + 1 - phi**2
        gain = spread * 0.5 / (0.25 * spread + 1)
        state, spread = state + gain * (seen - 0.5 * state), spread * (1 - 0.5 * gain)
        guess[t] = state
    best = 0.0
    for level in np.linspace(0, 1.5, 16):
        wish = np.where(guess > level, 1, np.where(guess < -level, -1, 0))
        last = np.maximum.accumulate(np.where(wish != 0, np.arange(len(wish)), -1))
        best = max(best, float(walk_bps(steps, np.where(last >= 0, wish[last], 0)).sum()))
    return best


def trunk_for_peers() -> Any:
    """The same convolution and LSTM as an SB3 features extractor over a window."""
    from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

    class Trunk(BaseFeaturesExtractor):
        def __init__(self, space: Any, features_dim: int = 64) -> None:
            super().__init__(space, features_dim + 3)
            self.conv = torch.nn.Conv1d(FEATURES, 32, 5)
            self.lstm = torch.nn.LSTM(32, features_dim, batch_first=True)

        def forward(self, seen: torch.Tensor) -> torch.Tensor:
            x, held = seen[:, : WINDOW * FEATURES].view(-1, WINDOW, FEATURES), seen[:, WINDOW * FEATURES :]
            z = torch.nn.functional.max_pool1d(torch.relu(self.conv(x.transpose(1, 2))), 2)
            return torch.cat([self.lstm(z.transpose(1, 2))[0][:, -1], held], 1)

    return Trunk


def env_of(world: World, n_envs: int, window: int, seed: int) -> Any:
    """A vectorised market for SB3: rows by index, no Python per account."""
    import gymnasium
    from stable_baselines3.common.vec_env import VecEnv

    lesson, steps = world
    frames = np.lib.stride_tricks.sliding_window_view(lesson.obs, window, axis=0)

    class Market(VecEnv):
        def __init__(self) -> None:
            box = gymnasium.spaces.Box(-np.inf, np.inf, (window * FEATURES + 3,), np.float32)
            super().__init__(n_envs, box, gymnasium.spaces.Discrete(3))
            self.rng, self.charged = np.random.default_rng(seed), 1.0

        def _see(self) -> np.ndarray:
            rows = frames[self.at - window + 1].transpose(0, 2, 1).reshape(n_envs, -1)
            return np.concatenate([rows, np.eye(3, dtype=np.float32)[self.held]], 1)

        def reset(self) -> np.ndarray:
            self.at = self.rng.integers(window, len(lesson) - 1_100, n_envs)
            self.left = self.rng.integers(200, 1_000, n_envs)
            self.held = np.ones(n_envs, np.int64)
            return self._see()

        def step_async(self, actions: np.ndarray) -> None:
            self.actions = np.asarray(actions)

        def step_wait(self) -> Any:
            move = np.abs(self.actions - self.held)
            paid = self.charged * COST * move
            reward = ((self.actions - 1) * steps.ret_bps[self.at] - paid).astype(np.float32)
            self.held, self.at, self.left = self.actions.copy(), self.at + 1, self.left - 1
            done = self.left <= 0
            infos: list[dict[str, Any]] = [{} for _ in range(n_envs)]
            if done.any():
                last = self._see()
                for i in np.flatnonzero(done):
                    infos[i] = {"terminal_observation": last[i], "TimeLimit.truncated": True}
                again = int(done.sum())
                self.at[done] = self.rng.integers(window, len(lesson) - 1_100, again)
                self.left[done], self.held[done] = 1_000, 1
            return self._see(), reward, done, infos

        def close(self) -> None: ...
        def get_attr(self, name: str, indices: Any = None) -> list[Any]:
            return [getattr(self, name, None)] * n_envs

        def set_attr(self, name: str, value: Any, indices: Any = None) -> None: ...
        def env_method(self, name: str, *args: Any, indices: Any = None, **more: Any) -> list[Any]:
            return [None] * n_envs

        def env_is_wrapped(self, wrapper: Any, indices: Any = None) -> list[bool]:
            return [False] * n_envs

    return Market()


def cpu_rate(work: Callable[[], int]) -> float:
    """Env steps per CPU-second of this process."""
    start = time.process_time()
    n = work()
    return round(n / (time.process_time() - start), 1)


def ours_rate(world: World, n: int, plan: dict[str, Any] = EQUAL) -> float:
    """Rows of the market decided on and taught from per CPU-second; the last of each stretch is only looked at."""
    agent = Agent(ModelConfig(n_features=FEATURES, conv_filters=32, lstm_units=64), 0)
    share = (plan["length"] - 1) / plan["length"]
    return cpu_rate(lambda: round(share * learn(agent, *world, PPOConfig(env_steps=n, **plan)).env_steps))


def sb3_model(world: World, kind: str, seed: int = 0, **more: Any) -> Any:
    """Stable-Baselines3's PPO on windows, or sb3-contrib's RecurrentPPO on single rows; `more` are its own settings."""
    common: dict[str, Any] = {
        "n_steps": 2_048 // 16,
        "batch_size": 512,
        "n_epochs": 4,
        "device": "cpu",
        "seed": seed,
        "gamma": 0.99,
    } | more
    if kind == "sb3-ppo":
        from stable_baselines3 import PPO

        kwargs = {"features_extractor_class": trunk_for_peers(), "net_arch": []}
        return PPO("MlpPolicy", env_of(world, 16, WINDOW, seed), policy_kwargs=kwargs, **common)
    from sb3_contrib import RecurrentPPO

    kwargs = {"lstm_hidden_size": 64, "enable_critic_lstm": False, "shared_lstm": True, "net_arch": []}
    return RecurrentPPO("MlpLstmPolicy", env_of(world, 16, 1, seed), policy_kwargs=kwargs, **common)


def measure(n: int, seconds: float, is_before: bool, seeds: tuple[int, int], cache: Cache) -> dict[str, Any]:
    """Rates and, where it is waited for, time to skill on so many seeds of ours and of the peer."""
    torch.set_num_threads(1)
    world = planted(60_000, 1)
    plans = {"ours": EQUAL, "shared": SHARED} | ({"before": BEFORE} if is_before else {})
    for plan in plans.values():
        ours_rate(world, 4_096, plan)
    rounds: dict[str, list[float]] = {name: [] for name in plans}
    modules = {"sb3-ppo": "stable_baselines3", "recurrent-ppo": "sb3_contrib"}
    here = [name for name, module in modules.items() if importlib.util.find_spec(module)]
    for _ in range(ROUNDS):
        for name, plan in plans.items():
            rounds[name].append(ours_rate(world, (4 if name == "before" else 8) * n, plan))
        for name in here:
            model = sb3_model(world, name)
            rounds.setdefault(name, []).append(cpu_rate(lambda model=model: model.learn(n).num_timesteps))
            rounds["ours"].append(ours_rate(world, 8 * n))
        print({name: found[-1] for name, found in rounds.items()}, file=sys.stderr, flush=True)
    rates = {name: float(np.median(found)) for name, found in rounds.items()}
    shared = SHARED["accounts"] * rates["shared"]
    ratios = {name: round(rates["ours"] / rates[name], 1) for name in here}
    ratios |= {f"{name}/account-steps": round(shared / rates[name], 1) for name in here}
    ours: dict[str, Any] = {
        "env_steps_per_cpu_s": rates["ours"],
        "market_rows_with_4_accounts_per_cpu_s": rates["shared"],
        "account_steps_with_4_accounts_per_cpu_s": shared,
        "rounds": rounds,
    }
    if is_before:
        ours["market_rows_with_burn_in_per_cpu_s"] = rates["before"]
    peers: dict[str, Any] = {name: {"env_steps_per_cpu_s": rates[name]} for name in here}
    told: dict[str, Any] = {}
    if seconds > 0 and "sb3-ppo" in here:
        from benchmarks import skill

        told = skill.measure(seconds, *seeds, cache)
        if (
            told["ours"]["reached"] == f"{seeds[0]}/{seeds[0]}"
        ):  # where one of ours is not there there is no ratio
            soonest = min(found["median_s"] for found in told["sb3-ppo"].values())
            ratios["time-to-skill/sb3-ppo"] = round(soonest / told["ours"]["median_s"], 1)
    return {
        "name": "train",
        "ours": ours,
        "peers": peers,
        "skill": told,
        "skipped": [f"{name}: {modules[name]} is not installed" for name in modules if name not in here],
        "ratios": ratios,
        "targets": TARGETS,
        "met": all(ratios.get(name, 0.0) >= bound for name, bound in TARGETS.items()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--steps", type=int, default=4_096, help="env steps per round of each peer")
    parser.add_argument(
        "--skill",
        type=float,
        default=300.0,
        help="CPU-seconds to wait for a peer to learn; 0 skips it (half an hour)",
    )
    parser.add_argument("--before", action="store_true", help="also the learner with a burn-in, in torch")
    parser.add_argument(
        "--seeds", type=int, nargs=2, default=(5, 3), help="of time to skill: ours, and the peer's"
    )
    parser.add_argument("--cache", type=Path, help="a file that remembers every run to skill done")
    options = parser.parse_args()
    seeds = (options.seeds[0], options.seeds[1])
    found = measure(options.steps, options.skill, options.before, seeds, Cache(options.cache))
    for name, figure in {"ours": found["ours"], **found["peers"]}.items():
        print(f"{name:16s} {figure['env_steps_per_cpu_s']:10,.0f} env steps per CPU-s", file=sys.stderr)
    print(json.dumps(found) if options.json else found["ratios"])


if __name__ == "__main__":
    main()
