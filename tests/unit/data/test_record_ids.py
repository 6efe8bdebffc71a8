"""Numbered trades: what is new, late, twice, missing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from decot.data.record_ids import MAX_JUMP, Ids


def test_a_jump_is_a_hole_and_a_late_trade_closes_it():
    """1 2 5 3 4 4: a hole 3…4, two late ones, one duplicate, nothing missing."""
    ids = Ids()
    said = [ids.take(number, 0.0) for number in (1, 2, 5, 3, 4, 4)]
    assert said == ["new", "new", "new", "late", "late", "dup"]
    assert (ids.missing, ids.duplicates, ids.late, ids.next_id) == (0, 1, 2, 6)


def test_a_late_trade_in_the_middle_splits_the_hole():
    """After 1 and 10, number 5 leaves 2…4 and 6…9."""
    ids = Ids()
    for number in (1, 10, 5):
        ids.take(number, 0.0)
    assert [(hole.first, hole.last) for hole in ids.holes] == [(2, 4), (6, 9)]
    assert ids.due(0.5, 1.0) == []
    assert len(ids.due(1.0, 1.0)) == 2


def test_an_absurd_id_is_not_believed():
    """A broken number far ahead makes no hole."""
    ids = Ids(next_id=5)
    assert ids.take(5 + MAX_JUMP + 1, 0.0) == "wild"
    assert (ids.next_id, ids.missing) == (5, 0)


@given(st.permutations(list(range(30))), st.lists(st.integers(0, 29), max_size=20), st.integers(0, 30))
def test_whatever_the_order_the_account_is_right(order, repeats, lost):
    """Any order with repetitions and losses: have + missing = all up to the largest seen; each is new or late once."""
    sent = [number for number in order[lost:] if number] + [
        number for number in repeats if number in order[lost:]
    ]
    ids = Ids(next_id=1)
    said = [(number, ids.take(number, 0.0)) for number in sent if number]
    taken = [number for number, how in said if how != "dup"]
    assert sorted(taken) == sorted({number for number, _ in said})
    expected = set(range(1, max(taken, default=0) + 1)) - set(taken)
    assert {n for hole in ids.holes for n in range(hole.first, hole.last + 1)} == expected
    assert ids.missing == len(expected)
