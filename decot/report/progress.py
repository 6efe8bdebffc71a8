"""How long work tells how far it is. Knows a stage's name and two numbers; knows nothing of the work."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from decot import clock

Listener = Callable[["Step"], None]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing said about one stage."""

    stage: str
    done: int
    total: int
    """0 when the length is not known"""
    note: str = ""


_listener: ContextVar[Listener | None] = ContextVar("decot_progress", default=None)


def say(stage: str, done: int, total: int, note: str = "") -> None:
    """Tell whoever listens how far `stage` is; costs nothing when nobody does."""
    listener = _listener.get()
    if listener is not None:
        listener(Step(stage, done, total, note))


def current() -> Listener | None:
    """Who listens now, so that an inner listener can pass on what it hears."""
    return _listener.get()


@contextmanager
def listening(listener: Listener | None) -> Iterator[None]:
    """Everything said inside reaches `listener`; an inner listener takes over from an outer one."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def bars(*, quiet: bool = False) -> Iterator[Listener]:
    """Bars on stderr, one line a stage; plain lines instead when stderr is not a terminal."""
    if quiet:
        yield lambda step: None
        return
    if not sys.stderr.isatty():
        yield _plain_lines()
        return
    columns = (
        TextColumn("[bold]{task.description:<9}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with RichProgress(*columns, console=Console(stderr=True)) as rich:
        rows: dict[str, int] = {}

        def listen(step: Step) -> None:
            if step.stage not in rows:
                rows[step.stage] = rich.add_task(step.stage, total=step.total or None, note=step.note)
            rich.update(
                rows[step.stage],  # type: ignore[arg-type]
                completed=step.done,
                total=step.total or None,
                note=step.note,
            )

        yield listen


def _plain_lines() -> Listener:
    """A listener for logs: the first and last word of a stage, and each tenth in between, with the time left."""
    said: dict[str, int] = {}
    begun: dict[str, tuple[float, int]] = {}

    def listen(step: Step) -> None:
        since, first = begun.setdefault(step.stage, (clock.stopwatch(), step.done))
        tenth = 10 * step.done // step.total if step.total else step.done
        if said.get(step.stage) == tenth:
            return
        said[step.stage] = tenth
        of = f"{step.done}/{step.total}" if step.total else str(step.done)
        left = left_of(clock.stopwatch() - since, step.done - first, step.total - step.done)
        sys.stderr.write(f"{step.stage:<9} {of:>9}  {step.note}{left}\n")
        sys.stderr.flush()

    return listen


_WORTH_SAYING_S = 10.0


def left_of(seconds: float, done: int, to_do: int) -> str:
    """How long the rest takes if it goes on like this, in words; nothing where a guess would be idle."""
    if done <= 0 or to_do <= 0 or (left := seconds / done * to_do) < _WORTH_SAYING_S:
        return ""
    return f"  (about {left:.0f} s left)" if left < 100 else f"  (about {left / 60:.0f} min left)"


class Stopwatch:
    """A listener that passes everything on and remembers how long each stage was spoken of, in seconds."""

    def __init__(self, inner: Listener | None) -> None:
        self._inner = inner
        self._stage, self._since = "", clock.stopwatch()
        self.seconds: dict[str, float] = {}

    def __call__(self, step: Step) -> None:
        self._lap(step.stage)
        if self._inner is not None:
            self._inner(step)

    def _lap(self, stage: str) -> None:
        now = clock.stopwatch()
        if self._stage:
            self.seconds[self._stage] = round(self.seconds.get(self._stage, 0.0) + now - self._since, 2)
        self._stage, self._since = stage, now

    def stop(self) -> dict[str, float]:
        """Seconds per stage, the last one closed now."""
        self._lap("")
        return self.seconds
