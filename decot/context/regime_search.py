"""Where EM starts, what it sees and which end is kept: hmmlearn behind one door. Knows rows of numbers only.

hmmlearn reports convergence also where it ended in a poor place or in NaN, so several starts are climbed a few steps, the
best go on to the end, and only finite parameters count.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from scipy.linalg import expm, logm

from decot.context.forward import Floats
from decot.context.regime_config import RegimeConfig
from decot.context.regime_model import RegimeModel
from decot.errors import ModelFault


def sequences(part: np.ndarray, cfg: RegimeConfig) -> tuple[np.ndarray, list[int]]:
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


def search(z: Floats, lengths: list[int], n_states: int, cfg: RegimeConfig) -> tuple[Any, dict[str, Any]]:
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


def as_model(raw: Any, centre: Floats, scale: Floats, cfg: RegimeConfig) -> RegimeModel:
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
