"""A fitted regime model: numbers that can be read, hashed and put back in order. Knows no fitting, no prices.

States are in canonical order (volatility, then the mean of the first input), so a label means the same thing
in every fit. The start is the stationary distribution: a model may begin on any day, not only on the first
of its training part.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from decot.context.forward import Chain, Floats, chain
from decot.errors import CheckpointRefused

MAX_STATES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimeModel:
    """Parameters in the units of the inputs. Letters: K states, M components, D inputs."""

    start: Floats
    """(K,)"""
    move: Floats
    """(K, K), row = from"""
    weights: Floats
    """(K, M); M = 1 for a Gaussian HMM"""
    means: Floats
    """(K, M, D)"""
    covars: Floats
    """(K, M, D, D)"""
    log_vol_input: int = -1
    """input whose mean is a state's log volatility; −1: the spread of the first input is its volatility"""
    input_settings: dict[str, float] = field(default_factory=dict)
    """how the inputs were made from mid; empty when they came from elsewhere"""
    fitted: dict[str, Any] = field(default_factory=dict)
    """how it was found: rows, log_likelihood, bic, restarts, seed, chosen among; never used in computing"""

    @property
    def n_states(self) -> int:
        return int(self.start.size)

    @property
    def digest(self) -> str:
        """sha256 of the canonical JSON."""
        return hashlib.sha256(self._text().encode()).hexdigest()

    def chain(self) -> Chain:
        """The parameters as the filter kernel wants them."""
        return chain(self.start, self.move, self.weights, self.means, self.covars)

    def moments(self) -> tuple[Floats, Floats]:
        """Mean (K, D) and covariance (K, D, D) of each state, its mixture taken together."""
        mean = np.einsum("km,kmd->kd", self.weights, self.means)
        apart = self.means - mean[:, None]
        outer = np.einsum("kmd,kme->kmde", apart, apart)
        return mean, np.einsum("km,kmde->kde", self.weights, self.covars + outer)

    def volatility(self) -> Floats:
        """(K,) of each state: root mean square 1-bar return in bps, or the first input's standard deviation."""
        mean, cov = self.moments()
        return np.sqrt(cov[:, 0, 0]) if self.log_vol_input < 0 else np.exp(mean[:, self.log_vol_input])

    def dwell_bars(self) -> Floats:
        """(K,) expected bars spent in a state once entered, 1 / (1 − a_kk)."""
        return 1.0 / np.maximum(1.0 - np.diagonal(self.move), 1e-12)

    def reordered(self, order: np.ndarray) -> RegimeModel:
        """The same model with state `order[k]` called k."""
        order = np.asarray(order)
        return replace(
            self,
            start=self.start[order],
            move=self.move[np.ix_(order, order)],
            weights=self.weights[order],
            means=self.means[order],
            covars=self.covars[order],
        )

    def canonical(self) -> RegimeModel:
        """States by rising volatility, ties by the mean of the first input; the start made stationary."""
        spread = self.volatility()
        order = np.lexsort((self.moments()[0][:, 0], np.round(spread / max(spread.max(), 1e-300), 9)))
        return replace(self, start=stationary(self.move)).reordered(order)

    def to_json(self) -> str:
        """Readable JSON with its own sha256."""
        body = json.loads(self._text())
        return json.dumps({"sha256": self.digest, **body}, indent=1)

    def _text(self) -> str:
        plain = asdict(self)
        for name in ("start", "move", "weights", "means", "covars"):
            plain[name] = np.asarray(plain[name], dtype=np.float64).tolist()
        return json.dumps({"kind": "decot-regimes/1", **plain}, sort_keys=True, allow_nan=False)

    @staticmethod
    def from_json(text: str) -> RegimeModel:
        """The inverse of `to_json`; raises CheckpointRefused when the hash does not hold."""
        body = json.loads(text)
        said, kind = body.pop("sha256", None), body.pop("kind", None)
        if kind != "decot-regimes/1":
            raise CheckpointRefused(
                f"regime model: kind is {kind!r}, expected 'decot-regimes/1'; fit it again"
            )
        body |= {
            name: np.array(body.pop(name), dtype=np.float64)
            for name in ("start", "move", "weights", "means", "covars")
        }
        model = RegimeModel(**body)
        if model.digest != said:
            raise CheckpointRefused(
                f"regime model: sha256 is {model.digest[:12]}…, the file says {str(said)[:12]}…; "
                "it was edited or damaged: fit it again or restore the file"
            )
        return model


def stationary(move: Floats) -> Floats:
    """The distribution that `move` leaves as it is (least squares, clipped, sums to 1)."""
    n = move.shape[0]
    lhs = np.vstack([move.T - np.eye(n), np.ones(n)])
    share = np.linalg.lstsq(lhs, np.r_[np.zeros(n), 1.0], rcond=None)[0]
    share = np.clip(share, 1e-12, None)
    return share / share.sum()
