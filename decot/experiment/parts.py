"""Which rows teach, which choose, which judge. Knows time and nothing of what the rows hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from decot.errors import GapInData
from decot.experiment.config import SplitConfig

_DAY_MS = 86_400_000
_LEAST_ROWS = 1_200


@dataclass(frozen=True, slots=True)
class Parts:
    """Row ranges of one table, in the order of time, with purged rows between them."""

    train: slice
    validation: slice
    other: slice
    """days that only the gate sees"""

    def named(self) -> dict[str, slice]:
        """The three by name."""
        return {"train": self.train, "validation": self.validation, "other day": self.other}


def split(timestamp: np.ndarray, cfg: SplitConfig, clock_ms: int) -> Parts:
    """Cut a table by time: teaching days, their last part for validation, the last days for the gate.

    Args:
        timestamp: (T,) ends of bars, milliseconds, increasing.
    Raises:
        GapInData: a part would be too short to say anything.
    """
    day = (timestamp - 1) // _DAY_MS
    days = np.unique(day)
    purge = round(cfg.purge_s * 1_000 / clock_ms)
    if len(days) > cfg.other_days:
        other = int(np.searchsorted(day, days[-cfg.other_days]))
    else:
        other = round(len(timestamp) * (1 - cfg.validation_share))
    validation = round(other * (1 - cfg.validation_share))
    parts = Parts(
        slice(0, max(0, validation - purge)),
        slice(validation, max(validation, other - purge)),
        slice(other, len(timestamp)),
    )
    _refuse_short(parts.named(), clock_ms)
    return parts


def walk_forward(timestamp: np.ndarray, cfg: SplitConfig, clock_ms: int) -> list[tuple[slice, slice]]:
    """(teaching rows, test rows) of each fold: the validation rows in `cfg.folds` blocks, each tested by an agent that
    was taught on everything before it, purged at the boundary. Nothing after a test row ever teaches it, so
    the embargo is kept by construction.

    Raises:
        GapInData: a block would be too short to say anything.
    """
    parts, purge = split(timestamp, cfg, clock_ms), round(cfg.purge_s * 1_000 / clock_ms)
    edges = (
        np.linspace(parts.validation.start, parts.validation.stop, cfg.folds + 1).round().astype(int).tolist()
    )
    tested = [
        slice(start, stop if stop == edges[-1] else max(start, stop - purge))
        for start, stop in pairwise(edges)
    ]
    _refuse_short({f"fold {k}": block for k, block in enumerate(tested)}, clock_ms)
    return [(slice(0, max(0, block.start - purge)), block) for block in tested]


def _refuse_short(parts: Mapping[str, slice], clock_ms: int) -> None:
    short = [
        f"{name}: {part.stop - part.start} rows"
        for name, part in parts.items()
        if part.stop - part.start < _LEAST_ROWS
    ]
    if short:
        raise GapInData(
            f"the data is too short to be split ({'; '.join(short)}; each needs {_LEAST_ROWS} bars of "
            f"{clock_ms} ms); bring more of it, use a finer clock, or fewer folds"
        )
