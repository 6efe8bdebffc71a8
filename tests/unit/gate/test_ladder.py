"""The ladder: an agent beside rules that need none; shown with honest p-values, and no part of the verdict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from decot.gate.ladder import ladder
from decot.gate.rules import judge


def with_ladder(evidence, **changes):
    whole = evidence(**changes)
    basis = replace(whole.baselines, validation_hold=whole.baselines.buy_hold, least_squares=whole.delayed)
    return replace(whole, baselines=basis)


def test_skill_stands_above_every_rung(evidence):
    """Sharpe 0.5 a period for 200 periods is surely more than nothing, than holding and than chance."""
    whole = with_ladder(evidence)
    rungs = {rung.name: rung for rung in ladder(whole)}
    assert list(rungs) == ["no-op", "buy and hold", "random, same turnover", "least squares"]
    assert rungs["no-op"].net_bps == 0.0
    assert all(rungs[name].p_agent < 0.01 for name in ("no-op", "buy and hold", "random, same turnover"))
    assert rungs["no-op"].p_search < 0.01
    assert rungs["least squares"].p_agent > 0.01  # 0.4 against 0.5 a period is no sure thing
    assert np.isnan(rungs["least squares"].p_search)


def test_the_best_of_many_lucky_trials_is_not_taken_for_skill(evidence):
    """The best of 40 pure-noise trials looks good alone; SPA counts the forty."""
    small = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        trials = rng.normal(size=(200, 40))
        small.append(ladder(with_ladder(evidence, trials=trials))[0].p_search)
    assert np.mean(np.array(small) < 0.05) <= 0.15
    assert np.mean(small) > 0.3


def test_it_is_shown_and_not_judged(evidence):
    """The verdict is the same with a ladder and without one: the calibration stays true."""
    whole = with_ladder(evidence)
    assert judge(whole) == judge(replace(whole, ladder=ladder(whole)))
    assert ladder(whole) == ladder(whole)
