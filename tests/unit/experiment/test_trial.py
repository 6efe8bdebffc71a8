"""A real training as a fitness: it inherits, it climbs from its checkpoint, it is the same wherever it runs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from decot.data.bars import build_bars
from decot.data.worlds import WorldConfig, make_world
from decot.errors import LedgerBroken
from decot.evolve.finalists import retrain
from decot.evolve.genome import Bounds, Genome
from decot.evolve.ledger import Ledger
from decot.evolve.runner import ProcessRunner
from decot.evolve.search import SearchConfig, search
from decot.experiment.artefact import architecture
from decot.experiment.config import Experiment, SplitConfig
from decot.experiment.enrich import learn, widen
from decot.experiment.place import Place
from decot.experiment.trial import Trial, inherit, plan_of
from decot.features.table import base_table
from decot.model.agent import Agent
from decot.model.checkpoint import MANIFEST, load, read, weights_hash
from decot.model.play import decide
from decot.rl.grpo import GRPOConfig
from decot.rl.ppo import PPOConfig

BOUNDS = Bounds(
    conv_filters=(4, 8),
    kernel=(3, 5),
    pool=(1,),
    lstm_units=(8, 12),
    dropout=(0.0, 0.1),
    word_width=(4,),
    algorithms=("ppo-exact", "ppo-gae"),
)
SMALL = Experiment(
    seed=7,
    world=WorldConfig(days=2, seconds_per_day=4_000, edge_bps_s=0.4, half_life_s=30.0),
    split=SplitConfig(validation_share=0.4, purge_s=60, burn_in=100),
    learning=PPOConfig(env_steps=12 * 256, batch=4, length=64, burn_in=30, eval_every=2),
)
GENOME = Genome(
    conv_filters=4, kernel=3, lstm_units=8, word_width=4, questions=("flow", "trend", "risk", "outlook")
)
PARAMS = {"learning_rate": 5e-3, "clip": 0.2, "cost_anneal": 0.6}


@pytest.fixture(scope="module")
def trial(tmp_path_factory) -> Trial:
    torch.set_num_threads(1)
    home = tmp_path_factory.mktemp("home")
    place, tape = Place(home), make_world(SMALL.world)
    days = [build_bars(tape.day(day), 1_000, "recv") for day in tape.days()]
    bars = pl.concat(days).unique("timestamp", keep="first", maintain_order=True)
    base, context = base_table(bars), learn(SMALL, place, bars, None)
    features = place.put("features", widen(SMALL, place, context, base, bars, None), symbol=tape.symbol)
    return Trial(experiment=SMALL, home=str(home), features=features, context=context.name)


def told(trial: Trial, folder: Path, genome=GENOME, seed=3, **orders):
    folder.mkdir(parents=True, exist_ok=True)
    orders = {"budget": 1.0, "resume_dir": "", "parents": [], **orders}
    (folder / "orders.json").write_text(json.dumps(orders))
    return trial(genome, dict(PARAMS), seed, str(folder))


def plain(evaluation):
    return {**evaluation.to_json(), "artefact": ""}


@pytest.fixture(scope="module")
def whole(trial, tmp_path_factory):
    return told(trial, tmp_path_factory.mktemp("whole") / "t")


def test_a_promoted_trial_is_one_that_never_stopped(trial, whole, tmp_path):
    """Climbing 1/3, 2/3, 1 ends with the very weights and figures of a whole training; each rung pays only its own."""
    first = told(trial, tmp_path / "a", budget=1 / 3)
    second = told(trial, tmp_path / "b", budget=2 / 3, resume_dir=str(tmp_path / "a"))
    third = told(trial, tmp_path / "c", budget=1.0, resume_dir=str(tmp_path / "b"))
    assert (first.env_steps, second.env_steps, third.env_steps) == (1024, 1024, 1024)
    assert third.notes["weights"] == whole.notes["weights"]
    assert plain(third) == {**plain(whole), "env_steps": 1024}
    assert not (tmp_path / "c" / "training").exists()


def test_a_rung_climbed_twice_is_the_same_rung(trial, tmp_path):
    """Killed after its last step and before its ledger line, it is climbed again to the same bits."""
    told(trial, tmp_path / "a", budget=1 / 3)
    once = told(trial, tmp_path / "b", budget=2 / 3, resume_dir=str(tmp_path / "a"))
    again = told(trial, tmp_path / "b", budget=2 / 3, resume_dir=str(tmp_path / "a"))
    low = told(trial, tmp_path / "a", budget=1 / 3)
    assert again == once
    assert low == told(trial, tmp_path / "c", budget=1 / 3) or plain(low) == plain(
        told(trial, tmp_path / "c", budget=1 / 3)
    )


def test_a_child_begins_as_its_parent_ended(trial, whole):
    """Before it has learned anything, a wider child decides on every row as its parent does."""
    wider = replace(GENOME, conv_filters=8, lstm_units=12, kernel=5)
    n_features = trial.room.folds[0].n_features
    child = Agent(architecture(SMALL, wider, n_features), seed=11)
    assert inherit(child, [Path(whole.artefact).parent])[0] == 1.0
    parent, _ = load(Path(whole.artefact))
    obs = trial.room.folds[0].validation.lesson.obs
    one, two = decide(parent, obs), decide(child.eval(), obs)
    assert (one.words == two.words).mean() > 0.999
    assert abs(one.probs - two.probs).max() < 1e-3
    same = Agent(parent.cfg, seed=11)
    inherit(same, [Path(whole.artefact).parent])
    assert weights_hash(same) == weights_hash(parent)


def test_inheritance_is_ordered_and_can_be_left_out(trial, whole, tmp_path):
    """With parents in its orders a child starts from the nearest of them; without, it is the agent of its seed alone."""
    stranger = told(
        trial, tmp_path / "p", replace(GENOME, lstm_units=12, questions=("news", "risk", "outlook"))
    )
    parents = [str(Path(stranger.artefact)), whole.artefact]
    child = told(trial, tmp_path / "child", seed=9, parents=parents)
    alone = told(trial, tmp_path / "alone", seed=9)
    assert child.notes["inherited"] == 1.0
    assert "inherited" not in alone.notes
    assert child.notes["weights"] != alone.notes["weights"]


@pytest.mark.parametrize(("earned", "is_skilled"), [(12.5, True), (0.0, False), (-3.0, False)])
def test_who_inherits_a_skill_pays_full_costs_at_once(trial, whole, tmp_path, earned, is_skilled):
    """A parent that earned something is preferred to a nearer one that did not, and only its child skips cheap beginnings:
    the others would learn to stay out."""
    near, far = tmp_path / "near", tmp_path / "far"
    told(trial, far, replace(GENOME, lstm_units=12, questions=("news", "risk", "outlook")))
    shutil.copytree(Path(whole.artefact).parent, near)
    for folder, bps in ((near, -0.1), (far, earned)):
        path = folder / "agent" / MANIFEST
        manifest = json.loads(path.read_text())
        manifest["manifest"]["about"]["profit"] = bps
        path.write_text(json.dumps(manifest))
    agent = Agent(architecture(SMALL, GENOME, trial.room.folds[0].n_features), seed=11)
    share, found = inherit(agent, [near, far])
    assert found is is_skilled
    assert (share < 1.0) is is_skilled
    assert plan_of(SMALL, GENOME, PARAMS, is_skilled=found).anneal == (0.0 if is_skilled else 0.6)


def test_what_is_gone_stops_the_search(trial, tmp_path):
    """A parent or a rung whose folder was deleted is no failed trial: it is named, and nothing is written."""
    with pytest.raises(LedgerBroken, match="gone"):
        told(trial, tmp_path / "a", parents=[str(tmp_path / "nowhere" / "agent")])
    with pytest.raises(LedgerBroken, match="gone"):
        told(trial, tmp_path / "b", resume_dir=str(tmp_path / "nowhere"))


@pytest.mark.parametrize("algorithm", ["ppo-gae", "grpo"])
def test_every_algorithm_of_the_genome_is_taught(trial, tmp_path, algorithm):
    """Sampled walks and groups go through the same door, rungs included."""
    genome = replace(GENOME, algorithm=algorithm)
    wide = replace(SMALL, learning=PPOConfig(burn_in=30, eval_every=2))  # each algorithm's own stretches
    rows = plan_of(wide, genome, PARAMS).rows_per_update
    short = replace(wide, learning=replace(wide.learning, env_steps=4 * rows))
    grown = replace(trial, experiment=short)
    low = told(grown, tmp_path / "a", genome, budget=0.5)
    high = told(grown, tmp_path / "b", genome, resume_dir=str(tmp_path / "a"))
    assert high.env_steps > 0
    assert low.notes["weights"] != high.notes["weights"]
    assert isinstance(plan_of(wide, genome, PARAMS), GRPOConfig) is (algorithm == "grpo")


def test_folds_are_taught_apart_and_inherit_apart(trial, tmp_path):
    """On two walk-forward folds each agent sees only rows before its own; a child inherits fold by fold; the artefact
    is the one that saw no validation row."""
    # a fold needs 1,200 rows
    experiment = replace(SMALL, split=replace(SMALL.split, validation_share=0.66, folds=2))
    two = replace(trial, experiment=experiment)
    room = two.room
    assert [len(fold.train.lesson) < len(room.folds[1].train.lesson) for fold in room.folds] == [True, False]
    for fold in room.folds:
        assert fold.train.first_row + len(fold.train.lesson) <= fold.validation.first_row - 60
    parent = told(two, tmp_path / "parent")
    assert len(parent.notes["folds"]) == 2
    assert parent.env_steps == 2 * 12 * 256
    child = told(two, tmp_path / "child", seed=5, parents=[parent.artefact])
    assert child.notes["inherited"] == 1.0
    assert Path(child.artefact) == tmp_path / "child" / "agent"
    one = json.dumps(read(tmp_path / "child/agent")[2]["scaler"])
    other = json.dumps(read(tmp_path / "child/fold-1/agent")[2]["scaler"])
    assert one != other


SEARCH = SearchConfig(
    generations=2, population=3, trials=1, rungs=(0.5, 1.0), eta=2, bounds=BOUNDS, subject="real"
)


def front(result):
    return result.ledger_head, [(m.key, m.point) for m in result.front]


def test_real_trainings_agree_in_a_pool_of_processes(trial, tmp_path):
    """The trial travels as names: two fresh processes leave the ledger head of this one, finals included."""
    here = Ledger(tmp_path / "a.jsonl", fsync=False)
    result = search(trial, SEARCH, here, tmp_path / "a")
    retrain(trial, [result.best], SEARCH, here, tmp_path / "a", n_seeds=2)
    there = Ledger(tmp_path / "b.jsonl", fsync=False)
    with ProcessRunner(2) as pool:
        again = search(trial, SEARCH, there, tmp_path / "b", runner=pool)
        retrain(trial, [again.best], SEARCH, there, tmp_path / "b", n_seeds=2, runner=pool)
    assert front(again) == front(result)
    assert there.head == here.head


def killed_after(trial: Trial, place: Path, lines: int, moment_s: float) -> bool:
    """A search in a child of ours, killed −9 a moment after its ledger has so many lines; False when it ended before."""
    ledger, head = place / "l.jsonl", place / "head.txt"
    pid = os.fork()
    if pid == 0:  # the tables are open since before the fork, and nothing here has threads
        head.write_text(search(trial, SEARCH, Ledger(ledger), place).ledger_head)
        os._exit(0)
    while not head.exists() and (not ledger.exists() or ledger.read_bytes().count(b"\n") < lines):
        time.sleep(0.002)
    time.sleep(moment_s)
    os.kill(pid, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1]) and not head.exists()


@pytest.mark.slow
def test_killed_trainings_end_as_the_uninterrupted_one(trial, tmp_path):
    """kill −9 in the middle of real trainings, twelve times, at random lines of the ledger and moments after them: same
    ledger head, and so the same weights in it."""
    whole = Ledger(tmp_path / "calm.jsonl")
    calm = search(trial, SEARCH, whole, tmp_path / "calm").ledger_head
    n_lines, rng, points = sum(1 for _ in whole.lines()), np.random.default_rng(0), []
    for drill in range(4):
        place = tmp_path / f"drill-{drill}"
        place.mkdir()
        for at in sorted(rng.integers(1, n_lines - 1, 3).tolist()):
            moment = float(rng.uniform(0, 0.3))
            if killed_after(trial, place, at, moment):
                points.append((at, round(moment, 2)))
        assert search(trial, SEARCH, Ledger(place / "l.jsonl"), place).ledger_head == calm
        shutil.rmtree(place)
    print("killed after (line of the ledger, seconds):", points, "of", n_lines)
    assert len(points) >= 9


def test_a_rung_is_no_longer_than_it_says():
    """A training that is looked at more rarely than its lowest rung is long would spend all of itself on that rung."""
    rungs = replace(SMALL, search=SearchConfig(bounds=BOUNDS, rungs=(0.25, 1.0)))
    rare = replace(
        rungs, learning=replace(SMALL.learning, env_steps=16 * SMALL.learning.rows_per_update, eval_every=16)
    )
    assert plan_of(rare, GENOME, PARAMS).eval_every == 4
    often = replace(rare, learning=replace(rare.learning, eval_every=3))
    assert plan_of(often, GENOME, PARAMS).eval_every == 3
