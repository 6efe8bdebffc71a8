"""Tape: orders arrive later than they are decided, in order, or never."""

from __future__ import annotations

import numpy as np
import pytest

from decot.errors import DataFault
from decot.market.tape import Tape


def tape(latency_ms, n=6):
    bid = np.linspace(100, 101, n)
    return Tape.of(np.arange(n) * 1000, bid, bid + 0.1, latency_ms=latency_ms)


def test_an_order_never_meets_its_own_row():
    """With no latency at all the order still meets the next bar; past the end it meets none."""
    np.testing.assert_array_equal(tape(0).fill_index, [1, 2, 3, 4, 5, -1])
    np.testing.assert_array_equal(tape(1000).fill_index, [1, 2, 3, 4, 5, -1])
    np.testing.assert_array_equal(tape(1001).fill_index, [2, 3, 4, 5, -1, -1])


def test_orders_arrive_in_the_order_they_were_sent():
    """A slow order holds up the fast one behind it."""
    np.testing.assert_array_equal(tape(np.array([3000, 1, 1, 1, 1, 1])).fill_index, [3, 3, 3, 4, 5, -1])


def test_slices_and_stress():
    """A slice forgets what lies beyond; stress multiplies delay and spread and leaves the mid."""
    whole = tape(1000)
    np.testing.assert_array_equal(whole.slice(2, 5).fill_index, [1, 2, -1])
    slow = whole.stressed(latency=2, spread=3)
    np.testing.assert_array_equal(slow.fill_index, [2, 3, 4, 5, -1, -1])
    np.testing.assert_allclose(slow.ask - slow.bid, 0.3)
    np.testing.assert_allclose(slow.mid, whole.mid)
    np.testing.assert_array_equal(whole.delayed(1).fill_index, [2, 3, 4, 5, -1, -1])


def test_an_unbelievable_book_is_refused_with_its_row():
    """A crossed book, a negative price or time that stands still names the row."""
    t, p = np.arange(3) * 1000, np.array([1.0, 2.0, 3.0])
    with pytest.raises(DataFault, match=r"crossed.*row 1"):
        Tape.of(t, p, np.array([1.0, 1.5, 3.0]))
    with pytest.raises(DataFault, match=r"bid.*row 0"):
        Tape.of(t, p - 2, p)
    with pytest.raises(DataFault, match=r"ask_qty.*row 1"):
        Tape.of(t, p, p, p, np.array([1.0, np.nan, 1.0]))
    with pytest.raises(DataFault, match=r"timestamp.*row 2"):
        Tape.of(np.array([0, 5, 5]), p, p)
