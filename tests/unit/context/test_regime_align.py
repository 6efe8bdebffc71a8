"""Labels after a refit: kept where the meaning is kept, flagged where it is not."""

import numpy as np
import pytest

from decot.context.regime_align import align, wasserstein
from decot.context.regime_model import RegimeModel
from decot.context.regimes import RegimeConfig, fit, posteriors


def model(means, spreads) -> RegimeModel:
    k = len(means)
    return RegimeModel(
        start=np.full(k, 1 / k),
        move=np.full((k, k), 0.05 / max(k - 1, 1)) + np.eye(k) * (0.95 - 0.05 / max(k - 1, 1)),
        weights=np.ones((k, 1)),
        means=np.array(means, dtype=float)[:, None, None],
        covars=np.array(spreads, dtype=float)[:, None, None, None] ** 2,
    )


OLD = model([0, 3, -4], [0.5, 1.0, 2.0])


def test_a_shuffled_model_gets_its_labels_back():
    """States in another order are matched at no cost, and nothing is flagged."""
    named, how = align(OLD.reordered(np.array([2, 0, 1])), OLD)
    assert how.order == (1, 2, 0)
    assert how.cost == pytest.approx(0, abs=1e-6)
    assert how.changed == ()
    np.testing.assert_allclose(named.means, OLD.means)
    assert named.fitted["alignment"]["meaning_changed"] is False


def test_a_changed_meaning_is_flagged():
    """A state that moved to another place is named, with the distance; so is one more and one less."""
    _, how = align(model([0, 9, -4], [0.5, 1.0, 2.0]), OLD)
    assert len(how.changed) == 1
    assert "state 1 moved" in how.changed[0]
    _, more = align(model([0, 3, -4, 12], [0.5, 1.0, 2.0, 0.1]), OLD)
    assert more.changed == ("state 3 is new",)
    _, less = align(model([0, -4], [0.5, 2.0]), OLD)
    assert less.changed == ("state 1 of the old model has no successor",)


def test_distance_of_gaussians_by_hand():
    """In one dimension: (μ−ν)² + (σ−τ)²."""
    one = wasserstein(np.array([1.0]), np.array([[4.0]]), np.array([4.0]), np.array([[36.0]]))
    assert one == pytest.approx(5.0)


def test_refits_on_halves_of_a_world_keep_their_labels():
    """Two halves of the same planted chain give models whose labels agree on the same rows."""
    rng = np.random.default_rng(0)
    states = np.repeat(rng.integers(0, 3, 120), 50)
    x = np.c_[np.array([0, 1, -1])[states] + rng.normal(size=6_000), rng.normal(size=6_000) * (1 + states)]
    plain = RegimeConfig(thin=1, log_vol_input=-1)
    first, second = fit(x[:3_000], plain), fit(x[3_000:], plain)
    named, how = align(second, first)
    assert how.changed == ()
    agree = posteriors(first, x).argmax(1) == posteriors(named, x).argmax(1)
    assert agree.mean() > 0.9
