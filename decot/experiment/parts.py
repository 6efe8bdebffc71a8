"""Which rows teach, which choose, which judge. Knows time and nothing of what the rows hold."""

from __future__ import annotations

from dataclasses import dataclass

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
    short = [
        f"{name}: {part.stop - part.start} rows"
        for name, part in parts.named().items()
        if part.stop - part.start < _LEAST_ROWS
    ]
    if short:
        raise GapInData(
            f"the data is too short to be split ({'; '.join(short)}; each needs {_LEAST_ROWS} bars of "
            f"{clock_ms} ms); bring more of it, or use a finer clock"
        )
    return parts
