"""Made-up markets: lawful, repeatable, and with the answer they promise."""

from __future__ import annotations

import numpy as np
import pytest

from decot.data.worlds import KINDS, WorldConfig, make_world, world_truth
from decot.errors import ConfigError
from schemas.tables import Headlines, RawBook, RawTrades, faults

SHORT = 1_800


@pytest.mark.parametrize("kind", KINDS)
def test_every_world_is_lawful(kind):
    """Book, trades and headlines of every kind pass their schemas."""
    tape = make_world(WorldConfig(kind=kind, seconds_per_day=SHORT))
    for frame, model in ((tape.book, RawBook), (tape.trades, RawTrades), (tape.headlines, Headlines)):
        assert frame.height
        assert faults(frame, model) == []


def test_the_same_configuration_makes_the_same_tape():
    """Twice the same, and another seed another tape; a longer world begins with the shorter one."""
    cfg = WorldConfig(seconds_per_day=SHORT)
    one, two = make_world(cfg), make_world(cfg)
    assert one.book.equals(two.book)
    assert one.trades.equals(two.trades)
    assert one.headlines.equals(two.headlines)
    assert not one.book.equals(make_world(WorldConfig(seconds_per_day=SHORT, seed=8)).book)
    longer = make_world(WorldConfig(seconds_per_day=SHORT, days=3))
    assert longer.book.head(one.book.height).equals(one.book)


def test_no_edge_shows_the_same_and_pays_nothing():
    """Without the edge imbalances and signal are the very same; only the price's answer to them is gone."""
    with_edge = WorldConfig(seconds_per_day=14_400)
    without = WorldConfig(seconds_per_day=14_400, kind="no-edge")
    one, two = make_world(with_edge), make_world(without)
    assert one.book["bid_qty_5"].equals(two.book["bid_qty_5"])
    assert one.trades["side"].equals(two.trades["side"])
    for cfg, floor, ceiling in ((with_edge, 0.35, 1.0), (without, -0.03, 0.03)):
        truth = world_truth(cfg)
        ahead = np.log(truth["mid"][120:] / truth["mid"][:-120])[: 14_400 * 4 - 240 : 10]
        assert floor < np.corrcoef(truth["signal"][:-120][: 14_400 * 4 - 240 : 10], ahead)[0, 1] < ceiling


def test_the_signal_has_its_half_life():
    """The hidden signal forgets half of itself in `half_life_s`."""
    truth = world_truth(WorldConfig(days=4))
    s = truth["signal"]
    assert np.std(s) == pytest.approx(1.0, abs=0.15)
    assert np.corrcoef(s[:-180], s[180:])[0, 1] == pytest.approx(0.5, abs=0.08)


def test_regimes_are_three_loudnesses():
    """In `regimes`, moves are quietest in state 0 and loudest in state 2, by far."""
    truth = world_truth(WorldConfig(kind="regimes", days=3))
    moves = np.diff(np.log(truth["mid"]))
    loud = [np.std(moves[truth["regime"][:-1] == k]) for k in range(3)]
    assert loud[1] > 1.8 * loud[0]
    assert loud[2] > 1.8 * loud[1]


def test_crashes_happen_where_they_are_announced():
    """The flash crash falls by more than 2 %, the gap is silent and jumps, the spread blows out tenfold."""
    tape = make_world(WorldConfig(kind="crash", days=1))
    during = {}
    for event in tape.meta["events"]:
        inside = (tape.book["ts_us"] >= event["start_us"]) & (tape.book["ts_us"] < event["end_us"])
        during[event["kind"]] = (event, tape.book.filter(inside))
    _, fall = during["flash-crash"]
    assert fall["bid"].min() < 0.98 * fall["bid"][0]
    gap, nothing = during["gap"]
    assert nothing.is_empty()
    before = tape.book.filter(tape.book["ts_us"] < gap["start_us"])["bid"][-1]
    after = tape.book.filter(tape.book["ts_us"] >= gap["end_us"])["bid"][0]
    assert after / before > 1.005
    _, wide = during["spread"]
    assert (wide["ask"] - wide["bid"]).median() > 10 * (tape.book["ask"] - tape.book["bid"]).median()


def test_a_wrong_configuration_names_all_its_faults():
    """Unknown kind and impossible length come in one message."""
    with pytest.raises(ConfigError) as refused:
        make_world(WorldConfig(kind="moon", days=0, price=-1))
    assert len(refused.value.faults) == 3
