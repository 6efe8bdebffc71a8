"""The features table as `model`, `rl` and `market` want it: lessons, steps and tapes, cut in the same places."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from decot.experiment.config import Experiment
from decot.experiment.parts import Parts, split
from decot.features.observation import OBSERVATION, observe
from decot.features.scaler import Scaler
from decot.market.account import Account
from decot.market.rules import VenueRules, load_rules
from decot.market.steps import Steps, step_rewards
from decot.market.tape import Tape
from decot.model.lesson import Lesson
from decot.model.thoughts import Grounding
from schemas.columns import FEATURES_COLUMNS, TARGETS


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One stretch of market as everybody needs it; all of one length."""

    name: str
    lesson: Lesson
    tape: Tape
    steps: Steps
    first_row: int
    """where the part begins in the features table"""


@dataclass(frozen=True, slots=True, eq=False)
class School:
    """Everything an agent is taught and tried on."""

    rules: VenueRules
    account: Account
    scaler: Scaler
    grounding: Grounding
    train: Part
    validation: Part
    other: Part
    """days only the gate sees"""

    @property
    def n_features(self) -> int:
        """Width of an observation."""
        return self.train.lesson.obs.shape[1]


def enrol(experiment: Experiment, features: pl.DataFrame) -> School:
    """Cut, scale and label a features table; scaler and word boundaries come from the training rows alone."""
    parts = split(features["timestamp"].to_numpy(), experiment.split, experiment.clock_ms)
    scaler = Scaler.fit(observe(features[parts.train]), experiment.scaler)
    grounding = Grounding.fit(columns_of(features[parts.train]))
    return _enrolled(experiment, features, parts, scaler, grounding)


def rejoin(experiment: Experiment, features: pl.DataFrame, manifest: Mapping[str, Any]) -> School:
    """The same with the scaler and word boundaries an artefact was made with."""
    parts = split(features["timestamp"].to_numpy(), experiment.split, experiment.clock_ms)
    scaler = Scaler.from_json(json.dumps(manifest["scaler"]))
    return _enrolled(experiment, features, parts, scaler, Grounding.from_json(manifest["grounding"]))


def _enrolled(
    experiment: Experiment, features: pl.DataFrame, parts: Parts, scaler: Scaler, grounding: Grounding
) -> School:
    rules = load_rules(experiment.market.venue, experiment.market.symbol)
    cut = {name: part_of(experiment, name, features[rows], rules, scaler, grounding, rows.start)
           for name, rows in parts.named().items()}  # fmt: skip
    account = Account(capital_usdt=experiment.market.capital_usdt)
    return School(rules, account, scaler, grounding, cut["train"], cut["validation"], cut["other day"])


def part_of(
    experiment: Experiment,
    name: str,
    rows: pl.DataFrame,
    rules: VenueRules,
    scaler: Scaler,
    grounding: Grounding,
    first_row: int = 0,
) -> Part:
    """Any stretch of a features table, ready to be decided and traded on."""
    lesson = Lesson(
        obs=scaler.apply(observe(rows)),
        words=grounding.label(columns_of(rows)),
        targets=np.stack([rows[name].to_numpy().astype(np.float32) for name in TARGETS], axis=1),
    )
    tape = tape_of(rows, experiment.market.latency_ms)
    return Part(name, lesson, tape, step_rewards(tape, rules), first_row)


def tape_of(rows: pl.DataFrame, latency_ms: float) -> Tape:
    """The touch of every bar, and when orders arrive."""
    timestamp, bid, ask, bid_qty, ask_qty = (
        rows[name].to_numpy() for name in ("timestamp", "bid_price", "ask_price", "bid_volume", "ask_volume")
    )
    return Tape.of(timestamp, bid, ask, bid_qty, ask_qty, latency_ms=latency_ms)


def columns_of(rows: pl.DataFrame) -> dict[str, np.ndarray]:
    """Every column by name, as the words are grounded in them."""
    return {name: rows[name].to_numpy() for name in rows.columns if name != "timestamp"}


def schema_hash() -> str:
    """What the observation means: its names in order, and the columns they are made from."""
    said = json.dumps([OBSERVATION, FEATURES_COLUMNS])
    return hashlib.sha256(said.encode()).hexdigest()
