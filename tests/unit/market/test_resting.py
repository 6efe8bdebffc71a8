"""Resting: a post-only order's place in the queue, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from decot.market.resting import place_in_queue, rest
from decot.market.rules import load_rules
from decot.market.simulate import Account, simulate
from decot.market.tape import Tape

RULES = load_rules("standx-like", "BTC-USD")
V = RULES.vector()
TOUCH = np.array([90_000.0, 90_001.0, 0.5, 0.7, 90_000.5, 0.0])


def wait_once(prints, ahead=0.5, n=2, side=1, limit=90_000.0, touch=TOUCH, share=1.0):
    rows = np.array(prints, float).reshape(-1, 3)
    return rest(side, limit, n, ahead, touch, rows, 0, len(rows), share, V)


def test_the_place_is_behind_what_is_shown():
    """At the best price all that is shown is in front, at a better price nothing, behind it nobody knows."""
    assert place_in_queue(1, 90_000.0, TOUCH, 1.0, 0.1) == 0.5
    assert place_in_queue(-1, 90_001.0, TOUCH, 2.0, 0.1) == 1.4
    assert place_in_queue(1, 90_000.5, TOUCH, 1.0, 0.1) == 0.0
    assert place_in_queue(1, 89_999.0, TOUCH, 1.0, 0.1) == np.inf


def test_prints_eat_the_queue_and_then_the_order():
    """0.5 in front: a print of 0.4 leaves 0.1; 0.1001 more fills one lot of 0.0001; 1 fills the rest."""
    assert wait_once([[90_000, 0.4, -1]]) == (0, pytest.approx(0.1))
    assert wait_once([[90_000, 0.4, -1], [90_000, 0.1001, -1]])[0] == 1
    assert wait_once([[90_000, 1.5, -1]])[0] == 2


def test_prints_of_the_other_side_do_not_count():
    """Buyers lifting the ask leave a resting buy where it was."""
    assert wait_once([[90_001, 9.0, 1]]) == (0, 0.5)


def test_a_price_beyond_fills_all():
    """A print or a touch through the limit fills the order whatever stood in front."""
    assert wait_once([[89_999.9, 1e-4, -1]])[0] == 2
    fallen = np.array([89_990.0, 89_991.0, 1, 1, 89_990.5, 0])
    assert wait_once([], touch=fallen)[0] == 2


def test_cancels_in_front_are_seen():
    """When less is shown than stood in front, the order moves up; a longer queue behind does not push it back."""
    thin = TOUCH.copy()
    thin[2] = 0.05
    assert wait_once([], touch=thin) == (0, 0.05)
    thick = TOUCH.copy()
    thick[2] = 9.0
    assert wait_once([], touch=thick) == (0, 0.5)


def quiet(n=12, bid_qty=0.5):
    time = np.arange(n) * 1000
    tape = Tape.of(time, np.full(n, 90_000.0), np.full(n, 90_001.0), np.full(n, bid_qty), np.full(n, bid_qty))
    return tape.with_prints(
        np.array([3000, 6000, 6000]),
        np.array([90_000.0, 90_000.0, 90_001.0]),
        np.array([0.5001, 1.0, 0.2]),
        np.array([-1, -1, 1]),
    )


def test_a_partial_fill_earns_the_spread():
    """One lot at row 3, the other at row 6, at the bid with the maker fee; the sale at the end takes the bid."""
    run = simulate(quiet(), np.ones(12), RULES, Account(execution="post_only"))
    assert run.fills["row"].tolist() == [3, 6, 11]
    assert run.fills["is_maker"].tolist() == [True, True, False]
    assert run.fills["price"].tolist() == [90_000.0] * 3
    assert run.lots.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2, 0]
    fees = 2e-4 * 90_000 * (1e-4 + 4e-4)
    assert run.pnl_usdt == pytest.approx(-fees, abs=1e-12)
    assert run.n_trades == 1


def test_impatience_takes():
    """With three rows of patience the order is taken from the ask instead of waiting."""
    run = simulate(quiet(bid_qty=50.0), np.ones(12), RULES, Account(execution="post_only", patience_rows=3))
    assert run.fills["is_maker"].tolist() == [False, False]
    assert run.fills["row"].tolist() == [4, 11]
    assert run.fills["price"][0] == 90_001.0


def test_a_locked_book_refuses_post_only():
    """Where bid and ask are one price a post-only order at the touch would take, and is refused."""
    tape = replace(quiet(), ask=np.full(12, 90_000.0))
    run = simulate(tape, np.ones(12), RULES, Account(execution="post_only"))
    assert run.refused == {"would_take": 11}
    assert not len(run.fills)


def test_a_changed_mind_cancels():
    """A target back at flat before the fill leaves nothing behind."""
    run = simulate(quiet(), np.r_[1, 0, np.zeros(10)], RULES, Account(execution="post_only"))
    assert not len(run.fills)
