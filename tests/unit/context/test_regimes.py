"""The regimes room against worlds whose answer is known."""

import json
from dataclasses import replace

import numpy as np
import pytest

from decot.context.regime_model import RegimeModel
from decot.context.regimes import (
    RegimeConfig,
    RegimeFilter,
    RegimeInputs,
    fit,
    posteriors,
    regime_inputs,
)
from decot.errors import CheckpointRefused, DataFault

PLAIN = RegimeConfig(thin=1)
"""for rows that are independent given the state, as planted ones are"""
QUICK = RegimeConfig(restarts=3, finalists=1, max_iter=40)
TRUE_MOVE = np.array([[0.98, 0.01, 0.01], [0.01, 0.98, 0.01], [0.01, 0.01, 0.98]])
TRUE_MEANS = np.array([[0.0, -1.5], [0.3, 0.0], [-0.2, 1.5]])
TRUE_SPREAD = np.array([[0.3, 0.5], [0.8, 0.5], [1.6, 0.5]])


def planted(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    states = np.zeros(n, dtype=int)
    for t in range(1, n):
        states[t] = rng.choice(3, p=TRUE_MOVE[states[t - 1]])
    return TRUE_MEANS[states] + TRUE_SPREAD[states] * rng.normal(size=(n, 2)), states


def true_model() -> RegimeModel:
    covars = np.stack([np.diag(row**2) for row in TRUE_SPREAD])[:, None]
    return RegimeModel(
        start=np.full(3, 1 / 3),
        move=TRUE_MOVE,
        weights=np.ones((3, 1)),
        means=TRUE_MEANS[:, None],
        covars=covars,
    )


def random_model(rng: np.random.Generator, k: int, d: int) -> RegimeModel:
    root = rng.normal(size=(k, 1, d, d))
    return RegimeModel(
        start=rng.dirichlet(np.ones(k)),
        move=rng.dirichlet(np.ones(k), size=k),
        weights=np.ones((k, 1)),
        means=rng.normal(size=(k, 1, d)) * 2,
        covars=root @ root.swapaxes(-1, -2) + 0.2 * np.eye(d),
    )


def as_hmmlearn(model: RegimeModel):
    from hmmlearn.hmm import GaussianHMM

    oracle = GaussianHMM(model.n_states, covariance_type="full")
    oracle.startprob_, oracle.transmat_ = model.start, model.move
    oracle.means_, oracle.covars_ = model.means[:, 0], model.covars[:, 0]
    return oracle


@pytest.mark.parametrize("seed", range(6))
def test_filter_is_predict_proba_of_the_prefix(seed):
    """hmmlearn's posterior of the last row, given the prefix alone, is our causal posterior to 1e-9."""
    rng = np.random.default_rng(seed)
    model = random_model(rng, int(rng.integers(2, 7)), int(rng.integers(1, 4)))
    x = rng.normal(size=(120, model.means.shape[-1])) * 3
    ours, oracle = posteriors(model, x), as_hmmlearn(model)
    for t in range(0, 120, 7):
        np.testing.assert_allclose(ours[t, : model.n_states], oracle.predict_proba(x[: t + 1])[-1], atol=1e-9)
    assert (ours[:, model.n_states :] == 0).all()


def test_step_is_batch_to_the_last_bit():
    """One bar at a time, also after a saved state, gives the very numbers of the batch."""
    model, (x, _) = true_model(), planted(300, 1)
    batch, steps = posteriors(model, x), RegimeFilter(model)
    one = [steps.step(row) for row in x[:150]]
    again = RegimeFilter(model)
    again.restore(json.loads(json.dumps(steps.state())))
    two = [again.step(row) for row in x[150:]]
    assert np.array_equal(np.stack(one + two), batch)


def test_inputs_step_is_batch_and_causal():
    """Input rows are the same live as in batch, and no row changes when later mids do."""
    rng = np.random.default_rng(2)
    mid = 100 * np.exp(np.cumsum(rng.normal(size=500) * 1e-4))
    cfg = RegimeConfig()
    batch, live = regime_inputs(mid, cfg), RegimeInputs(cfg)
    assert np.array_equal(np.stack([live.step(m) for m in mid]), batch)
    noisy = mid.copy()
    noisy[300:] *= rng.uniform(0.5, 2, size=200)
    assert np.array_equal(regime_inputs(noisy, cfg)[:300], batch[:300])


def test_planted_regimes_are_read_as_well_as_by_one_who_knows():
    """The fitted filter's accuracy on unseen rows is within 2 points of the filter with the true parameters."""
    train, _ = planted(6_000, 3)
    unseen, states = planted(6_000, 4)
    fitted = fit(train, PLAIN)
    ours = (posteriors(fitted, unseen).argmax(1) == states).mean()
    best = (posteriors(true_model(), unseen).argmax(1) == states).mean()
    assert ours >= best - 0.02


def test_a_made_up_market_is_read_as_well_as_by_one_who_was_told():
    """From the mid of a world with three regimes: within 2 points of a chain estimated on the true labels."""
    from decot.data.bars import build_bars
    from decot.data.worlds import WorldConfig, make_world, world_truth

    cfg = WorldConfig(kind="regimes", days=2)
    bars, truth = build_bars(make_world(cfg), 1_000), world_truth(cfg)
    times = bars["timestamp"].to_numpy()
    x = regime_inputs(bars["close"].to_numpy(), timestamp_ms=times, stale_ms=bars["stale_ms"].to_numpy())
    whole = np.isfinite(x[:, 0])
    x, times = x[whole], times[whole]
    states = truth["regime"][np.searchsorted(truth["recv_us"], times * 1_000, side="right") - 1]
    half = len(x) // 2
    told = estimated(x[:half], states[:half])
    ours = posteriors(fit(x[:half]), x[half:]).argmax(1) == states[half:]
    best = posteriors(told, x[half:]).argmax(1) == states[half:]
    assert ours.mean() >= best.mean() - 0.02


def estimated(x: np.ndarray, states: np.ndarray) -> RegimeModel:
    counts = np.ones((3, 3))
    np.add.at(counts, (states[:-1], states[1:]), 1)
    rows = [x[states == k] for k in range(3)]
    return RegimeModel(
        start=np.full(3, 1 / 3),
        move=counts / counts.sum(1, keepdims=True),
        weights=np.ones((3, 1)),
        means=np.stack([row.mean(0) for row in rows])[:, None],
        covars=np.stack([np.cov(row.T) for row in rows])[:, None],
    )


def test_labels_are_the_same_for_every_seed():
    """Twenty seeds, one labelling."""
    x, _ = planted(1_200, 5)
    labels = {posteriors(fit(x, RegimeConfig(thin=1, seed=s)), x).argmax(1).tobytes() for s in range(20)}
    assert len(labels) == 1


def test_order_is_volatility():
    """State 0 is the calmest; the labels mean the same in every fit."""
    spread = fit(planted(3_000, 6)[0], PLAIN).volatility()
    assert (np.diff(spread) > 0).all()


def test_json_keeps_every_bit_and_tells_of_edits():
    """A model read back is the model written; one changed digit is refused."""
    model = fit(planted(1_000, 7)[0], PLAIN)
    text = model.to_json()
    x, _ = planted(200, 8)
    assert np.array_equal(posteriors(RegimeModel.from_json(text), x), posteriors(model, x))
    body = json.loads(text)
    body["means"][0][0][0] += 1e-9
    with pytest.raises(CheckpointRefused, match="sha256"):
        RegimeModel.from_json(json.dumps(body))


def test_bic_finds_the_number_of_states():
    """Of 2, 3 and 4 states the planted 3 are chosen, by BIC and by held-out likelihood."""
    x, _ = planted(2_500, 9)
    assert fit(x, RegimeConfig(states=(2, 3, 4), thin=1, restarts=6, finalists=2)).n_states == 3
    assert (
        fit(x, RegimeConfig(states=(2, 3), choose_by="heldout", thin=1, restarts=6, finalists=2)).n_states
        == 3
    )


def test_a_row_that_is_not_finite_is_named():
    """Training on a hole is refused with its row; filtering over one only moves the state on."""
    x, _ = planted(500, 10)
    x[77, 1] = np.nan
    with pytest.raises(DataFault, match="row 77"):
        fit(x)
    seen = posteriors(true_model(), x)
    assert np.isfinite(seen).all()
    np.testing.assert_allclose(seen[77, :3], seen[76, :3] @ TRUE_MOVE, atol=1e-12)


def test_a_price_of_zero_is_refused():
    """A mid that is no price is named with its row."""
    with pytest.raises(DataFault, match="row 3"):
        regime_inputs(np.array([1.0, 1.0, 1.0, 0.0]))


def test_flat_prices_still_fit():
    """A tape that hardly moves gives finite posteriors, not NaN."""
    rng = np.random.default_rng(11)
    mid = 100 + 0.1 * (rng.random(3_000) < 0.01).cumsum()
    model = fit(regime_inputs(mid), QUICK)
    assert np.isfinite(posteriors(model, regime_inputs(mid))).all()


def test_thinned_transitions_are_those_of_one_bar():
    """Fitted on every tenth row, a chain says how long a state lasts in bars, not in tenths."""
    x, _ = planted(20_000, 15)
    move = fit(x, RegimeConfig(thin=10, restarts=4, finalists=1)).move
    np.testing.assert_allclose(move, TRUE_MOVE, atol=0.008)
    assert (move > 0).all()


def test_a_mixture_filter_is_hmmlearns_too():
    """Two Gaussians per state: the fit is finite and our posterior is GMMHMM's of the prefix to 1e-9."""
    from hmmlearn.hmm import GMMHMM

    x, _ = planted(1_500, 12)
    model = fit(x, RegimeConfig(mixture=2, thin=1, restarts=4, finalists=2))
    oracle = GMMHMM(3, n_mix=2, covariance_type="full")
    oracle.startprob_, oracle.transmat_, oracle.weights_ = model.start, model.move, model.weights
    oracle.means_, oracle.covars_ = model.means, model.covars
    ours = posteriors(model, x)
    for t in (0, 1, 50, 1_000, 1_499):
        np.testing.assert_allclose(ours[t, :3], oracle.predict_proba(x[: t + 1])[-1], atol=1e-9)


def test_a_mixture_is_canonical_kept_as_json_and_stepped_live():
    """Two seeds name their states alike, by rising volatility; JSON gives the same model; live rows are batch rows."""
    x, _ = planted(3_000, 17)
    cfg = RegimeConfig(mixture=2, thin=1, restarts=4, finalists=2)
    one, other = fit(x, cfg), fit(x, replace(cfg, seed=8))
    assert one.weights.shape[1] == 2
    assert (np.diff(one.volatility()) > 0).all()
    assert (posteriors(one, x).argmax(1) == posteriors(other, x).argmax(1)).mean() > 0.97
    again = RegimeModel.from_json(one.to_json())
    assert again.digest == one.digest
    live = RegimeFilter(again)
    assert np.array_equal(np.stack([live.step(row) for row in x]), posteriors(one, x))
    shorter = posteriors(one, x[:1_000])
    assert np.array_equal(shorter, posteriors(one, x)[:1_000])


@pytest.mark.tapes
def test_the_recorded_tape_filters_as_hmmlearn_does(tapes):
    """On StandX the causal posterior is hmmlearn's of the prefix to 1e-9, and no row knows its future."""
    import polars as pl

    book = pl.read_parquet(tapes / "standx-btcusd" / "bbo_2026-01-06.parquet").gather_every(4)[:8_000]
    mid = ((book["bid"] + book["ask"]) / 2).to_numpy()
    x = regime_inputs(mid)
    model = fit(x[:5_000], QUICK)
    ours, oracle = posteriors(model, x), as_hmmlearn(model)
    for t in [*range(40), *range(100, 8_000, 613)]:
        np.testing.assert_allclose(ours[t, :3], oracle.predict_proba(x[: t + 1])[-1], atol=1e-9)
    changed = mid.copy()
    changed[6_000:] = changed[6_000:][::-1] * 1.01
    assert np.array_equal(posteriors(model, regime_inputs(changed))[:6_000], ours[:6_000])


def test_nights_and_silence_are_no_evidence():
    """Windows stop at a jump in time, silent rows are NaN, live rows equal batch rows, and a fit learns around them."""
    rng = np.random.default_rng(13)
    mid = 100 * np.exp(np.cumsum(rng.normal(size=2_000) * 1e-4))
    mid[1_000:] *= 2
    times = 1_000 * np.arange(2_000) + 80_000_000 * (np.arange(2_000) >= 1_000)
    stale = np.where((np.arange(2_000) > 500) & (np.arange(2_000) < 700), 90_000.0, 10.0)
    x = regime_inputs(mid, timestamp_ms=times, stale_ms=stale)
    assert np.isnan(x[501:700]).all()
    assert np.isfinite(np.delete(x, np.arange(501, 700), axis=0)).all()
    assert x[1_000].tolist() == regime_inputs(mid[:1]).tolist()[0]
    assert np.array_equal(x[1_000:], regime_inputs(mid[1_000:]))
    live = RegimeInputs()
    one = [live.step(m, timestamp_ms=int(t), stale_ms=s) for m, t, s in zip(mid, times, stale, strict=True)]
    assert np.array_equal(np.stack(one), x, equal_nan=True)
    model = fit(x, QUICK)
    assert model.fitted["rows"] == 1_801
    assert np.isfinite(posteriors(model, x)).all()


def test_a_state_without_spread_is_floored():
    """Half the rows are constant: the fit keeps a covariance that can be inverted."""
    rng = np.random.default_rng(14)
    x = rng.normal(size=(2_000, 2))
    x[:1_000] = 0.0
    model = fit(x, PLAIN)
    assert np.linalg.eigvalsh(model.covars).min() > 0
    assert np.isfinite(posteriors(model, x)).all()
