"""A real training on a small planted world, as a fitness: tape, bars, features, regimes and trainer are the house's own."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from decot.data.bars import build_bars
from decot.data.worlds import WorldConfig, make_world
from decot.evolve.genome import Bounds, Genome
from decot.evolve.search import SearchConfig
from decot.evolve.trial import Evaluation, Params, read_orders
from decot.experiment.config import Experiment, MarketConfig, SplitConfig
from decot.experiment.enrich import learn, widen
from decot.experiment.place import Place
from decot.experiment.trial import Trial, minutes
from decot.features.table import base_table
from decot.model.checkpoint import load
from decot.rl.faithful import word_report
from decot.rl.ppo import PPOConfig
from schemas.ref import Ref

BOUNDS = Bounds(
    conv_filters=(4, 8, 12, 16),
    kernel=(3, 5, 7),
    pool=(1, 2),
    lstm_units=(8, 12, 16, 24),
    dropout=(0.0,),
    word_width=(4, 8),
    algorithms=("ppo-exact", "ppo-gae"),
)
"""nets that the learner with carried state teaches in well under a second; it knows no dropout"""


def small(*, env_steps: int = 32_768, seed: int = 7) -> Experiment:
    """Two days of four hours with an edge that can be learned in a second; one update is 512 rows, and 16 of them lie
    between two looks at the validation part.

    The edge is strong and short-lived, the halves of the first day long: with a weak and slow one the luck of a day's
    drift is worth more than all that can be learned, and a search finds agents that only ever hold.
    """
    return Experiment(
        name="planted",
        seed=seed,
        world=WorldConfig(
            kind="planted-edge",
            seed=seed,
            days=2,
            seconds_per_day=14_400,
            edge_bps_s=0.8,
            half_life_s=15.0,
        ),
        market=MarketConfig(venue="demo"),
        split=SplitConfig(validation_share=0.5, purge_s=330.0, burn_in=200),
        learning=PPOConfig(
            env_steps=env_steps,
            batch=16,
            length=32,
            burn_in=50,
            eval_every=16,
            carried=True,
        ),
        search=SearchConfig(bounds=BOUNDS),
    )


def furnish(experiment: Experiment, home: Path) -> Trial:
    """The world's features table and context under a home, made once, and the fitness that reads them."""
    place = Place(home)
    told = home / "furnished.json"
    if told.exists():
        found = json.loads(told.read_text())
        ref = Ref.from_dict(found["features"])
        return Trial(experiment=experiment, home=str(home.resolve()), features=ref, context=found["context"])
    tape = make_world(experiment.world)
    days = [build_bars(tape.day(day), experiment.clock_ms, experiment.clock_by) for day in tape.days()]
    bars = pl.concat(days).unique("timestamp", keep="first", maintain_order=True)
    base = base_table(bars, replace(experiment.features, clock_ms=experiment.clock_ms))
    context = learn(experiment, place, bars, None)
    wide = widen(experiment, place, context, base, bars, None)
    features = place.put("features", wide, symbol=tape.symbol)
    told.write_text(json.dumps({"features": features.to_dict(), "context": context.name}))
    return Trial(experiment=experiment, home=str(home.resolve()), features=features, context=context.name)


@dataclass(frozen=True)
class Judged:
    """The fitness, and beside it what each fully trained agent does on the other day, which no search sees."""

    trial: Trial

    def __call__(self, genome: Genome, params: Params, seed: int, trial_dir: str) -> Evaluation:
        found = self.trial(genome, params, seed, trial_dir)
        if read_orders(trial_dir).budget < 1.0:
            return found
        school, (agent, _) = self.trial.room.folds[0], load(Path(found.artefact))
        pnl = minutes(self.trial.experiment, school, agent, school.other)
        profit = float(pnl.mean() - pnl.std(ddof=1) / pnl.size**0.5)
        words = word_report(agent, school.other.lesson, n_sentences=20).score if profit > 0 else 0.0
        true = {"true_profit": profit, "true_explanation": words}  # without profit it adds no hypervolume
        return replace(found, notes={**found.notes, **true})
