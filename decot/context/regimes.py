"""Market regimes: hidden Markov models fitted on the training part, read off causally. Knows mid prices only;
knows nothing of features, policies or text.

hmmlearn finds the parameters (several restarts, the best is kept); our own forward filter uses them, because
hmmlearn's `predict` and `predict_proba` smooth with the future. EM sees a thinned training part, at most `fit_rows`
rows: a fit stays in seconds, and the chain learns the market rather than the overlap of its inputs' windows.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numba import njit
from scipy.linalg import expm, logm

from decot.context.forward import Floats, advance, filter_all, probabilities
from decot.context.regime_model import MAX_STATES, RegimeModel
from decot.errors import DataFault, ModelFault

_LOWEST_BPS = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimeConfig:
    """How inputs are made and how the chain is fitted."""

    states: tuple[int, ...] = (3,)
    """numbers of states to try (2–6); with several, `choose_by` decides"""
    choose_by: str = "bic"
    """`bic`, or `heldout`: log likelihood of the last fifth of the rows"""
    mixture: int = 1
    """Gaussians per state; 1 is a Gaussian HMM"""
    restarts: int = 16
    """starting points; each runs `short_iter` steps, the best `finalists` run on to the end"""
    finalists: int = 4
    short_iter: int = 12
    max_iter: int = 120
    tolerance: float = 0.05
    """EM stops when the log likelihood gains less than this"""
    fit_rows: int = 6_000
    """rows EM sees; longer parts are thinned, shifted and cut to this"""
    thin: int = 30
    """EM sees every n-th row, because neighbouring inputs share most of their window: unthinned, the chain would
    model that overlap (states of direction) instead of the market; the transitions are then rooted back to one
    bar. 1 for rows that are independent given the state"""
    min_covar: float = 1e-4
    """floor of a variance, as a part of the input's own variance"""
    seed: int = 7
    log_vol_input: int = 1
    """column whose mean is a state's log volatility and orders the states; −1: the spread of column 0 does"""
    return_bars: int = 30
    vol_bars: int = 60
    stale_s: float = 60.0
    """a bar whose book is older than this tells nothing: no input, no evidence"""
    gap_s: float = 7_200.0
    """after a jump in time longer than this the inputs start afresh, as on a new day"""

    def faults(self) -> list[str]:
        """Everything wrong with these settings, for one ConfigError."""
        found = []
        if not self.states or any(k < 2 or k > MAX_STATES for k in self.states):
            found.append(f"regimes.states = {self.states}: each must be 2 to {MAX_STATES}")
        if self.choose_by not in ("bic", "heldout"):
            found.append(f"regimes.choose_by = {self.choose_by!r}: use 'bic' or 'heldout'")
        if self.restarts < 1 or self.mixture < 1 or self.fit_rows < 50:
            found.append("regimes: restarts ≥ 1, mixture ≥ 1 and fit_rows ≥ 50 are needed")
        return found


@njit(cache=True)
def _input_row(mids: Floats, first: int, t: int, return_bars: int, vol_bars: int, out: Floats) -> None:
    total, n = 0.0, 0
    for i in range(max(t - vol_bars, first) + 1, t + 1):
        step_bps = 1e4 * np.log(mids[i] / mids[i - 1])
        total += step_bps * step_bps
        n += 1
    rms_bps = np.sqrt(total / max(n, 1) + _LOWEST_BPS * _LOWEST_BPS)
    back = max(t - return_bars, first)
    move_bps = 1e4 * np.log(mids[t] / mids[back])
    out[0] = move_bps / (rms_bps * np.sqrt(max(t - back, 1)))
    out[1] = np.log(rms_bps)


@njit(cache=True)
def _input_rows(mids: Floats, starts: Floats, return_bars: int, vol_bars: int, out: Floats) -> None:
    for t in range(mids.size):
        if starts[t] < 0:
            out[t] = np.nan
        else:
            _input_row(mids, starts[t], t, return_bars, vol_bars, out[t])


def regime_inputs(
    mid: Floats,
    cfg: RegimeConfig | None = None,
    *,
    timestamp_ms: np.ndarray | None = None,
    stale_ms: Floats | None = None,
) -> Floats:
    """What the chain sees of each bar: (T, 2), known at that bar.

    Column 0: log return over `return_bars`, bps, scaled by what a walk of the same volatility would do, so about
    N(0, 1) on any clock; column 1: logarithm of the root mean square 1-bar return over `vol_bars`, bps.
    Early rows use as much past as there is.
    Args:
        timestamp_ms: (T,) ends of the bars; where they jump (a night between tapes) no window reaches back over it.
        stale_ms: (T,) age of the book; rows where nothing was heard are NaN, which is no evidence.
    Raises:
        DataFault: when a mid is not a positive number.
    """
    cfg = cfg or RegimeConfig()
    mids = np.ascontiguousarray(mid, dtype=np.float64)
    bad = ~(np.isfinite(mids) & (mids > 0))
    if bad.any():
        row = int(bad.argmax())
        raise DataFault(f"mid, row {row}: {mids[row]!r} is not a positive price; build the bars again")
    heard = np.ones(mids.size, dtype=bool) if stale_ms is None else np.asarray(stale_ms) <= 1e3 * cfg.stale_s
    begins = heard & np.r_[True, ~heard[:-1]][: mids.size]
    if timestamp_ms is not None and mids.size:
        begins |= heard & np.r_[True, np.diff(timestamp_ms) > 1e3 * cfg.gap_s]
    starts = np.maximum.accumulate(np.where(begins, np.arange(mids.size), 0))
    out = np.empty((mids.size, 2))
    _input_rows(mids, np.where(heard, starts, -1), cfg.return_bars, cfg.vol_bars, out)
    return out


def fit(x: Floats, cfg: RegimeConfig | None = None) -> RegimeModel:
    """The best chain of the configured sizes, in canonical order. Give it the training part only.

    Args:
        x: (T, D) inputs, as of `regime_inputs`; a row of NaN alone is a hole, over
            which no transition is learnt.
    Raises:
        DataFault: too few rows, or a row that is finite only in part.
        ModelFault: when no restart ended with finite parameters.
    """
    cfg = cfg or RegimeConfig()
    x = np.ascontiguousarray(x, dtype=np.float64)
    need = 10 * max(cfg.states) * cfg.mixture
    if x.ndim != 2 or x.shape[0] < need:
        raise DataFault(f"regimes: {x.shape} rows and inputs, {need} rows are needed; give a longer part")
    finite = np.isfinite(x)
    partly = finite.any(axis=1) & ~finite.all(axis=1)
    if partly.any() or finite[:, 0].sum() < need:
        row = int(partly.argmax())
        why = (
            f"row {row} of the training part is not finite" if partly.any() else f"{finite[:, 0].sum()} rows"
        )
        raise DataFault(
            f"regimes: {why}, {need} whole rows are needed; drop the warm-up or give a longer part"
        )
    whole = np.flatnonzero(finite[:, 0])
    x, part = x[whole], np.cumsum(np.diff(whole, prepend=whole[0]) > 1)
    centre, scale = x.mean(0), np.maximum(x.std(0), 1e-9)
    n_learn = x.shape[0] if cfg.choose_by == "bic" else int(0.8 * x.shape[0])
    chosen_rows, lengths = _sequences(part[:n_learn], cfg)
    rows = (x[chosen_rows] - centre) / scale
    tried: list[dict[str, Any]] = []
    best: tuple[float, RegimeModel] | None = None
    for n_states in cfg.states:
        raw, notes = _search(rows, lengths, n_states, cfg)
        model = _as_model(raw, centre, scale, cfg).canonical()
        notes["bic"] = -2.0 * notes["log_likelihood"] + notes["n_parameters"] * float(np.log(len(rows)))
        if cfg.choose_by == "heldout":
            notes["heldout"] = log_likelihood(model, x[n_learn:])
        merit = -notes["bic"] if cfg.choose_by == "bic" else notes["heldout"]
        tried.append(notes)
        if best is None or merit > best[0]:
            best = (merit, model)
    assert best is not None
    chosen = next(notes for notes in tried if notes["n_states"] == best[1].n_states)
    settings = {"return_bars": float(cfg.return_bars), "vol_bars": float(cfg.vol_bars)}
    fitted = {"rows": int(x.shape[0]), "rows_used": len(rows), "seed": cfg.seed, "chosen_by": cfg.choose_by}
    notes = {**fitted, **chosen, "tried": tried}
    return replace(best[1], input_settings=settings, fitted=notes)


def posteriors(model: RegimeModel, x: Floats) -> Floats:
    """P(state at t | rows up to t), (T, 6); columns of states that do not exist are 0."""
    out = np.zeros((len(x), MAX_STATES))
    filter_all(model.chain(), np.ascontiguousarray(x, dtype=np.float64), out)
    return out


def log_likelihood(model: RegimeModel, x: Floats) -> float:
    """ln p(x), natural logarithm, summed over the rows."""
    scratch = np.zeros((len(x), model.n_states))
    return float(filter_all(model.chain(), np.ascontiguousarray(x, dtype=np.float64), scratch))


class RegimeFilter:
    """The same posterior one bar at a time; bit for bit what `posteriors` gives."""

    def __init__(self, model: RegimeModel) -> None:
        self._chain = model.chain()
        self._log_alpha = np.zeros(model.n_states)
        self._started = False

    def step(self, x: Floats) -> Floats:
        """Posterior (6,) after seeing the row `x` (D,); a row that is not finite carries no evidence."""
        advance(self._chain, self._log_alpha, self._started, x)
        self._started = True
        out = np.zeros(MAX_STATES)
        probabilities(self._log_alpha, out)
        return out

    def state(self) -> list[float]:
        """What `restore` needs to go on exactly from here; empty before the first step."""
        return self._log_alpha.tolist() if self._started else []

    def restore(self, state: Sequence[float]) -> None:
        """Go on from a state saved by `state`."""
        self._started = len(state) > 0
        if self._started:
            self._log_alpha[:] = state


class RegimeInputs:
    """`regime_inputs` one mid at a time, bit for bit."""

    def __init__(self, cfg: RegimeConfig | None = None) -> None:
        self._cfg = cfg or RegimeConfig()
        self._keep = max(self._cfg.return_bars, self._cfg.vol_bars) + 1
        self._mids = np.empty(0)
        self._last_ms: int | None = None

    def step(self, mid: float, *, timestamp_ms: int | None = None, stale_ms: float = 0.0) -> Floats:
        """The (2,) input row of this bar; NaN while nothing is heard."""
        out = np.full(2, np.nan)
        jumped = (
            timestamp_ms is not None
            and self._last_ms is not None
            and timestamp_ms - self._last_ms > 1e3 * self._cfg.gap_s
        )
        self._last_ms = timestamp_ms
        silent = stale_ms > 1e3 * self._cfg.stale_s
        if jumped or silent:
            self._mids = np.empty(0)
        if silent:
            return out
        self._mids = np.append(self._mids, mid)[-self._keep :]
        _input_row(self._mids, 0, self._mids.size - 1, self._cfg.return_bars, self._cfg.vol_bars, out)
        return out


def _sequences(part: np.ndarray, cfg: RegimeConfig) -> tuple[np.ndarray, list[int]]:
    """Rows EM is to see, at most `fit_rows`, and the lengths of the sequences they form.

    Args:
        part: (T,) number of the stretch without a hole that each row belongs to.
    Returns:
        indices: every `thin`-th row of each stretch, from evenly spaced first rows; past `fit_rows`, evenly
        spaced pieces of these; and the length of each unbroken sequence.
    """
    edges = np.flatnonzero(np.diff(part)) + 1
    shifts = np.unique(
        np.linspace(0, cfg.thin - 1, min(cfg.thin, max(cfg.fit_rows * cfg.thin // len(part), 1)))
    )
    runs = [
        np.arange(first + shift, last, cfg.thin)
        for first, last in zip(np.r_[0, edges].tolist(), np.r_[edges, len(part)].tolist(), strict=True)
        for shift in shifts.astype(int).tolist()
        if first + shift < last
    ]
    total = sum(map(len, runs))
    if total > cfg.fit_rows:
        share = cfg.fit_rows / total
        piece = 1_000
        runs = [run[i : i + max(int(piece * share), 2)] for run in runs for i in range(0, len(run), piece)]
    return np.concatenate(runs), [len(run) for run in runs]


def _per_bar(move: Floats, thin: int) -> Floats:
    """The one-bar transitions whose `thin`-th power is (nearly) `move`: the generator ln(A), clipped to be one."""
    if thin == 1:
        return move
    rate = np.real(logm(move + 1e-9 * np.eye(len(move)))) / thin
    rate = np.where(np.eye(len(move), dtype=bool), 0.0, np.clip(rate, 0.0, None))
    np.fill_diagonal(rate, -rate.sum(1))
    root = expm(rate)
    return root / root.sum(1, keepdims=True)


def _search(z: Floats, lengths: list[int], n_states: int, cfg: RegimeConfig) -> tuple[Any, dict[str, Any]]:
    """The best of the restarts as a fitted hmmlearn model, and notes on all of them."""
    logging.getLogger("hmmlearn").setLevel(logging.ERROR)
    rng = np.random.default_rng([cfg.seed, n_states])
    short = [
        _climb(_start(z, n_states, cfg, rng, r), z, lengths, cfg.short_iter) for r in range(cfg.restarts)
    ]
    finite = sorted((run for run in short if np.isfinite(run[0])), key=lambda run: -run[0])
    if not finite:
        raise ModelFault(
            f"regimes: none of {cfg.restarts} restarts with {n_states} states ended finite on {len(z)} rows; "
            "try fewer states or a longer training part"
        )
    full = [_climb(run[1], z, lengths, cfg.max_iter) for run in finite[: cfg.finalists]]
    ended = [run for run in full if np.isfinite(run[0])] or finite[:1]
    score, best = max(ended, key=lambda run: run[0])
    n_in, mix = z.shape[1], cfg.mixture
    per_state = mix * (n_in + n_in * (n_in + 1) // 2) + (mix - 1)
    return best, {
        "n_states": n_states,
        "mixture": mix,
        "log_likelihood": float(score),
        "n_parameters": n_states * (n_states - 1) + n_states * per_state,
        "restarts": [float(run[0]) if np.isfinite(run[0]) else None for run in short],
        "not_finite": len(short) - len(finite),
        "converged": bool(best.monitor_.converged),
    }


def _start(z: Floats, n_states: int, cfg: RegimeConfig, rng: np.random.Generator, restart: int) -> Any:
    """An hmmlearn model at a starting point: the first cuts the last input in equal parts, the others are random."""
    from hmmlearn.hmm import GMMHMM, GaussianHMM

    n_in, mix = z.shape[1], cfg.mixture
    # one pseudo-count per transition: a state seen once must not become a trap that the filter never leaves
    shared = {
        "n_iter": cfg.short_iter,
        "tol": cfg.tolerance,
        "init_params": "",
        "params": "stmcw",
        "transmat_prior": 2.0,
    }
    if mix == 1:
        shared["params"] = "stmc"
        floor = cfg.min_covar * len(z) / n_states * np.eye(n_in)
        model = GaussianHMM(n_states, covariance_type="full", covars_prior=floor, **shared)
    else:
        model = GMMHMM(n_states, n_mix=mix, covariance_type="full", min_covar=cfg.min_covar, **shared)
    ranked = np.argsort(z[:, -1], kind="stable")
    parts = np.array_split(ranked, n_states) if restart == 0 else _near(z, n_states, rng)
    means = np.stack([z[near].mean(0) for near in parts])
    covars = np.stack([np.cov(z[near].T).reshape(n_in, n_in) + 0.05 * np.eye(n_in) for near in parts])
    model.startprob_ = np.full(n_states, 1.0 / n_states)
    model.transmat_ = np.full((n_states, n_states), 0.05 / (n_states - 1)) + np.eye(n_states) * (
        0.95 - 0.05 / (n_states - 1)
    )
    if mix == 1:
        model.means_, model.covars_ = means, covars
        return model
    jitter = rng.normal(size=(n_states, mix, n_in)) * 0.5
    model.weights_ = np.full((n_states, mix), 1.0 / mix)
    model.means_ = means[:, None] + jitter * np.sqrt(np.diagonal(covars, axis1=1, axis2=2))[:, None]
    model.covars_ = np.repeat(covars[:, None], mix, axis=1)
    return model


def _near(z: Floats, n_states: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Rows by nearest of k-means++ seeds; a seed that gathered too few rows takes random ones."""
    seeds = [z[rng.integers(len(z))]]
    while len(seeds) < n_states:
        far = np.min([((z - seed) ** 2).sum(1) for seed in seeds], axis=0) + 1e-12
        seeds.append(z[rng.choice(len(z), p=far / far.sum())])
    nearest = np.argmin([((z - seed) ** 2).sum(1) for seed in seeds], axis=0)
    enough = 3 * z.shape[1]
    parts = [np.flatnonzero(nearest == k) for k in range(n_states)]
    return [part if part.size >= enough else rng.choice(len(z), 2 * enough) for part in parts]


def _climb(model: Any, z: Floats, lengths: list[int], n_iter: int) -> tuple[float, Any]:
    """EM from where the model stands; (−inf, model) when a parameter or the score is not finite."""
    model.n_iter = n_iter
    with np.errstate(all="ignore"):
        try:
            model.fit(z, lengths)
            score = float(model.score(z, lengths))
        except (ValueError, np.linalg.LinAlgError):
            return -np.inf, model
    parts = (model.startprob_, model.transmat_, model.means_, model.covars_)
    sound = np.isfinite(score) and all(np.isfinite(part).all() for part in parts)
    sound = sound and bool(np.allclose(model.transmat_.sum(1), 1.0, atol=1e-6))
    return (score if sound else -np.inf), model


def _as_model(raw: Any, centre: Floats, scale: Floats, cfg: RegimeConfig) -> RegimeModel:
    """hmmlearn's parameters, back from standardised to the inputs' own units."""
    means, covars = np.asarray(raw.means_), np.asarray(raw.covars_)
    weights = np.asarray(raw.weights_) if cfg.mixture > 1 else np.ones((raw.n_components, 1))
    if cfg.mixture == 1:
        means, covars = means[:, None], covars[:, None]
    return RegimeModel(
        log_vol_input=cfg.log_vol_input if means.shape[-1] > cfg.log_vol_input else -1,
        start=np.asarray(raw.startprob_),
        move=_per_bar(np.asarray(raw.transmat_), cfg.thin),
        weights=weights,
        means=centre + scale * means,
        covars=_floored(covars, cfg.min_covar) * np.outer(scale, scale),
    )


def _floored(covars: Floats, least: float) -> Floats:
    """Covariances whose every principal variance is at least `least`."""
    values, axes = np.linalg.eigh(covars)
    return (axes * np.maximum(values, least)[..., None, :]) @ axes.swapaxes(-1, -2)
