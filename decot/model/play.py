"""An agent deciding over a whole tape: what it would do at every row from every position. Knows no money."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from decot.errors import ModelFault
from decot.model.agent import Agent, State

CHUNK = 4_096
"""rows per pass; a constant, so that the same tape gives the same bits"""


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


def decide(
    agent: Agent,
    obs: npt.NDArray[np.float32],
    *,
    words: npt.NDArray[np.int8] | None = None,
    state: State | None = None,
) -> Decisions:
    """Decide at every row of one contiguous tape, its state carried from chunk to chunk.

    Args:
        obs: (T, F) scaled observations.
        words: (T, 9) answers to impose, −1 leaves a step free.
    """
    if obs.ndim != 2 or obs.shape[1] != agent.cfg.n_features:
        raise ModelFault(
            f"obs is {obs.shape}, this agent reads (T, {agent.cfg.n_features}); rebuild the observation"
        )
    was_training = agent.training
    agent.eval()
    parts: list[list[np.ndarray]] = []
    with torch.no_grad():
        for start in range(0, len(obs), CHUNK):
            rows = slice(start, start + CHUNK)
            imposed = None if words is None else torch.from_numpy(words[None, rows])
            x = torch.from_numpy(np.ascontiguousarray(obs[None, rows], dtype=np.float32))
            out = agent(x, state, imposed)
            state = out.state
            probs = agent.decision(out)
            said = (out.words, probs, out.forecasts, out.value, out.exit_logit.sigmoid())
            parts.append([part[0].numpy() for part in said])
    agent.train(was_training)
    n_words, n_forecasts = 9, 5
    empty = [(0, n_words), (0, 3, 3), (0, n_forecasts), (0, 3), (0, 3)]
    joined = [
        np.concatenate(column) if column else np.zeros(shape, np.float32)
        for column, shape in zip(zip(*parts) if parts else [()] * 5, empty)
    ]
    return Decisions(
        actions_if=(joined[1].argmax(-1) - 1).astype(np.int8),
        words=joined[0].astype(np.int8),
        probs=joined[1],
        forecasts=joined[2],
        value=joined[3],
        exit_prob=joined[4],
    )


def walk(actions_if: npt.NDArray[np.int8], start: int = 0) -> npt.NDArray[np.int8]:
    """(T, 3) what to do from each position → (T,) the targets of an account that starts at `start`."""
    targets = np.empty(len(actions_if), dtype=np.int8)
    position = int(start)
    for row, choice in enumerate(actions_if.tolist()):
        position = choice[position + 1]
        targets[row] = position
    return targets
