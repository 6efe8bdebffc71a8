"""Windows that slide without drifting, for numba. Knows sums and maxima; knows nothing of markets.

A window of w values is the tail of the last full block plus the head of the running one: `total = suffix + prefix`.
Nothing is ever subtracted, so after ten million rows a sum is as exact as after ten, and it depends on the row
count alone: batch, stream and a restarted stream take the same path. (The block trick is van Herk's, 1992.)

Memory of one window, inside the caller's state array: `s[base]` head, `s[base + 1 : base + 1 + w]` block,
`s[base + 1 + w]` the neutral element; see `room`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

State = np.ndarray


def room(window: int) -> int:
    """How many state cells a window of that many bars takes."""
    return window + 2


@njit
def sum_push(s: State, base: int, w: int, n: int, x: float) -> Any:
    """Put x in as value number n; the sum of the last min(n + 1, w) values."""
    j = n % w
    s[base + 1 + j] = x
    head = s[base] + x
    total = head + s[base + 2 + j]
    if j == w - 1:
        acc = 0.0
        for i in range(base + w, base, -1):
            acc += s[i]
            s[i] = acc
        head = 0.0
    s[base] = head
    return total


@njit
def sum_before(s: State, base: int, w: int, n: int) -> Any:
    """The sum of the (at most w) values before number n, which has not been put in yet."""
    return s[base] + s[base + 1 + n % w]


@njit
def max_push(s: State, base: int, w: int, n: int, x: float) -> Any:
    """Put x in as value number n; the largest of the last w values (needs cells that start at −inf)."""
    j = n % w
    s[base + 1 + j] = x
    head = max(s[base], x)
    top = max(head, s[base + 2 + j])
    if j == w - 1:
        acc = -np.inf
        for i in range(base + w, base, -1):
            acc = max(acc, s[i])
            s[i] = acc
        head = -np.inf
    s[base] = head
    return top


@njit
def max_before(s: State, base: int, w: int, n: int) -> Any:
    """The largest of the (at most w) values before number n; −inf before there is one."""
    return max(s[base], s[base + 1 + n % w])
