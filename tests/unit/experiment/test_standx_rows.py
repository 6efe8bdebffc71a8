"""The pieces the StandX benchmarks stand on: what is paid when, what is obeyed how, what a level says. Needs no tape."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks.standx_days import Recipe, lower_bound, steps_of, threshold_walk
from benchmarks.standx_helped import ROWS, changed, held_for, hesitant
from benchmarks.standx_levels import FILE, NAMES, level_inputs
from decot.market.steps import walk_bps
from decot.model.play import Decisions


def rows(mid: np.ndarray, clock_ms: int) -> pl.DataFrame:
    """A locked book."""
    time = (np.arange(len(mid)) + 1) * clock_ms
    return pl.DataFrame({"timestamp": time, "bid_price": mid, "ask_price": mid})


def deciding(probs: np.ndarray) -> Decisions:
    empty = np.empty((0, 3), np.float32)
    best = (probs.argmax(-1) - 1).astype(np.int8)
    return Decisions(best, np.empty((0, 9), np.int8), probs, np.empty((0, 5), np.float32), empty, empty)


@pytest.mark.parametrize("clock_ms", [250, 500, 1_000])
def test_an_order_meets_the_market_a_second_later_at_any_clock(clock_ms: int) -> None:
    """Long at the end of bar t earns nothing of a jump within the next second, and all of one after it."""
    n, at = 40, 10
    a_second = 1_000 // clock_ms
    targets = np.zeros(n, np.int8)
    targets[at:30] = 1
    for after, earns in ((a_second, False), (a_second + 1, True)):
        mid = np.where(np.arange(n) < at + after, 100.0, 101.0)
        steps = steps_of(rows(mid, clock_ms), 0.0)
        assert walk_bps(steps, targets).sum() == pytest.approx(np.log(1.01) * 1e4 if earns else 0.0)


def test_a_margin_keeps_what_is_nearly_as_likely() -> None:
    """Without a margin the likeliest is done; with one, only what is likelier by more than it."""
    probs = np.tile(np.array([0.3, 0.25, 0.45], np.float32), (1, 3, 1))
    assert hesitant(deciding(probs), 0.0).tolist() == [[1, 1, 1]]
    assert hesitant(deciding(probs), 0.18).tolist() == [[-1, 1, 1]]
    assert hesitant(deciding(probs), 0.5).tolist() == [[-1, 0, 1]]


def test_a_held_position_waits_its_time_out() -> None:
    """A policy that turns at every bar turns every third when it must hold for three."""
    probs = np.zeros((9, 3, 3), np.float32)
    probs[:, 0, 2] = probs[:, 1, 2] = probs[:, 2, 0] = 1
    assert held_for(deciding(probs), 1).tolist() == [1, -1, 1, -1, 1, -1, 1, -1, 1]
    assert held_for(deciding(probs), 3).tolist() == [1, 1, 1, -1, -1, -1, 1, 1, 1]


def test_a_threshold_walk_stays_between_calls() -> None:
    """Flat before the first call, then the side last called for."""
    said = np.array([0.1, 2.0, -0.5, -3.0, 0.0, 1.5])
    assert threshold_walk(said, 1.0).tolist() == [0, 1, 1, -1, -1, 1]


def test_the_lower_bound_is_below_the_sum_and_flat_is_nothing() -> None:
    """An account that never trades has bound 0; one that earns by luck of the minute has a bound below what it earned."""
    rng = np.random.default_rng(0)
    assert lower_bound(np.zeros(6_000), 60) == 0
    earned = rng.normal(0.02, 1.0, 6_000)
    assert lower_bound(earned, 60) < earned.sum()
    assert lower_bound(np.full(6_000, 0.5), 60) == 3_000


def test_every_row_changes_the_recipe_as_it_says() -> None:
    """A row's settings are accepted and laid over the ladder's own; early stopping and extra inputs change none of them."""
    plain = Recipe()
    for name, row in ROWS.items():
        made = changed(plain, row.change)
        made.learning()
        assert (made == plain) == (name in ("ladder", "early", "levels")), name
        assert made.env_steps == plain.env_steps


def test_levels_turn_with_the_sides(tmp_path: Path) -> None:
    """Swap the sides of every ladder around its mid and every column changes its sign; before the first ladder all is 0."""
    rng = np.random.default_rng(1)
    gaps, sizes = np.cumsum(rng.integers(1, 9, (2, 5, 20)), 2), rng.integers(1, 40_000, (2, 5, 20))
    made = []
    for name, (bid, ask) in {"a": (0, 1), "b": (1, 0)}.items():
        (tmp_path / name).mkdir()
        pl.DataFrame(
            {
                "recv_us": (np.arange(5) + 2) * 1_000_000,
                "bid_px_x10": (900_000 - gaps[bid]).tolist(),
                "bid_qty_x1e4": sizes[bid].tolist(),
                "ask_px_x10": (900_000 + gaps[ask]).tolist(),
                "ask_qty_x1e4": sizes[ask].tolist(),
            }
        ).write_parquet(tmp_path / name / FILE)
        made.append(level_inputs(tmp_path / name, np.arange(1, 8) * 1_000))
    assert made[0].shape == (7, len(NAMES))
    assert not made[0][0].any()
    assert np.abs(made[0][1:]).min(0).max() > 0
    assert np.abs(made[0] + made[1]).max() < 1e-3  # the mid of an uneven ladder moves a little
