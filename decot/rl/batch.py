"""Stretches of a tape as tensors: where they start, what came before, what holding paid. Knows no policy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from decot.errors import ModelFault
from decot.market.steps import Steps
from decot.model.lesson import Lesson


@dataclass(frozen=True, slots=True, eq=False)
class Stretches:
    """B stretches of L rows. The burn-in rows before them only warm the LSTM."""

    burn: Tensor
    """(B, N, F) the rows just before"""
    obs: Tensor
    """(B, L, F)"""
    words: Tensor
    """(B, L, 9) int64"""
    targets: Tensor
    """(B, L, 5)"""
    ret: np.ndarray
    """(B, L) bps of being long"""
    buy: np.ndarray
    sell: np.ndarray


class Reader:
    """A lesson and its steps, ready to be cut into stretches."""

    def __init__(self, lesson: Lesson, steps: Steps, length: int, burn_in: int) -> None:
        if len(lesson) != len(steps):
            raise ModelFault(
                f"lesson has {len(lesson)} rows, steps {len(steps)}; cut both from the same table"
            )
        if steps.n_tradable < length + burn_in + 1:
            raise ModelFault(
                f"{steps.n_tradable} tradable rows are fewer than burn-in {burn_in} + length {length} + 1; "
                "give a longer tape or shorten the stretches"
            )
        self.length, self.burn_in = length, burn_in
        self.first, self.last = burn_in, steps.n_tradable - length
        self.obs = torch.from_numpy(np.ascontiguousarray(lesson.obs, dtype=np.float32))
        self.words = torch.from_numpy(lesson.words.astype(np.int64))
        self.targets = torch.from_numpy(np.ascontiguousarray(lesson.targets, dtype=np.float32))
        self.pay = [
            np.ascontiguousarray(x, np.float32)
            for x in (steps.ret_bps, steps.cost_buy_bps, steps.cost_sell_bps)
        ]

    def draw(self, rng: np.random.Generator, batch: int) -> Stretches:
        """Random stretches, one from each of `batch` equal parts of the tape, so that a batch covers all of it."""
        width = (self.last - self.first + 1) / batch
        starts = self.first + (width * (np.arange(batch) + rng.random(batch))).astype(np.int64)
        return self.at(np.minimum(starts, self.last))

    def at(self, starts: np.ndarray) -> Stretches:
        """The stretches that start at these rows."""
        rows = starts[:, None] + np.arange(self.length)
        before = torch.from_numpy(starts[:, None] + np.arange(-self.burn_in, 0))
        index = torch.from_numpy(rows)
        ret, buy, sell = (x[rows] for x in self.pay)
        return Stretches(
            self.obs[before], self.obs[index], self.words[index], self.targets[index], ret, buy, sell
        )
