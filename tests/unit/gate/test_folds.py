"""Folds: no training row reaches a test row, every row is tested, every path is whole."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decot.errors import ConfigError
from decot.gate.folds import blocks, combinatorial_folds, paths, purged_folds, walk_forward


@given(st.integers(120, 300), st.integers(3, 6), st.integers(1, 2), st.integers(0, 8), st.integers(0, 8))
def test_no_reach(n, groups, tested, purge, embargo):
    """Training rows stay more than `purge` before and more than `purge + embargo` after any tested block."""
    for fold in combinatorial_folds(n, groups, tested, purge=purge, embargo=embargo):
        spans = [blocks(n, groups)[g] for g in fold.groups]
        for start, stop in spans:
            before, after = fold.train[fold.train < start], fold.train[fold.train >= stop]
            assert not np.isin(np.arange(start, stop), fold.train).any()
            assert before.size == 0 or before.max() < start - purge
            assert after.size == 0 or after.min() >= stop + purge + embargo
        assert fold.test.size == sum(b - a for a, b in spans)


def test_nothing_else_is_dropped():
    """With no reach at all, training and test together are all rows."""
    for fold in purged_folds(100, 5, purge=0):
        assert np.array_equal(np.sort(np.r_[fold.train, fold.test]), np.arange(100))
    kept = purged_folds(100, 5, purge=3, embargo=4)[2]
    assert kept.train.size == 100 - 20 - 3 - 7


def test_purge_is_what_stops_a_leak():
    """A label that looks 10 rows ahead lets an unpurged nearest neighbour predict noise; purged it cannot."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=3_000)
    label = np.convolve(noise, np.ones(10), "valid")
    feature = np.arange(label.size, dtype=float)

    def skill(purge: int) -> float:
        found = []
        for fold in purged_folds(label.size, 300, purge=purge):
            nearest = fold.train[np.abs(fold.train[:, None] - feature[fold.test][None]).argmin(axis=0)]
            found.append(np.c_[label[nearest], label[fold.test]])
        return float(np.corrcoef(np.concatenate(found).T)[0, 1])

    assert skill(0) > 0.5
    assert abs(skill(10)) < 0.1


@pytest.mark.parametrize(("groups", "tested"), [(4, 1), (6, 2), (8, 3), (10, 5)])
def test_paths_are_whole_backtests(groups, tested):
    """φ = C(N,k)·k/N paths; each tests every block exactly once, each (split, block) is used exactly once."""
    index = paths(groups, tested)
    assert index.shape == (comb(groups, tested) * tested // groups, groups)
    folds = combinatorial_folds(1_000, groups, tested, purge=2)
    assert len(folds) == comb(groups, tested)
    used = {(int(split), group) for row in index for group, split in enumerate(row)}
    assert used == {(i, group) for i, fold in enumerate(folds) for group in fold.groups}


def test_walk_forward_never_looks_back_from_the_future():
    """Every training row lies before its test block, `purge` rows apart; rolling keeps only the newest."""
    for fold in walk_forward(1_000, 4, purge=25):
        assert fold.train.max() == fold.test.min() - 26
    assert all(fold.train.size <= 100 for fold in walk_forward(1_000, 4, purge=25, rolling=100))


def test_impossible_folds_are_refused():
    """All faults at once, each with the number and the way out."""
    with pytest.raises(ConfigError) as caught:
        combinatorial_folds(3, 9, 9, purge=-1)
    assert len(caught.value.faults) == 3
    with pytest.raises(ConfigError, match="leave no training row"):
        purged_folds(20, 2, purge=20)
