"""The research profile, with less of everything: it walks through folds, rungs, inheritance, finals and its crew."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from decot.data.bars import build_bars
from decot.data.worlds import make_world
from decot.evolve.ledger import Ledger
from decot.experiment.config import load_profile
from decot.experiment.enrich import learn, widen
from decot.experiment.place import Place
from decot.experiment.train import finish, search
from decot.features.table import base_table
from tasks.crew import crew


@pytest.mark.slow
def test_the_research_profile_breeds_with_less_of_everything(tmp_path):
    """Two days instead of weeks, two small generations: every part of the profile is used, every trial counted, and the
    finalist has its five seeds and more."""
    research = load_profile("research")
    small = replace(research.search.bounds, conv_filters=(4, 8), kernel=(3,), pool=(1,), lstm_units=(8, 12))
    experiment = replace(
        research,
        world=replace(research.world, days=2, seconds_per_day=9_000, edge_bps_s=0.4, half_life_s=30.0),
        market=replace(research.market, venue="demo"),
        split=replace(research.split, validation_share=0.6, purge_s=60.0, burn_in=100),
        learning=replace(
            research.learning, env_steps=12 * 1_280, batch=8, length=160, burn_in=50, eval_every=2
        ),
        search=replace(research.search, generations=2, population=3, trials=1, elites=1, bounds=small),
    )
    place, tape = Place(tmp_path), make_world(experiment.world)
    days = [build_bars(tape.day(day), 1_000, "recv") for day in tape.days()]
    bars = pl.concat(days).unique("timestamp", keep="first", maintain_order=True)
    base, context = base_table(bars), learn(experiment, place, bars, None)
    features = place.put("features", widen(experiment, place, context, base, bars, None), symbol=tape.symbol)
    with crew(replace(experiment.crew, workers=2)) as runner:
        found = search(experiment, place, features, context.name, runner)
        final = finish(experiment, place, features, context.name, runner=runner)
    trials = [
        line.payload
        for line in Ledger(place.home / "search" / found["folder"] / "ledger.jsonl").lines("trial")
    ]
    roles = [trial["role"] for trial in trials]
    assert roles.count("finalist") == experiment.finals.seeds == len(final["seeds"])
    assert {round(trial["budget"], 2) for trial in trials} == {0.11, 0.33, 1.0}
    whole = [trial["evaluation"] for trial in trials if trial["budget"] == 1.0]
    assert all(len(one["notes"]["folds"]) == 3 for one in whole)
    children = [trial for trial in trials if trial["key"].startswith("g001") and trial["role"] == "trial"]
    assert any("inherited" in trial["evaluation"]["notes"] for trial in children)
    assert (place.home / "artefacts" / final["artefact"] / "agent.safetensors").exists()
