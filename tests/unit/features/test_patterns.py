"""Candlestick patterns against TA-Lib where it has the same one, and by hand where it does not."""

from __future__ import annotations

import numpy as np
import pytest

from decot.features.batch import compute
from decot.features.kernel import OUT_NAMES
from decot.features.patterns import PATTERNS
from decot.features.table import base_table

NUMBER = OUT_NAMES.index("pattern_match")


@pytest.mark.parametrize("number", [1, 2, 4, 5])
def test_ta_lib_sees_what_we_see(number, make_bars):
    """Every doji, hammer and engulfing bar we name is one for TA-Lib too, on bars that do gap."""
    talib = pytest.importorskip("talib")
    bars = make_bars(5_000)
    rng = np.random.default_rng(3)
    low, high = bars["low"].to_numpy(), bars["high"].to_numpy()
    op = low + (high - low) * rng.random(5_000)
    bars = bars.with_columns(open=op)
    name = {1: "CDLDOJI", 2: "CDLHAMMER", 4: "CDLENGULFING", 5: "CDLENGULFING"}[number]
    theirs = getattr(talib, name)(op, high, low, bars["close"].to_numpy())
    ours = compute(bars)[:, NUMBER] == number
    side = -1 if number == 5 else 1
    assert ours.sum() > 20
    assert (np.sign(theirs[ours]) == side).all()
    if number in (4, 5):  # nothing hides them but the longer patterns, 6 to 9
        unseen = (np.sign(theirs) == side) & (compute(bars)[:, NUMBER] < 4)
        assert not unseen[14:].any()


def _ends_with(make_bars, *candles):
    """Pattern of the last of these (open, high, low, close) candles, after ordinary ones with bodies of 1, ranges of 2."""
    ordinary = [(100 + k % 2, 101.5, 99.5, 101 - k % 2) for k in range(30)]
    rows = np.array([*ordinary, *candles], float)
    bars = make_bars(len(rows))
    bars = bars.with_columns(open=rows[:, 0], high=rows[:, 1], low=rows[:, 2], close=rows[:, 3])
    return PATTERNS[int(compute(bars)[-1, NUMBER])][0]


def test_patterns_by_hand(make_bars):
    """One textbook example each; its mirror around 100 gives the mirrored name."""
    examples = {
        "hammer": [(100.0, 100.1, 99.0, 99.0), (99.0, 99.32, 98.0, 99.3)],
        "bullish engulfing": [(100.5, 100.6, 100.0, 100.1), (100.0, 100.9, 99.9, 100.8)],
        "morning star": [
            (102.0, 102.1, 99.9, 100.0),
            (100.0, 100.3, 99.8, 100.2),
            (100.2, 101.9, 100.1, 101.8),
        ],
        "three white soldiers": [
            (100.0, 101.0, 99.9, 101.0),
            (101.0, 102.0, 100.9, 102.0),
            (102.0, 103.2, 101.9, 103.2),
        ],
    }
    mirrored = {
        "hammer": "shooting star",
        "bullish engulfing": "bearish engulfing",
        "morning star": "evening star",
        "three white soldiers": "three black crows",
    }
    for name, candles in examples.items():
        assert _ends_with(make_bars, *candles) == name
        upside_down = [(201 - o, 201 - low, 201 - high, 201 - c) for o, high, low, c in candles]
        assert _ends_with(make_bars, *upside_down) == mirrored[name]
    assert _ends_with(make_bars, (100.0, 101.0, 99.0, 100.05)) == "doji"


def test_a_bar_that_did_not_move_is_no_pattern(make_bars):
    """A quiet market is not a row of dojis."""
    assert _ends_with(make_bars, (100.0, 100.0, 100.0, 100.0)) == "none"


def test_even_numbers_point_up_and_odd_ones_down(make_bars):
    """From 2 on the parity is the direction; every number fits the base table's type."""
    assert [side for _, side in PATTERNS[2:]] == [1, -1] * 4
    assert base_table(make_bars(300))["pattern_match"].max() < len(PATTERNS)
