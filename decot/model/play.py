"""An agent deciding over a whole tape: what it would do at every row from every position. Knows no money.

It runs the very kernel that a live stream runs, row after row, so both say the same to the bit. Needs no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from decot.errors import ModelFault
from decot.model.checkpoint import arrays_of
from decot.model.kernel import N_OUT, run
from decot.model.vocabulary import N_QUESTIONS
from decot.model.weights import Packed, pack

if TYPE_CHECKING:
    from decot.model.agent import Agent


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """T rows; positions and actions are −1, 0, 1, indexed 0, 1, 2."""

    actions_if: npt.NDArray[np.int8]
    """(T, 3) the best target for each current position"""
    words: npt.NDArray[np.int8]
    """(T, 9)"""
    probs: npt.NDArray[np.float32]
    """(T, 3, 3) [position, action]"""
    forecasts: npt.NDArray[np.float32]
    """(T, 5)"""
    value: npt.NDArray[np.float32]
    """(T, 3)"""
    exit_prob: npt.NDArray[np.float32]
    """(T, 3)"""


def packed(agent: Agent | Packed) -> Packed:
    """Any agent as the kernel wants it."""
    return agent if isinstance(agent, Packed) else pack(agent.cfg, arrays_of(agent))


def decide(
    agent: Agent | Packed, obs: npt.NDArray[np.float32], *, words: npt.NDArray[np.int8] | None = None
) -> Decisions:
    """Decide at every row of one contiguous tape, the state carried from its first row.

    Args:
        obs: (T, F) scaled observations.
        words: (T, 9) answers to impose, −1 leaves a step free.
    Raises:
        ModelFault: obs of another width.
    """
    net = packed(agent)
    if obs.ndim != 2 or obs.shape[1] != net.cfg.n_features:
        raise ModelFault(
            f"obs is {obs.shape}, this agent reads (T, {net.cfg.n_features}); rebuild the observation"
        )
    n = len(obs)
    said, out = np.empty((n, N_QUESTIONS), np.int8), np.empty((n, N_OUT), np.float32)
    imposed = np.empty((0, N_QUESTIONS), np.int8) if words is None else np.ascontiguousarray(words, np.int8)
    run(net.flat, net.ints, *net.memory(), np.ascontiguousarray(obs, np.float32), imposed, said, out)
    probs = out[:, :9].reshape(n, 3, 3)
    return Decisions(
        actions_if=(probs.argmax(-1) - 1).astype(np.int8),
        words=said,
        probs=probs,
        forecasts=out[:, 9:14],
        value=out[:, 14:17],
        exit_prob=out[:, 17:20],
    )


def walk(actions_if: npt.NDArray[np.int8], start: int = 0) -> npt.NDArray[np.int8]:
    """(T, 3) what to do from each position → (T,) the targets of an account that starts at `start`."""
    targets = np.empty(len(actions_if), dtype=np.int8)
    position = int(start)
    for row, choice in enumerate(actions_if.tolist()):
        position = choice[position + 1]
        targets[row] = position
    return targets
