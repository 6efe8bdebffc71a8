"""Words to sentences and back."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from decot.errors import ModelFault
from decot.model.sentences import parse, parse_move, sentence
from decot.model.vocabulary import MOVES, QUESTIONS, SIZES


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_every_sentence_is_read_back(lang):
    """Random chains, also with steps that were not asked, come back word for word with their move."""
    rng = np.random.default_rng(0)
    for _ in range(500):
        words = np.array([rng.integers(-1, size) for size in SIZES], dtype=np.int8)
        position, action = rng.integers(-1, 2, 2)
        text = sentence(words, lang, action, position)
        assert (parse(text, lang) == words).all()
        assert parse_move(text, lang) == (position, action)


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_every_answer_is_read_back(lang):
    """Each single answer of each question survives, beside neutral ones."""
    for k, question in enumerate(QUESTIONS):
        for answer in range(-1, SIZES[k]):
            words = np.array([q.neutral for q in QUESTIONS])
            words[k] = answer
            assert question.phrase(answer, lang).lower() in sentence(words, lang).lower()
            assert parse(sentence(words, lang), lang)[k] == answer


def test_sentences_differ_by_language_and_move():
    """No two moves share a sentence, in either language."""
    words = [question.neutral for question in QUESTIONS]
    moves = itertools.product((-1, 0, 1), repeat=2)
    said = {sentence(words, lang, a, p) for p, a in moves for lang in MOVES}
    assert len(said) == 18


def test_what_was_not_ours_is_refused():
    """A text we did not write, and an answer outside its vocabulary, are named."""
    with pytest.raises(ModelFault, match="not one of our sentences"):
        parse("Buy the dip.")
    with pytest.raises(ModelFault, match="risk=9"):
        sentence([0] * (len(QUESTIONS) - 1) + [9])
