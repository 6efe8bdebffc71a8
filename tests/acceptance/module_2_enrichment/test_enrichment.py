"""Module 2: what is known at t does not change when the future does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from decot.context.mcp_readings import McpColumn, McpConfig, Reading, merged_columns
from decot.data.bars import build_bars
from decot.data.worlds import WorldConfig, make_world
from decot.errors import MissingWeights
from decot.experiment import enrich
from decot.experiment.config import Experiment
from decot.experiment.parts import split
from decot.experiment.place import Place
from decot.features.table import base_table
from schemas.columns import CONTEXT, FEATURES_COLUMNS, REGIME, TARGETS, TEXT
from schemas.tables import FeaturesTable, faults

WORLD = WorldConfig(days=2, seconds_per_day=5_400)


@pytest.fixture(scope="module")
def enriched(tmp_path_factory):
    """A small world, widened with regimes and news by the very functions the flow calls."""
    place = Place(tmp_path_factory.mktemp("home"))
    experiment = Experiment(world=WORLD, text_stand_in=True)
    tape = make_world(WORLD)
    bars = pl.concat([build_bars(tape.day(day), 1_000) for day in tape.days()])
    context = enrich.learn(experiment, place, bars, tape.headlines)

    def widen(bars: pl.DataFrame, headlines: pl.DataFrame) -> pl.DataFrame:
        return enrich.widen(experiment, place, context, base_table(bars), bars, headlines)

    return widen, bars, tape.headlines, experiment, place, context


def test_the_features_table_has_its_columns_and_obeys_its_laws(enriched):
    """41 columns and the extension, at least fifty, in order, every law of the schema kept."""
    widen, bars, headlines, *_ = enriched
    wide = widen(bars, headlines)
    assert tuple(wide.columns) == FEATURES_COLUMNS
    assert wide.width >= 50
    assert faults(wide, FeaturesTable) == []


def test_no_column_changes_before_a_cut_when_everything_after_it_does(enriched):
    """Prices and news after three cuts are replaced; every input column up to the cut is bit for bit the same."""
    widen, bars, headlines, *_ = enriched
    whole = widen(bars, headlines)
    inputs = [name for name in whole.columns if name not in TARGETS]
    rng = np.random.default_rng(5)
    for cut in (3_000, 6_000, 9_000):
        later = pl.int_range(pl.len()) >= cut
        factor = pl.Series(np.where(np.arange(bars.height) >= cut, rng.uniform(1.01, 1.05), 1.0))
        prices = ("open", "high", "low", "close", "price", "vwap", "bid_price", "ask_price")
        moved = bars.with_columns(
            *(pl.col(name) * factor for name in prices),
            pl.when(later).then(7.0).otherwise("ofi").alias("ofi"),
        )
        at = int(bars["timestamp"][cut - 1])
        other = (
            pl.when(pl.col("available_ms") > at)
            .then(pl.lit("everything crashes"))
            .otherwise("text")
            .alias("text")
        )
        changed = widen(moved, headlines.with_columns(other))
        assert whole[inputs][:cut].equals(changed[inputs][:cut])
        assert not whole[list(TARGETS)][:cut].equals(changed[list(TARGETS)][:cut])
        assert not whole["regime_0"][cut:].equals(changed["regime_0"][cut:])


def test_a_headline_counts_from_the_moment_it_was_available(enriched):
    """Published long ago but available late: no news column moves before `available_ms`, and some move after it."""
    widen, bars, headlines, *_ = enriched
    at = int(bars["timestamp"][7_000])
    late = pl.DataFrame(
        {
            "published_ms": [at - 3_600_000],
            "available_ms": [at + 500],
            "source": ["late"],
            "text": ["Bitcoin plunges"],
        }
    )
    with_it = widen(bars, pl.concat([headlines, late]).sort("available_ms"))
    without = widen(bars, headlines)
    news = list(TEXT)
    assert with_it[news][:7_001].equals(without[news][:7_001])
    assert not with_it[news][7_001:7_100].equals(without[news][7_001:7_100])


def test_regimes_are_learnt_on_the_training_part_alone(enriched):
    """With other prices on the judging day the very same regime model is learnt."""
    _, bars, headlines, experiment, place, context = enriched
    half = bars.height // 2
    factor = pl.Series(np.where(np.arange(bars.height) >= half, 1.5, 1.0))
    prices = ("open", "high", "low", "close", "price", "vwap", "bid_price", "ask_price")
    moved = bars.with_columns(pl.col(name) * factor for name in prices)
    again = enrich.learn(experiment, place, moved, headlines)
    assert again.regimes.digest == context.regimes.digest


def test_an_absent_source_is_masked_not_invented(enriched):
    """Without headlines the text columns are zero and say so; MCP columns likewise."""
    _, bars, _, experiment, place, context = enriched
    wide = enrich.widen(experiment, place, replace(context, projector=None), base_table(bars), bars, None)
    assert wide["news_known"].sum() == 0
    assert float(wide.select(pl.sum_horizontal(*TEXT, *CONTEXT).abs().sum()).item()) == 0
    total = wide.select(pl.sum_horizontal(*REGIME)).to_series()
    assert float((total - 1).abs().max()) < 1e-9


def test_what_servers_said_counts_from_its_arrival(enriched):
    """A reading changes no bar before it arrived, and no column but its own after."""
    widen, bars, headlines, experiment, place, context = enriched
    at = int(bars["timestamp"][5_000])
    known = [Reading(at + 500, (0.4, 0.0, 0.0, 0.0), known=True)]
    column = McpConfig(command=("x",), columns=(McpColumn(column=0, tool="fear"),))
    said = merged_columns([(column, known)], bars["timestamp"].to_numpy())
    heard = enrich.widen(experiment, place, context, base_table(bars), bars, headlines, said)
    deaf = widen(bars, headlines)
    assert heard[:5_001].equals(deaf[:5_001])
    assert heard["context_0"][5_001] == 0.4
    assert heard["context_known"][5_001] == 1.0
    assert heard.drop("context_0", "context_known").equals(deaf.drop("context_0", "context_known"))


def test_a_headline_with_another_publication_date_changes_nothing(enriched):
    """Re-dated by its source, available when it was: every column is the same."""
    widen, bars, headlines, *_ = enriched
    redated = headlines.with_columns(pl.col("published_ms") - 86_400_000)
    assert widen(bars, redated).equals(widen(bars, headlines))


def test_news_that_begins_after_the_training_part_still_has_its_tone(enriched):
    """No projection can be fitted, so text_* are masked; sentiment_* and news_known are those of any other context."""
    _, bars, headlines, experiment, place, context = enriched
    parts = split(bars["timestamp"].to_numpy(), experiment.split, experiment.clock_ms)
    taught_until = int(bars["timestamp"][parts.train.stop - 1])
    late = headlines.filter(pl.col("available_ms") > taught_until)
    assert late.height
    learnt = enrich.learn(experiment, place, bars, late)
    assert learnt.projector is None
    assert learnt.regimes.digest == context.regimes.digest
    assert learnt.text_summary(experiment, late)["projected"] is False
    wide = enrich.widen(experiment, place, learnt, base_table(bars), bars, late)
    other = enrich.widen(experiment, place, context, base_table(bars), bars, late)
    assert float(wide.select(pl.sum_horizontal(pl.col("^text_.*$").abs())).sum().item()) == 0
    assert 0 < wide["news_known"].sum() < wide.height
    assert wide[list(TEXT[16:])].equals(other[list(TEXT[16:])])
    tone = wide.filter(pl.col("news_known") == 1).select(pl.sum_horizontal(*TEXT[16:19])).to_series()
    assert float((tone - 1).abs().max()) < 1e-5


def test_a_tape_without_any_news_asks_for_no_weights(enriched, monkeypatch):
    """With the real encoder configured and absent, a market without headlines is enriched all the same."""
    _, bars, _, experiment, place, _ = enriched
    monkeypatch.delenv("DECOT_TEXT_MODEL", raising=False)
    real = replace(experiment, text_stand_in=False, text=replace(experiment.text, model="nobody/nothing"))
    learnt = enrich.learn(real, place, bars, None)
    assert (learnt.text_model, learnt.encoder_identity) == ("", "")
    assert enrich.widen(real, place, learnt, base_table(bars), bars, None)["news_known"].sum() == 0
    with pytest.raises(MissingWeights, match="hf download nobody/nothing"):
        enrich.learn(real, place, bars, _one_headline(int(bars["timestamp"][100])))
    without = replace(real, text=replace(real.text, model=""))
    learnt = enrich.learn(without, place, bars, _one_headline(int(bars["timestamp"][100])))
    assert learnt.encoder_identity == ""


def _one_headline(at: int) -> pl.DataFrame:
    return pl.DataFrame(
        {"published_ms": [at], "available_ms": [at], "source": ["s"], "text": ["Bitcoin plunges"]}
    )
