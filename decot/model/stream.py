"""An agent deciding tick by tick: the same bits as over the whole tape. Knows no money, needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from decot.model.checkpoint import read
from decot.model.kernel import N_OUT, run
from decot.model.play import packed
from decot.model.sentences import sentence
from decot.model.vocabulary import N_QUESTIONS, NAMES, QUESTIONS, Lang
from decot.model.weights import Packed, pack

if TYPE_CHECKING:
    from decot.model.agent import Agent

FREE = np.empty((0, N_QUESTIONS), np.int8)


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One decision."""

    action: int
    """target position −1/0/1"""
    position: int
    """the one held when it was taken"""
    words: npt.NDArray[np.int8]
    probs: npt.NDArray[np.float32]
    """(3, 3) [position, action]"""
    forecasts: npt.NDArray[np.float32]
    value: npt.NDArray[np.float32]
    exit_prob: npt.NDArray[np.float32]

    def say(self, lang: Lang = "en") -> str:
        """The decision as a note."""
        return sentence(self.words, lang, self.action, self.position)


class StreamAgent:
    """Feed it one scaled observation per bar."""

    def __init__(self, agent: Agent | Packed) -> None:
        self.net = packed(agent)
        self.restart()

    @classmethod
    def open(cls, folder: Path, expect: Mapping[str, Any] | None = None) -> StreamAgent:
        """From a checkpoint, without torch; raises CheckpointRefused as `checkpoint.read` does."""
        cfg, arrays, _ = read(folder, expect)
        return cls(pack(cfg, arrays))

    def restart(self) -> None:
        """Forget everything seen."""
        self._memory, self._count = self.net.memory()
        self._x = np.zeros((1, self.net.cfg.n_features), np.float32)
        self._heard = np.full((1, N_QUESTIONS), -1, np.int8)
        self._ticks_left = 0

    def hear(self, question: str, answer: str | int, ticks: int = 1) -> None:
        """Say something into the chain from outside ("bad news"), for so many ticks; the network is not changed.

        The step takes the answer as its own, and every later step and the decision follow from it.
        """
        k = NAMES.index(question)
        word = QUESTIONS[k].en.index(answer) if isinstance(answer, str) else int(answer)
        self._heard[0, k] = word
        self._ticks_left = max(self._ticks_left, ticks)

    def step(
        self, obs_row: npt.NDArray[np.float32], position: int, words: npt.NDArray[np.int8] | None = None
    ) -> Step:
        """Decide from one row and the position held now (−1/0/1); `words` imposes answers, −1 leaves a step free."""
        self._x[0] = obs_row
        imposed = FREE
        if words is not None:
            imposed = np.asarray(words, np.int8).reshape(1, N_QUESTIONS)
        elif self._ticks_left > 0:
            imposed = self._heard.copy()
            self._ticks_left -= 1
            if self._ticks_left == 0:
                self._heard[:] = -1
        said, out = np.empty((1, N_QUESTIONS), np.int8), np.empty((1, N_OUT), np.float32)
        run(self.net.flat, self.net.ints, self._memory, self._count, self._x, imposed, said, out)
        row = out[0]
        here = row[3 * position + 3 : 3 * position + 6]
        return Step(
            action=int(here.argmax()) - 1,
            position=int(position),
            words=said[0],
            probs=row[:9].reshape(3, 3),
            forecasts=row[9:14],
            value=row[14:17],
            exit_prob=row[17:20],
        )
