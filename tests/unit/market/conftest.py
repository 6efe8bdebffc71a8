"""Small markets for the market's tests: a random walk with prints, and a venue without lots."""

from __future__ import annotations

import numpy as np
import pytest

from decot.market.rules import VenueRules
from decot.market.tape import Tape

FINE = VenueRules(
    venue="fine",
    symbol="X",
    kind="perp",
    maker_bps=1.0,
    taker_bps=4.0,
    tick=0.1,
    lot=1e-9,
    min_qty=1e-9,
    min_notional_usdt=0.0,
    leverage_max=10.0,
    version="test",
    source="test",
    is_exit_exempt=True,
)


def make_tape(
    n=400, seed=0, vol_bps=2.0, ticks=2, latency_ms=1000, price=90_000.0, tick=0.1, funding_every=0
):
    """A random walk on a tick grid with sizes at the touch and up to three prints a bar."""
    rng = np.random.default_rng(seed)
    mid = price * np.exp(np.cumsum(rng.normal(0, vol_bps * 1e-4, n)))
    bid = np.round(np.round(mid / tick) * tick, 8)
    ask = np.round(bid + ticks * tick, 8)
    time = np.arange(n) * 1000
    tape = Tape.of(time, bid, ask, rng.exponential(1e-3, n), rng.exponential(1e-3, n), latency_ms)
    count = rng.integers(0, 4, n)
    at = np.repeat(np.arange(n), count)
    side = rng.choice([-1, 1], len(at))
    paid = np.where(side > 0, ask[at], bid[at])
    tape = tape.with_prints(time[at], paid, rng.exponential(5e-4, len(at)), side)
    if funding_every:
        rows = np.arange(funding_every, n, funding_every)
        tape = tape.with_funding(time[rows], rng.normal(0, 1e-4, len(rows)))
    return tape


@pytest.fixture(scope="session")
def fine() -> VenueRules:
    return FINE


@pytest.fixture(scope="session")
def world():
    return make_tape
