"""One agent's weights in one vector: what an optimiser walks over once, and what loops take as plain arrays.

The agent's own parameters become views of the vector, so both always hold the same numbers. Where questions have fewer
answers than the widest, the vector has zeros between them whose gradient is zero as well. Knows no loop and no loss.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any, NamedTuple

import numpy as np
import torch
from numba import njit
from torch import Tensor, nn

from decot.model.agent import N_FORECASTS, Agent
from decot.model.config import FORESEEING
from decot.model.vocabulary import SIZES


class Weights(NamedTuple):
    """Every layer as an array.

    Letters: F features, C filters, H units, G glance, K steps, D word width, S step width, A answers, J judge width.
    """

    conv: Any
    """(C, F·kernel)"""
    conv_bias: Any
    push: Any
    """(4H, C) of the LSTM: input, forget, cell and output gate below one another"""
    turn: Any
    """(4H, H)"""
    push_bias: Any
    turn_bias: Any
    looks: Any
    """(2·K·D, H): every step's view, then every step's question"""
    looks_bias: Any
    read: Any
    """(K·S, H + G)"""
    read_bias: Any
    glance: Any
    glance_bias: Any
    foresee: Any
    foresee_bias: Any
    expect: Any
    """(2, S, 5)"""
    expect_bias: Any
    recall: Any
    """(K, S, D)"""
    answer: Any
    """(K, A, S)"""
    answer_bias: Any
    meaning: Any
    """(K, A, D)"""
    weigh: Any
    weigh_bias: Any
    judge: Any
    """(J, (K + 1)·D)"""
    judge_bias: Any
    heads: Any
    """(15, J): policy, value, exit"""
    heads_bias: Any


Slot = tuple[tuple[int, ...], list[Tensor], int]
"""shape, the parameters in it, and how far apart they lie; 0 is one right behind the other"""


def _slots(agent: Agent) -> Iterator[Slot]:
    """In the order of `Weights`."""
    cfg, a = agent.cfg, agent
    k, d, s, h, n = len(agent.order), cfg.word_width, cfg.step_width, cfg.lstm_units, len(FORESEEING)
    most = max(SIZES)
    heads: list[Any] = [a.policy, a.value, a.exit]
    lstm: Any = a.lstm
    yield (cfg.conv_filters, cfg.n_features * cfg.kernel), [a.conv.weight], 0
    yield (cfg.conv_filters,), [_bias(a.conv)], 0
    yield (4 * h, cfg.conv_filters), [lstm.weight_ih_l0], 0
    yield (4 * h, h), [lstm.weight_hh_l0], 0
    yield (4 * h,), [lstm.bias_ih_l0], 0
    yield (4 * h,), [lstm.bias_hh_l0], 0
    yield (2 * k * d, h), [a.see.weight, a.ask.weight], 0
    yield (2 * k * d,), [a.see.bias, a.ask.bias], 0
    yield (k * s, h + cfg.glance_width), [a.read.weight], 0
    yield (k * s,), [a.read.bias], 0
    yield (cfg.glance_width, cfg.n_features), [a.glance.weight], 0
    yield (cfg.glance_width,), [a.glance.bias], 0
    yield (N_FORECASTS, h), [a.foresee.weight], 0
    yield (N_FORECASTS,), [a.foresee.bias], 0
    expect: list[Any] = list(a.expect)
    yield (n, s, N_FORECASTS), [layer.weight for layer in expect], 0
    yield (n, s), [layer.bias for layer in expect], 0
    recall: list[Any] = list(a.recall)
    yield (k, s, d), [layer.weight for layer in recall], 0
    answer: list[Any] = list(a.answer)
    yield (k, most, s), [layer.weight for layer in answer], most * s
    yield (k, most), [layer.bias for layer in answer], most
    yield (k, most, d), list(a.meaning), most * d
    yield (d,), [a.weigh.weight], 0
    yield (1,), [a.weigh.bias], 0
    yield (cfg.judge_width, (k + 1) * d), [a.judge.weight], 0
    yield (cfg.judge_width,), [a.judge.bias], 0
    yield (15, cfg.judge_width), [layer.weight for layer in heads], 0
    yield (15,), [layer.bias for layer in heads], 0


def _bias(layer: nn.Conv1d) -> Tensor:
    assert layer.bias is not None
    return layer.bias


class Flat(NamedTuple):
    """The vector, with a gradient, and both cut into layers."""

    whole: nn.Parameter
    weights: Weights
    grads: Weights


def flatten(agent: Agent) -> Flat:
    """Lay all weights of `agent` into one vector and make its parameters views of it."""
    slots = list(_slots(agent))
    sizes = [prod(shape) for shape, _, _ in slots]
    whole = torch.zeros(sum(sizes))
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    with torch.no_grad():
        for start, (_, layers, apart) in zip(starts.tolist(), slots, strict=True):
            at = start
            for index, layer in enumerate(layers):
                at = start + index * apart if apart else at
                view = whole[at : at + layer.numel()].view(layer.shape)
                layer.data = view.copy_(layer)
                at += layer.numel()
    held = nn.Parameter(whole)
    held.grad = torch.zeros_like(whole)
    return Flat(held, _cut(held.data, slots, starts), _cut(held.grad, slots, starts))


def _cut(whole: Tensor, slots: list[Slot], starts: np.ndarray) -> Weights:
    flat = whole.numpy()
    return Weights(
        *(flat[at : at + prod(shape)].reshape(shape) for at, (shape, _, _) in zip(starts, slots, strict=True))
    )


def release(agent: Agent) -> None:
    """Give every parameter memory of its own again."""
    with torch.no_grad():
        for layer in agent.parameters():
            layer.data = layer.data.clone()


class FlatAdam(torch.optim.Optimizer):
    """AdamW (arXiv 1711.05101) over one vector, clipped to a norm first; after a step the gradient is zero again."""

    def __init__(
        self, whole: nn.Parameter, learning_rate: float, weight_decay: float, grad_clip: float
    ) -> None:
        super().__init__([whole], {"lr": learning_rate})
        self.whole, self.weight_decay, self.grad_clip = whole, weight_decay, grad_clip
        empty = torch.zeros_like(whole.data)
        self.state[whole] = {"step": torch.zeros(()), "exp_avg": empty, "exp_avg_sq": empty.clone()}

    def steps(self, n: int) -> Steps:
        """What the next n steps need; they count as made."""
        state, grad = self.state[self.whole], self.whole.grad
        assert grad is not None
        done, rate = float(state["step"]), self.param_groups[0]["lr"]
        state["step"] += n
        counts = [done + 1 + k for k in range(n)]
        first, second = (np.array([1 - base**count for count in counts]) for base in (0.9, 0.999))
        return Steps(
            self.whole.data.numpy(), grad.numpy(), state["exp_avg"].numpy(), state["exp_avg_sq"].numpy(),
            rate, rate * self.weight_decay, first, second, self.grad_clip,
        )  # fmt: skip


class Steps(NamedTuple):
    """Some steps of Adam: the four vectors, and the rate with its corrections step by step."""

    weights: Any
    grads: Any
    first: Any
    second: Any
    rate: float
    decay: float
    first_share: Any
    second_share: Any
    most: float


@njit(cache=True, error_model="numpy")
def descend(
    w: Any, g: Any, m: Any, v: Any, rate: float, decay: float, first: float, second: float, most: float
) -> float:
    """One step of AdamW; gives the gradient's norm before it was clipped to `most`, and leaves the gradient zero."""
    lanes = np.zeros(64, np.float64)
    for i in range(0, len(g) - 63, 64):
        for r in range(64):
            lanes[r] += g[i + r] * g[i + r]
    for i in range(len(g) // 64 * 64, len(g)):
        lanes[0] += g[i] * g[i]
    norm = np.sqrt(lanes.sum())
    scale = np.float32(min(1.0, most / (norm + 1e-6)))
    b1, b2, c1, c2 = np.float32(0.9), np.float32(0.999), np.float32(0.1), np.float32(0.001)
    step, root = np.float32(rate / first), np.float32(1 / np.sqrt(second))
    kept, eps = np.float32(1 - decay), np.float32(1e-5)
    for i in range(len(w)):
        x = g[i] * scale
        m[i] = b1 * m[i] + c1 * x
        v[i] = b2 * v[i] + c2 * x * x
        w[i] = kept * w[i] - step * m[i] / (np.sqrt(v[i]) * root + eps)
        g[i] = 0
    return float(norm)
