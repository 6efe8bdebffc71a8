"""A training that takes no time: a fitness with a known answer, for drills, proofs and benchmarks. Knows genes and
parameters; knows no market.

Each genome has a potential in both objectives, pulling against each other (more questions explain more and earn less;
wide trunks earn more, up to a point, and explain less); each set of parameters a distance from an optimum that
depends on the genome; training closes the gap to the potential exponentially, is continued from a checkpoint, and starts
ahead when a similar parent is inherited. `noise` is what luck adds to every figure; `edge` 0 is a world without
anything to learn, where every trial earns luck alone.
"""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np

from decot.evolve.genome import Bounds, Genome
from decot.evolve.study import DEFAULT_PARAMS, Param
from decot.evolve.trial import Evaluation, Orders, Params, read_orders

BEST = {
    "learning_rate": 0.6, "clip": 0.5, "entropy": 0.4, "discount_gap": 0.35,
    "gae_lambda": 0.6, "aux_weight": 0.5, "cost_anneal": 0.6,
}  # fmt: skip
WEIGHT = {"learning_rate": 3.0, "entropy": 1.2, "discount_gap": 1.0, "aux_weight": 0.8}
ALGORITHM = {"ppo-exact": 1.0, "ppo-gae": 0.94, "grpo": 0.9}


@dataclass(frozen=True, slots=True, kw_only=True)
class Surrogate:
    """Callable as a fitness; two of the same settings agree on everything.

    Args:
        kept: share of a parent's skill that a child of the same genes would start with.
        full_steps: environment steps of a training at budget 1.
    """

    edge: float = 1.0
    noise: float = 0.03
    kept: float = 0.7
    full_steps: int = 90_000
    n_periods: int = 12
    bounds: Bounds = field(default_factory=Bounds)
    params: tuple[Param, ...] = DEFAULT_PARAMS

    def __call__(self, genome: Genome, params: Params, seed: int, trial_dir: str) -> Evaluation:
        orders = read_orders(trial_dir)
        before, skill = self.start(genome, orders)
        reached = self.learn(genome, params, skill, orders.budget - before)
        profit, explanation = self.truth(genome, params, reached)
        rng = np.random.default_rng(seed)
        luck = rng.standard_normal(self.n_periods)
        earned = profit + self.noise * luck.mean() * math.sqrt(self.n_periods)
        explained = explanation + self.noise * float(rng.standard_normal())
        (Path(trial_dir) / "skill.json").write_text(
            json.dumps({"skill": reached, "budget": orders.budget, "genome": genome.to_json()})
        )
        return Evaluation(
            profit=earned,
            explanation=explained,
            proxy=earned + explained,
            period_pnl=[float(profit + self.noise * math.sqrt(self.n_periods) * x) for x in luck],
            env_steps=round(self.full_steps * (orders.budget - before)),
            artefact=trial_dir,
            notes={"true_profit": profit, "true_explanation": explanation},
        )

    def start(self, genome: Genome, orders: Orders) -> tuple[float, float]:
        """(budget already spent, skill to begin with): of the checkpoint, of the most similar parent, or nothing."""
        if orders.resume_dir:
            found = json.loads((Path(orders.resume_dir) / "skill.json").read_text())
            return found["budget"], found["skill"]
        ahead = 0.0
        for folder in orders.parents:
            found = json.loads((Path(folder) / "skill.json").read_text())
            alike = similarity(genome, Genome.from_json(found["genome"]))
            ahead = max(ahead, self.kept * alike * found["skill"])
        return 0.0, ahead

    def learn(self, genome: Genome, params: Params, skill: float, budget: float) -> float:
        """Skill in [0, 1) after this share of a full training."""
        speed = 2.2 * math.exp(-self.distance(genome, params))
        return 1.0 - (1.0 - skill) * math.exp(-speed * budget)

    def truth(self, genome: Genome, params: Params, skill: float) -> tuple[float, float]:
        """(profit, explanation) without luck."""
        profit, explanation = self.potential(genome)
        fit = math.exp(-self.distance(genome, params))
        return self.edge * (profit * fit * skill - 0.1 * (1.0 - skill)), explanation * (0.5 + 0.5 * skill)

    def potential(self, genome: Genome) -> tuple[float, float]:
        """What the genome could reach with the best parameters and no end of training."""
        at = {
            name: self._unit(name, getattr(genome, name)) for name in ("conv_filters", "kernel", "lstm_units")
        }
        wide = 0.5 * at["conv_filters"] + 0.5 * at["lstm_units"]
        dropout, width = self._unit("dropout", genome.dropout), self._unit("word_width", genome.word_width)
        asked = (len(genome.questions) - 3) / max(len(self.bounds.questions) - 3, 1)
        rank = [self.bounds.questions.index(q) for q in genome.questions]
        in_order = sum(a < b for a, b in itertools.pairwise(rank)) / max(len(rank) - 1, 1)
        profit = (
            1.05
            - 1.4 * (wide - 0.7) ** 2
            - 0.5 * (at["kernel"] - 0.4) ** 2
            - 0.4 * (dropout - 0.2 - 0.4 * wide) ** 2
            - 0.1 * self._unit("pool", genome.pool)
            - 0.35 * asked**1.5
            - 0.15 * (1.0 - width)
        ) * ALGORITHM.get(genome.algorithm, 0.8)
        explanation = 0.4 + 0.35 * asked**0.7 + 0.15 * in_order - 0.25 * wide - 0.1 * width
        return profit, explanation

    def distance(self, genome: Genome, params: Params) -> float:
        """How far the parameters are from this genome's best, 0 at the best."""
        wide = 0.5 * self._unit("conv_filters", genome.conv_filters) + 0.5 * self._unit(
            "lstm_units", genome.lstm_units
        )
        total = 0.0
        for param in self.params:
            value = float(params[param.name])
            low, high = param.low, param.high
            if param.log:
                value, low, high = math.log(value), math.log(low), math.log(high)
            best = BEST.get(param.name, 0.5) - (0.3 * (wide - 0.5) if param.name == "learning_rate" else 0.0)
            total += WEIGHT.get(param.name, 0.4) * ((value - low) / (high - low) - best) ** 2
        return total

    def _unit(self, name: str, value: float) -> float:
        values = getattr(self.bounds, name)
        return float(values.index(value)) / max(len(values) - 1, 1)


def similarity(one: Genome, two: Genome) -> float:
    """Share of the genes two genomes have in common."""
    names = [gene.name for gene in fields(Genome)]
    return sum(getattr(one, name) == getattr(two, name) for name in names) / len(names)
