"""Scalers are fitted on training rows alone and come back from JSON as they were."""

from __future__ import annotations

import numpy as np
import pytest

from decot.errors import ModelFault
from decot.features.scaler import Scaler

RNG = np.random.default_rng(1)


def test_wild_rows_move_the_robust_scaler_little():
    """One row in a hundred is a thousand times too large: median and quartiles hardly notice, the mean does."""
    clean = RNG.normal(5.0, 2.0, size=(5_000, 1))
    dirty = clean.copy()
    dirty[::100] *= 1_000
    robust = Scaler.fit(dirty, "robust")
    assert abs(float(robust.mean[0]) - 5.0) < 0.15
    assert abs(float(robust.spread[0]) - 2.0) < 0.15
    assert float(Scaler.fit(dirty).spread[0]) > 100


def test_on_normal_columns_both_kinds_agree():
    """The interquartile range is divided by that of a normal column."""
    rows = RNG.normal(-3.0, 0.5, size=(20_000, 3))
    plain, robust = Scaler.fit(rows), Scaler.fit(rows, "robust")
    assert np.allclose(plain.mean, robust.mean, atol=0.02)
    assert np.allclose(plain.spread, robust.spread, rtol=0.03)


def test_a_rare_flag_keeps_its_standard_deviation_and_a_constant_is_silent():
    """Where the quartiles are equal the plain spread is kept, so nothing is divided by nothing."""
    rows = np.zeros((1_000, 2))
    rows[::50, 0] = 1.0
    robust = Scaler.fit(rows, "robust")
    assert robust.spread[0] == Scaler.fit(rows).spread[0]
    assert np.array_equal(robust.apply(rows)[:, 1], np.zeros(1_000, np.float32))


def test_a_robust_scaler_survives_json():
    """The very same numbers after reading back."""
    robust = Scaler.fit(RNG.normal(size=(500, 4)), "robust")
    again = Scaler.from_json(robust.to_json())
    rows = RNG.normal(size=(10, 4))
    assert np.array_equal(robust.apply(rows), again.apply(rows))


def test_an_unknown_kind_is_refused():
    """A typo names the kinds there are."""
    with pytest.raises(ModelFault, match="robust"):
        Scaler.fit(np.zeros((2, 2)), "minmax")
