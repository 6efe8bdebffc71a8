"""Is every head of an agent at work? One check per head, on rows it was not taught on; a dead head is named.

Each statistic is zero for a head that always says the same. Its p-value comes from circular shifts: both series keep their
own autocorrelation and lose only their alignment. Ablation puts a head's own outputs from elsewhere in its place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as functional
from torch import Tensor

from decot.market.exact import exact_advantages
from decot.market.steps import Steps
from decot.model.agent import Agent, Output, decide_from
from decot.model.lesson import Lesson
from decot.model.vocabulary import FORECASTS, NAMES, QUESTIONS

Array = npt.NDArray[np.float64]
MIN_SHIFT = 120
"""rows; nearer alignments are not independent"""
AHEAD = 10
"""rows of return a direction is compared with"""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadCheck:
    """One head, out of sample."""

    name: str
    """policy, value, exit, a target's name, or a question's"""
    n: int
    """rows"""
    statistic: float
    """0 for a constant head, more is better (correlation, or Cohen's kappa for readings)"""
    p_value: float
    alive: bool
    """it varies, and a gradient reaches it"""
    entropy: float
    """nats of what it says"""
    ablation_change: float
    """share of (row, position) decisions that change when it is replaced by itself from elsewhere"""
    testable: bool = True
    """false where the truth never varies on these rows, so that nothing could be beaten"""

    @property
    def is_operational(self) -> bool:
        """Alive, better than a constant (p < 0.05), and it matters."""
        return self.alive and self.p_value < 0.05 and self.ablation_change > 0


def dead_heads(report: list[HeadCheck]) -> list[str]:
    """Names of the heads that say nothing or change nothing."""
    return [check.name for check in report if not check.alive or not check.ablation_change > 0]


def head_report(
    agent: Agent, lesson: Lesson, steps: Steps, *, n_permutations: int = 400, seed: int = 0
) -> list[HeadCheck]:
    """Check the policy, value, exit, five forecasts and every asked question on held-out rows."""
    rng = np.random.default_rng(seed)
    n = min(len(lesson), steps.n_tradable)
    agent.eval()
    with torch.no_grad():
        x = torch.from_numpy(np.ascontiguousarray(lesson.obs[None, :n], np.float32))
        y, _ = agent.trunk(x)
        glance, standard = agent.glance(x), agent.foresee(y)
        out = agent.reason(y, glance, standard)
        base = agent.decision(out)
    gradients = _gradients(agent, x, y, lesson, n)
    said, truth = _scores(agent, out, base, lesson.slice(0, n), steps.slice(0, n))
    changes = _ablations(agent, y, glance, standard, out, base)
    report = []
    for name, series in said.items():
        wanted = truth[name]
        statistic, p_value = _permutation(series, wanted, _kind(name), n_permutations, rng)
        report.append(
            HeadCheck(
                name=name,
                n=n,
                statistic=statistic,
                p_value=p_value,
                alive=bool(np.ptp(series) > 1e-9 and gradients[name] > 1e-12),
                entropy=_entropy(series, _kind(name) != "correlation"),
                ablation_change=changes[name],
                testable=bool(np.ptp(wanted) > 0),
            )
        )
    return report


def _kind(name: str) -> str:
    if name in NAMES and not QUESTIONS[NAMES.index(name)].is_forecast:
        return "kappa"
    return "word" if name in NAMES else "correlation"


def _scores(
    agent: Agent, out: Output, base: Tensor, lesson: Lesson, steps: Steps
) -> tuple[dict[str, Array], dict[str, Array]]:
    """What each head says and what then was true, as one series each."""
    probs = base.numpy()
    greedy = np.eye(3, dtype=np.float32)[probs[0].argmax(-1)][None]
    ret, buy, sell = (
        np.ascontiguousarray(x[None], np.float32)
        for x in (steps.ret_bps, steps.cost_buy_bps, steps.cost_sell_bps)
    )
    found = exact_advantages(greedy, ret, buy, sell, 0.998)
    quality = found.advantages[0] + found.values[0][..., None]
    own = np.arange(3)
    stand = quality[:, own, own]
    policy = out.policy_logits[0].softmax(-1).numpy()
    leave = out.exit_logit[0].numpy()
    said: dict[str, npt.NDArray] = {
        "policy": policy[:, 1, 2] - policy[:, 1, 0],
        "value": out.value[0, :, 2].numpy() - out.value[0, :, 0].numpy(),
        "exit": leave[:, 2] - leave[:, 0],
    }
    ahead = np.concatenate([[0.0], np.cumsum(steps.ret_bps)])
    rows = np.arange(len(lesson))
    truth: dict[str, npt.NDArray] = {
        "policy": ahead[np.minimum(rows + AHEAD, len(lesson))] - ahead[rows],
        "value": stand[:, 2] - stand[:, 0],
        "exit": (quality[:, 2, 1] - quality[:, 2, 2]) - (quality[:, 0, 1] - quality[:, 0, 0]),
    }
    for k, name in enumerate(FORECASTS):
        said[name], truth[name] = out.forecasts[0, :, k].numpy(), lesson.targets[:, k]
    for k in agent.order:
        said[NAMES[k]], truth[NAMES[k]] = out.words[0, :, k].numpy(), lesson.words[:, k]
    as_float = {name: np.asarray(series, np.float64) for name, series in said.items()}
    return as_float, {name: np.asarray(series, np.float64) for name, series in truth.items()}


def _ablations(
    agent: Agent, y: Tensor, glance: Tensor, standard: Tensor, out: Output, base: Tensor
) -> dict[str, float]:
    """Share of decisions that change when one head speaks of another time."""
    half = y.shape[1] // 2
    before = base.argmax(-1)

    def moved(x: Tensor) -> Tensor:
        return torch.roll(x, half, dims=1)

    def changed(probs: Tensor) -> float:
        return float((probs.argmax(-1) != before).float().mean())

    tilt = agent.cfg.value_tilt
    policy, value, leave = out.policy_logits, out.value, out.exit_logit
    changes = {
        "policy": changed(decide_from(moved(policy), value, leave, tilt)),
        "value": changed(decide_from(policy, moved(value), leave, tilt)),
        "exit": changed(decide_from(policy, value, moved(leave), tilt)),
    }
    with torch.no_grad():
        for k, name in enumerate(FORECASTS):
            other = standard.clone()
            other[:, :, k] = moved(standard)[:, :, k]
            changes[name] = changed(agent.decision(agent.reason(y, glance, other)))
        for k in agent.order:
            imposed = torch.full_like(out.words, -1)
            imposed[:, :, k] = moved(out.words)[:, :, k]
            changes[NAMES[k]] = changed(agent.decision(agent.reason(y, glance, standard, imposed)))
    return changes


def _gradients(agent: Agent, x: Tensor, y: Tensor, lesson: Lesson, n: int) -> dict[str, float]:
    """Size of the gradient that reaches each head's last layer, from its own task."""
    rows = slice(0, min(n, 1_024))
    seen = y[:, rows]
    standard = agent.foresee(seen)
    out = agent.reason(seen, agent.glance(x[:, rows]), standard)
    wanted = torch.from_numpy(np.ascontiguousarray(lesson.targets[None, rows]))
    wanted = (wanted - agent.forecast_mean) / agent.forecast_scale
    words = torch.from_numpy(lesson.words[rows].astype(np.int64))
    sizes: dict[str, float] = {}

    def size(loss: Tensor, *weights: Tensor) -> float:
        found = torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True)
        return float(sum(grad.norm() for grad in found if grad is not None))

    log_pi = agent.decision(out).clamp_min(1e-8).log()
    sizes["policy"] = size(log_pi[..., 2].mean(), agent.policy.weight, agent.policy.bias)
    sizes["exit"] = size(log_pi[..., 1].mean(), agent.exit.weight, agent.exit.bias)
    sizes["value"] = size((out.value - 1).square().mean(), agent.value.weight, agent.value.bias)
    for k, name in enumerate(FORECASTS):
        loss = (standard[..., k] - wanted[..., k]).square().mean()
        sizes[name] = size(loss, agent.foresee.weight, agent.foresee.bias)
    for step, k in enumerate(agent.order):
        answer = agent.answer[step]
        loss = functional.cross_entropy(out.word_logits[k][0], words[:, k])
        sizes[NAMES[k]] = size(loss, *answer.parameters())
    return sizes


def _permutation(
    said: Array, truth: Array, kind: str, n_permutations: int, rng: np.random.Generator
) -> tuple[float, float]:
    """Statistic and one-sided p-value over circular shifts."""
    n = len(said)
    if n <= 2 * MIN_SHIFT or np.ptp(said) <= 1e-12 or np.ptp(truth) <= 0:
        return 0.0, 1.0
    shifts = rng.integers(MIN_SHIFT, n - MIN_SHIFT, n_permutations)
    measure = _kappa if kind == "kappa" else _correlation
    seen = measure(said, truth)
    null = np.array([measure(said, np.roll(truth, int(shift))) for shift in shifts])
    return seen, float((1 + (null >= seen).sum()) / (1 + n_permutations))


def _correlation(x: Array, y: Array) -> float:
    x, y = x - x.mean(), y - y.mean()
    size = np.sqrt((x * x).sum() * (y * y).sum())
    return float((x * y).sum() / size) if size > 0 else 0.0


def _kappa(x: Array, y: Array) -> float:
    """Cohen's kappa: agreement beyond what the two marginals give by chance."""
    top = int(max(x.max(), y.max())) + 1
    table = np.bincount((x * top + y).astype(np.int64), minlength=top * top).reshape(top, top) / len(x)
    chance = float((table.sum(0) * table.sum(1)).sum())
    return (float(np.trace(table)) - chance) / (1 - chance) if chance < 1 else 0.0


def _entropy(series: Array, is_discrete: bool) -> float:
    """Nats; a continuous head is read in eight equal bins between its 1 % and 99 % points."""
    if is_discrete:
        counts = np.unique(series, return_counts=True)[1]
    else:
        low, high = np.quantile(series, [0.01, 0.99])
        counts = (
            np.histogram(np.clip(series, low, high), bins=8)[0] if high > low else np.array([len(series)])
        )
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log(share)).sum())
