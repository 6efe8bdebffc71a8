"""The yardstick of made-up markets: what the best guess knows, and what it can earn."""

from __future__ import annotations

import numpy as np
import pytest

from decot.data.answers import best_guess, earned
from decot.data.bars import build_bars
from decot.data.worlds import WorldConfig, make_world, world_truth


def study(**changes):
    """For each day: the guess's correlation with the truth, and what a threshold on it earns."""
    cfg = WorldConfig(**changes)
    tape, truth = make_world(cfg), world_truth(cfg)
    days = []
    for day in tape.days():
        bars = build_bars(tape.day(day), 1_000)
        guess = best_guess(bars, cfg)
        hidden = np.interp(bars["timestamp"].to_numpy() * 1_000, truth["recv_us"], truth["signal"])
        days.append((float(np.corrcoef(guess, hidden)[0, 1]), earned(guess, bars)))
    return days


def test_the_planted_edge_pays_clearly_after_costs():
    """Two short days: the book tells the signal, and a threshold on the guess earns after ~9 bps of fees and the spread."""
    for knows, made in study():
        assert knows > 0.8
        assert made.n_trades > 50
        assert made.mean_bps > 8.0
        assert made.t_value > 3.0


def test_without_the_edge_the_same_guess_pays_the_costs():
    """The guess is as good, and every trade loses about what it costs."""
    for knows, made in study(kind="no-edge"):
        assert knows > 0.8
        assert made.mean_bps == pytest.approx(-9.0, abs=3.0)


def test_a_stronger_edge_pays_more():
    """Profit rises with the strength that the configuration names."""
    totals = [sum(made.total_bps for _, made in study(edge_bps_s=edge)) for edge in (0.1, 0.25, 0.4)]
    assert totals[0] < totals[1] < totals[2]


def test_no_trade_is_no_profit():
    """A threshold nobody reaches earns nothing."""
    bars = build_bars(make_world(WorldConfig(days=1, seconds_per_day=120)), 1_000)
    made = earned(np.zeros(bars.height), bars)
    assert (made.n_trades, made.total_bps) == (0, 0.0)
