"""What a running session sees of the market's surroundings is what a table made later holds, bit for bit."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from decot.context.mcp_readings import McpColumn, McpConfig, McpServers
from decot.data.bars import build_bars
from decot.data.worlds import WorldConfig, make_world
from decot.experiment import enrich, listen
from decot.experiment.config import Experiment
from decot.experiment.mind import Around, mind_of, recorded_outside
from decot.experiment.place import Place
from decot.experiment.school import enrol
from decot.features.kernel import BAR_INPUTS, OUT_NAMES
from decot.features.observation import OBSERVATION, observe
from decot.features.table import base_table
from decot.live.session import Bar
from decot.model.agent import Agent
from decot.model.config import ModelConfig
from decot.model.play import decide
from schemas.columns import CONTEXT, REGIME, TEXT

pytest.importorskip("mcp")

ODD = Path(__file__).parents[1] / "context" / "mcp_odd_server.py"
WORLD = WorldConfig(days=2, seconds_per_day=5_400)
SERVER = McpConfig(
    command=(sys.executable, str(ODD), "answer", "stdio", "0"),
    columns=(
        McpColumn(column=1, tool="fear", path="index.value", scale=100, arguments={"symbol": "BTC"}),
        McpColumn(column=2, tool="mood"),
    ),
    connect_s=60.0,
    time_box_s=20.0,
    fresh_s=0.2,
)
LIVE = (*OUT_NAMES, *REGIME, *TEXT, *CONTEXT)


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    """A small world whose last bars end around now, so that what a real server says falls among them."""
    place = Place(tmp_path_factory.mktemp("home"))
    experiment = Experiment(
        world=WORLD, text_stand_in=True, scaler="robust", mcp=McpServers(servers=(SERVER,))
    )
    tape = make_world(WORLD)
    bars = pl.concat([build_bars(tape.day(day), 1_000) for day in tape.days()])
    moved = int(time.time()) * 1_000 - int(bars["timestamp"][-1]) + 300_000
    bars = bars.with_columns(pl.col("timestamp") + moved)
    headlines = tape.headlines.with_columns(pl.col("published_ms") + moved, pl.col("available_ms") + moved)
    return place, experiment, bars, headlines, enrich.learn(experiment, place, bars, headlines)


def feed(bars: pl.DataFrame) -> list[Bar]:
    return list(zip(bars["timestamp"].to_list(), bars.select(BAR_INPUTS).to_numpy()))


def test_the_live_row_is_the_batch_row_with_a_real_server_answering(learnt):
    """A stdio server and headlines that come while bars are judged: all 97 columns and every decision are the batch's."""
    place, experiment, bars, headlines, context = learnt
    agent = Agent(ModelConfig(n_features=len(OBSERVATION)))
    plain = enrich.widen(experiment, place, context, base_table(bars), bars, headlines)
    scaler = enrol(experiment, plain).scaler
    manifest = {"scaler": json.loads(scaler.to_json())}
    halfway = int(bars["timestamp"][-600])
    before = headlines.filter(pl.col("available_ms") <= halfway)
    live, steps, position = [], [], 0
    with Around(experiment, place, context) as around:
        mind = mind_of(experiment, context, agent, manifest, around.news, around.outside)
        assert around.hear(before) == before.height
        for row, (t_ms, values) in enumerate(feed(bars)):
            if row == bars.height - 250:
                assert around.hear(headlines) == headlines.height - before.height
            if row in (bars.height - 290, bars.height - 100):
                said = around.servers()[0].available_ms
                deadline = time.monotonic() + 60
                while around.servers()[0].available_ms == said and time.monotonic() < deadline:
                    time.sleep(0.02)
            live.append(mind.read(t_ms, values))
            steps.append(mind.decide(live[-1], position))
            position = steps[-1].action
    until = int(bars["timestamp"][-1])
    said = listen.columns(experiment, place, bars["timestamp"].to_numpy(), until)
    batch = enrich.widen(experiment, place, context, base_table(bars), bars, around.heard(), said)
    assert np.array_equal(np.array(live), batch.select(LIVE).to_numpy())
    assert len(set(batch["context_1"].to_list())) >= 3, "masked, then one answer, then another"
    assert 0 < batch["context_known"].sum() < 400
    assert batch["context_2"].max() == 0.5
    acts = decide(agent, scaler.apply(observe(batch))).actions_if
    held = np.r_[0, [step.action for step in steps[:-1]]]
    assert [step.action for step in steps] == acts[np.arange(len(acts)), held + 1].tolist()
    recorded = recorded_outside(experiment, place, bars)
    assert np.array_equal([recorded(t) for t in bars["timestamp"]], batch.select(CONTEXT).to_numpy())


def test_a_robust_scaler_is_the_artefacts_own(learnt):
    """Fitted on training rows as the profile says, carried in the manifest, and what the live mind applies."""
    place, experiment, bars, headlines, context = learnt
    wide = enrich.widen(experiment, place, context, base_table(bars), bars, headlines)
    school = enrol(experiment, wide)
    zscore = enrol(replace(experiment, scaler="zscore"), wide).scaler
    assert not np.array_equal(school.scaler.mean, zscore.mean)
    future = wide.with_columns(
        pl.when(pl.int_range(pl.len()) > 5_500).then(1e6).otherwise("rsi_14").alias("rsi_14")
    )
    assert np.array_equal(enrol(experiment, future).scaler.mean, school.scaler.mean)
    agent = Agent(ModelConfig(n_features=len(OBSERVATION)))
    manifest = {"scaler": json.loads(school.scaler.to_json())}
    mind = mind_of(experiment, context, agent, manifest)
    assert np.array_equal(mind.scaler.mean, school.scaler.mean)
    assert np.array_equal(mind.scaler.spread, school.scaler.spread)
