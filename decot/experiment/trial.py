"""One trial: an agent begins where its parents or its own lower rung left off, learns, is kept and examined.

It travels to other processes and machines as names (a home, a table, a context); each opens what they name once.
On several folds an agent learns on each alone, and inherits from the parents' agent of that very fold: another one
has seen the rows it is tried on.
"""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from decot.errors import LedgerBroken
from decot.evolve.genome import Genome
from decot.evolve.trial import Evaluation, Orders, Params, read_orders
from decot.experiment.artefact import architecture, keep, lessons_plan
from decot.experiment.config import Experiment
from decot.experiment.enrich import Context, open_context
from decot.experiment.folds import folds_of
from decot.experiment.place import Place
from decot.experiment.school import Part, School, enrol
from decot.gate.evidence import periods
from decot.market.oracle import check_plausible
from decot.market.simulate import simulate
from decot.model.agent import Agent
from decot.model.checkpoint import MANIFEST, Arrays, read, weights_hash
from decot.model.config import ModelConfig
from decot.model.graft import graft
from decot.model.play import Decisions, decide, walk
from decot.model.vocabulary import NAMES
from decot.rl.algorithms import learn as teach
from decot.rl.faithful import word_report
from decot.rl.memory import FILE
from decot.rl.ppo import PPOConfig
from decot.rl.training import Trained
from schemas.ref import Ref

PERIOD_MS = 60_000
"""length of a period in the ledger: one minute"""
AGENT, STATE = "agent", "training"
_CURVE_POINTS = 60


@dataclass(frozen=True, slots=True, eq=False)
class Room:
    """What the trials of one search share."""

    folds: tuple[School, ...]
    context: Context


_rooms: dict[str, Room] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A search's fitness; called with a genome, parameters, a seed and a folder it may write to."""

    experiment: Experiment
    home: str
    features: Ref
    context: str

    @property
    def room(self) -> Room:
        """Opened once per process."""
        key = json.dumps(
            [self.home, self.features.to_dict(), self.context, self.experiment.to_dict()], default=str
        )
        if key not in _rooms:
            place = Place(self.home)
            frame = place.get(self.features)
            school = enrol(self.experiment, frame)
            _rooms.clear()
            _rooms[key] = Room(folds_of(self.experiment, frame, school), open_context(place, self.context))
        return _rooms[key]

    def __call__(self, genome: Genome, params: Params, seed: int, trial_dir: str) -> Evaluation:
        orders, room = read_orders(trial_dir), self.room
        found = []
        for index, school in enumerate(room.folds):
            folder = _fold(Path(trial_dir), index)
            agent = Agent(architecture(self.experiment, genome, school.n_features), seed=seed)
            inherited, is_skilled = inherit(agent, [_fold(Path(p).parent, index) for p in orders.parents])
            plan = plan_of(self.experiment, genome, params, is_skilled=is_skilled)
            before = _carried_over(orders, folder, index, plan)
            done = learn(agent, school, plan, seed, folder / STATE, orders.budget)
            figures = self._examined(school, done, before * plan.rows_per_update, inherited, orders)
            about = {"genome": genome.to_json(), "params": params, "seed": seed, "env_steps": done.env_steps}
            about |= {"profit": adjusted(figures.pnl)}
            keep(folder / AGENT, done.agent, self.experiment, school, room.context, self.features, about)
            if orders.budget == 1.0:
                shutil.rmtree(folder / STATE)
            found.append(figures)
        return _together(found, str(Path(trial_dir) / AGENT), seed)

    def _examined(
        self, school: School, done: Trained, spent_before: int, inherited: float, orders: Orders
    ) -> _Figures:
        """What a trial is worth on one fold: its account on rows it was not taught on, and whether its words hold."""
        valid = school.validation
        decided = decide(done.agent, valid.lesson.obs)
        words = word_report(done.agent, valid.lesson, n_sentences=20)
        proxy = done.best_bps if math.isfinite(done.best_bps) else done.curve[-1]["validation_bps"]
        notes: dict[str, Any] = {"weights": weights_hash(done.agent), "best_step": done.best_step}
        if inherited:
            notes["inherited"] = round(inherited, 3)
        if orders.budget == 1.0:
            notes["curves"] = _curves(done)
            notes["tables"] = {"thoughts": _confusion(decided.words, valid)}
        pnl = _per_minute(self.experiment, school, valid, _followed(self.experiment, decided))
        return _Figures(pnl, words.score, proxy, done.env_steps - spent_before, notes)


@dataclass(frozen=True, slots=True, eq=False)
class _Figures:
    pnl: np.ndarray
    explanation: float
    proxy: float
    env_steps: int
    notes: dict[str, Any]


def inherit(agent: Agent, folders: list[Path]) -> tuple[float, bool]:
    """Give the agent the weights of one parent: of those whose mean profit on their validation part was above its standard
    error the one it can take most from, of any if none was.

    Returns:
        the share taken over, 0 when there is no parent; and whether that parent earned so.
    """
    best: tuple[bool, float, ModelConfig, Arrays] | None = None
    for folder in folders:
        if not (folder / AGENT / MANIFEST).exists():
            raise _gone(folder)
        cfg, arrays, manifest = read(folder / AGENT)
        is_skilled = manifest.get("about", {}).get("profit", 0.0) > 0
        share = graft(Agent(agent.cfg), cfg, arrays).carried
        if best is None or (is_skilled, share) > best[:2]:
            best = (is_skilled, share, cfg, arrays)
    if best is None:
        return 0.0, False
    return graft(agent, best[2], best[3]).carried, best[0]


def learn(agent: Agent, school: School, plan: PPOConfig, seed: int, state: Path, budget: float) -> Trained:
    """Up to this share of the whole plan, from what is kept in `state`, bit for bit as if never stopped there."""
    lesson, steps = school.train.lesson, school.train.steps
    valid = (school.validation.lesson, school.validation.steps)
    enough = budget * plan.updates
    plan = replace(plan, save_every=plan.eval_every)  # whatever ends a rung, its state is there for the next
    callback = None if budget == 1.0 else (lambda line: line["update"] < enough)
    return teach(agent, lesson, steps, plan, validation=valid, seed=seed, callback=callback, resume=state)


def plan_of(experiment: Experiment, genome: Genome, params: Params, *, is_skilled: bool = False) -> PPOConfig:
    """The whole plan of learning, whatever share of it a rung is allowed; who inherits from a parent that earns pays full
    costs at once, having learned once already what they are for. Others would only learn to stay out."""
    plan = lessons_plan(experiment, genome, params, 1.0)
    lowest = max(1, int(experiment.search.rungs[0] * plan.updates))
    plan = replace(plan, eval_every=min(plan.eval_every, lowest))  # a rung ends at a look
    return replace(plan, anneal=0.0) if is_skilled else plan


def minutes(experiment: Experiment, school: School, agent: Agent, part: Part) -> np.ndarray:
    """(P,) net P&L per minute of one account that follows the agent over a part, bps of its capital."""
    return _per_minute(experiment, school, part, targets_on(experiment, agent, part))


def _per_minute(experiment: Experiment, school: School, part: Part, targets: np.ndarray) -> np.ndarray:
    run = simulate(part.tape, targets, school.rules, school.account)
    check_plausible(run, part.tape, school.rules)
    return periods(run.net_bps, period_bars(experiment))


def targets_on(experiment: Experiment, agent: Agent, part: Part) -> np.ndarray:
    """(T,) the positions the agent asks for over a part; flat while its memory warms up."""
    return _followed(experiment, decide(agent, part.lesson.obs))


def _followed(experiment: Experiment, decided: Decisions) -> np.ndarray:
    burn = experiment.split.burn_in
    return np.concatenate([np.zeros(burn, np.int8), walk(decided.actions_if[burn:])])


def period_bars(experiment: Experiment) -> int:
    """Bars in a minute, at least one."""
    return max(1, PERIOD_MS // experiment.clock_ms)


def _fold(trial_dir: Path, index: int) -> Path:
    return trial_dir if index == 0 else trial_dir / f"fold-{index}"


def _carried_over(orders: Orders, folder: Path, index: int, plan: PPOConfig) -> int:
    """Updates made on the rung below, whose state is copied here; its own stays as it is.

    What a killed process left here goes on, unless it was already at the end of the rung: then its last step is not
    known to be ours, and the rung is climbed again.
    """
    mine = folder / STATE / FILE
    before = 0
    if orders.resume_dir:
        source = _fold(Path(orders.resume_dir), index) / STATE / FILE
        if not source.exists():
            raise _gone(source.parent)
        before = _updates(source)
    if (
        mine.exists()
        and orders.budget < 1.0
        and _updates(mine) >= max(orders.budget * plan.updates, before + 1)
    ):
        mine.unlink()
    if orders.resume_dir and not mine.exists():
        mine.parent.mkdir(parents=True, exist_ok=True)
        part = mine.with_suffix(".part")
        shutil.copyfile(source, part)
        part.replace(mine)
    return before


def _updates(state: Path) -> int:
    with safe_open(state, framework="np") as file:
        return int(json.loads(file.metadata()["head"])["update"])


def _gone(folder: Path) -> LedgerBroken:
    return LedgerBroken(
        f"{folder.parent.name}/{folder.name}: the ledger has this trial, but what it learned is gone; put the folder "
        "back, or begin another search (another seed)"
    )


def _together(found: list[_Figures], artefact: str, seed: int) -> Evaluation:
    """One evaluation of all folds: minutes pooled, words averaged. The artefact is the first fold's agent, the only one
    that has seen none of the validation rows, which the gate looks at again."""
    pnl = np.concatenate([one.pnl for one in found])
    return Evaluation(
        profit=adjusted(pnl),
        explanation=float(np.mean([one.explanation for one in found])),
        proxy=float(sum(one.proxy for one in found)),
        period_pnl=[round(float(x), 6) for x in pnl],
        env_steps=sum(one.env_steps for one in found),
        artefact=artefact,
        notes={"net_bps": round(float(pnl.sum()), 4), "seed": seed, **found[0].notes}
        | ({"folds": [round(float(one.pnl.sum()), 4) for one in found]} if len(found) > 1 else {}),
    )


def adjusted(pnl: np.ndarray) -> float:
    """Mean P&L of a minute less one standard error."""
    error = float(pnl.std(ddof=1) / np.sqrt(pnl.size)) if pnl.size > 1 else 0.0
    return float(pnl.mean()) - error


def _curves(done: Trained) -> dict[str, list[float]]:
    """The learning curves, thinned."""
    stride = max(1, -(-len(done.curve) // _CURVE_POINTS))
    lines = done.curve[::-stride][::-1]
    return {name: [round(float(line[name]), 5) for line in lines]
            for name in ("validation_bps", "train_bps", "entropy", "word_loss") if name in done.curve[-1]}  # fmt: skip


def _confusion(said: np.ndarray, part: Part) -> dict[str, Any]:
    """How often each true answer was said as which, per question that is asked."""
    rows: list[list[Any]] = []
    for k, name in enumerate(NAMES):
        asked = said[:, k] >= 0
        pairs = np.stack([part.lesson.words[asked, k], said[asked, k]], 1)
        counted = zip(*np.unique(pairs, axis=0, return_counts=True)) if len(pairs) else ()
        rows += [[name, int(true), int(heard), int(n)] for (true, heard), n in counted]
    return {"columns": ["question", "true", "said", "rows"], "rows": rows}
