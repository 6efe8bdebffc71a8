"""Every way of learning by name: its own settings, declared once, and one door to teach with it. Knows no experiment.

    ppo-exact   advantages of all nine (position, action) pairs by backward recursion
    ppo-gae     many sampled walks per stretch, judged by the others that stood where they stand
    grpo        groups of walks without a critic
    sb3-ppo     Stable-Baselines3's PPO on single rows and the account: a baseline, no words, no agent of ours
    td3         Stable-Baselines3's TD3, a continuous target quantised by the market: a baseline as well

The settings were chosen on worlds with other seeds than those `benchmarks.worlds` reports.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from decot.errors import ConfigError
from decot.market.steps import Steps
from decot.model.agent import Agent
from decot.model.lesson import Lesson
from decot.rl.grpo import GRPOConfig, train_grpo
from decot.rl.ppo import PPOConfig, train
from decot.rl.swift import train_swift
from decot.rl.training import Callback, Trained

SETTINGS: dict[str, dict[str, Any]] = {
    "ppo-exact": {"advantage": "exact"},
    "ppo-gae": {"advantage": "gae", "accounts": 128, "lam": 0.0, "wander": 0.1, "entropy_end": 0.0},
    "grpo": {
        "batch": 12,
        "length": 384,
        "tail": 128,
        "group": 128,
        "credit": "state",
        "is_batch_spread": True,
        "wander": 0.1,
        "gamma": 0.99,
        "kl": 0.0,
    },
}
"""what sets one algorithm apart; whatever is not named is PPOConfig's"""
ALGORITHMS = tuple(SETTINGS)
BASELINES = ("sb3-ppo", "td3")


def plan(name: str, base: PPOConfig | None = None, **more: Any) -> PPOConfig:
    """The learning configuration of one algorithm.

    Args:
        base: what a profile chose; only what differs from PPOConfig's own defaults counts as chosen, and it wins over
            the algorithm's settings.
        more: wins over both.
    Raises:
        ConfigError: no such algorithm, or one that is a baseline (`decot.rl.sb3` trains those).
    """
    if name in BASELINES:
        raise ConfigError(
            [f"algorithm: {name} teaches no agent of ours; decot.rl.sb3.train_sb3 gives its targets"]
        )
    if name not in SETTINGS:
        raise ConfigError([f"algorithm: {name!r} is not one of {ALGORITHMS} (baselines: {BASELINES})"])
    plain = PPOConfig()
    chosen = {
        field.name: getattr(base, field.name)
        for field in fields(PPOConfig)
        if base is not None and getattr(base, field.name) != getattr(plain, field.name)
    }
    chosen.pop("advantage", None)  # the name says it
    kind = GRPOConfig if name == "grpo" else PPOConfig
    settings = {**SETTINGS[name], **chosen, **more}
    if "tail" in settings and "tail" not in more:  # of an episode somebody made shorter, a third
        settings["tail"] = min(settings["tail"], settings["length"] // 3)
    return kind(**settings)


def teach(
    name: str,
    agent: Agent,
    lesson: Lesson,
    steps: Steps,
    cfg: PPOConfig | None = None,
    *,
    validation: tuple[Lesson, Steps] | None = None,
    seed: int = 0,
    callback: Callback | None = None,
    resume: Path | None = None,
) -> Trained:
    """Teach `agent` in place by the algorithm of that name; `cfg` is `plan(name, …)`'s, or a base for it.

    Raises:
        ConfigError: as `plan`.
    """
    ready = cfg if cfg is not None and _is_of(name, cfg) else plan(name, cfg)
    return learn(
        agent, lesson, steps, ready, validation=validation, seed=seed, callback=callback, resume=resume
    )


def learn(agent: Agent, lesson: Lesson, steps: Steps, cfg: PPOConfig, **more: Any) -> Trained:
    """By whichever algorithm the configuration belongs to; `more` as in `rl.ppo.train`."""
    if isinstance(cfg, GRPOConfig):
        return train_grpo(agent, lesson, steps, cfg, **more)
    if cfg.carried:
        return train_swift(agent, lesson, steps, cfg, **more)
    return train(agent, lesson, steps, cfg, **more)


def _is_of(name: str, cfg: PPOConfig) -> bool:
    if name == "grpo":
        return isinstance(cfg, GRPOConfig)
    is_ours = {"ppo-exact": "exact", "ppo-gae": "gae"}.get(name) == cfg.advantage
    return is_ours and not isinstance(cfg, GRPOConfig)
