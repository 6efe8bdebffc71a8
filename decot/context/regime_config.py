"""Settings of market regimes: how inputs are made and how a chain is fitted. Knows no numbers of any market."""

from __future__ import annotations

from dataclasses import dataclass

from decot.context.regime_model import MAX_STATES


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
