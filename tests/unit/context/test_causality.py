"""Every column that enrichment adds goes through the causality checker, headlines and readings of the future included."""

import numpy as np
import polars as pl

from decot.context.mcp_readings import McpConfig, Reading, context_columns
from decot.context.regimes import RegimeConfig, fit, posteriors, regime_inputs
from decot.context.text import Encoded, Projector, aggregate
from decot.features.causality import check
from schemas.columns import CONTEXT, REGIME, TEXT

N, SECOND = 3_000, 1_000
START = 1_767_614_400_000


def world():
    rng = np.random.default_rng(0)
    loud = np.repeat(rng.integers(0, 3, 30), 100)
    mid = 90_000 * np.exp(np.cumsum(rng.normal(size=N) * np.array([2e-5, 1e-4, 3e-4])[loud]))
    bars = pl.DataFrame({"timestamp": START + SECOND * np.arange(1, N + 1), "close": mid})
    available = np.sort(rng.integers(START, START + SECOND * N, 40))
    news = pl.DataFrame({"published_ms": available - 5_000, "available_ms": available})
    encoded = Encoded(
        rng.normal(size=(40, 32)).astype(np.float32), rng.dirichlet(np.ones(3), 40).astype(np.float32)
    )
    return rng, bars, news, encoded


def test_no_enrichment_column_knows_the_future():
    """Regimes, news and outside context: prefix and noise leave every earlier bit as it was."""
    rng, bars, news, encoded = world()
    model = fit(regime_inputs(bars["close"].to_numpy()[:1_500]), RegimeConfig(restarts=2, finalists=1))
    projector = Projector.fit(encoded.embedding)
    readings = [
        Reading(int(t), tuple(rng.normal(size=4)), True) for t in rng.integers(START, START + SECOND * N, 25)
    ]

    def build(frame: pl.DataFrame) -> pl.DataFrame:
        times = frame["timestamp"].to_numpy()
        weights = posteriors(model, regime_inputs(frame["close"].to_numpy(), timestamp_ms=times))
        return pl.DataFrame(
            {
                "timestamp": times,
                **{f"regime_{k}": weights[:, k] for k in range(6)},
                **aggregate(news, encoded, times, projector=projector),
                **context_columns(readings, times, McpConfig()),
            }
        )

    assert set(build(bars).columns) == {"timestamp", *REGIME, *TEXT, *CONTEXT}
    assert check(build, bars, [*REGIME, *TEXT, *CONTEXT], 6, rng, targets=()) == []


def test_a_smoother_would_be_caught():
    """The same checker refuses hmmlearn's `predict_proba`, which looks ahead."""
    from hmmlearn.hmm import GaussianHMM

    rng, bars, _, _ = world()
    model = fit(regime_inputs(bars["close"].to_numpy()[:1_500]), RegimeConfig(restarts=2, finalists=1))
    smoother = GaussianHMM(model.n_states, covariance_type="full")
    smoother.startprob_, smoother.transmat_ = model.start, model.move
    smoother.means_, smoother.covars_ = model.means[:, 0], model.covars[:, 0]

    def build(frame: pl.DataFrame) -> pl.DataFrame:
        smoothed = smoother.predict_proba(regime_inputs(frame["close"].to_numpy()))
        return pl.DataFrame({"timestamp": frame["timestamp"], "regime_0": smoothed[:, 0]})

    assert {leak.column for leak in check(build, bars, ["regime_0"], 4, rng, targets=())} == {"regime_0"}


def test_future_redated_and_not_yet_available_headlines_change_nothing():
    """Added, re-dated or available only after t: no column at or before t changes by a bit."""
    rng, bars, news, encoded = world()
    times = bars["timestamp"].to_numpy()
    projector = Projector.fit(encoded.embedding)
    before = aggregate(news, encoded, times, projector=projector)
    t = 1_700
    late = news.with_columns(
        available_ms=pl.when(pl.col("available_ms") > times[t])
        .then(pl.col("available_ms") + 400_000)
        .otherwise(pl.col("available_ms")),
        published_ms=pl.lit(START),
    )
    extra = pl.concat([late, pl.DataFrame({"published_ms": [START], "available_ms": [int(times[t]) + 1]})])
    more = Encoded(
        np.vstack([encoded.embedding, rng.normal(size=(1, 32))]), np.vstack([encoded.sentiment, [[1, 0, 0]]])
    )
    after = aggregate(extra, more, times, projector=projector)
    assert all(np.array_equal(before[name][: t + 1], after[name][: t + 1]) for name in before)
    assert any(not np.array_equal(before[name], after[name]) for name in before)
