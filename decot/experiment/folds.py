"""The schools of a walk-forward: each is taught on what came before its test rows. Knows rows and labels; trains nothing."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from decot.experiment.config import Experiment
from decot.experiment.parts import walk_forward
from decot.experiment.school import School, columns_of, part_of
from decot.features.observation import observe
from decot.features.scaler import Scaler
from decot.model.thoughts import Grounding


def folds_of(experiment: Experiment, features: pl.DataFrame, school: School) -> tuple[School, ...]:
    """One school per fold, scaled and labelled by its own teaching rows alone; a single fold is the school itself."""
    if experiment.split.folds == 1:
        return (school,)
    spans = walk_forward(features["timestamp"].to_numpy(), experiment.split, experiment.clock_ms)
    return tuple(_fold(experiment, features, school, *span) for span in spans)


def _fold(
    experiment: Experiment, features: pl.DataFrame, school: School, taught: slice, tested: slice
) -> School:
    scaler = Scaler.fit(observe(features[taught]), experiment.scaler)
    grounding = Grounding.fit(columns_of(features[taught]))
    train, validation = (
        part_of(experiment, name, features[rows], school.rules, scaler, grounding, rows.start)
        for name, rows in (("train", taught), ("validation", tested))
    )
    return replace(school, scaler=scaler, grounding=grounding, train=train, validation=validation)
