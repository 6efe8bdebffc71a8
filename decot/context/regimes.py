"""Market regimes: hidden Markov models fitted on the training part, read off causally. Knows mid prices only;
knows nothing of features, policies or text.

hmmlearn finds the parameters (several restarts, the best is kept); our own forward filter uses them, because
hmmlearn's `predict` and `predict_proba` smooth with the future. EM sees a thinned training part, at most `fit_rows`
rows: a fit stays in seconds, and the chain learns the market rather than the overlap of its inputs' windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from decot.context.forward import Floats, advance, filter_all, probabilities
from decot.context.regime_config import RegimeConfig
from decot.context.regime_inputs import RegimeInputs, regime_inputs
from decot.context.regime_model import MAX_STATES, RegimeModel
from decot.context.regime_search import as_model, search, sequences
from decot.errors import DataFault

__all__ = [
    "RegimeConfig",
    "RegimeFilter",
    "RegimeInputs",
    "RegimeModel",
    "fit",
    "log_likelihood",
    "posteriors",
    "regime_inputs",
]


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
    chosen_rows, lengths = sequences(part[:n_learn], cfg)
    rows = (x[chosen_rows] - centre) / scale
    tried: list[dict[str, Any]] = []
    best: tuple[float, RegimeModel] | None = None
    for n_states in cfg.states:
        raw, notes = search(rows, lengths, n_states, cfg)
        model = as_model(raw, centre, scale, cfg).canonical()
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
