"""Evidence whose every number is chosen by hand, good in all respects; tests spoil one thing at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from decot.gate.figures import Baselines, Drill, Evidence, HeadFigure, Stretch, WordFigures

HEADS = ("policy", "value", "exit", "return_5s", "return_10s", "signal", "max_dd", "profit")


def stretch(
    name: str, mean: float, *, n: int = 200, sd: float = 1.0, seed: int = 0, **changes: Any
) -> Stretch:
    """`n` periods of exactly this mean and spread, one trade a period at a cost of 0.05 bps."""
    x = np.random.default_rng(seed).normal(size=n)
    x = (x - x.mean()) / x.std() * sd + mean
    good = Stretch(
        name=name,
        period_bps=x,
        gross_bps=x + 0.05,
        cost_bps=np.full(n, 0.05),
        net_usdt=float(x.sum()) * 19e-4,
        oracle_usdt=max(float(x.sum()) * 19e-4, 0.01) * 5,
        n_actions=3,
    )
    return replace(good, **changes)


def good_evidence(**changes: Any) -> Evidence:
    """A skilled agent: Sharpe 0.5 a period on both days, chosen among 40 trials of which it is the best."""
    rng = np.random.default_rng(1)
    validation = stretch("validation", 0.5, seed=2)
    trials = rng.normal(size=(200, 40))
    trials[:, 0] = validation.period_bps
    whole: dict[str, Any] = {
        "capital_usdt": 19.0,
        "validation": validation,
        "other_day": stretch("other day", 0.5, seed=3),
        "delayed": stretch("one bar later", 0.4, seed=4),
        "baselines": Baselines(
            buy_hold=stretch("buy and hold", 0.01, seed=5), random_bps=rng.normal(-100, 20, 200)
        ),
        "trials": trials,
        "n_trials": 40,
        "drills": (Drill(name="flash_crash", loss=0.03), Drill(name="gap_down", loss=0.03)),
        "heads": tuple(
            HeadFigure(name=h, statistic=0.2, p_value=0.005, alive=True, entropy=0.9, ablation_change=0.1)
            for h in HEADS
        ),
        "words": WordFigures(accuracy=0.9, intervention=0.9, stability=0.9, shuffled=0.25, reparse=1.0),
        "decision_p99_us": 300.0,
        "reproduced": True,
        "feature_leaks": (),
        "seed_bps": (90.0, 100.0, 80.0, 110.0, 95.0),
        "ruin_probability": 0.0,
    }
    return Evidence(**{**whole, **changes})


@pytest.fixture
def evidence() -> Any:
    return good_evidence


@pytest.fixture
def make_stretch() -> Any:
    return stretch
