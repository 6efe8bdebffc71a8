"""Which of two objectives' trade-offs are worth keeping. Knows points, larger is better; knows no genome.

NSGA-II's survivor selection is DEAP's (`selNSGA2`; Deb et al. 2002); the hypervolume is exact in two dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from deap import base, tools

Point = tuple[float, float]


class Fitness(base.Fitness):
    """Two objectives, both maximised."""

    weights = (1.0, 1.0)


class Candidate:
    """A point in DEAP's clothes; `index` says whose it is."""

    def __init__(self, index: int, point: Point) -> None:
        self.index, self.fitness = index, Fitness(point)


def dominates(one: Point, two: Point) -> bool:
    """At least as good in both, better in one."""
    return one[0] >= two[0] and one[1] >= two[1] and one != two


def front(points: Sequence[Point]) -> list[int]:
    """Indices of the points no other dominates, by the first objective descending; equal points: the first only."""
    order = sorted(range(len(points)), key=lambda i: (-points[i][0], -points[i][1], i))
    kept: list[int] = []
    best = -np.inf
    for i in order:
        if points[i][1] > best:
            kept.append(i)
            best = points[i][1]
    return kept


def hypervolume(points: Sequence[Point], reference: Point = (0.0, 0.0)) -> float:
    """Exact area between the front and the reference; points not above the reference in both add nothing."""
    inside = [p for p in points if p[0] > reference[0] and p[1] > reference[1]]
    area, height = 0.0, reference[1]
    for i in front(inside):
        x, y = inside[i]
        area += (x - reference[0]) * (y - height)
        height = y
    return area


def survivors(points: Sequence[Point], n: int) -> list[int]:
    """Indices of the n points NSGA-II keeps, best rank first."""
    chosen = tools.selNSGA2([Candidate(i, p) for i, p in enumerate(points)], min(n, len(points)))
    return [candidate.index for candidate in chosen]


def ranks(points: Sequence[Point]) -> list[tuple[int, float]]:
    """(rank of the front, minus crowding distance) per point: the smaller tuple wins a tournament."""
    found: list[tuple[int, float]] = [(0, 0.0)] * len(points)
    candidates = [Candidate(i, p) for i, p in enumerate(points)]
    for rank, group in enumerate(tools.sortNondominated(candidates, len(candidates))):
        tools.emo.assignCrowdingDist(group)
        for candidate in group:
            found[candidate.index] = (rank, -candidate.fitness.crowding_dist)
    return found


def knee(points: Sequence[Point]) -> int:
    """Index of the front's point furthest above the line through its two ends, both objectives scaled to the front;
    on a front without a bulge, the end with the larger first objective."""
    kept = front(points)
    if len(kept) < 3:
        return kept[0]
    xy = np.array([points[i] for i in kept])
    span = np.ptp(xy, axis=0)
    scaled = (xy - xy.min(axis=0)) / np.where(span > 0, span, 1.0)
    bulge = scaled.sum(axis=1) - 1.0  # the ends are (1, 0) and (0, 1)
    return kept[int(np.argmax(bulge))] if bulge.max() > 0 else kept[0]
