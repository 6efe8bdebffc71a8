"""PPO that walks along the tape: every lane goes on where it stopped and carries its state, and loops do the arithmetic.

The same objective as `rl.ppo` (exact advantages or walks), other stretches: no burn-in is read again and again, a gradient
step is two calls, the optimiser walks over one vector. Of each stretch's T rows T − 1 are taught; the last is looked at for
what comes after. Off by default, because other stretches are other weights. Knows the tape as rows.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

from decot.errors import ConfigError
from decot.market.steps import Steps
from decot.model.agent import Agent
from decot.model.flat import FlatAdam, flatten, release
from decot.model.fused_chain import BLOCK
from decot.model.lesson import Lesson
from decot.model.swift_trunk import frames
from decot.model.vocabulary import OUTLOOK, RISK, SIZES
from decot.rl.batch import Reader
from decot.rl.ppo import Judged, Learner, worth
from decot.rl.settings import PPOConfig
from decot.rl.swift_loops import LEAST, TOLD, Batch, Coefs, laid, learn, look, room_of
from decot.rl.training import Callback, Trained, in_one_thread, run_training

MARGIN = 0.3
"""log-odds of long over short that a rosier outlook should add, as in `lessons.incoherence_of`"""


@in_one_thread
def train_swift(
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
    """`rl.ppo.train` with carried state; same surface, same resume.

    Raises:
        ConfigError: an architecture or a setting these loops do not know.
    """
    reader = Reader(lesson, steps, cfg.length, cfg.burn_in)
    with threadpool_limits(1, "blas"):
        learner = SwiftLearner(agent, reader, cfg, seed)
        try:
            return run_training(learner, validation=validation, seed=seed, callback=callback, resume=resume)
        finally:
            release(agent)


def faults_of(agent: Agent, cfg: PPOConfig) -> list[str]:
    """What keeps these loops from teaching this agent in this way."""
    model, faults = agent.cfg, []
    if model.unrestricted or model.dropout > 0 or model.pool_kind != "average":
        faults.append("carried: only restricted agents with average pooling and no dropout")
    if cfg.batch * cfg.length % BLOCK:
        faults.append(f"carried: batch {cfg.batch} × length {cfg.length} is not a multiple of {BLOCK}")
    if cfg.coherence_scale > 0:
        faults.append("carried: coherence_scale is not known to the loops; leave it 0")
    if cfg.coherence_anew:
        faults.append("carried: coherence_anew is not known to the loops; leave it False")
    if cfg.burn_in < model.reach:
        faults.append(
            f"carried: burn_in {cfg.burn_in} is below the {model.reach} rows a convolution looks back"
        )
    return faults


class SwiftLearner(Learner):
    """PPO's learner with lanes in place of random stretches."""

    optimizer: FlatAdam

    def __init__(self, agent: Agent, reader: Reader, cfg: PPOConfig, seed: int) -> None:
        if faults := faults_of(agent, cfg):
            raise ConfigError(faults)
        super().__init__(agent, reader, cfg, seed)
        self.flat = flatten(agent)
        self.optimizer = FlatAdam(self.flat.whole, cfg.learning_rate, cfg.weight_decay, cfg.grad_clip)
        model = agent.cfg
        self.room = room_of(model, cfg.length, cfg.batch)
        self.tape = reader.obs.numpy()
        self.spelled = np.ascontiguousarray(reader.words.numpy()[:, agent.order])
        wanted = (reader.targets - agent.forecast_mean) / agent.forecast_scale
        self.wanted = wanted.clamp(-5, 5).numpy()
        self.sizes, self.foresees = agent.plan.sizes, agent.plan.foresees
        taught = np.zeros((cfg.length, cfg.batch), np.float32)
        taught[:-1] = 1
        self.taught = taught.reshape(-1, BLOCK)
        width = model.n_features * model.kernel
        self.cols = np.zeros(((cfg.length + model.pool - 1) * cfg.batch, width), np.float32)
        self.marks = np.zeros((len(agent.order), max(SIZES)), np.float32)
        self.weigh, readings = np.empty(len(agent.order), np.float32), max(len(agent.order) - 2, 1)
        for step, question in enumerate(agent.order):
            self.marks[step, : SIZES[question]] = self.rarity[question].numpy()
            self.weigh[step] = cfg.outlook / 2 if question in (OUTLOOK, RISK) else cfg.words / readings
        blocks = len(self.taught)
        nine, three = np.zeros((blocks, 9, BLOCK), np.float32), np.zeros((blocks, 3, BLOCK), np.float32)
        self.unjudged = (nine, nine, nine, three, three)
        self.evenly = laid(np.full((cfg.batch, cfg.length - 1, 3), 1 / 3, np.float32), cfg.length)

    def update(self, index: int) -> dict[str, float]:
        """The next rows of every lane, `epochs` gradient steps on them."""
        cfg, model, room = self.cfg, self.agent.cfg, self.room
        cost = self.prepare(index)
        starts, hidden, cell = self._go_on()
        rows = starts + np.arange(cfg.length)[:, None]
        frames(self.tape, starts, model.kernel, model.pool, cfg.length, self.cols)
        room.trunk.h[0], room.trunk.c[0] = hidden, cell
        told, losses = np.zeros((len(TOLD), BLOCK), np.float32), np.zeros(len(self.sizes))
        coefs, seen = self._coefs(), self._seen(rows)
        look(self.flat.weights, seen, model.pool, self.sizes, self.foresees, coefs.tilt, room)
        batch, bps = self._judged(seen, rows, cost)
        norm = learn(
            self.flat.weights, self.flat.grads, batch, self.optimizer.steps(cfg.epochs), model.pool, self.sizes,
            self.foresees, self.agent.order.index(OUTLOOK), index * cfg.epochs, coefs, room, told, losses,
        )  # fmt: skip
        self.extra["lanes.at"] = torch.from_numpy(starts + cfg.length)
        self.extra["lanes.hidden"] = torch.from_numpy(room.trunk.h[cfg.length].copy())
        self.extra["lanes.cell"] = torch.from_numpy(room.trunk.c[cfg.length].copy())
        parts = dict(zip(TOLD, told.sum(1).tolist(), strict=True))
        return {**parts, "word_loss": float(losses.sum()), "grad_norm": norm, "cost": cost, "train_bps": bps}

    def _go_on(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Where each lane reads next, and the state it comes with; a lane at the end of the tape begins anew."""
        cfg, reader = self.cfg, self.reader
        if "lanes.at" not in self.extra:
            width = (reader.last - reader.first + 1) / cfg.batch
            spread = width * (np.arange(cfg.batch) + self.rng.random(cfg.batch))
            starts = np.minimum(reader.first + spread.astype(np.int64), reader.last)
            return starts, *self._warmed(starts)
        starts, hidden, cell = (
            self.extra[f"lanes.{name}"].numpy().copy() for name in ("at", "hidden", "cell")
        )
        over = np.flatnonzero(starts > reader.last)
        if len(over):
            starts[over] = reader.first + self.rng.integers(0, max(cfg.length, 1), len(over))
            starts[over] = np.minimum(starts[over], reader.last)
            hidden[over], cell[over] = self._warmed(starts[over])
        return starts, hidden, cell

    def _warmed(self, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The state after the rows before `starts`."""
        before = torch.from_numpy(starts[:, None] + np.arange(-self.cfg.burn_in, 0))
        with torch.no_grad():
            _, state = self.agent.trunk(self.reader.obs[before])
        return state.hidden[0].numpy(), state.cell[0].numpy()

    def _coefs(self) -> Coefs:
        cfg = self.cfg
        n = cfg.rows_per_update
        numbers = (
            cfg.clip, 1 / (n - cfg.batch), 1 / n, self.entropy, cfg.value, cfg.forecast, cfg.coherence, MARGIN,
            self.agent.cfg.value_tilt,
        )  # fmt: skip
        return Coefs(*(np.float32(x) for x in numbers))

    def _seen(self, rows: np.ndarray) -> Batch:
        """The rows as blocks; nothing judged yet."""
        flat = rows.reshape(-1)
        truth = self.spelled[flat]
        asked = self.marks[np.arange(len(self.marks)), truth].sum(0)
        mark = self.marks * (self.weigh / asked)[:, None]
        return Batch(
            self.cols,
            self.tape[flat],
            _blocks(truth),
            mark,
            _blocks(self.wanted[flat]),
            *self.unjudged,
            self.taught,
        )

    def _judged(self, seen: Batch, rows: np.ndarray, cost: float) -> tuple[Batch, float]:
        """The same batch with what its decisions were worth to the policy that took them, and that policy's profit."""
        cfg, room = self.cfg, self.room
        shape = (cfg.length, cfg.batch, 3, 3)
        pi = np.ascontiguousarray(room.minds.probs.transpose(0, 2, 1).reshape(shape).swapaxes(0, 1))
        value = room.minds.found[:, 9:12].transpose(0, 2, 1).reshape(shape[:3]).swapaxes(0, 1)
        stand = value * np.float32(self.agent.value_unit.item())
        ret, buy, sell = (np.ascontiguousarray(x[rows].T) for x in self.reader.pay)
        buy, sell = buy * np.float32(cost), sell * np.float32(cost)
        seen_from = -1 if cfg.advantage == "exact" else 0  # exact asks only for what comes after the last row
        values = worth(stand[:, seen_from:], pi[:, seen_from:], buy[:, seen_from:], sell[:, seen_from:])
        log_pi = torch.from_numpy(np.log(np.maximum(pi, LEAST)))
        judge = self._judge_exactly if cfg.advantage == "exact" else self._judge_walks
        judged = judge(log_pi, pi, values, (ret[:, :-1], buy[:, :-1], sell[:, :-1]), None)
        return seen._replace(**self._lines_of(judged)), judged.bps

    def _lines_of(self, judged: Judged) -> dict[str, np.ndarray]:
        length, unit = self.cfg.length, np.float32(self.agent.value_unit.item())
        share = self.evenly
        if judged.seen is not None:
            share = laid((judged.seen / judged.seen.sum(-1, keepdim=True).clamp_min(1e-9)).numpy(), length)
        return {
            "old": laid(judged.log_pi.flatten(2).numpy(), length),
            "advantage": laid(judged.advantage.flatten(2).numpy(), length),
            "weight": laid(judged.weight.flatten(2).numpy(), length),
            "stand": laid(judged.stand.numpy() / unit, length),
            "share": share,
        }


def _blocks(x: np.ndarray) -> np.ndarray:
    """(N, c) → (n, c, 64)."""
    return np.ascontiguousarray(x.reshape(-1, BLOCK, x.shape[1]).transpose(0, 2, 1))
