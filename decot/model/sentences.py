"""Words to a sentence and back, without loss. Knows the vocabulary; knows nothing of how words were chosen."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import numpy.typing as npt

from decot.errors import ModelFault
from decot.model.vocabulary import MOVES, N_QUESTIONS, QUESTIONS, SIZES, TEMPLATES, Lang


def sentence(words: npt.ArrayLike, lang: Lang = "en", action: int = 0, position: int = 0) -> str:
    """The note of one decision: nine answers, then what is held and what is done about it.

    Args:
        words: nine answers in the order of QUESTIONS; −1 is a step this agent does not ask.
        action: target position −1/0/1; position: the one held now.
    Raises:
        ModelFault: an answer outside its vocabulary.
    """
    given = [int(word) for word in np.asarray(words).ravel()]
    faults = [
        f"{question.name}={word} (−1..{size - 1})"
        for question, word, size in zip(QUESTIONS, given, SIZES)
        if not -1 <= word < size
    ]
    if len(given) != N_QUESTIONS or faults:
        raise ModelFault(f"not a chain of {N_QUESTIONS} answers: {len(given)} given, outside: {faults}")
    said = {question.name: question.phrase(word, lang) for question, word in zip(QUESTIONS, given)}
    text = TEMPLATES[lang].format(**said, move=MOVES[lang][(int(position), int(action))])
    return text[0].upper() + text[1:]


@cache
def _reader(lang: Lang) -> re.Pattern[str]:
    pattern = re.escape(TEMPLATES[lang]).replace(r"\{", "{").replace(r"\}", "}")
    for question in QUESTIONS:
        choices = "|".join(re.escape(said) for said in sorted(question.phrases(lang), key=len, reverse=True))
        pattern = pattern.replace("{" + question.name + "}", f"(?P<{question.name}>{choices})")
    moves = "|".join(re.escape(move) for move in sorted(MOVES[lang].values(), key=len, reverse=True))
    return re.compile("^" + pattern.replace("{move}", f"(?P<move>{moves})") + "$", re.IGNORECASE)


def _match(text: str, lang: Lang) -> re.Match[str]:
    found = _reader(lang).match(text.strip())
    if found is None:
        raise ModelFault(
            f"not one of our sentences ({lang}): {text!r}; only what sentence() wrote is read back"
        )
    return found


def parse(text: str, lang: Lang = "en") -> npt.NDArray[np.int8]:
    """The nine answers a sentence was made of; raises ModelFault on any other text."""
    found = _match(text, lang)
    words = [question.phrases(lang)[found[question.name].lower()] for question in QUESTIONS]
    return np.asarray(words, dtype=np.int8)


def parse_move(text: str, lang: Lang = "en") -> tuple[int, int]:
    """(position, action) that a sentence names; raises ModelFault on any other text."""
    said = _match(text, lang)["move"].lower()
    return next(pair for pair, move in MOVES[lang].items() if move.lower() == said)
