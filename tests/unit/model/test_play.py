"""Deciding over a tape, and tick by tick."""

from __future__ import annotations

import numpy as np
import pytest

from decot.errors import ModelFault
from decot.model.play import decide, walk
from decot.model.stream import StreamAgent


def test_the_stream_says_what_the_tape_says(agent, obs):
    """Tick by tick: the same words, actions and numbers, to the bit."""
    whole = decide(agent, obs)
    stream, position = StreamAgent(agent), 0
    for row in range(len(obs)):
        step = stream.step(obs[row], position)
        assert (step.words == whole.words[row]).all()
        assert step.action == whole.actions_if[row, position + 1]
        for ours, theirs in (
            (step.probs, whole.probs),
            (step.forecasts, whole.forecasts),
            (step.value, whole.value),
        ):
            assert (ours == theirs[row]).all()
        position = step.action
    stream.restart()
    assert (stream.step(obs[0], 0).probs == whole.probs[0]).all()


def test_deciding_twice_gives_the_same_bits(agent, obs):
    """The same tape, the same bits; an empty tape, no decisions."""
    one, two = decide(agent, obs), decide(agent, obs)
    assert (one.probs == two.probs).all()
    assert (one.actions_if == two.actions_if).all()
    assert len(decide(agent, obs[:0]).actions_if) == 0
    with pytest.raises(ModelFault, match="reads"):
        decide(agent, obs[:, :3])


def test_the_words_fed_back_give_the_same_decisions(agent, obs):
    """The sentence is the computation: its words alone reproduce every action."""
    whole = decide(agent, obs)
    again = decide(agent, obs[::-1].copy(), words=whole.words)
    assert (again.actions_if == whole.actions_if).all()
    assert (again.probs == whole.probs).all()


def test_a_walk_follows_its_own_position():
    """Each row is answered for the position the row before left us in."""
    actions_if = np.array([[0, 1, 1], [-1, 0, -1], [0, -1, 1]], dtype=np.int8)
    assert walk(actions_if).tolist() == [1, -1, 0]
    assert walk(actions_if, start=-1).tolist() == [0, 0, -1]
