"""What happens next, on numbers small enough to check by hand."""

from __future__ import annotations

import numpy as np
import pytest

from decot.features.config import FeatureConfig
from decot.features.targets import horizon_bars, targets


def test_by_hand():
    """A 5-second clock: one bar is 5 s, two bars are 10 s; the end of the tape stands in for what lies beyond."""
    mid = np.exp(np.array([0.0, 0.01, -0.01, 0.03, 0.02]))
    found = targets(mid, 5_000, FeatureConfig(signal_threshold_bps=200, round_trip_cost_bps=100))
    assert found["future_return_5s"] == pytest.approx([0.01, -0.02, 0.04, -0.01, 0.0])
    assert found["future_return_10s"] == pytest.approx([-0.01, 0.02, 0.03, -0.01, 0.0])
    assert found["future_max_dd"] == pytest.approx([-0.01, -0.02, 0.0, -0.01, 0.0])
    assert found["target_profit"] == pytest.approx([0.0, 0.01, 0.02, 0.0, 0.0])
    assert found["future_signal"].tolist()[2:] == [1, 0, 0]
    assert found["future_signal"].dtype == np.int8


def test_horizons_are_seconds_and_at_least_a_bar():
    """100 ms, one second, one minute, one hour."""
    assert [horizon_bars(5, c) for c in (100, 1_000, 60_000, 3_600_000)] == [50, 5, 1, 1]
    assert horizon_bars(10, 100) == 100


def test_worst_move_is_the_minimum_over_the_window():
    """The doubling minima equal a plain loop, on every clock."""
    rng = np.random.default_rng(0)
    mid = 100 * np.exp(np.cumsum(rng.normal(size=400)) * 1e-3)
    for clock in (100, 1_000, 2_500, 10_000, 60_000):
        h = horizon_bars(10, clock)
        plain = [min(np.log(mid[t : t + h + 1] / mid[t]).min(), 0.0) for t in range(400)]
        assert np.allclose(targets(mid, clock, FeatureConfig())["future_max_dd"], plain, atol=1e-13)


def test_no_horizon_crosses_a_hole():
    """Two days in one frame: the last bars of the first know nothing of the second."""
    mid = np.array([100.0] * 10 + [200.0] * 10)
    ms = np.concatenate([np.arange(10) * 1_000, 86_400_000 + np.arange(10) * 1_000])
    assert np.all(targets(mid, 1_000, FeatureConfig(), ms)["future_return_10s"] == 0)
    assert np.any(targets(mid, 1_000, FeatureConfig())["future_return_10s"] > 0)
