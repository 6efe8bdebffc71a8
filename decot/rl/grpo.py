"""GRPO (arXiv 2402.03300, eq. 3) for an account the market does not notice.

1) A group is G walks over the *same* stretch, from the same inventory, under the same latency: the path cancels out.
2) The walks share the words of the one pass (sampled, if `temperature` is above 0) and sample their own actions; the words
   are taught straight through the actions they led to.
3) Episodes are short; there is no critic. Groups whose walks all earned alike teach nothing and are left out.
   The value head is taught what standing somewhere paid to the end of the episode; nothing is judged by it.
4) Options: Dr.GRPO (arXiv 2503.20783) drops the division by the group's spread; DAPO (arXiv 2503.14476) clips less above.
5) KL to a reference (the agent as it was, renewed every `reference_every` updates) by the k3 estimator.
6) `credit`: one number for a whole walk is the paper's outcome supervision; "to-go" is its process supervision, what came
   after a decision against what the group got after that row; "state" groups only walks that stand alike in that row
   (as in arXiv 2505.10978): the market does not know us, so those are in the very same state, and what a decision led
   to is the mean of all that stand there next, whoever they were.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from decot.errors import ConfigError
from decot.market.exact import Rollout, rollout
from decot.market.steps import Steps
from decot.model.agent import Agent, Output, State
from decot.model.lesson import Lesson
from decot.rl.batch import Reader, Stretches
from decot.rl.lessons import value_loss
from decot.rl.memory import snapshot
from decot.rl.ppo import Learner, PPOConfig, drawn_from
from decot.rl.reward import held_pay, shaped
from decot.rl.training import Callback, Trained, in_one_thread, run_training
from decot.rl.walks import pooled_to_go

CREDITS = ("walk", "to-go", "state")


@dataclass(frozen=True, slots=True, kw_only=True)
class GRPOConfig(PPOConfig):
    """PPO's settings that still mean something, and the group's own."""

    length: int = 64
    """rows of one episode"""
    batch: int = 32
    """groups per update"""
    group: int = 8
    """walks per group; they share the trunk's one pass"""
    credit: str = "walk"
    """walk, to-go or state: what a decision is judged by"""
    tail: int = 0
    """rows at the end of an episode that are walked but not taught: with no critic, nothing that is bought there has time
    to pay, and all they teach is to stay as one is"""
    gamma: float = 1.0
    """of what comes after a decision; of no meaning to the credit of whole walks"""
    clip_high: float = 0.2
    """DAPO: how far the ratio may rise; the fall is bounded by `clip`"""
    kl: float = 0.02
    """weight of the k3 estimate of KL to the reference"""
    reference_every: int = 20
    """updates between two looks at what the reference is"""
    by_spread: bool = True
    """divide by the group's spread; False is Dr.GRPO"""
    is_batch_spread: bool = False
    """one spread for all groups of a batch: quiet groups are then not blown up to the size of loud ones"""
    floor_bps: float = 0.1
    """spread below which a group has nothing to say"""
    temperature: float = 0.0
    """of sampled words; 0 takes the likeliest word, so that only actions are explored"""

    @property
    def is_sampled(self) -> bool:
        return True

    def __post_init__(self) -> None:
        PPOConfig.__post_init__(self)
        faults = [f"group: {self.group} is below 2"] if self.group < 2 else []
        if self.floor_bps < 0 or self.temperature < 0 or self.kl < 0:
            faults.append("floor_bps, temperature and kl may not be negative")
        if not 0 <= self.tail < self.length - 1:
            faults.append(f"tail: {self.tail} leaves no row of {self.length} to teach")
        if self.credit not in CREDITS:
            faults.append(f"credit: {self.credit!r} is not one of {CREDITS}")
        if faults:
            raise ConfigError(faults)


class Walks(NamedTuple):
    """G walks over B stretches of L−1 rows."""

    at: tuple[Tensor, Tensor, Tensor, Tensor]
    """(B·G, L−1) each: stretch, row, position, action"""
    advantage: Tensor
    """(B, G), one number for the whole walk, or (B, G, L−1), one for every decision"""
    taught: Tensor
    """(B, G) 1 where the group has something to say"""
    old: Tensor
    """(B·G, L−1) log-probability under the policy that walked"""
    reference: Tensor
    """(B·G, L−1) log-probability under the reference"""
    bps: float
    stand: Tensor = torch.empty(0)
    """(B, L−1, 3) bps to the end of the episode from standing there, mean of the walks that did"""
    seen: Tensor = torch.empty(0)
    """(B, L−1, 3) share of the walks that did; nothing of both where no value is taught"""


def group_advantage(returns: Tensor, *, by_spread: bool = True, floor: float = 0.1) -> tuple[Tensor, Tensor]:
    """How much better each walk did than its group, in the group's own spread.

    Args:
        returns: (B, G) summed reward, basis points.
        floor: a group whose spread is below it is left out, and no spread counts as less.
    Returns:
        (B, G) rows that sum to zero, and (B, G) ones where the group is taught from.
    Source: arXiv 2402.03300, sec. 4.1.2.
    """
    apart = returns - returns.mean(1, keepdim=True)
    spread = returns.std(1, correction=0, keepdim=True)
    speaks = (spread > floor).to(returns.dtype)
    scaled = apart / spread.clamp_min(max(floor, 1e-6)) if by_spread else apart
    return scaled * speaks, speaks.expand_as(returns)


def to_go(rewards: Tensor, gamma: float = 1.0) -> Tensor:
    """(…, T) rewards → what each row and all after it earned."""
    later, whole = torch.zeros_like(rewards[..., 0]), torch.empty_like(rewards)
    for t in range(rewards.shape[-1] - 1, -1, -1):
        later = rewards[..., t] + gamma * later
        whole[..., t] = later
    return whole


def step_advantage(after: Tensor) -> Tensor:
    """(B, G, T) reward to go → how much better it was than the group's at that row; the members of a row sum to zero."""
    return after - after.mean(1, keepdim=True)


def k3(now: Tensor, reference: Tensor) -> Tensor:
    """π_ref/π − log(π_ref/π) − 1 ≥ 0, element by element; its mean over walks of π estimates KL(π ‖ π_ref)."""
    gap = reference - now
    return gap.exp() - gap - 1


def grpo_objective(
    now: Tensor, walks: Walks, *, clip: float, clip_high: float, kl: float
) -> tuple[Tensor, Tensor]:
    """The clipped group objective to be raised, and the mean k3; `now` is (B·G, L−1) log-probabilities.

    Every decision of every walk that is taught from counts alike (DAPO's token mean; walks are of one length).
    """
    advantage, taught = walks.advantage.reshape(len(now), -1), walks.taught.flatten()[:, None]
    ratio = (now - walks.old).exp()
    gain = torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip_high) * advantage)
    share = taught.expand_as(now).sum().clamp_min(1)
    divergence = (k3(now, walks.reference) * taught).sum() / share
    return (gain * taught).sum() / share - kl * divergence, divergence


class GroupLearner(Learner):
    """PPO's learner with groups in place of a critic."""

    def __init__(self, agent: Agent, reader: Reader, cfg: GRPOConfig, seed: int) -> None:
        super().__init__(agent, reader, cfg, seed)
        self.group_cfg = cfg
        self.reference = copy.deepcopy(agent)

    def update(self, index: int) -> dict[str, float]:
        """One batch of groups, `epochs` gradient steps."""
        cfg, agent = self.group_cfg, self.agent
        cost = self.prepare(index)
        if index % cfg.reference_every == 0 or not self.extra:
            self.extra.update(snapshot(agent))
        self.reference.load_state_dict(self.extra)
        batch = self.reader.draw(self.rng, cfg.batch)
        agent.train()
        with torch.no_grad():
            _, state = agent.trunk(batch.burn)
            out = agent(batch.obs, state, temperature=cfg.temperature)
            said = out.words
            walks = self._walk(out, batch, cost)
        told: dict[str, float] = {}
        for _ in range(cfg.epochs):
            loss, told = self._group_loss(batch, state, said, walks)
            told["grad_norm"] = self.descend(loss)
        return {**told, "cost": cost, "train_bps": walks.bps}

    def _past(self, batch: Stretches, said: Tensor) -> Tensor:
        """Log-probabilities of the reference, under the very words that were said."""
        past = self.reference(batch.obs, self.reference.trunk(batch.burn)[1], said)
        return self.reference.decision(past).clamp_min(1e-8).log()[:, :-1]

    def _walk(self, out: Output, batch: Stretches, cost: float) -> Walks:
        cfg = self.group_cfg
        log_pi = self.agent.decision(out).clamp_min(1e-8).log()[:, :-1]
        log_past = self._past(batch, out.words) if cfg.kl > 0 else log_pi
        log_drawn = drawn_from(log_pi, cfg.wander)
        pi = np.repeat(log_drawn.exp().numpy(), cfg.group, 0)
        ret, buy, sell = (
            np.repeat(x[:, :-1], cfg.group, 0) for x in (batch.ret, batch.buy * cost, batch.sell * cost)
        )
        start = np.repeat(self.rng.integers(0, 3, cfg.batch).astype(np.int8), cfg.group)
        walked = rollout(
            pi, np.zeros(pi.shape[:3], pi.dtype), ret, buy, sell,
            gamma=1.0, lam=1.0, seed=int(self.rng.integers(2**31)), start=start,
        )  # fmt: skip
        paid = self._rewards(out, walked, batch.ret[:, :-1])
        rewards = torch.from_numpy(paid.astype(np.float32)).view(cfg.batch, cfg.group, -1)
        position, action = (torch.from_numpy(x.astype(np.int64)) for x in (walked.positions, walked.actions))
        advantage, taught = group_advantage(rewards.sum(-1), by_spread=cfg.by_spread, floor=cfg.floor_bps)
        stretch = torch.arange(cfg.batch).repeat_interleave(cfg.group)[:, None].expand(len(pi), pi.shape[1])
        row = torch.arange(pi.shape[1]).expand(len(pi), pi.shape[1])
        met = (stretch, row, position, action)
        after, apart = to_go(rewards, cfg.gamma), None
        ratio = (log_pi[met] - log_drawn[met]).exp().view(rewards.shape)
        if cfg.credit == "state":
            stood, went = (x.reshape(rewards.shape) for x in (walked.positions, walked.actions))
            pooled = pooled_to_go(rewards.numpy(), stood, went, cfg.gamma, ratio.numpy())
            after, apart = (torch.from_numpy(x.astype(np.float32)) for x in pooled)
        elif cfg.credit == "to-go":
            apart = step_advantage(after)
        if apart is not None:
            advantage = apart * taught[..., None]
            if cfg.by_spread:
                over = (0, 1, 2) if cfg.is_batch_spread else (1, 2)
                spread = (ratio * advantage.square()).mean(over, keepdim=True).sqrt()
                advantage = advantage / spread.clamp_min(max(cfg.floor_bps, 1e-6))
        stand, seen = standing(after, walked, buy, sell)
        taught_rows = slice(0, pi.shape[1] - cfg.tail)
        at = (stretch[:, taught_rows], row[:, taught_rows], position[:, taught_rows], action[:, taught_rows])
        if cfg.credit != "walk":
            advantage = advantage[..., taught_rows]
        if cfg.wander > 0:  # a decision the policy would hardly take counts as little as it would be taken
            advantage = (advantage if cfg.credit != "walk" else advantage[..., None]) * ratio[
                ..., taught_rows
            ]
        bps = float(walked.rewards.mean()) * 1_000
        stand, seen = stand[:, taught_rows], seen[:, taught_rows]
        return Walks(at, advantage, taught, log_pi[at], log_past[at], bps, stand, seen)

    def _rewards(self, out: Output, walked: Rollout, ret: np.ndarray) -> np.ndarray:
        """(B·G, L−1) what the walks earned, with the terms that are switched on."""
        cfg, rewards, terms = self.group_cfg, walked.rewards, self.terms()
        if cfg.coherence_scale > 0:
            pay, plain = (np.repeat(x, cfg.group, 0) for x in (self.paid_for(out, ret), held_pay(ret)))
            gone = walked.actions.astype(np.int64)[..., None]
            rewards = rewards + np.take_along_axis(pay - plain, gone, -1)[..., 0]
        return shaped(rewards, *terms) if terms.is_on else rewards

    def _group_loss(
        self, batch: Stretches, state: State, said: Tensor, walks: Walks
    ) -> tuple[Tensor, dict[str, float]]:
        """The group objective of the actions, given the very words that were said, plus the lessons beside it."""
        cfg, agent = self.group_cfg, self.agent
        out = agent(batch.obs, state, said)
        log_pi = agent.decision(out).clamp_min(1e-8).log()
        raised, divergence = grpo_objective(
            log_pi[:, :-1][walks.at], walks, clip=cfg.clip, clip_high=cfg.clip_high, kl=cfg.kl
        )
        entropy = -(log_pi.exp() * log_pi).sum(-1).mean()
        beside, told = self.lessons(out, batch)
        rows = walks.stand.shape[1]
        worth = value_loss(out.value[:, :rows], walks.stand / agent.value_unit, walks.seen)
        loss = -raised - self.entropy * entropy + cfg.value * worth + beside
        told |= {"policy_loss": -float(raised.detach()), "entropy": float(entropy.detach())}
        told["value_loss"] = float(worth.detach())
        return loss, {**told, "kl": float(divergence.detach()), "taught": float(walks.taught.mean())}


def standing(after: Tensor, walked: Rollout, buy: np.ndarray, sell: np.ndarray) -> tuple[Tensor, Tensor]:
    """What standing at each position after the decision paid to the end: (B, T, 3) means, and how many stood there."""
    move = walked.actions.astype(np.int64) - walked.positions
    paid = np.maximum(move, 0) * buy + np.maximum(-move, 0) * sell
    earned = after + torch.from_numpy(paid.astype(np.float32)).view(after.shape)
    gone = torch.from_numpy(walked.actions.astype(np.int64)).view(after.shape)
    there = torch.nn.functional.one_hot(gone, 3).to(after.dtype)
    seen = there.sum(1)
    return (there * earned[..., None]).sum(1) / seen.clamp_min(1), seen / after.shape[1]


@in_one_thread
def train_grpo(
    agent: Agent,
    lesson: Lesson,
    steps: Steps,
    cfg: GRPOConfig,
    *,
    validation: tuple[Lesson, Steps] | None = None,
    seed: int = 0,
    callback: Callback | None = None,
    resume: Path | None = None,
) -> Trained:
    """`rl.ppo.train` with groups in place of a critic; same surface, same resume."""
    reader = Reader(lesson, steps, cfg.length, cfg.burn_in)
    learner = GroupLearner(agent, reader, cfg, seed)
    return run_training(learner, validation=validation, seed=seed, callback=callback, resume=resume)
