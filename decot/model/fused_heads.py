"""Judgement, decision and the marks for answers, each as one node of torch's graph with plain loops inside.

The same functions as `Agent.judgement`, `agent.decide_plainly` and nine weighted cross entropies in torch's own operations,
which the tests hold these against to 1e-5. One thread, one order of additions. Knows no market.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor
from torch.autograd.function import once_differentiable

from decot.model.smooth import exp, sigmoid, softmax


@njit(cache=True, error_model="numpy")
def _summarise(said: Any, weigh: Any, bias: Any, weights: Any, seen: Any) -> None:
    """Attention among the answers (N, K, D) → weights (N, K), and seen (N, D + K·D): the summary, then every answer."""
    n_rows, n_steps, width = said.shape
    for n in range(n_rows):
        line, weight = seen[n], weights[n]
        for k in range(n_steps):
            total = bias
            for d in range(width):
                total += said[n, k, d] * weigh[d]
                line[(k + 1) * width + d] = said[n, k, d]
            weight[k] = total
        softmax(weight, n_steps)
        line[:width] = 0
        for k in range(n_steps):
            for d in range(width):
                line[d] += weight[k] * said[n, k, d]


@njit(cache=True, error_model="numpy")
def _summarise_back(
    said: Any, weigh: Any, weights: Any, dseen: Any, dweights: Any, dsaid: Any, dweigh: Any
) -> None:
    """The gradient of `_summarise`; dweigh (D + 1) ends with the bias."""
    n_rows, n_steps, width = said.shape
    dw = np.empty(n_steps, np.float32)
    for n in range(n_rows):
        line, mean = dseen[n], np.float32(0)
        for k in range(n_steps):
            dw[k] = dweights[n, k] if dweights.shape[0] > 0 else np.float32(0)
            for d in range(width):
                dw[k] += line[d] * said[n, k, d]
            mean += weights[n, k] * dw[k]
        for k in range(n_steps):
            score = weights[n, k] * (dw[k] - mean)
            for d in range(width):
                dsaid[n, k, d] = line[(k + 1) * width + d] + weights[n, k] * line[d] + score * weigh[d]
                dweigh[d] += score * said[n, k, d]
            dweigh[width] += score


class _Judge(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        said: Tensor,
        weigh: Tensor,
        weigh_bias: Tensor,
        judge: Tensor,
        judge_bias: Tensor,
        *heads: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        n, n_steps, width = said.shape
        said = said.contiguous()
        weights, seen = said.new_empty(n, n_steps), said.new_empty(n, (n_steps + 1) * width)
        _summarise(
            said.numpy(), weigh[0].numpy(), np.float32(weigh_bias.item()), weights.numpy(), seen.numpy()
        )
        judged = torch.addmm(judge_bias, seen, judge.t()).tanh_()
        whole = torch.cat(heads[::2])
        found = torch.addmm(torch.cat(heads[1::2]), judged, whole.t())
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(said, weigh, judge, weights, seen, judged, whole)
        return found[:, :9].contiguous(), found[:, 9:12].contiguous(), found[:, 12:].contiguous(), weights

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, dpolicy: Tensor | None, dvalue: Tensor | None, dexit: Tensor | None, dweights: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        said, weigh, judge, weights, seen, judged, whole = ctx.saved_tensors
        n, _, width = said.shape
        parts = ((dpolicy, 9), (dvalue, 3), (dexit, 3))
        dfound = torch.cat([said.new_zeros(n, size) if part is None else part for part, size in parts], 1)
        dhead, dbias = dfound.t() @ judged, dfound.sum(0)
        dpre = torch.addcmul(inner := dfound @ whole, inner, judged.square(), value=-1)
        dseen = dpre @ judge
        dsaid, dweigh = torch.empty_like(said), said.new_zeros(width + 1)
        told = said.new_empty(0, 0) if dweights is None else dweights.contiguous()
        _summarise_back(
            said.numpy(), weigh[0].numpy(), weights.numpy(), dseen.numpy(), told.numpy(), dsaid.numpy(), dweigh.numpy()
        )  # fmt: skip
        return (
            dsaid, dweigh[None, :width], dweigh[width:], dpre.t() @ seen, dpre.sum(0),
            dhead[:9], dbias[:9], dhead[9:12], dbias[9:12], dhead[12:], dbias[12:],
        )  # fmt: skip


@njit(cache=True, error_model="numpy")
def _away(line: Any, p: int, share: Any) -> None:
    """Where the policy points from position p: a softmax over the others, over all three when flat."""
    top = np.float32(-np.inf)
    for a in range(3):
        if a != p or p == 1:
            top = max(top, line[a])
    total = np.float32(0)
    for a in range(3):
        share[a] = exp(line[a] - top) if a != p or p == 1 else np.float32(0)
        total += share[a]
    for a in range(3):
        share[a] /= total


@njit(cache=True, error_model="numpy")
def _decide(policy: Any, value: Any, leave: Any, tilt: Any, probs: Any) -> None:
    """(N, 9), (N, 3), (N, 3) → probabilities (N, 9)."""
    lift, share = np.empty(3, np.float32), np.empty(3, np.float32)
    for n in range(policy.shape[0]):
        high = max(value[n, 0], value[n, 1], value[n, 2])
        for a in range(3):
            lift[a] = exp(tilt * (value[n, a] - high))
        for p in range(3):
            _away(policy[n, 3 * p : 3 * p + 3], p, share)
            if p != 1:
                gone, kept = sigmoid(leave[n, p]), sigmoid(-leave[n, p])
                for a in range(3):
                    share[a] *= gone
                share[p] = kept
            total = np.float32(0)
            for a in range(3):
                share[a] *= lift[a]
                total += share[a]
            for a in range(3):
                probs[n, 3 * p + a] = share[a] / total


@njit(cache=True, error_model="numpy")
def _decide_back(policy: Any, leave: Any, probs: Any, dprobs: Any, dpolicy: Any, dleave: Any) -> None:
    """The gradient of `_decide`; value is not taught by a decision."""
    share, d = np.empty(3, np.float32), np.empty(3, np.float32)
    for n in range(policy.shape[0]):
        for p in range(3):
            mean = np.float32(0)
            for a in range(3):
                mean += probs[n, 3 * p + a] * dprobs[n, 3 * p + a]
            for a in range(3):
                d[a] = probs[n, 3 * p + a] * (dprobs[n, 3 * p + a] - mean)
            _away(policy[n, 3 * p : 3 * p + 3], p, share)
            stay = np.float32(0)
            if p != 1:
                stay = d[p]
                d[p] = 0
            gone = d[0] + d[1] + d[2]
            for a in range(3):
                dpolicy[n, 3 * p + a] = d[a] - share[a] * gone
            dleave[n, p] = (
                np.float32(0) if p == 1 else gone * sigmoid(-leave[n, p]) - stay * sigmoid(leave[n, p])
            )


class _Decide(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, policy: Tensor, value: Tensor, leave: Tensor, tilt: float) -> Tensor:
        policy, value, leave = policy.contiguous(), value.contiguous(), leave.contiguous()
        probs = torch.empty_like(policy)
        _decide(policy.numpy(), value.numpy(), leave.numpy(), np.float32(tilt), probs.numpy())
        ctx.save_for_backward(policy, leave, probs)
        return probs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dprobs: Tensor) -> tuple[Tensor | None, ...]:
        policy, leave, probs = ctx.saved_tensors
        dpolicy, dleave = torch.empty_like(policy), torch.empty_like(leave)
        dprobs = dprobs.contiguous()
        _decide_back(
            policy.numpy(), leave.numpy(), probs.numpy(), dprobs.numpy(), dpolicy.numpy(), dleave.numpy()
        )
        return dpolicy, None, dleave, None


@njit(cache=True, error_model="numpy")
def _mark(
    answers: Any, truth: Any, sizes: Any, order: Any, rarity: Any, soft: Any, losses: Any, counts: Any
) -> None:
    """Weighted cross entropy of every step: losses and counts (K,) are sums; soft (N, K, A) is kept."""
    n_rows, n_steps, _ = answers.shape
    for n in range(n_rows):
        for k in range(n_steps):
            size, right = sizes[k], truth[n, order[k]]
            line, out = answers[n, k], soft[n, k]
            top = line[0]
            for a in range(1, size):
                top = max(top, line[a])
            total = np.float32(0)
            for a in range(size):
                out[a] = exp(line[a] - top)
                total += out[a]
            for a in range(size):
                out[a] /= total
            losses[k] += rarity[k, right] * (np.log(total) - (line[right] - top))
            counts[k] += rarity[k, right]


@njit(cache=True, error_model="numpy")
def _mark_back(soft: Any, truth: Any, sizes: Any, order: Any, rarity: Any, share: Any, danswers: Any) -> None:
    """The gradient of `_mark`; share (K,) is what comes in over the counts."""
    n_rows, n_steps, _ = soft.shape
    for n in range(n_rows):
        for k in range(n_steps):
            right = truth[n, order[k]]
            factor = share[k] * rarity[k, right]
            for a in range(sizes[k]):
                danswers[n, k, a] = factor * soft[n, k, a]
            danswers[n, k, right] -= factor


class _Mark(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, answers: Tensor, truth: Tensor, rarity: Tensor, sizes: np.ndarray, order: np.ndarray
    ) -> Tensor:
        answers = answers.contiguous()
        soft, losses, counts = torch.empty_like(answers), np.zeros(len(sizes)), np.zeros(len(sizes))
        right = np.ascontiguousarray(truth.numpy())
        _mark(answers.numpy(), right, sizes, order, rarity.numpy(), soft.numpy(), losses, counts)
        ctx.kept = soft, right, rarity, sizes, order, counts
        return torch.from_numpy((losses / counts).astype(np.float32))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dlosses: Tensor) -> tuple[Tensor | None, ...]:
        soft, right, rarity, sizes, order, counts = ctx.kept
        share = (dlosses.numpy() / counts).astype(np.float32)
        danswers = torch.zeros_like(soft)
        _mark_back(soft.numpy(), right, sizes, order, rarity.numpy(), share, danswers.numpy())
        return danswers, None, None, None, None


def judge(answers: Tensor, layers: list[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(N, K, D) answers → policy (N, 9), value (N, 3), exit (N, 3), weights (N, K).

    Args:
        layers: weight and bias of weigh, judge, policy, value and exit.
    """
    found: tuple[Tensor, Tensor, Tensor, Tensor] = _Judge.apply(answers, *layers)  # type: ignore[no-untyped-call]
    return found


def decide(policy: Tensor, value: Tensor, leave: Tensor, tilt: float) -> Tensor:
    """Policy (N, 9), value (N, 3) and exit (N, 3) put together: probabilities (N, 9)."""
    probs: Tensor = _Decide.apply(policy, value, leave, tilt)  # type: ignore[no-untyped-call]
    return probs


def mark(answers: Tensor, truth: Tensor, rarity: Tensor, sizes: np.ndarray, order: np.ndarray) -> Tensor:
    """(N, K, A) logits and the true answers (N, 9) → (K,) mean cross entropies weighted by `rarity` (K, A)."""
    losses: Tensor = _Mark.apply(answers, truth, rarity, sizes, order)  # type: ignore[no-untyped-call]
    return losses
