"""What answers mean."""

from __future__ import annotations

import numpy as np
import pytest

from decot.errors import ModelFault
from decot.model.thoughts import Grounding
from decot.model.vocabulary import NAMES, QUESTIONS, SIZES


def columns(n: int = 2_000, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    made = {name: rng.normal(size=n) for question in QUESTIONS for name in question.columns}
    made["future_return_10s"] *= 1e-4
    made["future_max_dd"] = -np.abs(rng.normal(size=n)) * 1e-4
    made["pattern_match"] = rng.integers(0, 6, n).astype(np.int8)
    made["news_known"] = (rng.random(n) > 0.5).astype(float)
    return made


def test_answers_mean_what_they_say():
    """Buying pressure is positive, a rise is a positive return, no news is no news."""
    source = columns()
    labels = Grounding.fit(source).label(source)
    assert labels.shape == (2_000, len(QUESTIONS))
    assert (labels.max(0) < SIZES).all()
    rise = labels[:, NAMES.index("outlook")] >= 3
    assert (source["future_return_10s"][rise] > 0).all()
    up = labels[:, NAMES.index("trend")] == 4
    assert (source["ret_60"][up] > 0).all()
    silent = labels[:, NAMES.index("news")] == 0
    assert (silent == (source["news_known"] < 0.5)).all()
    risk = labels[:, NAMES.index("risk")]
    assert source["future_max_dd"][risk == 3].max() < source["future_max_dd"][risk == 0].min()


def test_a_silent_column_gives_one_honest_answer():
    """Columns that never move give the neutral answer everywhere, and no crash."""
    source = {name: np.zeros(500) for name in columns(1)}
    labels = Grounding.fit(source).label(source)
    assert (labels == [question.neutral for question in QUESTIONS]).all()


def test_grounding_is_frozen_and_travels_as_json():
    """Labels of new rows come from the edges of the training rows, also after a trip through JSON."""
    grounding = Grounding.fit(columns(), patterns={0: 0, 1: 3, 2: 1})
    again = Grounding.from_json(grounding.to_json())
    assert again == grounding
    fresh = columns(seed=1)
    assert (again.label(fresh) == grounding.label(fresh)).all()
    half = {name: values[:100] for name, values in fresh.items()}
    assert (grounding.label(half) == grounding.label(fresh)[:100]).all()


def test_missing_columns_are_named_together():
    """A table without the columns is refused with all their names."""
    with pytest.raises(ModelFault, match=r"flow_30.*vol_60"):
        Grounding.fit({"volume_z": np.zeros(3)})
