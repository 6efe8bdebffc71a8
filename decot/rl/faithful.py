"""Are the words true, and are they what decides? Measured by imposing answers, never by asking the policy. Knows no money.

Accuracy: the answer is the one the columns give. Intervention: do(outlook = answer) moves the action the way the word says.
Mediation: with the words held, the market no longer reaches the decision. Stability: small noise leaves the words alone.
Shuffled: the words of other rows do not give the action but by chance. Re-parse: the sentence gives the words back.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from decot.model.agent import Agent
from decot.model.lesson import Lesson
from decot.model.sentences import parse, sentence
from decot.model.vocabulary import NAMES, OUTLOOK, SIZES


@dataclass(frozen=True, slots=True, kw_only=True)
class WordReport:
    """Figures in [0, 1] unless said otherwise."""

    n: int
    accuracy: dict[str, float]
    """question → share of held-out rows where the answer is the true one"""
    majority: dict[str, float]
    """question → accuracy of always giving the commonest true answer of these rows"""
    entropy: dict[str, float]
    """question → nats of the answers used"""
    intervention: float
    """share of rows where a stronger outlook never lowers, and the strongest raises, the chance of being long"""
    intervention_size: float
    """mean rise of P(long) − P(short) from a strong fall to a strong rise, in [−2, 2]"""
    stability: float
    """share of words that small noise on the observation leaves as they were"""
    action_stability: float
    same_action: float
    """share of decisions that come back when only the words are fed in; 1 unless unrestricted"""
    mediated: float
    """1 − (effect of another market on the decision, words held) ÷ (its effect, words free)"""
    shuffled: float
    """agreement, beyond chance, of the action with the one taken, when the words of rows drawn by chance are imposed on the
    same market (Cohen's kappa, mean over positions); about 0 unless something beside the words decides"""
    reparsed: float
    """share of sentences, English and French, that are read back to the same words"""

    @property
    def score(self) -> float:
        """Explanation quality for the search: concept skill × intervention × stability, with a floor on entropy."""
        skill = [
            (self.accuracy[name] - self.majority[name]) / max(1 - self.majority[name], 1e-9)
            for name in self.accuracy
            if name not in ("outlook", "risk") and self.majority[name] < 0.999
        ]
        speaks = np.mean([value > 0.1 for value in self.entropy.values()])
        said = float(np.clip(np.mean(skill), 0, 1)) if skill else 0.0
        return float((0.5 + 0.5 * said) * self.intervention * self.stability * self.mediated * speaks)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "score": self.score}


def word_report(
    agent: Agent, lesson: Lesson, *, noise: float = 0.01, n_sentences: int = 200, seed: int = 0
) -> WordReport:
    """Measure an agent's words on held-out rows; `noise` is in units of the scaled observation."""
    generator = torch.Generator().manual_seed(seed)
    agent.eval()
    x = torch.from_numpy(np.ascontiguousarray(lesson.obs[None], np.float32))
    with torch.no_grad():
        y, _ = agent.trunk(x)
        glance, standard = agent.glance(x), agent.foresee(y)
        out = agent.reason(y, glance, standard)
        base = agent.decision(out)
        shaken = agent(x + noise * torch.randn(x.shape, generator=generator))
        elsewhere, seen = (torch.roll(z, z.shape[1] // 2, 1) for z in (y, glance))
        there = agent.foresee(elsewhere)
        free = agent.decision(agent.reason(elsewhere, seen, there))
        held = agent.decision(agent.reason(elsewhere, seen, there, out.words))
        rows = torch.randperm(y.shape[1], generator=torch.Generator().manual_seed(seed))
        misled = agent.decision(agent.reason(y, glance, standard, out.words[:, rows]))
        moved, size = _intervene(agent, y, glance, standard)
    words, truth = out.words[0].numpy(), lesson.words
    return WordReport(
        n=len(lesson),
        accuracy={NAMES[k]: float((words[:, k] == truth[:, k]).mean()) for k in agent.order},
        majority={NAMES[k]: float(np.bincount(truth[:, k]).max() / len(truth)) for k in agent.order},
        entropy={NAMES[k]: _entropy(words[:, k]) for k in agent.order},
        intervention=moved,
        intervention_size=size,
        stability=float((shaken.words == out.words)[..., agent.order].float().mean()),
        action_stability=_agree(agent.decision(shaken), base),
        same_action=_agree(held, base),
        mediated=_mediated(base, held, free),
        shuffled=float(
            np.mean([_kappa(misled[0, :, p].argmax(-1), base[0, :, p].argmax(-1)) for p in range(3)])
        ),
        reparsed=_reparsed(words, base, n_sentences, seed),
    )


def _intervene(agent: Agent, y: Tensor, glance: Tensor, standard: Tensor) -> tuple[float, float]:
    """do(outlook = fall … rise), everything downstream recomputed: does the action follow the word?"""
    leans = []
    for answer in range(SIZES[OUTLOOK]):
        imposed = torch.full((*y.shape[:2], len(NAMES)), -1, dtype=torch.int8)
        imposed[:, :, OUTLOOK] = answer
        probs = agent.decision(agent.reason(y, glance, standard, imposed))
        leans.append((probs[..., 2] - probs[..., 0]).mean(-1))
    lean = torch.stack(leans, -1)
    never_back = (lean.diff(dim=-1) > -1e-3).all(-1)
    rises = lean[..., -1] > lean[..., 0] + 1e-3
    return float((never_back & rises).float().mean()), float((lean[..., -1] - lean[..., 0]).mean())


def _mediated(base: Tensor, held: Tensor, free: Tensor) -> float:
    total = float((free - base).abs().sum(-1).mean())
    return 1 - float((held - base).abs().sum(-1).mean()) / total if total > 0 else 1.0


def _agree(one: Tensor, other: Tensor) -> float:
    return float((one.argmax(-1) == other.argmax(-1)).float().mean())


def _kappa(one: Tensor, other: Tensor) -> float:
    table = torch.bincount(one * 3 + other, minlength=9).view(3, 3).double() / one.numel()
    chance = float((table.sum(0) * table.sum(1)).sum())
    return (float(table.trace()) - chance) / (1 - chance) if chance < 1 else 0.0


def _entropy(words: np.ndarray) -> float:
    share = np.unique(words, return_counts=True)[1] / len(words)
    return float(-(share * np.log(share)).sum())


def _reparsed(words: np.ndarray, base: Tensor, n_sentences: int, seed: int) -> float:
    rows = np.random.default_rng(seed).choice(len(words), min(n_sentences, len(words)), replace=False)
    actions = base[0].argmax(-1).numpy() - 1
    held = [
        bool((parse(sentence(words[row], lang, actions[row, p], p - 1), lang) == words[row]).all())
        for row in rows
        for p in range(3)
        for lang in ("en", "fr")
    ]
    return float(np.mean(held))
