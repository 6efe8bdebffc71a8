"""Windows that slide without drifting, for numba. Knows sums and maxima; knows nothing of markets.

A window of w values is the tail of the last full block plus the head of the running one: `total = suffix + head`.
Nothing is ever subtracted, so after ten million rows a sum is as exact as after ten, and it depends on the row
count alone: batch, stream and a restarted stream take the same path. (The block trick is van Herk's, 1992.)

Memory of one window, inside the caller's state array: `s[base]` head, `s[base + 1 : base + 1 + w]` block,
`s[base + 1 + w]` the neutral element; see `room`. Values number n, n + 1, … are read from x[row] and each gets two
results: y[after], its window with it, and y[before], the window of the values before it. At the start windows are short.
"""

from __future__ import annotations

import numpy as np
from numba import njit

State = np.ndarray


def room(window: int) -> int:
    """How many state cells a window of that many bars takes."""
    return window + 2


@njit
def slide_sum(
    s: State,
    base: int,
    w: int,
    n: int,
    size: int,
    x: np.ndarray,
    row: int,
    y: np.ndarray,
    before: int,
    after: int,
) -> None:
    """Sums over the last w values."""
    j = n % w
    head = s[base]
    for i in range(size):
        value = x[row, i]
        y[before, i] = head + s[base + 1 + j]
        s[base + 1 + j] = value
        head += value
        y[after, i] = head + s[base + 2 + j]
        j += 1
        if j == w:
            acc = 0.0
            for k in range(base + w, base, -1):
                acc += s[k]
                s[k] = acc
            head = 0.0
            j = 0
    s[base] = head


@njit
def slide_max(
    s: State,
    base: int,
    w: int,
    n: int,
    size: int,
    x: np.ndarray,
    row: int,
    y: np.ndarray,
    before: int,
    after: int,
) -> None:
    """The largest of the last w values; cells must start at −inf, which is also the largest of none."""
    j = n % w
    head = s[base]
    for i in range(size):
        value = x[row, i]
        y[before, i] = max(head, s[base + 1 + j])
        s[base + 1 + j] = value
        head = max(head, value)
        y[after, i] = max(head, s[base + 2 + j])
        j += 1
        if j == w:
            acc = -np.inf
            for k in range(base + w, base, -1):
                acc = max(acc, s[k])
                s[k] = acc
            head = -np.inf
            j = 0
    s[base] = head
