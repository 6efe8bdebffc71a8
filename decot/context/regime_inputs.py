"""What a regime chain sees of each bar, in batch and live, to the same bit. Knows mid prices and time; fits nothing."""

from __future__ import annotations

import numpy as np
from numba import njit

from decot.context.forward import Floats
from decot.context.regime_config import RegimeConfig
from decot.errors import DataFault

_LOWEST_BPS = 0.01
"""floor of the volatility, so that a market that stands still has a logarithm"""


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
