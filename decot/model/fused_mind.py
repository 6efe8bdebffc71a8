"""The chain of thought as one node of torch's graph: the loops of `fused_chain` between two matrix products each way.

The same function as `Agent._think` in torch's own operations, which stays and is what the tests hold this against: every
answer the same, values and gradients to 1e-5. Knows no money.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from decot.model.config import FORESEEING, ModelConfig
from decot.model.fused_chain import BLOCK, chain, chain_back
from decot.model.vocabulary import N_QUESTIONS, NAMES, SIZES


class Plan(NamedTuple):
    """What the loops must know of one architecture. K steps, A answers of the widest question."""

    steps: int
    width: int
    wide: int
    answers: int
    sizes: np.ndarray
    """(K,) answers of each step"""
    foresees: np.ndarray
    """(K,) which of the `expect` layers a step reads through; −1 reads the market"""
    order: np.ndarray
    """(K,) which question each step asks"""

    @classmethod
    def of(cls, cfg: ModelConfig) -> Plan:
        order = np.array([NAMES.index(name) for name in cfg.questions], np.int64)
        sizes = np.array([SIZES[k] for k in order], np.int64)
        foresees = [FORESEEING.index(name) if name in FORESEEING else -1 for name in cfg.questions]
        return cls(
            len(order), cfg.word_width, cfg.step_width, int(max(SIZES)), sizes, np.array(foresees), order
        )


class Thought(NamedTuple):
    """What the chain says of each row."""

    logits: Tensor
    """(N, K, A); past a question's own answers they say nothing"""
    said: Tensor
    """(N, K, D) the answers' embeddings"""
    words: Tensor
    """(N, 9) int8"""


def think(
    plan: Plan, y: Tensor, glance: Tensor, foreseen: Tensor, imposed: Tensor | None, layers: list[Tensor]
) -> Thought:
    """Answer question after question.

    Args:
        y: (N, H); glance: (N, G); foreseen: (N, 5); imposed: (N, 9) answers, −1 leaves a step free.
        layers: see, ask and read (weight, bias each), then `steps_of` an agent.
    """
    found: tuple[Tensor, Tensor, Tensor] = _Think.apply(plan, y, glance, foreseen, imposed, *layers)  # type: ignore[no-untyped-call]
    return Thought(*found)


def layers_of(agent: Any) -> list[Tensor]:
    """The weights the chain is made of, in the order the loops want them."""
    whole = [x for layer in (agent.see, agent.ask, agent.read) for x in (layer.weight, layer.bias)]
    whole += [layer.weight for layer in agent.expect] + [layer.bias for layer in agent.expect]
    whole += [layer.weight for layer in agent.recall]
    whole += [layer.weight for layer in agent.answer] + [layer.bias for layer in agent.answer]
    return whole + list(agent.meaning)


class _Small(NamedTuple):
    """The steps' own weights side by side, padded to the widest question."""

    expect: Tensor
    expect_bias: Tensor
    recall: Tensor
    answer: Tensor
    answer_bias: Tensor
    meaning: Tensor


def _stack(plan: Plan, parts: tuple[Tensor, ...]) -> _Small:
    n, k = len(FORESEEING), plan.steps
    first = parts[0]
    answer = first.new_zeros(k, plan.answers, plan.wide)
    bias, meaning = first.new_zeros(k, plan.answers), first.new_zeros(k, plan.answers, plan.width)
    at = 2 * n + k
    for step, size in enumerate(plan.sizes.tolist()):
        answer[step, :size] = parts[at + step]
        bias[step, :size] = parts[at + k + step]
        meaning[step, :size] = parts[at + 2 * k + step]
    return _Small(
        torch.stack(parts[:n]),
        torch.stack(parts[n : 2 * n]),
        torch.stack(parts[2 * n : at]),
        answer,
        bias,
        meaning,
    )


def _unstack(plan: Plan, small: _Small) -> list[Tensor]:
    sizes = plan.sizes.tolist()
    return [
        *small.expect, *small.expect_bias, *small.recall,
        *(small.answer[step, :size] for step, size in enumerate(sizes)),
        *(small.answer_bias[step, :size] for step, size in enumerate(sizes)),
        *(small.meaning[step, :size] for step, size in enumerate(sizes)),
    ]  # fmt: skip


def _numpy(*tensors: Tensor) -> list[np.ndarray]:
    return [x.detach().numpy() for x in tensors]


def _blocks(x: Tensor, n: int) -> Tensor:
    """(C, n) → (blocks, C, BLOCK), zeros after the last column."""
    spare = -n % BLOCK
    whole = nn.functional.pad(x, (0, spare)) if spare else x
    return whole.unflatten(1, (-1, BLOCK)).transpose(0, 1).contiguous()


class _Think(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        plan: Plan,
        y: Tensor,
        glance: Tensor,
        foreseen: Tensor,
        imposed: Tensor | None,
        *layers: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        n, k, width, wide = len(y), plan.steps, plan.width, plan.wide
        see, see_bias, ask, ask_bias, read, read_bias = layers[:6]
        small = _stack(plan, layers[6:])
        looks, bias = torch.cat([see, ask]), torch.cat([see_bias, ask_bias, read_bias])
        seen = torch.cat([y, glance], 1)
        flat = y.new_empty(len(bias), n)
        torch.mm(looks, y.t(), out=flat[: len(looks)])
        torch.mm(read, seen.t(), out=flat[len(looks) :])
        lines, told = _blocks(flat.add_(bias[:, None]), n), _blocks(foreseen.t(), n)
        depths = (k * (k + 1) // 2, k * width, k * wide, k * plan.answers)
        kept = [y.new_empty(len(lines), depth, BLOCK) for depth in depths]
        kept.append(y.new_zeros(len(lines), k * width, BLOCK))
        logits, said = y.new_empty(n, k, plan.answers), y.new_empty(n, k, width)
        words = torch.full((n, N_QUESTIONS), -1, dtype=torch.int8)
        given = np.empty((0, N_QUESTIONS), np.int8)
        if imposed is not None:
            given = np.ascontiguousarray(imposed.numpy(), dtype=np.int8)
        chain(
            *_numpy(lines, told), n, plan.sizes, plan.foresees, plan.order,
            *_numpy(small.recall, small.answer, small.answer_bias, small.meaning, small.expect, small.expect_bias),
            given, *_numpy(*kept, logits, said, words),
        )  # fmt: skip
        ctx.mark_non_differentiable(words)
        ctx.set_materialize_grads(False)
        if any(ctx.needs_input_grad):
            ctx.save_for_backward(y, seen, looks, read, words)
            ctx.kept = (plan, small, lines, told, kept)
        return logits, said, words

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, dlogits: Tensor | None, dsaid: Tensor | None, _: None
    ) -> tuple[Tensor | None, ...]:
        y, seen, looks, read, words = ctx.saved_tensors
        plan, small, lines, told, kept = ctx.kept
        n, n_looks, k = len(y), len(looks), plan.steps
        dlogits = y.new_zeros(n, k, plan.answers) if dlogits is None else dlogits.contiguous()
        dsaid = y.new_zeros(n, k, plan.width) if dsaid is None else dsaid.contiguous()
        dlines, dtold = torch.empty_like(lines), torch.zeros_like(told)
        d = _Small(*(torch.zeros_like(x) for x in small))
        chain_back(
            *_numpy(lines, told), n, plan.sizes, plan.foresees, plan.order,
            *_numpy(small.recall, small.answer, small.meaning, small.expect, *kept, words),
            *_numpy(dlogits, dsaid, dlines, dtold),
            *_numpy(d.recall, d.answer, d.answer_bias, d.meaning, d.expect, d.expect_bias),
        )  # fmt: skip
        flat = dlines.transpose(0, 1).flatten(1)[:, :n]
        dlooks, dreads, bias = flat[:n_looks], flat[n_looks:], flat.sum(1)
        half = n_looks // 2
        weight, dseen = dlooks @ y, dreads.t() @ read
        dy = torch.addmm(dseen[:, : y.shape[1]], dlooks.t(), looks)
        dforeseen = dtold.transpose(0, 1).flatten(1)[:, :n].t()
        return (
            None, dy, dseen[:, y.shape[1] :], dforeseen, None,
            weight[:half], bias[:half], weight[half:], bias[half:n_looks], dreads @ seen, bias[n_looks:],
            *_unstack(plan, d),
        )  # fmt: skip
