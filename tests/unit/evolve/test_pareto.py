"""Fronts, areas and knees small enough to check by hand."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from decot.evolve import pareto

POINT = st.tuples(st.integers(-3, 8).map(float), st.integers(-3, 8).map(float))


def test_the_front_and_its_area_by_hand():
    """Three steps of a staircase and a point beneath it; points below the reference add nothing."""
    points = [(3.0, 1.0), (2.0, 2.0), (1.0, 3.0), (1.0, 1.0), (-5.0, 9.0)]
    assert pareto.front(points) == [0, 1, 2, 4]
    assert pareto.hypervolume(points) == 6.0
    assert pareto.hypervolume(points, (1.0, 1.0)) == 1.0


@settings(max_examples=100, deadline=None)
@given(st.lists(POINT, min_size=1, max_size=12))
def test_the_front_is_what_nothing_dominates(points):
    """Against the definition, and the area against counting unit cells."""
    kept = {points[i] for i in pareto.front(points)}
    assert kept == {p for p in points if not any(pareto.dominates(q, p) for q in points)}
    cells = sum(any(p[0] > x and p[1] > y for p in points) for x in range(8) for y in range(8))
    assert pareto.hypervolume(points) == cells


def test_survivors_are_the_front_first_and_the_ends_before_the_crowd():
    """NSGA-II keeps rank 0 whole, then the least crowded of rank 1."""
    points = [(0.0, 5.0), (5.0, 0.0), (4.0, 0.5), (3.0, -1.0), (-1.0, 4.0), (2.9, -0.9)]
    chosen = pareto.survivors(points, 4)
    assert set(chosen[:3]) == {0, 1, 2}
    assert len(chosen) == 4
    ranks = pareto.ranks(points)
    assert [r for r, _ in ranks[:3]] == [0, 0, 0]
    assert min(ranks) == (0, -np.inf)


def test_the_knee_is_the_bulge():
    """The middle of a bulging front; the larger first objective where there is none."""
    assert pareto.knee([(0.0, 10.0), (8.0, 8.0), (10.0, 0.0)]) == 1
    assert pareto.knee([(0.0, 10.0), (2.0, 2.0), (10.0, 0.0)]) == 2
    assert pareto.knee([(1.0, 1.0)]) == 0
