"""The drill itself: a few hundred schedules are clean, and brokers that are wrong in known ways are caught."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
from benchmarks.fault_schedules import DrilledBroker, run
from decot.errors import VenueUnavailable
from decot.live.venue import Unclear


def test_random_schedules_lose_and_double_nothing():
    """Crashes, time-outs, dead lines, doubles, old lists, twins, trades by hand."""
    tally = run(240, seed=9_000)
    assert tally.bad_seeds == []
    assert tally.crashes > 20
    assert tally.twins > 5
    assert tally.foreign_missed == 0


class Resends(DrilledBroker):
    """Sends again when no answer came."""

    async def send(self, order, *, why):
        place = self.venue.place

        async def twice(request):
            try:
                return await place(request)
            except Unclear:
                return await place(replace(request, client_id=f"{request.client_id}-2"))

        self.venue.place = twice
        try:
            return await super().send(order, why=why)
        finally:
            self.venue.place = place


class Eager(DrilledBroker):
    """Believes the first "unknown order"."""

    async def settle(self, tracked):
        if not tracked.is_closed and not tracked.order_id:
            try:
                report = await self.venue.query(tracked.client_id)
            except VenueUnavailable:
                report = None
            if report is None:
                self._done(tracked, "void", "believed too early")
                return True
        return await super().settle(tracked)


@pytest.mark.parametrize(
    ("broken", "figure"),
    [(Resends, "duplicate_orders"), (Resends, "untracked_positions"), (Eager, "lost_fills")],
)
def test_the_drill_catches_a_broken_broker(broken, figure):
    """A figure that cannot fail proves nothing."""
    assert getattr(run(400, seed=5, make=broken), figure) > 0
