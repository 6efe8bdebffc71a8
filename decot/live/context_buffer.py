"""What a person or an MCP tool tells the agent while it runs: a word put into its chain, for so long, and said so aloud.

    HOME/live/events.jsonl    {"id", "at_us", "for_s", "question", "answer", "text", "who"}, one line an event, only added to

The network is not changed: the step that answers the question takes the word as its own, every later step and the decision
follow from it (see `StreamAgent.hear`). The sentence then begins with who said what, and can be read back with it.
Knows words and time; knows no market and no order.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from decot import clock
from decot.errors import ConfigError
from decot.live.snapshot import live_folder
from decot.model.sentences import parse
from decot.model.stream import Step, StreamAgent
from decot.model.vocabulary import N_QUESTIONS, NAMES, QUESTIONS, Lang

Array = npt.NDArray[np.float64]
Words = npt.NDArray[np.int8]

LONGEST_S = 3_600.0
_MOST_TEXT = 160
_MOST_BYTES = 1_000_000
_WHO = re.compile(r"[a-z][a-z0-9 _.-]{0,31}")
_SAYS: dict[Lang, str] = {"en": "says", "fr": "annonce"}
_TOLD = re.compile(
    r'^The (?P<who>[a-z][a-z0-9 _.-]{0,31}?) (?:says|annonce) (?P<phrase>[^"]+?) \("(?P<text>[^"]*)"\)\. '
)

BAD = "heavy selling sell dump crash hack exploit ban outage halt fraud lawsuit liquidation insolvent bankrupt fear plunge"
GOOD = "heavy buying buy approval approved adoption rally partnership upgrade inflow record bullish surge launch listing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing said from outside."""

    id: str
    at_us: int
    for_s: float
    question: str
    answer: str
    text: str
    who: str = "operator"

    @property
    def until_us(self) -> int:
        """When it is no longer said."""
        return self.at_us + round(self.for_s * 1e6)

    @property
    def place(self) -> tuple[int, int]:
        """Which question, which of its answers."""
        k = NAMES.index(self.question)
        return k, QUESTIONS[k].en.index(self.answer)

    def say(self, lang: Lang = "en") -> str:
        """How the sentence begins while it holds."""
        k, word = self.place
        return f'The {self.who} {_SAYS[lang]} {QUESTIONS[k].phrase(word, lang)} ("{self.text}"). '


def event_of(
    text: str, *, for_s: float, now_us: int, question: str = "news", answer: str = "", who: str = "operator"
) -> Event:
    """A checked event; without an answer the one for `news` is guessed from the text.

    Raises:
        ConfigError: every fault at once.
    """
    faults = []
    said = " ".join("".join(c if c.isprintable() else " " for c in text).replace('"', "'").split())
    if not said or len(said) > _MOST_TEXT:
        faults.append(f"event: the text has {len(said)} characters; 1 to {_MOST_TEXT} are taken")
    if not 0 < for_s <= LONGEST_S:
        faults.append(
            f"event: --for {for_s:g} s is not within 0 and {LONGEST_S:g} s; say it again when it still holds"
        )
    if not _WHO.fullmatch(who):
        faults.append(
            f"event: {who!r} is no name of a speaker; use lower-case letters, digits, . _ - and spaces"
        )
    if question not in NAMES:
        faults.append(f"event: there is no question {question!r}; choose one of {', '.join(NAMES)}")
    elif not answer and question != "news":
        faults.append(
            f"event: say which answer of {question}: {', '.join(QUESTIONS[NAMES.index(question)].en)}"
        )
    elif answer and answer not in QUESTIONS[NAMES.index(question)].en:
        known = ", ".join(QUESTIONS[NAMES.index(question)].en)
        faults.append(f"event: {question} has no answer {answer!r}; choose one of {known}")
    if faults:
        raise ConfigError(faults)
    return Event(
        id=secrets.token_hex(6), at_us=now_us, for_s=float(for_s), question=question,
        answer=answer or mood(said), text=said, who=who,
    )  # fmt: skip


def mood(text: str) -> str:
    """`bad news`, `good news` or `plain news`, by counting a few plain words; a person who disagrees names the answer."""
    words = re.findall(r"[a-z]+", text.lower())
    bad, good = (sum(word in mood.split() for word in words) for mood in (BAD, GOOD))
    return "bad news" if bad > good else "good news" if good > bad else "plain news"


def events_file(home: Path) -> Path:
    """Where events are kept."""
    return live_folder(home) / "events.jsonl"


def add(home: Path, event: Event) -> Event:
    """Write an event down; it is heard with the next bar."""
    file = events_file(home)
    file.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(asdict(event), ensure_ascii=False) + "\n"
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(handle, line.encode())
    finally:
        os.close(handle)
    return event


def read_events(home: Path) -> list[Event]:
    """Every event that can be read, oldest first; a torn or foreign line is left out."""
    try:
        with events_file(home).open("rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - _MOST_BYTES))
            lines = stream.read().decode(errors="replace").split("\n")[:-1]
    except FileNotFoundError:
        return []
    return [event for line in lines if (event := _event(line)) is not None]


def _event(line: str) -> Event | None:
    try:
        event = Event(**json.loads(line))
        event_of(
            event.text,
            for_s=event.for_s,
            now_us=0,
            question=event.question,
            answer=event.answer,
            who=event.who,
        )
    except (ValueError, TypeError, AttributeError, ConfigError):
        return None
    return event


class ContextBuffer:
    """What holds now. The file is looked at once a bar and read only when it has changed."""

    def __init__(self, home: Path, now_us: Callable[[], int] = clock.now_us) -> None:
        self.home, self.now_us = home, now_us
        self._stamp: tuple[int, int] = (0, 0)
        self._events: list[Event] = []

    def holding(self) -> tuple[Event, ...]:
        """The events of this moment, the newest one per question, in the order of the questions."""
        try:
            told = events_file(self.home).stat()
        except FileNotFoundError:
            return ()
        if self._stamp != (told.st_mtime_ns, told.st_size):
            self._stamp, self._events = (told.st_mtime_ns, told.st_size), read_events(self.home)
        now = self.now_us()
        self._events = [event for event in self._events if event.until_us > now]
        newest = {event.question: event for event in self._events if event.at_us <= now}
        return tuple(sorted(newest.values(), key=lambda event: event.place))

    def words(self, events: Sequence[Event]) -> Words:
        """(9,) the answers to impose, −1 where a step is free."""
        told = np.full(N_QUESTIONS, -1, np.int8)
        for event in events:
            k, word = event.place
            told[k] = word
        return told

    def speak(self, agent: StreamAgent) -> tuple[tuple[Event, ...], Words]:
        """Say what holds into the agent's next step; what was said, and the words (9,) it imposed."""
        asked = agent.net.cfg.questions
        events = tuple(event for event in self.holding() if event.question in asked)
        for event in events:
            agent.hear(event.question, event.answer, ticks=1)
        return events, self.words(events)


@dataclass(frozen=True, slots=True, eq=False)
class ToldStep(Step):
    """A decision under the influence of events; its sentence says so."""

    events: tuple[Event, ...] = ()
    told: Words | None = None
    """(9,) answers that came from outside, −1 elsewhere"""

    def say(self, lang: Lang = "en") -> str:
        """The note, after what was said from outside."""
        return "".join(event.say(lang) for event in self.events) + Step.say(self, lang)


class HasAgent(Protocol):
    """A `live.mind.Mind`, or what looks like one."""

    agent: StreamAgent

    def read(self, timestamp_ms: int, bar_row: Array) -> Array: ...
    def decide(self, row: Array, position: int) -> Step: ...


class ListeningMind:
    """A mind that also hears the buffer; put it where the mind would be."""

    def __init__(self, mind: HasAgent, buffer: ContextBuffer) -> None:
        self.mind, self.buffer = mind, buffer

    def __getattr__(self, name: str) -> Any:
        """All else is the mind's own."""
        return getattr(self.mind, name)

    def read(self, timestamp_ms: int, bar_row: Array) -> Array:
        """As the mind reads."""
        return self.mind.read(timestamp_ms, bar_row)

    def decide(self, row: Array, position: int) -> Step:
        """As the mind decides, with what holds in its chain."""
        events, told = self.buffer.speak(self.mind.agent)
        step = self.mind.decide(row, position)
        if not events:
            return step
        return ToldStep(
            action=step.action, position=step.position, words=step.words, probs=step.probs, forecasts=step.forecasts,
            value=step.value, exit_prob=step.exit_prob, events=events, told=told,
        )  # fmt: skip


def parse_told(text: str, lang: Lang = "en") -> tuple[list[tuple[str, str, str]], Words]:
    """A sentence back to what was said from outside, (who, question, text) each, and to its nine answers.

    Raises:
        ModelFault: it is not one of our sentences.
    """
    told = []
    while (found := _TOLD.match(text)) is not None:
        phrase = found["phrase"].lower()
        question = next((q.name for q in QUESTIONS if phrase in q.phrases(lang)), "")
        told.append((found["who"], question, found["text"]))
        text = text[found.end() :]
    return told, parse(text, lang)
