"""The agent beside rules that need none, with Hansen's SPA on each rung. Knows evidence; it is shown, never judged.

Two questions a rung, both one-sided. The agent: is the finalist better than this rule on the other day? The search:
is any of all its trials better on validation, counted as the best of many (SPA, Hansen 2005, the consistent p-value)? The
verdict does not rest on them: the calibration of the gate was made without, and stays true.
"""

from __future__ import annotations

import importlib.util
import math

import numpy as np

from decot.gate.figures import Evidence, Floats, Rung, Stretch
from decot.gate.overfit import spa_p_value
from decot.gate.stats import moments

_DRAWS = 1_000


def ladder(evidence: Evidence, *, seed: int = 7) -> tuple[Rung, ...]:
    """No-op, buy-and-hold, random with the same turnover, least squares; without `arch` the SPA figures are NaN."""
    basis, day = evidence.baselines, evidence.other_day
    nothing = np.zeros(day.period_bps.size)
    rungs = [_rung("no-op", nothing, evidence, np.zeros(evidence.validation.period_bps.size), seed)]
    hold = basis.validation_hold
    rungs.append(_rung("buy and hold", _pnl(basis.buy_hold), evidence, _pnl(hold) if hold else None, seed))
    if basis.random_bps.size:
        beaten = int((basis.random_bps >= day.net_bps).sum())
        rungs.append(
            Rung(
                name="random, same turnover",
                net_bps=float(np.median(basis.random_bps)),
                sharpe=math.nan,
                p_agent=(1.0 + beaten) / (1.0 + basis.random_bps.size),
                p_search=math.nan,
            )
        )
    if basis.least_squares is not None:
        rungs.append(_rung("least squares", _pnl(basis.least_squares), evidence, None, seed))
    return tuple(rungs)


def _pnl(stretch: Stretch) -> Floats:
    return stretch.period_bps


def _rung(name: str, theirs: Floats, evidence: Evidence, before: Floats | None, seed: int) -> Rung:
    ours, trials = evidence.other_day.period_bps, evidence.trials
    has_search = before is not None and trials.ndim == 2 and trials.shape[0] == before.size
    return Rung(
        name=name,
        net_bps=float(theirs.sum()),
        sharpe=moments(theirs).sharpe,
        p_agent=_spa(ours[:, None], theirs, seed),
        p_search=_spa(trials, before, seed) if has_search and before is not None else math.nan,
    )


def _spa(ours: Floats, theirs: Floats, seed: int) -> float:
    """p-value that no column of `ours` beats `theirs`; NaN where it cannot be asked."""
    if importlib.util.find_spec("arch") is None or len(ours) < 8:
        return math.nan
    better = ours - theirs[:, None]
    better = better[:, better.std(axis=0) > 1e-12]
    return spa_p_value(better, draws=_DRAWS, seed=seed) if better.shape[1] else 1.0
