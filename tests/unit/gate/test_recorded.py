"""A recorded tape as ground for edge-free markets: signals that know no future, and nothing lost of what they resample."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from decot.gate.nulls import make_market
from decot.gate.recorded import base_of, day_of, signals_of, trailing_mean


@pytest.fixture
def bars() -> pl.DataFrame:
    rng = np.random.default_rng(0)
    n = 4_000
    mid = 60_000 * np.exp(np.cumsum(rng.normal(size=n)) * 1e-4)
    sizes = {
        f"{side}_volume{depth}": rng.exponential(size=n) for side in ("bid", "ask") for depth in ("_5", "_20")
    }
    return pl.DataFrame(
        {
            "timestamp": np.arange(1, n + 1, dtype=np.int64) * 1_000,
            "bid_price": mid - 0.5,
            "ask_price": mid + 0.5,
            "buy_volume": rng.exponential(size=n),
            "sell_volume": rng.exponential(size=n),
            **sizes,
        }
    )


def test_signals_are_causal(bars):
    """Cut off the future: what was known before it is the same, up to the one scale of the whole stretch."""
    whole, part = signals_of(bars), signals_of(bars[:2_500])
    for k in range(whole.shape[1]):
        ratio = part[200:, k] / whole[200:2_500, k]
        assert np.nanstd(ratio) < 1e-6 * abs(np.nanmean(ratio))


def test_trailing_mean_by_hand():
    """The mean of what is there, of the last three once there are three."""
    np.testing.assert_allclose(trailing_mean(np.array([3.0, 6.0, 9.0, 0.0]), 3), [3.0, 4.5, 6.0, 5.0])
    np.testing.assert_allclose(trailing_mean(np.array([2.0, 4.0]), 5), [2.0, 3.0])


def test_resampled_markets_come_from_the_tape(bars):
    """Returns of the resampled kinds are the tape's own; a stretch taken as a day keeps its prices."""
    base = base_of(bars)
    own = set(np.round(base.returns_bps, 6))
    for kind in ("block_bootstrap", "permuted", "shuffled_signal"):
        tape = make_market(kind, seed=1, bars=900, base=base).other_day.tape
        returns = np.round(np.diff(np.log(tape.mid)) * 1e4, 6)
        assert np.mean([r in own for r in returns]) > 0.99
    day = day_of(bars, base.signals, slice(100, 300), 50)
    np.testing.assert_array_equal(day.tape.bid, bars["bid_price"][100:300].to_numpy())
