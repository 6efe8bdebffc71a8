"""PPO (arXiv 1707.06347, eq. 7) over whole stretches of a market that does not know us.

1) The trunk runs once over a stretch, its state warmed by the rows before (never reset to zero in mid-market).
2) advantage="exact": the advantage of all nine (position, action) pairs comes from one backward recursion, and the
   objective sums over them, weighted by how likely the policy stands there; advantage="gae" samples walks instead.
3) Costs grow from nothing to full over the first part of training, and the forecasts are taught beside the policy:
   without these two a market with costs teaches only never to trade.
4) The value head is that of standing somewhere *after* the decision; what a position is worth follows from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from decot.market.exact import Exact, exact_advantages
from decot.market.steps import Steps
from decot.model.agent import Agent, Output
from decot.model.lesson import Lesson
from decot.rl.batch import Reader, Stretches
from decot.rl.lessons import forecast_loss, incoherence_of, rarity_of, settle_units, value_loss, word_losses
from decot.rl.reward import Terms, coherence_of, exact_by_pay, held_pay
from decot.rl.settings import PPOConfig
from decot.rl.training import Callback, Trained, in_one_thread, profit, run_training
from decot.rl.walks import tally

__all__ = ["Callback", "PPOConfig", "Trained", "profit", "train"]


@in_one_thread
def train(
    agent: Agent,
    lesson: Lesson,
    steps: Steps,
    cfg: PPOConfig,
    *,
    validation: tuple[Lesson, Steps] | None = None,
    seed: int = 0,
    callback: Callback | None = None,
    resume: Path | None = None,
) -> Trained:
    """Teach `agent` in place and give it back with the weights that did best on validation (the last ones without it).

    Args:
        callback: called after every look with the curve's line; False stops (a pruned trial).
        resume: folder; what was saved there is continued, to the very bits of a run never interrupted.
    """
    reader = Reader(lesson, steps, cfg.length, cfg.burn_in)
    learner = Learner(agent, reader, cfg, seed)
    return run_training(learner, validation=validation, seed=seed, callback=callback, resume=resume)


class Learner:
    """One agent, its optimiser and its luck; `update` is one batch of stretches."""

    def __init__(self, agent: Agent, reader: Reader, cfg: PPOConfig, seed: int) -> None:
        self.agent, self.reader, self.cfg = agent, reader, cfg
        self.rng = np.random.default_rng(seed)
        self.optimizer: torch.optim.Optimizer = torch.optim.AdamW(
            agent.parameters(), cfg.learning_rate, eps=1e-5, weight_decay=cfg.weight_decay, fused=True
        )
        settle_units(agent, reader)
        self.rarity = rarity_of(reader.words)
        self.extra: dict[str, Tensor] = {}
        self.entropy, self.is_anew = cfg.entropy, cfg.coherence_anew

    @property
    def schedule(self) -> PPOConfig:
        return self.cfg

    def prepare(self, index: int) -> float:
        """Set the learning rate of this update; gives the share of costs that is charged in it."""
        cfg, progress = self.cfg, index / self.cfg.updates
        for group in self.optimizer.param_groups:
            group["lr"] = cfg.learning_rate * (1 - (1 - cfg.decay) * progress)
        self.entropy = cfg.entropy * (1 - (1 - cfg.entropy_end) * progress)
        cost = min(1.0, progress / cfg.anneal) if cfg.anneal > 0 else 1.0
        self.is_anew = cfg.coherence_anew and cost >= 1  # asked earlier, some never came to trade
        return cost

    def update(self, index: int) -> dict[str, float]:
        """One batch, `epochs` gradient steps; `index` counts from 0."""
        cost = self.prepare(index)
        return self.step_on(self.reader.draw(self.rng, self.cfg.batch), cost)

    def step_on(self, batch: Stretches, cost: float = 1.0) -> dict[str, float]:
        """`epochs` gradient steps on these stretches, this share of costs charged."""
        cfg, agent = self.cfg, self.agent
        agent.train()
        with torch.no_grad():
            _, state = agent.trunk(batch.burn)
        told: dict[str, float] = {}
        for epoch in range(cfg.epochs):
            out = agent(batch.obs, state)
            log_pi = agent.decision(out).clamp_min(1e-8).log()
            if epoch == 0:
                judged = self._judge(out, log_pi.detach(), batch, cost)
            loss, told = self._loss(out, log_pi, judged, batch)
            told["grad_norm"] = self.descend(loss)
        return {**told, "cost": cost, "train_bps": judged.bps}

    def descend(self, loss: Tensor) -> float:
        """One gradient step; gives the norm before clipping."""
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.agent.parameters(), self.cfg.grad_clip)
        self.optimizer.step()
        return float(norm)

    def lessons(self, out: Output, batch: Stretches) -> tuple[Tensor, dict[str, float]]:
        """What is taught whatever the algorithm: forecasts, words, coherence; the sum, and each part."""
        cfg, agent = self.cfg, self.agent
        forecast = forecast_loss(agent, out, batch)
        readings, foreseen = word_losses(out, batch.words, agent.order, self.rarity)
        incoherence = incoherence_of(agent, out, obs=batch.obs if self.is_anew else None)
        total = (
            cfg.forecast * forecast
            + cfg.words * readings
            + cfg.outlook * foreseen
            + cfg.coherence * incoherence
        )
        told = {
            "forecast_loss": forecast,
            "word_loss": readings,
            "outlook_loss": foreseen,
            "incoherence": incoherence,
        }
        return total, {name: float(part.detach()) for name, part in told.items()}

    def _judge(self, out: Output, log_pi: Tensor, batch: Stretches, cost: float) -> Judged:
        """What the old policy's choices were worth: the last row is only looked at for what comes after."""
        pi = log_pi.exp().numpy()
        ret, buy, sell = batch.ret[:, :-1], batch.buy[:, :-1] * cost, batch.sell[:, :-1] * cost
        stand = out.value.detach().numpy() * self.agent.value_unit.item()
        position_values = worth(stand, pi, batch.buy * cost, batch.sell * cost)
        hold = self.paid_for(out, ret) if self.cfg.coherence_scale > 0 else None
        if self.cfg.advantage == "exact":
            return self._judge_exactly(log_pi, pi, position_values, (ret, buy, sell), hold)
        return self._judge_walks(log_pi, pi, position_values, (ret, buy, sell), hold)

    def paid_for(self, out: Output, ret: np.ndarray) -> np.ndarray:
        """(B, T, 3) pay of each side, gains scaled by how far the words meant them; `ret` may be shorter than `out`."""
        return held_pay(ret, coherence_of(self.agent, out)[:, : ret.shape[1]], self.cfg.coherence_scale)

    def terms(self) -> Terms:
        """What is added to walks, in the training tape's unit of value."""
        cfg = self.cfg
        return Terms(cfg.sharpe, cfg.sortino, cfg.drawdown, self.agent.value_unit.item())

    def _judge_exactly(
        self,
        log_pi: Tensor,
        pi: np.ndarray,
        values: np.ndarray,
        pay: tuple[np.ndarray, np.ndarray, np.ndarray],
        hold: np.ndarray | None,
    ) -> Judged:
        ret, buy, sell = pay
        if hold is None:
            found = exact_advantages(pi[:, :-1], ret, buy, sell, self.cfg.gamma, last_values=values[:, -1])
        else:
            found = Exact(
                *exact_by_pay(
                    pi[:, :-1], hold, buy, sell, self.cfg.gamma, np.asarray(values[:, -1], np.float64)
                )
            )
        stood = (1 - self.cfg.explore) * found.occupancy + self.cfg.explore / 3
        weight = stood[..., None] * pi[:, :-1]
        spread = np.sqrt((weight * found.advantages**2).sum((2, 3)).mean()) + 1e-8
        own = np.arange(3)
        stand = found.advantages[:, :, own, own] + found.values
        bps = float((found.values[:, 0, 1]).mean()) / pi.shape[1] * 1_000
        return Judged(
            log_pi[:, :-1],
            torch.from_numpy((found.advantages / spread).astype(np.float32)),
            torch.from_numpy(weight.astype(np.float32)),
            torch.from_numpy(stand.astype(np.float32)),
            None,
            bps,
        )

    def _judge_walks(
        self,
        log_pi: Tensor,
        pi: np.ndarray,
        values: np.ndarray,
        pay: tuple[np.ndarray, np.ndarray, np.ndarray],
        hold: np.ndarray | None,
    ) -> Judged:
        cfg = self.cfg
        met = tally(
            pi[:, :-1], values[:, :-1], *pay, walks=cfg.accounts, gamma=cfg.gamma, lam=cfg.lam, rng=self.rng,
            by_peers=cfg.by_peers, last_values=values[:, -1], hold=hold, terms=self.terms(),
            wander=cfg.wander,
        )  # fmt: skip
        old = log_pi[:, :-1]
        own = (
            met.weight * (old - drawn_from(old, cfg.wander)).exp().numpy()
        )  # as often as the policy itself goes there
        mean = float((own * met.advantage).sum((2, 3)).mean())
        centred = met.advantage - np.float32(mean)
        spread = np.sqrt((own * centred**2).sum((2, 3)).mean()) + 1e-8
        bps = float(met.rewards.mean()) / pi.shape[1] * 1_000
        as_tensor = torch.from_numpy
        return Judged(
            old,
            as_tensor(centred / spread),
            as_tensor(own),
            as_tensor(met.stand),
            as_tensor(met.seen),
            bps,
        )

    def _loss(
        self, out: Output, log_pi: Tensor, judged: Judged, batch: Stretches
    ) -> tuple[Tensor, dict[str, float]]:
        cfg, agent = self.cfg, self.agent
        now = log_pi[:, :-1]
        ratio = (now - judged.log_pi).exp()
        gain = torch.minimum(
            ratio * judged.advantage, ratio.clamp(1 - cfg.clip, 1 + cfg.clip) * judged.advantage
        )
        policy_loss = -(judged.weight * gain).sum((2, 3)).mean()
        entropy = -(log_pi.exp() * log_pi).sum(-1).mean()
        critic = value_loss(out.value[:, :-1], judged.stand / agent.value_unit, judged.seen)
        beside, told = self.lessons(out, batch)
        loss = policy_loss - self.entropy * entropy + cfg.value * critic + beside
        moved = (judged.weight * (judged.log_pi - now)).sum((2, 3)).mean()
        parts = {"policy_loss": policy_loss, "entropy": entropy, "value_loss": critic, "kl": moved}
        return loss, told | {name: float(part.detach()) for name, part in parts.items()}


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """One batch seen with the old policy's eyes; T−1 rows."""

    log_pi: Tensor
    """(B, T−1, 3, 3) of the old policy"""
    advantage: Tensor
    """(B, T−1, 3, 3) in their own spread"""
    weight: Tensor
    """(B, T−1, 3, 3) how often that pair is met; sums to about 1 per row"""
    stand: Tensor
    """(B, T−1, 3) bps to come when standing there after the decision"""
    seen: Tensor | None
    """(B, T−1, 3) where `stand` was met; None is everywhere"""
    bps: float
    """profit of the old policy per 1,000 rows, at the costs of the moment"""


def drawn_from(log_pi: Tensor, wander: float) -> Tensor:
    """Log-probabilities of a policy that draws evenly with this share; itself where it is 0."""
    return ((1 - wander) * log_pi.exp() + wander / 3).log() if wander > 0 else log_pi


def worth(stand: np.ndarray, pi: np.ndarray, buy: np.ndarray, sell: np.ndarray) -> np.ndarray:
    """(…, 3) value of each position from the value of standing at each afterwards: Σ π(a|p)·(stand[a] − cost(p→a))."""
    move = np.arange(3)[None, :] - np.arange(3)[:, None]
    cost = np.maximum(move, 0) * buy[..., None, None] + np.maximum(-move, 0) * sell[..., None, None]
    total: np.ndarray = (pi * (stand[..., None, :] - cost)).sum(-1)
    return total
