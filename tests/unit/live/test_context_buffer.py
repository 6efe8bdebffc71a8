"""What is said from outside reaches the chain, the sentence and the way back, and then ends."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from decot.errors import ConfigError
from decot.live.attention import attention_of
from decot.live.context_buffer import (
    ContextBuffer,
    ListeningMind,
    add,
    event_of,
    events_file,
    mood,
    parse_told,
    read_events,
)
from decot.model.agent import Agent, ModelConfig
from decot.model.stream import StreamAgent
from decot.model.vocabulary import NAMES, QUESTIONS

NEWS = NAMES.index("news")
S = 1_000_000


def listening(home, now, seed=3):
    """A mind of random weights that hears a buffer, and the very same one that hears nothing."""
    cfg = ModelConfig(n_features=6, conv_filters=4, lstm_units=6)
    minds = []
    for _ in range(2):
        agent = StreamAgent(Agent(cfg, seed))
        minds.append(
            SimpleNamespace(agent=agent, decide=lambda row, position, agent=agent: agent.step(row, position))
        )
    return ListeningMind(minds[0], ContextBuffer(home, now_us=lambda: now[0])), minds[1]


def test_an_event_moves_the_news_word_and_is_said_aloud(tmp_path):
    """While it holds the news are bad, the sentence says who said so and reads back; then all is as if never said."""
    now, rng = [0], np.random.default_rng(0)
    mind, plain = listening(tmp_path, now)
    rows = rng.normal(size=(40, 6)).astype(np.float32)
    add(tmp_path, event_of("heavy selling reported", for_s=10, now_us=5 * S))
    moved = 0
    for t, row in enumerate(rows):
        now[0] = t * S
        step, alone = mind.decide(row, 0), plain.decide(row, 0)
        if 5 <= t < 15:
            assert QUESTIONS[NEWS].en[step.words[NEWS]] == "bad news"
            assert step.say("en").startswith('The operator says bad news ("heavy selling reported"). ')
            for lang in ("en", "fr"):
                told, words = parse_told(step.say(lang), lang)
                assert told == [("operator", "news", "heavy selling reported")]
                np.testing.assert_array_equal(words, step.words)
            moved += not np.array_equal(step.probs, alone.probs)
        else:
            np.testing.assert_array_equal(step.words, alone.words)
            np.testing.assert_array_equal(step.probs, alone.probs)
            assert parse_told(step.say("en"))[0] == []
    assert moved > 0


def test_only_the_steps_after_the_word_follow_it(tmp_path):
    """The steps asked before the news answer as they did; the network's memory is the same afterwards."""
    now, rng = [0], np.random.default_rng(1)
    mind, plain = listening(tmp_path, now)
    add(tmp_path, event_of("approval", for_s=100, now_us=0))
    before = list(mind.agent.net.cfg.questions).index("news")
    asked_before = [NAMES.index(name) for name in mind.agent.net.cfg.questions[:before]]
    for row in rng.normal(size=(20, 6)).astype(np.float32):
        step, alone = mind.decide(row, 1), plain.decide(row, 1)
        np.testing.assert_array_equal(step.words[asked_before], alone.words[asked_before])
        np.testing.assert_array_equal(step.forecasts, alone.forecasts)
        assert step.told[NEWS] == step.words[NEWS] == 3
        assert (np.delete(step.told, NEWS) == -1).all()


def test_the_newest_word_on_a_question_counts(tmp_path):
    """Two events on one question: the later one; on two questions: both; a question not asked: nothing is said."""
    buffer = ContextBuffer(tmp_path, now_us=lambda: 10 * S)
    add(tmp_path, event_of("crash", for_s=60, now_us=1 * S))
    add(tmp_path, event_of("approved after all", for_s=60, now_us=2 * S))
    add(
        tmp_path,
        event_of(
            "book is empty", for_s=60, now_us=3 * S, question="risk", answer="stretched", who="mcp depth"
        ),
    )
    add(tmp_path, event_of("not yet", for_s=60, now_us=11 * S))
    held = buffer.holding()
    assert [(event.question, event.answer) for event in held] == [
        ("news", "good news"),
        ("risk", "stretched"),
    ]
    few = StreamAgent(Agent(ModelConfig(n_features=6, questions=("flow", "risk", "outlook")), 0))
    assert [event.question for event in buffer.speak(few)[0]] == ["risk"]


def test_a_broken_line_is_not_obeyed(tmp_path):
    """Torn, foreign or unlawful lines are left out, and the good ones around them are heard."""
    good = add(tmp_path, event_of("fine", for_s=60, now_us=0))
    with events_file(tmp_path).open("a") as file:
        file.write('{"id": 1}\nnonsense\n[]\n')
        file.write(
            '{"id":"x","at_us":0,"for_s":1e9,"question":"news","answer":"bad news","text":"for ever","who":"me"}\n'
        )
        file.write(
            '{"id":"x","at_us":0,"for_s":60,"question":"news","answer":"buy now","text":"x","who":"me"}\n'
        )
        file.write('{"id":"torn"')
    assert read_events(tmp_path) == [good]


def test_every_fault_is_named_at_once():
    """A bad text, time, question and speaker are refused together, each with what would do."""
    with pytest.raises(ConfigError) as refused:
        event_of("", for_s=0, now_us=0, question="weather", who="X" * 50)
    assert len(refused.value.faults) == 4
    with pytest.raises(ConfigError, match="has no answer 'terrible'"):
        event_of("x", for_s=1, now_us=0, answer="terrible")
    assert event_of('say "hi"\nthere', for_s=1, now_us=0).text == "say 'hi' there"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("heavy selling reported", "bad news"),
        ("ETF approved, record inflow", "good news"),
        ("maintenance at noon", "plain news"),
    ],
)
def test_the_mood_of_plain_words(text, answer):
    """A few plain words decide; anything else is plain."""
    assert mood(text) == answer


def test_the_attention_shown_is_the_agents_own():
    """The table gives the very weights that the network computes from the same words."""
    import torch

    torch.set_num_threads(1)
    agent = Agent(ModelConfig(n_features=6, conv_filters=4, lstm_units=6), 5).eval()
    x = torch.randn(1, 30, 6, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        out = agent(x)
    attend = attention_of(StreamAgent(agent).net)
    for t in range(30):
        told = attend(out.words[0, t].numpy())
        ours = [told[name] for name in agent.cfg.questions]
        np.testing.assert_allclose(ours, out.attention[0, t].numpy(), atol=1e-6)
