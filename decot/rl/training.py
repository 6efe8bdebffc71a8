"""The loop around a learner: looks at validation, keeps the best, saves, resumes. Knows no algorithm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from decot.market.steps import Steps, walk_bps
from decot.model.agent import Agent
from decot.model.lesson import Lesson
from decot.model.play import decide, walk
from decot.rl.memory import Cursor, recall, remember, snapshot

Result = TypeVar("Result")
Callback = Callable[[dict[str, float]], bool | None]
"""called with a line of the curve; False stops"""
BLOCK = 60
"""rows whose profit is taken as one when its luck is judged"""


class Schedule(Protocol):
    """What the loop reads of a configuration."""

    @property
    def updates(self) -> int: ...
    @property
    def rows_per_update(self) -> int: ...
    @property
    def settled(self) -> float: ...
    @property
    def eval_every(self) -> int: ...
    @property
    def save_every(self) -> int: ...
    @property
    def patience(self) -> int: ...
    @property
    def caution(self) -> float: ...


class Learns(Protocol):
    """What the loop asks of a learner."""

    agent: Agent
    optimizer: torch.optim.Optimizer
    rng: np.random.Generator
    extra: dict[str, Tensor]
    """what else must be remembered to resume"""

    @property
    def schedule(self) -> Schedule: ...

    def update(self, index: int) -> dict[str, float]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """An agent after learning."""

    agent: Agent
    curve: list[dict[str, float]] = field(default_factory=list)
    """one line per look: update, env_steps, train_bps per 1,000 rows, validation_bps, trades, losses"""
    env_steps: int = 0
    best_step: int = 0
    """env steps of the weights that were kept"""
    best_bps: float = float("nan")
    """validation profit of the weights that were kept"""


def in_one_thread(work: Callable[..., Result]) -> Callable[..., Result]:
    """Run `work` with one torch thread, and put the number back: sums over two threads have other last bits than over one.

    The number belongs to the calling thread, so it is set here and not once for all.
    """

    @wraps(work)
    def alone(*args: Any, **named: Any) -> Result:
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return work(*args, **named)
        finally:
            torch.set_num_threads(before)

    return alone


@in_one_thread
def run_training(
    learner: Learns,
    *,
    validation: tuple[Lesson, Steps] | None = None,
    seed: int = 0,
    callback: Callback | None = None,
    resume: Path | None = None,
) -> Trained:
    """Update after update; with validation, the agent ends with the weights that earned most there once costs were full."""
    agent, cfg = learner.agent, learner.schedule
    cursor = Cursor(best=snapshot(agent))
    if resume is not None:
        cursor = recall(resume, agent, learner.optimizer, learner.rng, cursor, learner.extra)
    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(cursor.torch_rng if cursor.torch_rng is not None else _torch_rng(seed))
        while cursor.update < cfg.updates and not (cfg.patience and cursor.stale >= cfg.patience):
            losses = learner.update(cursor.update)
            cursor.update += 1
            is_last, goes_on = cursor.update == cfg.updates, True
            if cursor.update % cfg.eval_every == 0 or is_last:
                line = _look(agent, cursor, cfg, losses, validation)
                goes_on = callback is None or callback(line) is not False
            if resume is not None and (cursor.update % cfg.save_every == 0 or is_last or not goes_on):
                cursor.torch_rng = torch.get_rng_state()
                remember(resume, agent, learner.optimizer, learner.rng, cursor, learner.extra)
            if not goes_on:
                break
    done = cursor.update * cfg.rows_per_update
    if cursor.best_update == 0:
        return Trained(agent.eval(), cursor.curve, done, done, cursor.best_bps)
    agent.load_state_dict(cursor.best)
    return Trained(
        agent.eval(), cursor.curve, done, cursor.best_update * cfg.rows_per_update, cursor.best_bps
    )


def _torch_rng(seed: int) -> Tensor:
    return torch.Generator().manual_seed(seed).get_state()


def profit(agent: Agent, lesson: Lesson, steps: Steps) -> tuple[float, int]:
    """Net bps of the agent's own walk over a tape, and how many unit position changes it made."""
    return weighed(agent, lesson, steps)[:2]


def weighed(agent: Agent, lesson: Lesson, steps: Steps) -> tuple[float, int, float]:
    """As `profit`, and the standard error of that sum, from blocks of 60 rows; 0 for an agent that never moves."""
    targets = walk(decide(agent, lesson.obs).actions_if)
    earned = walk_bps(steps, targets)
    blocks = np.add.reduceat(earned, np.arange(0, len(earned), BLOCK))
    error = float(blocks.std() * np.sqrt(len(blocks)))
    return float(earned.sum()), int(np.abs(np.diff(targets, prepend=0)).sum()), error


def _look(
    agent: Agent,
    cursor: Cursor,
    cfg: Schedule,
    losses: dict[str, float],
    validation: tuple[Lesson, Steps] | None,
) -> dict[str, float]:
    line = {
        "update": float(cursor.update),
        "env_steps": float(cursor.update * cfg.rows_per_update),
        **losses,
    }
    if validation is not None:
        line["validation_bps"], line["trades"], error = weighed(agent, *validation)
        score = line["validation_bps"] - (cfg.caution * error if cfg.caution > 0 else 0.0)
        if cursor.update >= cfg.settled * cfg.updates or cursor.update == cfg.updates:
            if not score <= cursor.best_score:
                cursor.best_bps, cursor.best_score = line["validation_bps"], score
                cursor.best_update, cursor.stale, cursor.best = cursor.update, 0, snapshot(agent)
            else:
                cursor.stale += 1
    cursor.curve.append(line)
    return line
