"""What an agent is taught from: observations, true answers and targets, row by row. Knows no money."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from decot.errors import ModelFault
from decot.model.vocabulary import N_QUESTIONS


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """One contiguous stretch; all arrays share their first length T."""

    obs: npt.NDArray[np.float32]
    """(T, F) scaled observations"""
    words: npt.NDArray[np.int8]
    """(T, 9) true answers from a Grounding"""
    targets: npt.NDArray[np.float32]
    """(T, 5) the five targets, in their own units"""

    def __post_init__(self) -> None:
        n = len(self.obs)
        faults = [
            f"{name} is {array.shape}, wanted {shape}"
            for name, array, shape in (
                ("words", self.words, (n, N_QUESTIONS)),
                ("targets", self.targets, (n, 5)),
            )
            if array.shape != shape
        ]
        if self.obs.ndim != 2:
            faults.append(f"obs is {self.obs.shape}, wanted (T, F)")
        elif not np.isfinite(self.obs).all():
            faults.append(
                f"obs has {int((~np.isfinite(self.obs)).sum())} values that are not finite; fit a Scaler first"
            )
        if not np.isfinite(self.targets).all():
            faults.append("targets are not all finite")
        if faults:
            raise ModelFault("lesson refused: " + "; ".join(faults))

    def __len__(self) -> int:
        return len(self.obs)

    def slice(self, start: int, stop: int) -> Lesson:
        """Rows start..stop, without a copy."""
        return Lesson(self.obs[start:stop], self.words[start:stop], self.targets[start:stop])
