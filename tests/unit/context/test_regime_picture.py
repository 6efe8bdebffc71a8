"""The regime picture shows every bar once, in plain JSON."""

import json

import numpy as np

from decot.context.regime_picture import dwell_runs, regime_picture, regime_summary
from decot.context.regimes import fit, posteriors, regime_inputs


def test_picture_and_summary_are_plain_and_complete():
    """Each shown bar belongs to exactly one regime's line; shares sum to 1; everything survives JSON."""
    rng = np.random.default_rng(0)
    calm = np.repeat(rng.random(40) < 0.5, 100)
    mid = 100 * np.exp(np.cumsum(rng.normal(size=4_000) * np.where(calm, 1e-5, 2e-4)))
    x = regime_inputs(mid)
    model = fit(x)
    known = posteriors(model, x)
    times = 1_767_614_400_000 + 1_000 * np.arange(4_000)
    figure = json.loads(json.dumps(regime_picture(times, mid, known, model, most_points=500)))
    lines = [trace["y"] for trace in figure["data"][: model.n_states]]
    assert len(lines[0]) == 500
    assert all(sum(y is not None for y in bar) == 1 for bar in zip(*lines, strict=True))
    summary = json.loads(json.dumps(regime_summary(model, known, 1_000)))
    assert abs(sum(state["share"] for state in summary["states"]) - 1) < 1e-9
    assert summary["sha256"] == model.digest


def test_dwell_counts_finished_runs():
    """0,0,1,0 then an open run of 1: runs are 2 and 1 for state 0, 1 for state 1."""
    runs = dwell_runs(np.array([0, 0, 1, 0, 1, 1]), 2)
    assert [run.tolist() for run in runs] == [[2, 1], [1]]


def test_a_pause_of_the_market_is_no_regime():
    """Eighteen hours without a bar are left out of the time axis; a hole of a minute stays to be seen."""
    rng = np.random.default_rng(0)
    mid = 100 * np.exp(np.cumsum(rng.normal(size=2_000) * 1e-4))
    times = 1_767_614_400_000 + 1_000 * np.arange(2_000)
    times[500:] += 60_000
    times[1_000:] += 18 * 3_600_000
    x = regime_inputs(mid)
    model = fit(x)
    layout = regime_picture(times, mid, posteriors(model, x), model)["layout"]
    iso = times[[999, 1_000]].astype("datetime64[ms]").astype(str).tolist()
    for axis in ("xaxis", "xaxis2"):
        assert layout[axis]["rangebreaks"] == [{"bounds": iso}]
