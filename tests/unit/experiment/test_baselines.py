"""The linear rule that every agent is compared with."""

from __future__ import annotations

import numpy as np

from decot.experiment.baselines import follow


def test_the_rule_holds_its_side_until_the_other_is_called():
    """Flat before the first call; small forecasts change nothing; a call of the other side flips."""
    forecast = np.array([0.1, 2.0, 0.0, -0.5, -3.0, 0.4, 1.0])
    assert follow(forecast, 0.9).tolist() == [0, 1, 1, 1, -1, -1, 1]


def test_an_infinite_threshold_never_trades():
    """The last threshold on offer is to stay out."""
    assert not follow(np.array([1e9, -1e9]), float("inf")).any()
