"""How long learning takes: CPU-seconds to 70 % of the true Kalman filter's profit at full costs, on a tape not learned from.

`python -m benchmarks.train --skill SECONDS [--cache FILE]` calls this. Every seed has its own network, its own luck and its
own three tapes: to learn from (long enough that nobody learns it by heart), to look at, and a third that the weights of the
moment of arrival are tried on once, so that a lucky look is seen. Looks are paid for by whoever looks. A peer that is not
there after SECONDS is given what it has waited, so its ratio is a lower bound. The peer has the same trunk and, beside
its own settings, those it did best with in shorter runs on other seeds, cost annealing among them.

Settings on both sides were chosen on the seeds from TUNED on. `--cache` keeps what is done, one line a run: a stopped
measurement goes on, and `remembered` says how many runs came from the file.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
import torch

from benchmarks.train import COST, FEATURES, WINDOW, World, kalman_bps, planted, sb3_model
from benchmarks.worlds import Cache
from decot.model.agent import Agent, ModelConfig
from decot.rl.algorithms import learn
from decot.rl.settings import PPOConfig
from decot.rl.training import profit

BOUND, ROWS = 0.7, (400_000, 20_000, 40_000)
REPORTED, TUNED = 1_000, 5_000
"""seeds of tapes begin here"""
SKILL: dict[str, Any] = {
    "env_steps": 500_000, "anneal": 0.6, "carried": True, "batch": 32, "length": 64, "epochs": 2,
    "learning_rate": 4e-3, "decay": 0.05, "eval_every": 12,
}  # fmt: skip
TRUNK = {"conv_filters": 32, "lstm_units": 64}
"""the peers' as well"""
PEER: dict[str, dict[str, Any]] = {
    "own": {},
    "helped": {
        "anneal": 100_000,
        "learning_rate": 1e-3,
        "n_steps": 512,
        "batch_size": 2_048,
        "ent_coef": 0.01,
    },
}
"""settings of SB3's PPO by name; `anneal` are env steps until costs are full"""
CHUNK = 8_192
"""env steps of a peer between two looks"""


def tapes(seed: int, first: int) -> tuple[World, World, World]:
    """Three tapes that no other seed sees."""
    learn_from, look_at, third = (planted(n, first + 10 * seed + part) for part, n in enumerate(ROWS))
    return learn_from, look_at, third


def ours(seed: int, first: int = REPORTED, **settings: Any) -> dict[str, Any]:
    """One agent of ours until it is there, or until its rows are used up."""
    taught, looked_at, third = tapes(seed, first)
    bound, reached, share = BOUND * kalman_bps(looked_at), float("nan"), float("nan")
    agent = Agent(ModelConfig(n_features=FEATURES, **TRUNK), first + seed)
    start = time.process_time()

    def look(line: dict[str, float]) -> bool:
        nonlocal reached, share
        share, spent = line["validation_bps"] / bound, time.process_time() - start
        tell("ours", seed, line["env_steps"], share, spent)
        if line["cost"] >= 1 and share >= 1:
            reached = spent
        return not reached > 0

    cfg = PPOConfig(**SKILL | settings)
    done = learn(agent, *taught, cfg, validation=looked_at, callback=look, seed=first + seed)
    waited = time.process_time() - start
    return {
        "seed": seed,
        "skill_s": round(reached, 2) if reached > 0 else None,
        "waited_s": round(waited, 2),
        "env_steps": done.env_steps,
        "share": round(BOUND * share, 3),
        "third_tape_share": round(profit(done.agent, *third)[0] / kalman_bps(third), 3),
    }


def peer(
    seed: int, seconds: float, first: int = REPORTED, anneal: int = 0, **settings: Any
) -> dict[str, Any]:
    """One PPO of SB3's until it is there, or until its time is up."""
    taught, looked_at, _ = tapes(seed, first)
    bound, shares, reached = BOUND * kalman_bps(looked_at), [0.0], float("nan")
    model = sb3_model(taught, "sb3-ppo", first + seed, **settings)
    start = time.process_time()
    while time.process_time() - start < seconds and not reached > 0:
        model.get_env().charged = min(1.0, model.num_timesteps / anneal) if anneal else 1.0
        model.learn(CHUNK, reset_num_timesteps=False)
        shares.append(sb3_bps(model, looked_at) / bound)
        spent = time.process_time() - start
        tell("sb3-ppo", seed, model.num_timesteps, shares[-1], spent)
        if shares[-1] >= 1 and model.num_timesteps >= anneal:
            reached = spent
    return {
        "seed": seed,
        "skill_s": round(reached, 2) if reached > 0 else None,
        "waited_s": round(time.process_time() - start, 2),
        "env_steps": int(model.num_timesteps),
        "share": round(BOUND * shares[-1], 3),
        "best_share": round(BOUND * max(shares), 3),
    }


def measure(seconds: float, seeds: int, peer_seeds: int, cache: Cache) -> dict[str, Any]:
    """Every run of both sides; times are medians over seeds, the ratio is that of the peer's quicker settings."""
    torch.set_num_threads(1)
    known = set(cache.done)
    mine = [
        cache.of(f"skill ours {seed} {REPORTED} {SKILL}", lambda s=seed: ours(s)) for seed in range(seeds)
    ]
    theirs = {
        name: [
            cache.of(peer_key(name, seed, seconds), lambda s=seed, p=plan: peer(s, seconds, **p))
            for seed in range(peer_seeds)
        ]
        for name, plan in PEER.items()
    }
    return {
        "bound": BOUND,
        "ours": summary_of(mine),
        "sb3-ppo": {name: summary_of(rows) for name, rows in theirs.items()},
        "remembered": len(known & set(cache.done)),
    }


def peer_key(name: str, seed: int, seconds: float) -> str:
    return f"skill sb3-ppo {seed} {REPORTED} {seconds:g} {PEER[name]}"


def summary_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Median and worst; whoever has not arrived counts with the time it was given."""
    spent = [row["waited_s"] for row in rows]
    return {
        "median_s": round(float(np.median(spent)), 2),
        "worst_s": max(spent),
        "reached": f"{sum(row['skill_s'] is not None for row in rows)}/{len(rows)}",
        "seeds": rows,
    }


def tell(who: str, seed: int, env_steps: float, share: float, spent: float) -> None:
    line = f"{who} seed {seed}: {env_steps:,.0f} env steps, {BOUND * share:.2f} of the Kalman profit, {spent:.1f} s"
    print(line, file=sys.stderr, flush=True)


def sb3_bps(model: Any, world: World, n: int = 3_000) -> float:
    """Its greedy walk over the first rows, scaled to the tape's length."""
    lesson, steps = world
    held, total = 1, 0.0
    for t in range(WINDOW, WINDOW + n):
        seen = np.concatenate([lesson.obs[t - WINDOW + 1 : t + 1].ravel(), np.eye(3, dtype=np.float32)[held]])
        action = int(model.predict(seen, deterministic=True)[0])
        total += (action - 1) * steps.ret_bps[t] - COST * abs(action - held)
        held = action
    return total * len(lesson) / n
