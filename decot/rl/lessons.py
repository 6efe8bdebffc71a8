"""What is taught beside the policy: forecasts, values, words, and that a word moves the action as it says."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from decot.model.agent import Agent, Output, decide_from
from decot.model.fused_heads import mark
from decot.model.vocabulary import OUTLOOK, RISK, SIZES
from decot.rl.batch import Reader, Stretches

LEAST_RISE, STEEP = 0.01, 10.0
"""by how much P(long) − P(short) should rise with each rosier outlook, and how much missing it weighs beside log-odds"""


def forecast_loss(agent: Agent, out: Output, batch: Stretches) -> Tensor:
    """Mean square of the five forecasts in the training tape's units, each target held within five of them."""
    standard = (out.forecasts - agent.forecast_mean) / agent.forecast_scale
    wanted = ((batch.targets - agent.forecast_mean) / agent.forecast_scale).clamp(-5, 5)
    return functional.mse_loss(standard, wanted)


def settle_units(agent: Agent, reader: Reader) -> None:
    """Give forecasts and values the units of the training tape, unless an earlier training did."""
    if bool(agent.value_unit > 0):
        return
    mean, scale = reader.targets.mean(0), reader.targets.std(0)
    agent.forecast_mean.copy_(mean)
    agent.forecast_scale.copy_(torch.where(scale > 1e-12, scale, torch.ones_like(scale)))
    ret, buy, sell = reader.pay
    agent.value_unit.fill_(max(float(np.mean(buy + sell)) / 2, float(ret.std()), 1e-3))


def value_loss(value: Tensor, wanted: Tensor, seen: Tensor | None) -> Tensor:
    """What positions share is mostly the market's noise and counts little; what sets them apart counts fully.

    Args:
        value, wanted: (B, T, 3).
        seen: (B, T, 3) how often `wanted` was met; None is everywhere alike.
    """
    if seen is None:
        shared, wanted_shared = value.mean(-1, keepdim=True), wanted.mean(-1, keepdim=True)
        apart = functional.smooth_l1_loss(value - shared, wanted - wanted_shared)
        return apart + 0.1 * functional.smooth_l1_loss(shared, wanted_shared)
    share = seen / seen.sum(-1, keepdim=True).clamp_min(1e-9)
    shared, wanted_shared = (share * value).sum(-1, keepdim=True), (share * wanted).sum(-1, keepdim=True)
    each = functional.smooth_l1_loss(value - shared, wanted - wanted_shared, reduction="none")
    return (share * each).sum(-1).mean() + 0.1 * functional.smooth_l1_loss(shared, wanted_shared)


def incoherence_of(
    agent: Agent, out: Output, *, margin: float = 0.3, stride: int = 8, obs: Tensor | None = None
) -> Tensor:
    """How far do(outlook = a rosier answer) falls short of `margin` more log-odds of long over short.

    Computed by intervention on every `stride`-th row; it teaches the heads, not the choice of words.

    Args:
        obs: (B, T, F) what `out` was said of; with it the lesson is what `faithful.word_report` judges: whatever is asked
            after the outlook is asked anew under each of its answers, and P(long) − P(short) may not fall either, which
            it can while the log-odds rise, where staying out gets likelier. None holds all else that was said.
    """
    step = agent.order.index(OUTLOOK)
    y = out.latent[:, ::stride].detach()
    n = SIZES[OUTLOOK]
    if obs is None:
        embedded = out.embedded[:, ::stride].detach()
        said = embedded.expand(n, *embedded.shape).clone()
    else:
        said = _said_under_each(agent, y, obs[:, ::stride])
    said[:, :, :, step] = agent.meaning[step][:, None, None]
    policy, value, leave, _ = agent.judgement(said, y.expand(n, *y.shape))
    pi = decide_from(policy, value, leave, agent.cfg.value_tilt)
    log_pi = pi.clamp_min(1e-8).log()
    leans = (log_pi[..., 2] - log_pi[..., 0]).mean(-1)
    missing = functional.relu(margin - leans.diff(dim=0)).mean()
    if obs is None:
        return missing
    share = (pi[..., 2] - pi[..., 0]).mean(-1)
    return missing + STEEP * functional.relu(LEAST_RISE - share.diff(dim=0)).mean()


@torch.no_grad()
def _said_under_each(agent: Agent, y: Tensor, obs: Tensor) -> Tensor:
    """(A, B, T, K, D) the whole chain's embeddings under every answer to the outlook."""
    glance, standard = agent.glance(obs), agent.foresee(y)
    imposed = torch.full((*y.shape[:2], len(SIZES)), -1, dtype=torch.int8)
    chains = []
    for answer in range(SIZES[OUTLOOK]):
        imposed[:, :, OUTLOOK] = answer
        chains.append(agent.reason(y, glance, standard, imposed).embedded)
    return torch.stack(chains)


def rarity_of(words: Tensor) -> list[Tensor]:
    """Weight of each answer of each question: rare ones count more, by the root of how rare they are."""
    weights = []
    for k, size in enumerate(SIZES):
        share = torch.bincount(words[:, k], minlength=size).float() / len(words)
        weights.append(share.clamp_min(1e-3).rsqrt())
    return weights


def answer_losses(out: Output, truth: Tensor, order: list[int], rarity: list[Tensor]) -> dict[int, Tensor]:
    """One weighted cross entropy per asked question; all at once where the loops have the logits side by side."""
    if out.answers is None:
        return {
            k: functional.cross_entropy(out.word_logits[k].flatten(0, 1), truth[:, :, k].flatten(), rarity[k])
            for k in order
        }
    weights = pad_sequence([rarity[k] for k in order], batch_first=True)
    sizes, steps = np.array([SIZES[k] for k in order]), np.array(order)
    found = mark(out.answers.flatten(0, 1), truth.flatten(0, 1), weights, sizes, steps)
    return dict(zip(order, found.unbind(), strict=True))


def word_losses(out: Output, truth: Tensor, order: list[int], rarity: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Weighted cross entropies: the mean of the readings', the mean of outlook's and risk's."""
    losses = answer_losses(out, truth, order, rarity)
    readings = [loss for k, loss in losses.items() if k not in (OUTLOOK, RISK)]
    zero = out.value.new_zeros(())
    return (torch.stack(readings).mean() if readings else zero), (losses[OUTLOOK] + losses[RISK]) / 2
