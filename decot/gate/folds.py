"""Which rows may teach and which may test: purged, embargoed folds, walk-forward and combinatorial. Knows row numbers only.

López de Prado, "Advances in Financial Machine Learning", ch. 7 and 12. `purge` is the longest reach of a
row: at least its label's
horizon, its features' look-back and the recurrent state's length, in rows; `embargo` at least the holding time.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, pairwise
from math import comb

import numpy as np
from numpy.typing import NDArray

from decot.errors import ConfigError

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """One split; both arrays rise, and no row of one reaches a row of the other."""

    train: Rows
    test: Rows
    groups: tuple[int, ...]
    """which of the blocks are tested"""


def blocks(n: int, n_blocks: int) -> list[tuple[int, int]]:
    """`n` rows in `n_blocks` runs (start, stop) whose lengths differ by at most one."""
    edges = np.linspace(0, n, n_blocks + 1).round().astype(int)
    return [(int(a), int(b)) for a, b in pairwise(edges)]


def purged_folds(n: int, n_folds: int, *, purge: int, embargo: int = 0) -> list[Fold]:
    """Every block is tested once; training rows that reach into it, or follow it too closely, are dropped."""
    return combinatorial_folds(n, n_folds, 1, purge=purge, embargo=embargo)


def walk_forward(
    n: int, n_folds: int, *, purge: int, embargo: int = 0, rolling: int | None = None
) -> list[Fold]:
    """Train on the past only: block k+1 is tested after blocks 0…k taught (the last `rolling` rows of them, if given)."""
    _check(n, n_folds + 1, 1, purge, embargo)
    found = []
    for k, (start, stop) in enumerate(blocks(n, n_folds + 1)[1:], start=1):
        last = max(start - purge, 0)
        first = 0 if rolling is None else max(last - rolling, 0)
        found.append(Fold(np.arange(first, last), np.arange(start, stop), (k,)))
    return found


def combinatorial_folds(n: int, n_groups: int, n_test: int, *, purge: int, embargo: int = 0) -> list[Fold]:
    """CPCV: all C(n_groups, n_test) ways to test `n_test` of the blocks.

    Raises:
        ConfigError: blocks that are empty, nothing left to train on, or reaches below 0.
    """
    _check(n, n_groups, n_test, purge, embargo)
    spans = blocks(n, n_groups)
    found = []
    for chosen in combinations(range(n_groups), n_test):
        is_test, is_dropped = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
        for group in chosen:
            start, stop = spans[group]
            is_test[start:stop] = True
            is_dropped[max(start - purge, 0) : stop + purge + embargo] = True
        train = np.flatnonzero(~is_dropped)
        if not train.size:
            raise ConfigError(
                [f"folds: purge {purge} and embargo {embargo} leave no training row of {n}; take fewer"]
            )
        found.append(Fold(train, np.flatnonzero(is_test), chosen))
    return found


def paths(n_groups: int, n_test: int) -> Rows:
    """(φ, n_groups) index of the split that tests each block on each path; φ = C(n_groups, n_test)·n_test/n_groups.

    Put the out-of-sample P&L of those splits side by side and each path is one whole backtest nobody trained on.
    """
    found = np.full((comb(n_groups, n_test) * n_test // n_groups, n_groups), -1, dtype=np.int64)
    used = np.zeros(n_groups, dtype=np.int64)
    for split, chosen in enumerate(combinations(range(n_groups), n_test)):
        for group in chosen:
            found[used[group], group] = split
            used[group] += 1
    return found


def _check(n: int, n_groups: int, n_test: int, purge: int, embargo: int) -> None:
    faults = []
    if n_groups < 2 or n < n_groups:
        faults.append(f"folds: {n} rows cannot be cut into {n_groups} blocks; take 2 to {n}")
    if not 1 <= n_test < max(n_groups, 2):
        faults.append(f"folds: {n_test} of {n_groups} blocks to test; take 1 to {n_groups - 1}")
    if purge < 0 or embargo < 0:
        faults.append(f"folds: purge {purge} and embargo {embargo} are rows, 0 or more")
    if faults:
        raise ConfigError(faults)
