"""How far now lies from training."""

from __future__ import annotations

import json

import numpy as np
import pytest

from decot.errors import ModelFault
from decot.live.drift import N_BINS, Bins, Fading, floored, kl, psi


def test_the_figures_are_the_formulas():
    """PSI and KL of two small histograms, checked by hand; both 0 for the same shares, PSI symmetric."""
    p, q = np.array([0.5, 0.5]), np.array([0.25, 0.75])
    np.testing.assert_allclose(psi(q, p), 0.25 * np.log(2) + 0.25 * np.log(1.5))
    np.testing.assert_allclose(kl(q, p), 0.25 * np.log(0.5) + 0.75 * np.log(1.5))
    np.testing.assert_allclose(psi(p, q), psi(q, p))
    assert psi(p, p) == kl(p, p) == 0
    np.testing.assert_allclose(floored(np.array([0.0, 1.0])).sum(), 1.0)


def test_clean_rows_stay_near_zero_and_a_shift_does_not():
    """A fading histogram of rows from the same law stays low; one standard deviation further it is far out."""
    rng = np.random.default_rng(0)
    bins = Bins.fit(["a", "b"], rng.normal(size=(20_000, 2)))
    fading, highest = Fading(bins, half_life=500), 0.0
    for row in bins.codes(rng.normal(size=(5_000, 2))):
        fading.add(row[None])
        highest = max(highest, float(fading.psi().max()))
    assert highest < 0.1
    for row in bins.codes(rng.normal(size=(1_500, 2)) + [1.0, 0.0]):
        fading.add(row[None])
    moved, still = fading.psi()[0]
    assert moved > 0.6
    assert still < 0.1
    np.testing.assert_allclose(fading.seen.sum(-1), 1.0)


def test_cuts_of_columns_that_hardly_move():
    """Flags, constants and words keep their own bins; nothing falls outside."""
    values = np.column_stack([np.zeros(100), np.arange(100) % 2, np.arange(100.0)])
    words = {"word:x": np.arange(100, dtype=np.int8) % 7 - 1}
    bins = Bins.fit(["constant", "flag", "line"], values, words)
    codes = bins.codes(values, words["word:x"][:, None])
    assert [len(np.unique(codes[:, c])) for c in range(4)] == [1, 2, 10, 7]
    np.testing.assert_allclose(bins.shares[2], 0.1, atol=0.011)
    assert codes.max() < N_BINS
    assert bins.codes(np.array([[0.0, -1e9, np.inf]]), np.array([[5]])).tolist() == [[0, 0, 9, 6]]


def test_it_is_the_same_after_being_put_away():
    """JSON and back gives the same bins for any value, endless edges included."""
    rng = np.random.default_rng(1)
    bins = Bins.fit(["a", "b"], np.round(rng.normal(size=(500, 2))))
    again = Bins.from_json(json.loads(json.dumps(bins.to_json())))
    values = rng.normal(size=(200, 2)) * 3
    np.testing.assert_array_equal(again.codes(values), bins.codes(values))
    np.testing.assert_array_equal(again.shares, bins.shares)


def test_many_paths_are_one_path_many_times():
    """Calibration runs days side by side; each goes as it would alone."""
    rng = np.random.default_rng(2)
    bins = Bins.fit(["a", "b", "c"], rng.normal(size=(500, 3)))
    codes = bins.codes(rng.normal(size=(300, 4, 3)))
    together = Fading(bins, 50, paths=4)
    alone = [Fading(bins, 50) for _ in range(4)]
    for row in codes:
        together.add(row)
        for k in range(4):
            alone[k].add(row[k][None])
    np.testing.assert_array_equal(together.psi(), np.concatenate([one.psi() for one in alone]))
    np.testing.assert_array_equal(together.kl()[1], alone[1].kl()[0])


def test_too_little_is_refused():
    """Fewer rows than bins, or names that do not fit, are refused with the shape."""
    with pytest.raises(ModelFault, match=r"\(3, 2\)"):
        Bins.fit(["a", "b"], np.zeros((3, 2)))
