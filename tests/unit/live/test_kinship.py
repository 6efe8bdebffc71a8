"""Heads that changed places: forecasts made from columns by a known rule, so that who is who is known."""

from __future__ import annotations

import json

import numpy as np
import pytest

from decot.live.kinship import PAIRS, Kin

N = 4_000


def made(seed: int):
    """Twelve columns; five forecasts nearly alike: a shared part, a little of their own, other means and units."""
    rng = np.random.default_rng(seed)
    seen = rng.normal(size=(N, 12)).astype(np.float32)
    shared = seen[:, :1] * 2.0 + rng.normal(size=(N, 1))
    own = 0.3 * seen[:, 1:6] + 0.1 * rng.normal(size=(N, 5))
    z = shared + own
    return seen, (z * [1e-4, 2e-4, 0.5, 1e-4, 5e-5] + [0, 0, 0.1, -1e-4, 3e-5]).astype(np.float32), z


def exchanged(forecasts, i, j):
    out = forecasts.copy()
    out[:, [i, j]] = out[:, [j, i]]
    return out


@pytest.fixture(scope="module")
def kin():
    seen, forecasts, _ = made(0)
    return Kin.fit(seen, forecasts, np.arange(12))


@pytest.mark.parametrize(("i", "j"), PAIRS)
def test_every_exchange_is_seen_and_its_pair_named(kin, i, j):
    """The right pair scores below 0 while all is well and highest of all, above 0, when those two changed places."""
    seen, forecasts, z = made(1)
    assert np.corrcoef(z[:, i], z[:, j])[0, 1] > 0.95
    assert (kin.exchanged(forecasts, seen).mean(0) < -0.1).all()
    units = forecasts.mean(0), forecasts.std(0)
    standard = (forecasts - units[0]) / units[1]
    rewired = (exchanged(standard, i, j) * units[1] + units[0]).astype(np.float32)
    for broken in (rewired, exchanged(forecasts, i, j)):
        found = kin.exchanged(broken, seen).mean(0)
        assert int(found.argmax()) == PAIRS.index((i, j))
        assert found.max() > 0.1


def test_a_wilder_market_is_not_taken_for_an_exchange(kin):
    """Everything five times as large: the same scores, for both stories grow alike."""
    seen, _, z = made(2)
    wild = (5 * z * [1e-4, 2e-4, 0.5, 1e-4, 5e-5]).astype(np.float32)
    assert (kin.exchanged(wild, 5 * seen).mean(0) < -0.1).all()


def test_one_bar_is_one_row_of_the_batch_and_it_survives_json(kin):
    """What is scored bar by bar is what was calibrated on, also after being put away."""
    seen, forecasts, _ = made(3)
    whole = kin.exchanged(forecasts[:50], seen[:50])
    again = Kin.from_json(json.loads(json.dumps(kin.to_json())))
    rows = np.stack([again.exchanged(forecasts[t], seen[t]) for t in range(50)])
    np.testing.assert_allclose(rows, whole, atol=1e-9)


def test_a_silent_forecast_is_no_fault():
    """A head that never moves is scored and not divided by nothing."""
    seen, forecasts, _ = made(4)
    forecasts[:, 2] = 0.25
    kin = Kin.fit(seen, forecasts, np.arange(12))
    assert np.isfinite(kin.exchanged(forecasts, seen)).all()
