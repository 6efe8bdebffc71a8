"""An agent deciding tick by tick, its state carried: the same numbers as over the whole tape. Knows no money."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from decot.model.agent import Agent
from decot.model.sentences import sentence
from decot.model.vocabulary import Lang


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

    def __init__(self, agent: Agent) -> None:
        self.agent = agent.eval()
        self.state = agent.start()

    def step(
        self, obs_row: npt.NDArray[np.float32], position: int, words: npt.NDArray[np.int8] | None = None
    ) -> Step:
        """Decide from one row and the position held now (−1/0/1); `words` imposes answers, −1 leaves a step free."""
        with torch.no_grad():
            imposed = (
                None if words is None else torch.from_numpy(np.asarray(words, np.int8).reshape(1, 1, -1))
            )
            out = self.agent(
                torch.from_numpy(np.asarray(obs_row, np.float32).reshape(1, 1, -1)), self.state, imposed
            )
            probs = self.agent.decision(out)[0, 0].numpy()
        self.state = out.state
        return Step(
            action=int(probs[position + 1].argmax()) - 1,
            position=int(position),
            words=out.words[0, 0].numpy(),
            probs=probs,
            forecasts=out.forecasts[0, 0].numpy(),
            value=out.value[0, 0].numpy(),
            exit_prob=out.exit_logit[0, 0].sigmoid().numpy(),
        )
