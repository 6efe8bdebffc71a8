"""Learning on while trading: off by default, on a leash, in the shadow, and undone when it harms. Knows no orders.

The champion is frozen and goes on deciding. A copy of it learns from rows whose outcome is known, half of every batch being
old rows (replay), and
1) is never further from the champion than a budget of KL, measured on a fixed probe of old rows and on the newest ones:
   a step that would lead outside is halved until it does not, or not taken (arXiv 2509.04259: forgetting follows that KL);
2) decides beside the champion on every new stretch before it learns from it: its shadow account;
3) is put back to the champion when that account falls behind by more than its luck explains.
Nothing here replaces the champion: `proven` only says that the copy may go to the gate.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from decot.errors import ConfigError
from decot.market.steps import Steps, walk_bps
from decot.model.agent import Agent
from decot.model.lesson import Lesson
from decot.model.play import decide, walk
from decot.rl.batch import Reader, Stretches
from decot.rl.memory import Weights, snapshot
from decot.rl.ppo import Learner, PPOConfig
from decot.rl.training import BLOCK, in_one_thread

LEARNED, OFF, UNDONE = "learned", "off", "rolled back"
HALVINGS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlineConfig:
    """How long the leash is."""

    is_on: bool = False
    kl_budget: float = 0.02
    """nats per decision the copy may differ from the champion, on the probe and on the newest rows"""
    updates: int = 10
    """gradient batches per stretch of new rows"""
    learning_rate: float = 1e-3
    batch: int = 8
    """stretches per batch: half new, half old"""
    length: int = 64
    burn_in: int = 16
    z: float = 2.0
    """standard errors by which the shadow account must fall behind to be undone, or lead to be proven"""
    memory: int = 20
    """fed stretches whose shadow account still counts"""

    def __post_init__(self) -> None:
        positive = ("kl_budget", "learning_rate", "z", "updates", "memory")
        faults = [f"{name}: {getattr(self, name)} must be above 0"
                  for name in positive if not getattr(self, name) > 0]  # fmt: skip
        if self.batch < 2:
            faults.append(f"batch: {self.batch} cannot be half new, half old")
        if faults:
            raise ConfigError(faults)

    def lessons(self) -> PPOConfig:
        """The learner's settings: exact advantages, full costs, a constant rate."""
        return PPOConfig(
            batch=self.batch, length=self.length, burn_in=self.burn_in, learning_rate=self.learning_rate,
            decay=1.0, anneal=0.0, entropy=0.002, epochs=1,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Fed:
    """What became of one stretch of new rows."""

    outcome: str
    """learned, rolled back or off"""
    kl: float = 0.0
    """of the copy from the champion after it, the larger of probe and newest rows"""
    lead_bps: float = 0.0
    """shadow account less champion's over the stretches remembered"""
    error_bps: float = 0.0
    """standard error of that lead"""
    refused: int = 0
    """gradient steps that were shortened or not taken for the budget"""


@dataclass(slots=True, eq=False)
class Online:
    """One champion, its copy that learns, and their accounts."""

    champion: Agent
    replay: tuple[Lesson, Steps]
    cfg: OnlineConfig = field(default_factory=OnlineConfig)
    seed: int = 0
    candidate: Agent = field(init=False)
    lead: list[np.ndarray] = field(init=False, default_factory=list)
    """per fed stretch: what the copy earned more than the champion, in blocks of rows"""
    _learner: Learner = field(init=False)
    _old: Reader = field(init=False)
    _probe: Stretches = field(init=False)

    def __post_init__(self) -> None:
        self.champion = copy.deepcopy(self.champion).eval()
        for weight in self.champion.parameters():
            weight.requires_grad_(False)
        self._old = Reader(*self.replay, self.cfg.length, self.cfg.burn_in)
        self._probe = self._old.draw(np.random.default_rng(self.seed), 16)
        self.reset()

    def reset(self) -> None:
        """The copy is the champion again, with a fresh account."""
        self.candidate = copy.deepcopy(self.champion)
        for weight in self.candidate.parameters():
            weight.requires_grad_(True)
        self._learner = Learner(self.candidate, self._old, self.cfg.lessons(), self.seed)
        self.lead = []

    @property
    def proven(self) -> bool:
        """The shadow account leads by more than luck explains: the copy may be shown to the gate."""
        total, error = self._account()
        return total > self.cfg.z * error and total > 0

    @in_one_thread
    def feed(self, lesson: Lesson, steps: Steps) -> Fed:
        """New rows whose outcome is known: first both decide on them, then the copy learns from them."""
        if not self.cfg.is_on:
            return Fed(outcome=OFF)
        self._compare(lesson, steps)
        total, error = self._account()
        if total < -self.cfg.z * error:
            self.reset()
            return Fed(outcome=UNDONE, lead_bps=total, error_bps=error)
        new = Reader(lesson, steps, self.cfg.length, self.cfg.burn_in)
        newest = new.draw(self._learner.rng, 4)
        refused = int(self._shorten(snapshot(self.champion), newest))  # new rows may stretch an old distance
        refused += sum(self._step(new, newest) for _ in range(self.cfg.updates))
        kl = max(self.distance(self._probe), self.distance(newest))
        return Fed(outcome=LEARNED, kl=kl, lead_bps=total, error_bps=error, refused=refused)

    def distance(self, batch: Stretches) -> float:
        """Mean KL(copy ‖ champion) of the nine decisions' distributions over some stretches, nats."""
        with torch.no_grad():
            now, then = (self._log_pi(agent.eval(), batch) for agent in (self.candidate, self.champion))
            return float((now.exp() * (now - then)).sum(-1).mean())

    def _log_pi(self, agent: Agent, batch: Stretches) -> Tensor:
        _, state = agent.trunk(batch.burn)
        return agent.decision(agent(batch.obs, state)).clamp_min(1e-8).log()

    def _step(self, new: Reader, newest: Stretches) -> bool:
        """One gradient step, shortened until it stays inside the budget; whether it had to be."""
        before, half = snapshot(self.candidate), self.cfg.batch // 2
        rng = self._learner.rng
        self._learner.step_on(_joined(new.draw(rng, half), self._old.draw(rng, self.cfg.batch - half)))
        return self._shorten(before, newest)

    def _shorten(self, home: Weights, newest: Stretches) -> bool:
        """Halve the way from `home`, which is inside the budget, until the copy is; whether anything was halved."""
        after = snapshot(self.candidate)
        for halving in range(HALVINGS):
            if max(self.distance(self._probe), self.distance(newest)) <= self.cfg.kl_budget:
                return halving > 0
            share = 0.5 ** (halving + 1)
            self.candidate.load_state_dict(
                {name: torch.lerp(home[name], after[name], share) for name in home}
            )
        self.candidate.load_state_dict(home)
        return True

    def _compare(self, lesson: Lesson, steps: Steps) -> None:
        earned = [
            walk_bps(steps, walk(decide(agent, lesson.obs).actions_if))
            for agent in (self.candidate, self.champion)
        ]
        apart = earned[0] - earned[1]
        self.lead.append(np.add.reduceat(apart, np.arange(0, len(apart), BLOCK)))
        del self.lead[: -self.cfg.memory]

    def _account(self) -> tuple[float, float]:
        """The copy's lead over the stretches remembered, bps, and its standard error."""
        if not self.lead:
            return 0.0, 0.0
        blocks = np.concatenate(self.lead)
        return float(blocks.sum()), float(blocks.std() * np.sqrt(len(blocks)))


def _joined(one: Stretches, other: Stretches) -> Stretches:
    burn, obs, words, targets = (
        torch.cat([getattr(one, name), getattr(other, name)]) for name in ("burn", "obs", "words", "targets")
    )
    ret, buy, sell = (
        np.concatenate([getattr(one, name), getattr(other, name)]) for name in ("ret", "buy", "sell")
    )
    return Stretches(burn, obs, words, targets, ret, buy, sell)
