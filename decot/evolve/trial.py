"""One evaluation of one genome: what is asked and what comes back. Knows no search and no fitness.

The orders of a trial (budget, where to continue from, whose children) lie beside its artefacts as `orders.json`,
so that a fitness of four plain arguments works, and one that wants more reads it: `read_orders(trial_dir)`.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from decot.errors import ModelFault
from decot.evolve.genome import Genome

Params = dict[str, float | str]
FAILED = -1e9
"""the value of every objective of a trial whose model failed: finite, so that it can be written down"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What a fitness found. Everything is JSON and the same on every run: no wall-clock, no absolute path but the
    artefact's.

    Raises:
        ModelFault: a figure that is not finite.
    """

    profit: float
    """first objective, larger is better (risk-adjusted, on held-out folds)"""
    explanation: float
    """second objective, larger is better"""
    proxy: float
    """the one declared number that the inner study and the lower rungs maximise"""
    period_pnl: list[float] = field(default_factory=list)
    """bps per period, the raw material of the luck statistics"""
    env_steps: int = 0
    """environment steps that this call spent (not those inherited)"""
    artefact: str = ""
    """folder with the trained model; empty for none"""
    notes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        figures = (self.profit, self.explanation, self.proxy, *self.period_pnl)
        if not all(math.isfinite(x) for x in figures):
            raise ModelFault(
                f"profit {self.profit}, explanation {self.explanation}, proxy {self.proxy} and the period P&L must be "
                "finite; raise ModelFault from the fitness to record a failed trial"
            )

    def to_json(self) -> dict[str, Any]:
        return {
            "profit": float(self.profit),
            "explanation": float(self.explanation),
            "proxy": float(self.proxy),
            "period_pnl": [float(x) for x in self.period_pnl],
            "env_steps": int(self.env_steps),
            "artefact": self.artefact,
            "notes": self.notes,
        }

    @staticmethod
    def failed(why: str) -> Evaluation:
        """The worst there is: it counts as a trial and never enters a front."""
        return Evaluation(profit=FAILED, explanation=FAILED, proxy=FAILED, notes={"failed": why})

    @property
    def is_failed(self) -> bool:
        return "failed" in self.notes


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What a trial is told beyond genome, parameters and seed."""

    budget: float = 1.0
    """share of the full training to reach, (0, 1]"""
    resume_dir: str = ""
    """folder of the same trial at the rung below, to continue from; empty: from the start"""
    parents: tuple[str, ...] = ()
    """artefact folders of the parents whose weights may be inherited; empty: none"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Everything a worker needs; it travels to other processes and machines."""

    genome: Genome
    params: Params
    seed: int
    trial_dir: str
    orders: Orders = Orders()
    descent: tuple[str, ...] = ()
    """ledger keys of the parents, for the record"""


Fitness = Callable[[Genome, Params, int, str], Evaluation]


def run_task(fitness: Fitness, task: Task) -> Evaluation:
    """Evaluates one task in its own folder; a `ModelFault` is a failed trial, any other error ends the search (which
    can be resumed)."""
    folder = Path(task.trial_dir)
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**asdict(task.orders), "parents": list(task.orders.parents)})
    (folder / "orders.json.part").write_text(text)
    os.replace(folder / "orders.json.part", folder / "orders.json")
    try:
        return fitness(task.genome, dict(task.params), task.seed, task.trial_dir)
    except ModelFault as fault:
        return Evaluation.failed(str(fault))


def read_orders(trial_dir: str | Path) -> Orders:
    """The orders of the trial that runs in this folder; the defaults when there are none."""
    path = Path(trial_dir) / "orders.json"
    if not path.exists():
        return Orders()
    found = json.loads(path.read_text())
    return Orders(budget=found["budget"], resume_dir=found["resume_dir"], parents=tuple(found["parents"]))
